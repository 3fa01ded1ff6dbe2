//! Requests to the HTTP door from arbitrary bytes: it never panics, and leaves nothing open.
//!
//! `cargo +nightly fuzz run door <somewhere> fuzz/corpus/door -- -dict=fuzz/door.dict -timeout=60`: what is new goes to
//! the first directory. The corpus is replayed on stable by `tests/fuzz_corpus.rs`.

#![no_main]

#[path = "../../tests/fuzz_corpus/door.rs"]
mod door;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| door::check(bytes));
