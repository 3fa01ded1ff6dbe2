//! As `predicate_text`, for texts with regular expressions: each is compiled, in bounded time and memory, or refused.
//!
//! `cargo +nightly fuzz run predicate_regex <somewhere> fuzz/corpus/predicate_regex -- -dict=fuzz/predicate_text.dict`: what
//! is new goes to the first directory. `tests/it/fuzz_corpus.rs` replays the corpus on stable.

#![no_main]
#![expect(dead_code, reason = "another target checks texts without regular expressions")]

#[path = "../../tests/it/fuzz_corpus/text.rs"]
mod text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| text::check_expressions(bytes));
