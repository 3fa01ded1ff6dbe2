//! As `predicate_matches`, where nobody else wants anything: what cannot match is vetoed, and what matches is delivered.
//!
//! `cargo +nightly fuzz run predicate_vetoes <somewhere> fuzz/corpus/predicate_matches`: it shares that corpus. What is new
//! goes to the first directory. `tests/it/fuzz_corpus.rs` replays the corpus on stable.

#![no_main]
#![expect(dead_code, reason = "the histories use more of the shared modules")]

#[path = "../../tests/it/oracle"]
mod oracle {
    pub(crate) mod callsites;
    pub(crate) mod described;
    pub(crate) mod evaluator;
    pub(crate) mod fuzzed;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::fuzzed::check_vetoes(bytes));
