//! Hostile clients, beyond what the door's own tests try: nobody gets in who has no token, and whatever they do no producer
//! and no other reader is held up.
#![cfg(feature = "web")]
#![expect(clippy::unwrap_used, reason = "a test may")]

#[macro_use]
mod support;

#[expect(dead_code, reason = "the door's own tests use the rest")]
#[path = "web/client.rs"]
mod client;
#[expect(dead_code, reason = "the door's own tests use the rest")]
#[path = "web/fixture.rs"]
mod fixture;

#[path = "hostile/bystander.rs"]
mod bystander;
#[path = "hostile/connections.rs"]
mod connections;
#[path = "hostile/heads.rs"]
mod heads;
#[path = "hostile/texts.rs"]
mod texts;
