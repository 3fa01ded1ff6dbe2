//! A predicate and an event from arbitrary bytes: `is_match` and what is delivered agree with the slow evaluator.
//!
//! `cargo +nightly fuzz run predicate_matches <somewhere> fuzz/corpus/predicate_matches`: what is new goes to the first
//! directory. The corpus is replayed on stable by `tests/fuzz_corpus.rs`.

#![no_main]
#![expect(dead_code, reason = "the histories use more of the shared modules")]

#[path = "../../tests/oracle/callsites.rs"]
mod callsites;
#[path = "../../tests/oracle/described.rs"]
mod described;
#[path = "../../tests/oracle/evaluator.rs"]
mod evaluator;
#[path = "../../tests/oracle/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::check(bytes));
