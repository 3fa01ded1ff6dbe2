//! A predicate and an event from arbitrary bytes: `is_match` and what is delivered agree with the slow evaluator.
//!
//! `cargo +nightly fuzz run predicate_matches <somewhere> fuzz/corpus/predicate_matches`: what is new goes to the first
//! directory. `tests/it/fuzz_corpus.rs` replays the corpus on stable.

#![no_main]
#![expect(dead_code, reason = "the histories use more of the shared modules")]

#[path = "../../tests/it/oracle"]
mod oracle {
    pub(crate) mod callsites;
    pub(crate) mod described;
    pub(crate) mod evaluator;
    pub(crate) mod fuzzed;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::fuzzed::check(bytes));
