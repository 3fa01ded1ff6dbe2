//! As `rendering`, for what people are shown: two parsers of YAML read it as it was.
//!
//! `cargo +nightly fuzz run rendering_yaml <somewhere> fuzz/corpus/rendering -- -dict=fuzz/rendering.dict`: what is new goes to the
//! first directory. `tests/it/fuzz_corpus.rs` replays the corpus on stable.

#![no_main]
#![expect(dead_code, reason = "the histories and another target use more of the shared modules")]

#[path = "../../tests/it/oracle"]
mod oracle {
    pub(crate) mod callsites;
    pub(crate) mod described;
    pub(crate) mod evaluator;
    pub(crate) mod fuzzed;
}
#[path = "../../tests/it/fuzz_corpus/rendering.rs"]
mod rendering;
#[path = "../../src/wire/tests/unique.rs"]
mod unique;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rendering::check_with_yaml(bytes));
