//! Requests to the HTTP endpoint from arbitrary bytes: it never panics, and leaves nothing open.
//!
//! `cargo +nightly fuzz run door <somewhere> fuzz/corpus/door -- -dict=fuzz/door.dict -timeout=60`: what is new goes to
//! the first directory. The corpus is replayed on stable by `crates/tracing-tap-web/tests/it/corpus.rs`.

#![no_main]

#[path = "../../crates/tracing-tap-web/tests/it/corpus/requests.rs"]
mod door;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| door::check(bytes));
