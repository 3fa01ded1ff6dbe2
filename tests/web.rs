//! The HTTP door over real sockets: with `curl`, with a client of server-sent events, and with hostile bytes.
#![cfg(feature = "web")]

#[macro_use]
#[path = "support/mod.rs"]
mod support;

#[path = "web/client.rs"]
mod client;
#[path = "web/fixture.rs"]
mod fixture;
#[path = "web/watching.rs"]
mod watching;
#[path = "web/keeping.rs"]
mod keeping;
#[path = "web/mounting.rs"]
mod mounting;
#[path = "web/refusing.rs"]
mod refusing;
#[path = "web/events.rs"]
mod events;
#[path = "web/half_closed.rs"]
mod half_closed;
#[path = "web/shutdown.rs"]
mod shutdown;
#[path = "web/page.rs"]
mod page;
#[path = "web/pressing.rs"]
mod pressing;
