//! A recording from arbitrary bytes, filtered by the predicate that is its first line: nothing that matches is ruled out.
//!
//! `cargo +nightly fuzz run recording <somewhere> fuzz/corpus/recording -- -dict=fuzz/rendering.dict`: what is new goes to the
//! first directory. `tests/it/fuzz_corpus.rs` replays the corpus on stable.

#![no_main]

#[path = "../../tests/it/fuzz_corpus/recording.rs"]
mod recording;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recording::check(bytes));
