//! How long a span was entered, by `fmt`'s account: while any thread is in it, it is busy.
//!
//! # The protocol
//! Enters and exits are counted in one word. Who enters a span that nobody is in owns the other numbers until it has left:
//! nobody else writes them before the word has gone back to 0, which its own exit is needed for. So an enter and an exit are
//! one atomic step each, beside plain loads and stores. The last to leave writes when that was, before it leaves; the next
//! one to enter adds it up.

use crate::event::Busy;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The times of one span. Used for one span after the other.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The number of the span; 0: none, [`STARTING`]: a thread is writing the rest.
    of: AtomicU64,
    /// For whom they are kept: enters and exits are seen while this keeper has sessions.
    keeper: AtomicU64,
    /// How many times threads are in the span at present, and above [`POLL`], how often they have entered it.
    entered: AtomicU64,
    /// When they were begun.
    from: AtomicU64,
    /// When the span was entered and left last, by nobody inside and to nobody inside.
    start: AtomicU64,
    stop: AtomicU64,
    /// The sum of what was between the two before.
    busy: AtomicU64,
    /// Whether they were begun when the span was created.
    is_whole: AtomicBool,
}

/// One enter in the upper part of the word. No more threads are in a span at once, nor one thread as often.
const POLL: u64 = 1 << 24;
const INSIDE: u64 = POLL - 1;

const STARTING: u64 = u64::MAX;

/// Where a timed span stands: its number, and for whom it is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimedSpan {
    pub(super) number: u64,
    pub(super) keeper: u64,
}

impl Times {
    /// Whether these are the times of that span.
    #[inline]
    pub(super) fn are_of(&self, span: TimedSpan) -> bool {
        // Acquire pairs with the Release in `begin`: who finds the keeper of those that are being begun does not find the number
        // that was there before. Fails otherwise: `loom_two_threads_that_restart_times_both_count`.
        self.keeper.load(Ordering::Acquire) == span.keeper
            // Acquire pairs with the Release in `begin`: who finds the number finds what was written before it. Fails
            // otherwise: `loom_times_of_one_span_are_not_taken_for_another_s`.
            && self.of.load(Ordering::Acquire) == span.number
    }

    /// Begins with a span, unless another thread does at the same time. Returns whether they are its times.
    pub(super) fn begin(&self, span: TimedSpan, now: u64, is_whole: bool) -> bool {
        // Another thread has begun them. Going on would hide them from other threads for a moment.
        if self.are_of(span) {
            return true;
        }
        // Relaxed: only compared.
        let before = self.of.load(Ordering::Relaxed);
        // Acquire pairs with the Release below: what is stored here comes after what was stored for the span before. No model
        // fails otherwise, since `loom` has all changes of one word in the order in which it runs them.
        if before == STARTING
            || self.of.compare_exchange(before, STARTING, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return false;
        }
        // If another thread has begun them since the look above, it may have entered, and a reset would lose that. Fails
        // otherwise: `loom_two_threads_that_begin_times_both_count`.
        if before != span.number || self.keeper.load(Ordering::Relaxed) != span.keeper {
            // Release: as in `are_of`.
            self.keeper.store(span.keeper, Ordering::Release);
            // Relaxed: the number below publishes them.
            self.entered.store(0, Ordering::Relaxed);
            for moment in [&self.from, &self.start, &self.stop] {
                moment.store(now, Ordering::Relaxed);
            }
            self.busy.store(0, Ordering::Relaxed);
            self.is_whole.store(is_whole, Ordering::Relaxed);
        }
        self.of.store(span.number, Ordering::Release);
        true
    }

    /// Counts an enter. The clock is read if nobody was inside.
    #[inline]
    pub(super) fn enter(&self, now: impl FnOnce() -> u64) {
        // Acquire pairs with the Release of the exits: what the last one inside wrote is there.
        if self.entered.fetch_add(POLL + 1, Ordering::Acquire) & INSIDE != 0 {
            return;
        }
        let last = self.stop.load(Ordering::Relaxed).saturating_sub(self.start.load(Ordering::Relaxed));
        self.busy.store(self.busy.load(Ordering::Relaxed) + last, Ordering::Relaxed);
        self.start.store(now(), Ordering::Relaxed);
    }

