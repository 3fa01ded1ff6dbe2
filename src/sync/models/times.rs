//! The times of a span under `loom`: several threads in it, and another span in the same place.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

const SPAN: TimedSpan = TimedSpan { number: 1, keeper: 1 };

/// The clock stands at 10 while anybody may be inside, and at 30 from then on.
#[test]
fn loom_a_span_is_busy_while_anybody_is_in_it() {
    try_all(|| {
        let times = Arc::new(Times::default());
        assert!(times.begin(SPAN, 0, true));
        let other = {
            let times = Arc::clone(&times);
            thread::spawn(move || {
                times.enter(|| 10);
                times.exit(|| 20);
            })
        };
        times.enter(|| 10);
        times.exit(|| 20);
        other.join().unwrap();
        let Busy { busy, polls, .. } = times.end(30);
        assert!(busy == 10 || busy == 20, "inside together, or one after the other: {busy}");
        assert_eq!(polls, 2);
    });
}

#[test]
fn loom_a_span_that_is_timed_from_now_on_has_no_times_of_another() {
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
