//! The events that a session leaves out: counted by producers, announced to the reader at most once a second.
//!
//! # The protocol
//! | producer | control thread | reader |
//! |---|---|---|
//! | 1. counts | | 1. takes `due` |
//! | 2. if not `pending`: sets it, notifies the control thread | after a second: sets `due`, wakes the reader | 2. clears `pending` |
//! | | | 3. reads the counts |
//!
//! A producer that finds `pending` set counts on the reader's looking later. So its count and its look at `pending`,
//! and the reader's clearing and reading, are sequentially consistent: each side writes one thing and then reads the
//! other's. Either the producer sees that it is not pending any more, or the reader sees the count.

use crate::missing::{MissingCounts, MissingReason};
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crossbeam_utils::CachePadded;

/// What leaves an event out: a limit, or the outcome of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeptBackBy {
    Rate,
    Sampling,
    /// A bound or the end of the session came before the outcome of its request.
    Bound,
    /// Its request has ended without the outcome that the session wants.
    Outcome,
}

/// The counts of one session, and the state of their announcement.
#[derive(Debug)]
pub(crate) struct KeptBackCounts {
    by_rate: CachePadded<AtomicU64>,
    by_sampling: CachePadded<AtomicU64>,
    by_bound: CachePadded<AtomicU64>,
    by_outcome: CachePadded<AtomicU64>,
    /// The control thread was notified, and the reader has not looked since.
    pending: AtomicBool,
    /// The reader must look.
    due: AtomicBool,
    /// The totals announced to the reader at the end. Written by the reader alone.
    final_by_rate: AtomicU64,
    final_by_sampling: AtomicU64,
    final_by_bound: AtomicU64,
    final_by_outcome: AtomicU64,
}

impl KeptBackCounts {
    pub(crate) fn new() -> Self {
        Self {
            by_rate: CachePadded::default(),
            by_sampling: CachePadded::default(),
            by_bound: CachePadded::default(),
            by_outcome: CachePadded::default(),
            pending: AtomicBool::new(false),
            due: AtomicBool::new(false),
            final_by_rate: AtomicU64::new(u64::MAX),
            final_by_sampling: AtomicU64::new(u64::MAX),
            final_by_bound: AtomicU64::new(u64::MAX),
            final_by_outcome: AtomicU64::new(u64::MAX),
        }
    }

    /// Counts an event. Returns whether the caller must notify the control thread.
    pub(crate) fn count(&self, reason: KeptBackBy) -> bool {
        let counter = match reason {
            KeptBackBy::Rate => &self.by_rate,
            KeptBackBy::Sampling => &self.by_sampling,
            KeptBackBy::Bound | KeptBackBy::Outcome => return self.count_unreleased(reason, 1),
        };
        // SeqCst, as the protocol says; on x86 no more than any other count. Fails otherwise:
        // `loom_a_count_is_seen_or_notified`. The load spares the write that would make every producer wait for
        // the line.
        counter.fetch_add(1, SeqCst);
        !self.pending.load(SeqCst) && !self.pending.swap(true, SeqCst)
    }

    /// Counts events whose request is not released. Returns whether the caller must notify the control thread: not for those
    /// that are as the opener wished, which are announced at the end.
    #[cold]
    pub(crate) fn count_unreleased(&self, reason: KeptBackBy, events: u64) -> bool {
        if reason == KeptBackBy::Outcome {
            // No part of the protocol, since nobody is notified. Release pairs with the Acquire in `totals`: a thread that counts
            // them here does not count them as held. Fails otherwise: `loom_an_event_not_chosen_is_not_counted_as_held`.
            self.by_outcome.fetch_add(events, Release);
            return false;
        }
        // SeqCst: as in `count`.
        self.by_bound.fetch_add(events, SeqCst);
        !self.pending.load(SeqCst) && !self.pending.swap(true, SeqCst)
    }

    /// Called a second after the notification: makes the reader look. Wake it afterwards.
    pub(crate) fn set_due(&self) {
        // Relaxed: it guards nothing, the counts are ordered by `pending`; the wake orders it before the look.
        self.due.store(true, Relaxed);
    }

    /// Whether the reader must look.
    pub(crate) fn is_due(&self) -> bool {
        // Relaxed: seen late, the reader looks late; what wakes it orders it.
        self.due.load(Relaxed)
    }

    /// The counts so far, if the reader must look. Later events notify the control thread again.
    pub(crate) fn take_due(&self) -> Option<MissingCounts> {
        // `due` first: it is not set again before `pending` is.
        if !self.is_due() || !self.due.swap(false, Relaxed) {
            return None;
        }
        self.pending.swap(false, SeqCst);
        let mut counted = self.totals();
        counted[MissingReason::NotChosen] = 0;
        Some(counted)
    }

