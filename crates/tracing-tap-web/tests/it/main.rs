//! The tests of the HTTP endpoint and its page, over real sockets and in a real browser.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[macro_use]
extern crate testing;

mod browser;
mod corpus;
mod endpoint;
mod examples;
mod faults;
mod fixture;
mod hostile;

#[global_allocator]
static ALLOCATOR: testing::measure::Counting = testing::measure::Counting;
