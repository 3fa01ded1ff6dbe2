//! The text of a predicate without regular expressions from arbitrary bytes: reading never fails badly, and what is printed is
//! read as it was.
//!
//! `cargo +nightly fuzz run predicate_text <somewhere> fuzz/corpus/predicate_text -- -dict=fuzz/predicate_text.dict`:
//! what is new goes to the first directory. `tests/it/fuzz_corpus.rs` replays the corpus on stable.

#![no_main]
#![expect(dead_code, reason = "another target checks regular expressions")]

#[path = "../../tests/it/fuzz_corpus/text.rs"]
mod text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| text::check(bytes));
