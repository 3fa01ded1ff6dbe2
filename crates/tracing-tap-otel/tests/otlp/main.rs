//! Sessions forwarded to a receiver that reads the official protobuf types.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[macro_use]
extern crate testing;

mod forwarding;
mod receiver;
mod records;
mod settings;
