//! A line of the wire form from arbitrary bytes: what is read is written as what reads the same.
//!
//! `cargo +nightly fuzz run wire <somewhere> fuzz/corpus/wire -- -dict=fuzz/rendering.dict`: what is new goes to the first
//! directory. `tests/it/fuzz_corpus.rs` replays the corpus on stable.

#![no_main]

#[path = "../../src/wire/tests/unique.rs"]
mod unique;
#[path = "../../tests/it/fuzz_corpus/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wire::check(bytes));
