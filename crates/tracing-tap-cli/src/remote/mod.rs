//! Clients of a service: of its HTTP endpoint, and of a fleet.
//!
//! `target` finds the URL and the secrets, in arguments, the environment or a `profile`; `token` reads a token; `tls` has
//! the certificates to trust; `client` sends requests, `body` reads answers, `answer` refusals; `endpoint` has a method for
//! each request; `events` reads a stream. `fleet` connects to a fleet, which `watch` can read too; `pause` is how long to wait before
//! another attempt at either.

mod answer;
mod body;
mod client;
mod endpoint;
mod events;
mod fleet;
mod pause;
mod profile;
#[cfg(test)]
mod profile_text;
mod target;
mod tls;
mod token;
mod url;

pub(crate) use client::Client;
pub(crate) use endpoint::{Coverage, CpuAnswer, CpuRequest, Endpoint, Seen, SessionInfo, SessionRequest, Streamed};
pub(crate) use events::{Message, Parser};
pub(crate) use fleet::{Fleet, FleetAccess};
pub(crate) use pause::pause_after;
pub(crate) use target::{Access, Destination};
pub(crate) use token::warn_if_others_can_read;
