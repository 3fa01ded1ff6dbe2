//! A service's door as the subcommands see it, over HTTP, and a fleet.
//!
//! `target` finds out where it is and what to bring, from arguments, the environment or a `profile`, whose `token` is
//! kept with it; `tls` says whom to trust; `client` sends requests, `answer` understands refusals; `door` has a call for
//! each endpoint; `events` reads a stream. `fleet` is what `watch` may watch in place of a door;
//! `pause` is how long to wait before trying again at either.

mod answer;
mod client;
mod door;
mod events;
mod fleet;
mod pause;
mod profile;
mod target;
mod tls;
mod token;

pub(crate) use client::Client;
pub(crate) use door::{Ask, Coverage, Endpoint, Seen, SessionOptions, Streamed};
pub(crate) use events::{Message, Parser};
pub(crate) use fleet::{Fleet, FleetAccess};
pub(crate) use pause::pause_after;
pub(crate) use target::{Access, Place};