    /// The counts at the end. Events kept back concurrently or later do not count.
    pub(crate) fn close(&self) -> MissingCounts {
        let counted = self.totals();
        // Relaxed: written by the reader alone; other threads may see them late.
        self.final_by_rate.store(counted[MissingReason::RateLimited], Relaxed);
        self.final_by_sampling.store(counted[MissingReason::SampledOut], Relaxed);
        self.final_by_bound.store(counted[MissingReason::Undecided], Relaxed);
        self.final_by_outcome.store(counted[MissingReason::NotChosen], Relaxed);
        counted
    }

    /// The counts so far.
    pub(crate) fn totals(&self) -> MissingCounts {
        // The counts are read SeqCst, as the protocol says, but for the one that is no part of it: see `count_unreleased`.
        let mut counts = MissingCounts::default();
        counts[MissingReason::RateLimited] = self.by_rate.load(SeqCst).min(self.final_by_rate.load(Relaxed));
        counts[MissingReason::SampledOut] = self.by_sampling.load(SeqCst).min(self.final_by_sampling.load(Relaxed));
        counts[MissingReason::Undecided] = self.by_bound.load(SeqCst).min(self.final_by_bound.load(Relaxed));
        counts[MissingReason::NotChosen] = self.by_outcome.load(Acquire).min(self.final_by_outcome.load(Relaxed));
        counts
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/kept_back.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::missing::Missing;
    use crate::sync::tries;
    use std::hint;
    use std::thread;
    use std::time::{Duration, Instant};

    fn counts(by_rate: u64, by_sampling: u64) -> MissingCounts {
        let by_rate = Missing::new(by_rate, MissingReason::RateLimited);
        [by_rate, Missing::new(by_sampling, MissingReason::SampledOut)].into_iter().collect()
    }

    #[test]
    fn one_notification_until_the_reader_looks() {
        let kept_back = KeptBackCounts::new();
        assert!(kept_back.count(KeptBackBy::Rate));
        assert!(!kept_back.count(KeptBackBy::Sampling));
        assert_eq!(kept_back.take_due(), None);
        kept_back.set_due();
        assert_eq!(kept_back.take_due(), Some(counts(1, 1)));
        assert_eq!(kept_back.take_due(), None);
        assert!(kept_back.count(KeptBackBy::Sampling));
    }

    #[test]
    fn what_was_not_chosen_is_told_at_the_end_alone() {
        let kept_back = KeptBackCounts::new();
        assert!(!kept_back.count_unreleased(KeptBackBy::Outcome, 7));
        assert!(kept_back.count_unreleased(KeptBackBy::Bound, 1));
        assert!(!kept_back.count_unreleased(KeptBackBy::Bound, 1), "one notification until the reader looks");
        kept_back.set_due();
        let told = kept_back.take_due().unwrap();
        assert_eq!((told[MissingReason::Undecided], told[MissingReason::NotChosen]), (2, 0));
        assert_eq!((kept_back.totals()[MissingReason::NotChosen], kept_back.close()[MissingReason::NotChosen]), (7, 7));
        kept_back.count_unreleased(KeptBackBy::Outcome, 1);
        assert_eq!(kept_back.totals()[MissingReason::NotChosen], 7);
    }

    #[test]
    fn counts_after_the_end_are_not_of_the_session() {
        let kept_back = KeptBackCounts::new();
        kept_back.count(KeptBackBy::Rate);
        let ended = kept_back.close();
        kept_back.count(KeptBackBy::Rate);
        kept_back.count(KeptBackBy::Sampling);
        assert_eq!((kept_back.totals(), kept_back.close(), kept_back.totals()), (ended, ended, ended));
        assert_eq!(ended, counts(1, 0));
    }

    /// Once both are done with a round, the reader has seen the count, or will be notified.
    #[test]
    fn no_count_is_forgotten_between_producer_and_reader() {
        const ROUNDS: u64 = tries(50_000);
        let kept_back = KeptBackCounts::new();
        let [begun, counted] = [const { AtomicU64::new(0) }; 2];
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    spin_until(&begun, round);
                    kept_back.count(KeptBackBy::Rate);
                    counted.store(round, Release);
                }
            });
            let mut seen = 0;
            for round in 1..=ROUNDS {
                kept_back.set_due();
                begun.store(round, Release);
                // The producer is some nanoseconds late; meet it at a different point each round.
                (0..round % 64).for_each(|_| hint::spin_loop());
                seen = kept_back.take_due().map_or(seen, |counts| counts[MissingReason::RateLimited]);
                spin_until(&counted, round);
                assert!(seen == round || kept_back.pending.load(SeqCst), "forgotten in round {round}");
            }
        });
    }

    /// Spins until the number is there; gives the processor away now and then, since the other thread may need it.
    fn spin_until(place: &AtomicU64, number: u64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !(0..1_000).any(|_| place.load(Acquire) >= number) {
            assert!(Instant::now() < deadline, "the other thread does not answer");
            thread::yield_now();
        }
    }
}