    /// Counts an exit, unless its enter was not seen. The clock is read if nobody else is inside.
    #[inline]
    pub(super) fn exit(&self, now: impl Fn() -> u64) {
        // Acquire, here and where the exchange fails: who is the last inside writes after all who were it before. No model fails
        // otherwise, as in `begin`.
        let mut entered = self.entered.load(Ordering::Acquire);
        loop {
            match entered & INSIDE {
                0 => return,
                // A thread that enters meanwhile makes the exchange fail, and the last of all writes it again.
                1 => self.stop.store(now(), Ordering::Relaxed),
                _ => {}
            }
            // Release pairs with the Acquire of the enters. Fails otherwise: `loom_a_span_is_busy_while_anybody_is_in_it`.
            match self.entered.compare_exchange(entered, entered - 1, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => entered = now,
            }
        }
    }

    /// What is known when the span closes.
    pub(super) fn end(&self, now: u64) -> Busy {
        // A span closes after everything that was done with it.
        let last = self.stop.load(Ordering::Relaxed).saturating_sub(self.start.load(Ordering::Relaxed));
        Busy {
            busy: self.busy.load(Ordering::Relaxed) + last,
            polls: self.entered.load(Ordering::Relaxed) / POLL,
            seen: now.saturating_sub(self.from.load(Ordering::Relaxed)),
            is_whole: self.is_whole.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/times.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPAN: TimedSpan = TimedSpan { number: 7, keeper: 3 };

    /// How `fmt` keeps the times of a span.
    #[derive(Default)]
    struct Fmt {
        idle: u64,
        busy: u64,
        last: u64,
        entered: u64,
    }

    impl Fmt {
        fn enter(&mut self, now: u64) {
            if self.entered == 0 {
                self.idle += now - self.last;
                self.last = now;
            }
            self.entered += 1;
        }

        fn exit(&mut self, now: u64) {
            self.entered -= 1;
            if self.entered == 0 {
                self.busy += now - self.last;
                self.last = now;
            }
        }
    }

    proptest! {
        /// A thread enters and leaves as often as it likes, and several are inside at once.
        #[test]
        fn the_times_are_those_that_fmt_keeps(steps in prop::collection::vec((any::<bool>(), 1..1000_u64), 0..60)) {
            let (times, mut fmt, mut now, mut polls) = (Times::default(), Fmt::default(), 0, 0);
            times.begin(SPAN, now, true);
            for (enters, passed) in steps {
                now += passed;
                if enters {
                    times.enter(|| now);
                    fmt.enter(now);
                    polls += 1;
                } else if fmt.entered > 0 {
                    times.exit(|| now);
                    fmt.exit(now);
                }
            }
            while fmt.entered > 0 {
                now += 1;
                times.exit(|| now);
                fmt.exit(now);
            }
            now += 5;
            let idle = fmt.idle + now - fmt.last;
            prop_assert_eq!(times.end(now), Busy { busy: fmt.busy, polls, seen: fmt.busy + idle, is_whole: true });
        }
    }

    #[test]
    fn an_exit_whose_enter_was_not_seen_counts_for_nothing() {
        let times = Times::default();
        assert!(times.begin(SPAN, 100, false));
        times.exit(|| 150);
        times.enter(|| 200);
        times.exit(|| 210);
        times.exit(|| 300);
        assert_eq!(times.end(400), Busy { busy: 10, polls: 1, seen: 300, is_whole: false });
    }

    #[test]
    fn the_clock_is_read_for_the_first_one_in_and_the_last_one_out() {
        let never = || -> u64 { panic!("a thread is inside") };
        let times = Times::default();
        times.begin(SPAN, 0, true);
        times.enter(|| 1);
        times.enter(never);
        times.exit(never);
        times.exit(|| 3);
        assert_eq!(times.end(3).busy, 2);
    }

    #[test]
    fn times_are_of_one_span_and_one_keeper() {
        let times = Times::default();
        assert!(!times.are_of(SPAN));
        times.begin(SPAN, 1, true);
        assert!(times.are_of(SPAN));
        assert!(!times.are_of(TimedSpan { number: 8, ..SPAN }));
        assert!(!times.are_of(TimedSpan { keeper: 4, ..SPAN }), "what was entered in between is not known");
    }

    #[test]
    fn the_times_of_a_span_take_a_cache_line() {
        assert_eq!(size_of::<Times>(), 64);
    }
}
