//! Counting, telling and looking under `loom`.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

/// One that has counted and told before: `loom` takes what an atomic was made with for no part of the one order of
/// `SeqCst`.
fn withholder() -> Arc<Withholder> {
    let withholder = Withholder::new();
    assert!(withholder.count(Withholding::Rate));
    withholder.set_due();
    assert!(withholder.take_due().is_some());
    Arc::new(withholder)
}

#[test]
fn loom_a_count_is_seen_or_word_of_it_is_left() {
    try_all(|| {
        let withholder = withholder();
        // Word was left of one more, and the second is over: the reader looks.
        assert!(withholder.count(Withholding::Rate));
        withholder.set_due();
        let counting = {
            let withholder = Arc::clone(&withholder);
            thread::spawn(move || withholder.count(Withholding::Rate))
        };
        let seen = withholder.take_due().map(|withheld| withheld[MissingReason::RateLimited]);
        let word_is_left = counting.join().unwrap();
        assert!(seen == Some(3) || word_is_left, "the reader saw {seen:?} of 3, and nobody will tell it of more");
    });
}

#[test]
fn loom_of_two_that_count_at_once_one_leaves_word() {
    try_all(|| {
        let withholder = withholder();
        let counting = {
            let withholder = Arc::clone(&withholder);
            thread::spawn(move || withholder.count(Withholding::Sampling))
        };
        let here = withholder.count(Withholding::Rate);
        let there = counting.join().unwrap();
        assert!(here != there, "{here}, {there}");
    });
}
