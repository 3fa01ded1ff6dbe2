//! The times of a span under `loom`: several threads in it, and another span in the same place.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

const SPAN: TimedSpan = TimedSpan { number: 1, keeper: 1 };

/// Another thread enters, perhaps after this one has left: then the times of both add up.
#[test]
fn loom_a_span_is_busy_while_anybody_is_in_it() {
    try_all(|| {
        let times = Arc::new(Times::default());
        assert!(times.begin(SPAN, 0, true));
        let other = {
            let times = Arc::clone(&times);
            thread::spawn(move || {
                let comes_later = times.entered.load(Ordering::Relaxed) == POLL;
                times.enter(|| 30);
                times.exit(|| 40);
                comes_later
            })
        };
        times.enter(|| 10);
        times.exit(|| 20);
        let Busy { busy, polls, .. } = if other.join().unwrap() {
            let known = times.end(50);
            assert_eq!(known.busy, 20, "one after the other");
            known
        } else {
            times.end(50)
        };
        assert_eq!(polls, 2);
        assert!(busy <= 40);
    });
}

#[test]
fn loom_times_of_one_span_are_not_taken_for_another_s() {
    try_all(|| {
        let times = Arc::new(Times::default());
        assert!(times.begin(SPAN, 1, true));
        times.enter(|| 2);
        times.exit(|| 3);
        let next = TimedSpan { number: 2, ..SPAN };
        let looking = {
            let times = Arc::clone(&times);
            thread::spawn(move || times.are_of(next).then(|| times.end(9)))
        };
        assert!(times.begin(next, 5, false));
        if let Some(seen) = looking.join().unwrap() {
            assert_eq!(seen, Busy { busy: 0, polls: 0, seen: 4, is_whole: false });
        }
    });
}

#[test]
fn loom_of_two_who_begin_at_once_one_does() {
    try_all(|| {
        let times = Arc::new(Times::default());
        let other = {
            let times = Arc::clone(&times);
            thread::spawn(move || times.begin(SPAN, 5, false) && times.are_of(SPAN))
        };
        let one = times.begin(SPAN, 5, false);
        let other = other.join().unwrap();
        assert!(one || other);
        assert!(times.are_of(SPAN));
    });
}

#[test]
fn loom_two_threads_that_begin_times_both_count() {
    two_begin_and_enter(|_| {});
}

/// The span was timed for sessions that are closed by now. A new session restarts its times.
#[test]
fn loom_two_threads_that_restart_times_both_count() {
    two_begin_and_enter(|times| assert!(times.begin(TimedSpan { keeper: 0, ..SPAN }, 0, true)));
}

fn two_begin_and_enter(prepare: impl Fn(&Times) + Sync + Send + 'static) {
    try_all(move || {
        let times = Arc::new(Times::default());
        prepare(&times);
        let enter_if_begun = |times: &Times| {
            let is_begun = times.begin(SPAN, 0, true);
            if is_begun {
                times.enter(|| 1);
                times.exit(|| 2);
            }
            u64::from(is_begun)
        };
        let other = {
            let times = Arc::clone(&times);
            thread::spawn(move || enter_if_begun(&times))
        };
        let entered = enter_if_begun(&times) + other.join().unwrap();
        assert_eq!(times.end(3).polls, entered);
    });
}
