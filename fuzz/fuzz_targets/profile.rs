//! The file of profiles of the command line from arbitrary bytes: it is read, or refused with a place.
//!
//! `cargo +nightly fuzz run profile <somewhere> fuzz/corpus/profile -- -dict=fuzz/profile.dict`: what is new goes to the first
//! directory. The unit tests of `tracing-tap-cli` replay the corpus on stable.

#![no_main]
#![expect(dead_code, reason = "the command line uses more of the shared modules")]

#[path = "../../crates/tracing-tap-cli/src/error.rs"]
mod error;
#[path = "../../crates/tracing-tap-cli/src/remote/profile.rs"]
mod profile;
#[path = "../../crates/tracing-tap-cli/src/remote/profile_text.rs"]
mod profile_text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| profile_text::check(bytes));
