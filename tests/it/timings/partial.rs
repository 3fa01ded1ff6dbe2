//! Spans that a session has not watched from their creation on: what is known is reported, and nothing else.

use super::{install, only, timings, user};
use std::time::Duration;
use tracing_tap::{Follow, Predicate, SessionOptions, SpanTiming};

#[track_caller]
fn check_partial(timing: &SpanTiming, polls: Option<u64>) {
    assert!(!timing.is_whole());
    assert_eq!((timing.polls(), timing.idle(), timing.wall()), (polls, None, None));
    assert_eq!((timing.busy().is_some(), timing.seen().is_some()), (polls.is_some(), polls.is_some()));
    assert!(timing.busy() <= timing.seen());
}

isolated! {
    fn a_span_older_than_the_session_is_timed_from_its_next_enter() {
        let router = install();
        let request = tracing::info_span!("request", user = 42);
        (0..5).for_each(|_| request.in_scope(|| ()));
        let mut stream = router.watch(user(42));
        (0..3).for_each(|_| request.in_scope(|| ()));
        drop(request);
        check_partial(&only(&mut stream), Some(3));
    }

    fn a_span_entered_before_the_session_tells_only_what_was_seen() {
        let router = install();
        let request = tracing::info_span!("request", user = 42);
        let entered = request.clone().entered();
        let mut stream = router.watch(user(42));
        tracing::info!("inside");
        drop(entered);
        drop(request);
        check_partial(&only(&mut stream), None);

        let request = tracing::info_span!("request", user = 43);
        let entered = request.clone().entered();
        let mut stream = router.watch(user(43));
        request.in_scope(|| std::thread::sleep(Duration::from_millis(2)));
        drop(entered);
        request.in_scope(|| ());
        drop(request);
        let timing = only(&mut stream);
        check_partial(&timing, Some(2));
        assert!(timing.busy() >= Some(Duration::from_millis(2)));
    }

    fn a_span_whose_field_is_recorded_later_is_timed_from_then_on() {
        let mut stream = install().watch(user(42));
        let request = tracing::info_span!("request", user = tracing::field::Empty);
        request.in_scope(|| {
            request.record("user", 42);
            tracing::info_span!("inner").in_scope(|| ());
        });
        request.in_scope(|| ());
        drop(request);
        let timings = timings(&mut stream);
        assert_eq!((timings[0].name(), timings[0].is_whole(), timings[0].polls()), ("inner", true, Some(1)));
        check_partial(&timings[1], Some(1));
    }

    fn a_span_not_entered_after_a_record_is_timed_all_the_same() {
        let mut stream = install().watch(user(42));
        let request = tracing::info_span!("request", user = tracing::field::Empty);
        request.in_scope(|| ());
        request.record("user", 42);
        drop(request);
        check_partial(&only(&mut stream), Some(0));
    }

    fn a_record_on_a_timed_span_does_not_begin_its_times_again() {
        let mut stream = install().watch(user(42));
        let request = tracing::info_span!("request", user = 42);
        request.in_scope(|| ());
        for id in [43, 42] {
            request.record("user", id);
        }
        request.in_scope(|| ());
        drop(request);
        let timing = only(&mut stream);
        assert_eq!((timing.is_whole(), timing.polls()), (true, Some(2)));
    }

    fn a_span_that_is_followed_is_timed_from_then_on() {
        let router = install();
        let failing = SessionOptions::new(Predicate::ge("status", 500)).follow(Follow::Root).timings();
        let mut stream = router.watch(failing);
        let request = tracing::info_span!("request");
        request.in_scope(|| {
            tracing::info_span!("before").in_scope(|| ());
            tracing::info!(status = 500);
            tracing::info_span!("after").in_scope(|| ());
        });
        request.in_scope(|| ());
        drop(request);
        let timings = timings(&mut stream);
        assert_eq!((timings[0].name(), timings[0].is_whole()), ("after", true));
        check_partial(&timings[1], Some(1));
        assert_eq!(timings.len(), 2);
    }

    fn what_happens_while_no_session_is_open_is_not_guessed() {
        let router = install();
        // The layer rests some time after the last session was closed: until then it sees all that happens.
        testing::wait_until("a rest between two sessions", || {
            let first = router.watch(user(42));
            let request = tracing::info_span!("request", user = 42);
            request.in_scope(|| ());
            drop(first);
            request.in_scope(|| std::thread::park_timeout(Duration::from_millis(20)));
            let mut stream = router.watch(user(42));
            request.in_scope(|| ());
            drop(request);
            let timing = only(&mut stream);
            if timing.is_whole() {
                assert_eq!(timing.polls(), Some(3));
            } else {
                check_partial(&timing, Some(1));
            }
            !timing.is_whole()
        });
    }

    fn a_second_session_is_told_what_the_first_one_made_known() {
        let router = install();
        let first = router.watch(user(42));
        let request = tracing::info_span!("request", user = 42);
        request.in_scope(|| ());
        let mut second = router.watch(user(42));
        drop(first);
        request.in_scope(|| ());
        drop(request);
        let timing = only(&mut second);
        assert_eq!((timing.is_whole(), timing.polls()), (true, Some(2)));
    }

    fn timings_may_begin_while_other_sessions_are_open() {
        let router = install();
        let mut plain = router.watch(Predicate::everything());
        let request = tracing::info_span!("request", user = 42);
        let entered = request.clone().entered();
        tracing::info!("inside");
        let mut stream = router.watch(user(42));
        tracing::info!("inside");
        request.in_scope(|| ());
        drop(entered);
        tracing::info_span!("whole", user = 42).in_scope(|| ());
        drop(request);
        let timings = timings(&mut stream);
        assert_eq!((timings[0].name(), timings[0].is_whole()), ("whole", true));
        check_partial(&timings[1], Some(1));
        assert_eq!(super::timings(&mut plain).len(), 0, "it did not ask for them");
    }
}
