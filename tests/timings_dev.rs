//! The tests of timings.
#![expect(clippy::unwrap_used, reason = "a test may")]
#[macro_use]
extern crate testing;
#[path = "it/timings/mod.rs"]
mod timings;
