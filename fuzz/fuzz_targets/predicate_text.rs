//! The text of a predicate from arbitrary bytes: reading never fails badly, and what is printed is read as it was.
//!
//! `cargo +nightly fuzz run predicate_text <somewhere> fuzz/corpus/predicate_text -- -dict=fuzz/predicate_text.dict`:
//! what is new goes to the first directory. The corpus is replayed on stable by `tests/fuzz_corpus.rs`.

#![no_main]

#[path = "../../tests/it/fuzz_corpus/text.rs"]
mod text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| text::check(bytes));
