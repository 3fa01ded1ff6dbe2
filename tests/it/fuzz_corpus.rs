//! The fuzz targets' seeds, and what fuzzing has found that reaches more code than they do, replayed without `cargo fuzz`.
//!
//! `TRACING_TAP_WRITE_CORPUS=1` writes those of `predicate_matches` again from the cases in `fuzz_corpus/seeds.rs`.

mod recording;
mod rendering;
mod seeds;
mod text;
mod wire;

use crate::oracle::fuzzed::{self, Case};
use arbitrary::{Arbitrary, Unstructured};
use seeds::{encode, seeds};
use std::path::PathBuf;
use testing::corpus::{corpora, replay};

isolated! {
    fn every_file_of_the_corpus_agrees_with_the_oracle() {
        replay("predicate_matches", 200, fuzzed::check);
    }

    fn every_file_of_the_corpus_is_vetoed_as_the_oracle_says() {
        replay("predicate_matches", 200, fuzzed::check_vetoes);
    }

    fn every_item_of_the_corpus_shows_nothing_hidden() {
        replay("rendering", 200, rendering::check);
    }

    fn every_item_of_the_corpus_reads_back_from_yaml() {
        replay("rendering", 200, rendering::check_with_yaml);
    }

    fn the_corpus_holds_what_its_cases_encode_to() {
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
fn every_text_of_the_corpus_reads_as_it_is_printed() {
    replay("predicate_text", 100, text::check);
}

#[test]
fn every_expression_of_the_corpus_reads_as_it_is_printed() {
    replay("predicate_regex", 50, text::check_expressions);
}

#[test]
fn every_line_of_the_corpus_that_is_read_is_written_the_same() {
    replay("wire", 150, wire::check);
}

#[test]
fn every_recording_of_the_corpus_is_filtered_without_a_miss() {
    replay("recording", 20, recording::check);
}

fn corpus() -> PathBuf {
    corpora().join("predicate_matches")
}
