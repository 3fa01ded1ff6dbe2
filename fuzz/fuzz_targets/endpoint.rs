//! Requests to the HTTP endpoint from arbitrary bytes: it never panics, and leaves nothing open.
//!
//! `cargo +nightly fuzz run endpoint <somewhere> fuzz/corpus/endpoint -- -dict=fuzz/endpoint.dict -timeout=60`: what is new
//! goes to the first directory. `crates/tracing-tap-web/tests/it/corpus.rs` replays the corpus on stable.

#![no_main]

#[path = "../../crates/tracing-tap-web/tests/it/corpus/requests.rs"]
mod requests;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| requests::check(bytes));
