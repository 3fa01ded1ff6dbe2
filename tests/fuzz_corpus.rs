//! The fuzz targets' seeds, and what fuzzing has found that reaches more code than they do, replayed without `cargo fuzz`.
//!
//! `TRACING_TAP_WRITE_CORPUS=1` writes those of `predicate_matches` anew from the cases in `fuzz_corpus/seeds.rs`.

#[path = "oracle/callsites.rs"]
mod callsites;
#[path = "oracle/described.rs"]
mod described;
#[cfg(feature = "web")]
#[path = "fuzz_corpus/door.rs"]
mod door;
#[expect(dead_code, reason = "the histories use more of it")]
#[path = "oracle/evaluator.rs"]
mod evaluator;
#[path = "oracle/fuzzed.rs"]
mod fuzzed;
#[path = "fuzz_corpus/rendering.rs"]
mod rendering;
#[path = "fuzz_corpus/seeds.rs"]
mod seeds;
mod support;
#[path = "fuzz_corpus/text.rs"]
mod text;

use arbitrary::{Arbitrary, Unstructured};
use fuzzed::Case;
use seeds::{encode, seeds};
use std::path::{Path, PathBuf};

/// No input takes more memory than this, with all that the process has besides.
const MAX_KIBIBYTES: usize = 256 << 10;

isolated! {
    fn every_file_of_the_corpus_agrees_with_the_oracle() {
        replay("predicate_matches", 20, fuzzed::check);
    }

    fn every_item_of_the_corpus_reads_back_from_json_and_yaml_and_shows_nothing_hidden() {
        replay("rendering", 18, rendering::check);
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

#[cfg(feature = "web")]
isolated! {
    fn every_request_of_the_corpus_is_answered_or_closed_and_leaves_no_session_open() {
        replay("door", 16, door::check);
    }
}

#[test]
fn every_text_of_the_corpus_that_is_read_is_printed_as_what_reads_the_same() {
    replay("predicate_text", 16, text::check);
}

/// Has each file of a corpus checked, for a bounded time and with bounded memory.
#[track_caller]
fn replay(target: &'static str, at_least: usize, check: fn(&[u8])) {
    let (seeds, found) = (files_in(&corpora().join(target)), files_in(&corpora().join(target).join("found")));
    assert!(seeds.len() >= at_least && found.len() > 100, "the corpus is complete");
    for file in seeds.into_iter().chain(found) {
        println!("{}", file.display());
        let bytes = std::fs::read(&file).expect("the corpus is readable");
        support::bounded("what is checked", move || check(&bytes));
    }
    assert!(peak_kibibytes().is_none_or(|peak| peak < MAX_KIBIBYTES), "{:?} KiB were in use", peak_kibibytes());
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("the corpus is committed");
    files.map(|file| file.expect("the corpus is readable").path()).filter(|path| path.is_file()).collect()
}

/// The most memory that this process ever had in use, where the system tells.
fn peak_kibibytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn corpus() -> PathBuf {
    corpora().join("predicate_matches")
}

fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}
