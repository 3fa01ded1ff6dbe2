//! Counting, telling and looking under `loom`.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

/// One that has counted and notified before: `loom` takes what an atomic was made with for no part of the one order of
/// `SeqCst`.
fn kept_back(by: KeptBackBy) -> Arc<KeptBackCounts> {
    let kept_back = KeptBackCounts::new();
    assert!(kept_back.count(by));
    kept_back.set_due();
    assert!(kept_back.take_due().is_some());
    Arc::new(kept_back)
}

#[test]
fn loom_a_count_is_seen_or_notified() {
    for (by, reason) in [(KeptBackBy::Rate, MissingReason::RateLimited), (KeptBackBy::Bound, MissingReason::Undecided)]
    {
        try_all(move || {
            let kept_back = kept_back(by);
            // Word was left of one more, and the second is over: the reader looks.
            assert!(kept_back.count(by));
            kept_back.set_due();
            let counting = {
                let kept_back = Arc::clone(&kept_back);
                thread::spawn(move || kept_back.count(by))
            };
            let seen = kept_back.take_due().map(|counts| counts[reason]);
            let is_notified = counting.join().unwrap();
            assert!(seen == Some(3) || is_notified, "the reader saw {seen:?} of 3, and will not be notified of more");
        });
    }
}

#[test]
fn loom_of_two_concurrent_counts_one_notifies() {
    try_all(|| {
        let kept_back = kept_back(KeptBackBy::Rate);
        let counting = {
            let kept_back = Arc::clone(&kept_back);
            thread::spawn(move || kept_back.count(KeptBackBy::Sampling))
        };
        let here = kept_back.count(KeptBackBy::Rate);
        let there = counting.join().unwrap();
        assert!(here != there, "{here}, {there}");
    });
}

/// As `SessionStats` count: first those that are left out, then those that are held.
#[test]
fn loom_an_event_not_chosen_is_not_counted_as_held() {
    try_all(|| {
        let shared = Arc::new((KeptBackCounts::new(), AtomicU64::new(1)));
        let leaving_out = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (kept_back, held) = &*shared;
                held.fetch_sub(1, Relaxed);
                kept_back.count_unreleased(KeptBackBy::Outcome, 1);
            })
        };
        let (kept_back, held) = &*shared;
        let left_out = kept_back.totals()[MissingReason::NotChosen];
        assert!(left_out + held.load(Relaxed) <= 1, "it is counted twice");
        leaving_out.join().unwrap();
    });
}
