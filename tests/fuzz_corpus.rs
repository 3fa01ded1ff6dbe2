//! The fuzz targets' seeds, replayed without `cargo fuzz`.
//!
//! `TRACING_TAP_WRITE_CORPUS=1` writes those of `predicate_matches` anew from the cases in `fuzz_corpus/seeds.rs`.

#[path = "oracle/callsites.rs"]
mod callsites;
#[path = "oracle/described.rs"]
mod described;
#[path = "oracle/evaluator.rs"]
mod evaluator;
#[path = "oracle/fuzzed.rs"]
mod fuzzed;
#[path = "fuzz_corpus/seeds.rs"]
mod seeds;
mod support;
#[path = "fuzz_corpus/text.rs"]
mod text;

use arbitrary::{Arbitrary, Unstructured};
use fuzzed::Case;
use seeds::{encode, seeds};
use std::path::PathBuf;

isolated! {
    fn every_file_of_the_corpus_agrees_with_the_oracle() {
        for file in std::fs::read_dir(corpus()).expect("the corpus is committed") {
            let file = file.expect("the corpus is readable").path();
            let bytes = std::fs::read(&file).expect("the corpus is readable");
            println!("{}", file.display());
            fuzzed::check(&bytes);
        }
    }

    fn the_corpus_holds_what_its_cases_encode_to_and_they_are_decoded_as_they_were() {
        for (name, case) in seeds() {
            let (file, bytes) = (corpus().join(name), encode(&case));
            if std::env::var_os("TRACING_TAP_WRITE_CORPUS").is_some() {
                std::fs::write(&file, &bytes).expect("the corpus can be written");
            }
            let decoded = Case::arbitrary(&mut Unstructured::new(&bytes)).expect("it is a case");
            assert_eq!(format!("{decoded:?}"), format!("{case:?}"));
            assert_eq!(std::fs::read(&file).expect("the corpus is complete"), bytes, "{name}");
        }
    }
}

#[test]
fn every_text_of_the_corpus_that_is_read_is_printed_as_what_reads_the_same() {
    let files = std::fs::read_dir(corpora().join("predicate_text")).expect("the corpus is committed");
    let files: Vec<_> = files.map(|file| file.expect("the corpus is readable").path()).collect();
    assert!(files.len() >= 12, "the corpus is complete");
    for file in files {
        println!("{}", file.display());
        text::check(&std::fs::read(&file).expect("the corpus is readable"));
    }
}

fn corpus() -> PathBuf {
    corpora().join("predicate_matches")
}

fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}
