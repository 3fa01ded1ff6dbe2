//! An item from arbitrary bytes, in every form: JSON and YAML read back, and nothing that a terminal obeys gets through.
//!
//! `cargo +nightly fuzz run rendering <somewhere> fuzz/corpus/rendering -- -dict=fuzz/rendering.dict`: what is new goes
//! to the first directory. The corpus is replayed on stable by `tests/fuzz_corpus.rs`.

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
#[path = "../../tests/fuzz_corpus/rendering.rs"]
mod rendering;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rendering::check(bytes));
