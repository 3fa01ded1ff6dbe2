//! Intervals: when each thread is in a span whose close a session is shown, and in no other.

use std::sync::{Arc, Barrier};
use std::thread;
use testing::wait_until;
use tracing::{Span, info_span};
use tracing_subscriber::prelude::*;
use tracing_tap::intervals::{IntervalOptions, IntervalRecord, Intervals, ThreadIntervals};
use tracing_tap::{EventStream, Predicate, SessionOptions, TapRouter};

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    router
}

fn session(router: &TapRouter, predicate: &str) -> EventStream {
    let predicate: Predicate = predicate.parse().unwrap();
    router.watch(SessionOptions::new(predicate).timings().without_events())
}

fn record(router: &TapRouter, stream: &EventStream) -> Intervals {
    router.intervals(stream.id(), IntervalOptions::default()).unwrap()
}

/// What a thread has recorded, a word each: `+a/b` is the enter of `b` in `a`, `-` an exit.
fn words(thread: &mut ThreadIntervals) -> Vec<String> {
    let mut paths = std::collections::HashMap::new();
    let mut last = 0;
    let mut word = |record| match record {
        IntervalRecord::Watched { span, path } => {
            paths.insert(span, path.iter().map(|span| span.name()).collect::<Vec<_>>().join("/"));
            None
        }
        IntervalRecord::Entered { span, at_ns } => {
            assert!(at_ns >= std::mem::replace(&mut last, at_ns));
            Some(format!("+{}", paths[&span]))
        }
        IntervalRecord::Exited { span, at_ns } => {
            assert!(at_ns >= std::mem::replace(&mut last, at_ns));
            Some(format!("-{}", paths[&span]))
        }
        IntervalRecord::Lost { records, .. } => Some(format!("lost {records}")),
        other => panic!("{other:?}"),
    };
    std::iter::from_fn(|| thread.pop()).filter_map(&mut word).collect()
}

/// The words of all threads that are new.
fn all_words(intervals: &mut Intervals) -> Vec<String> {
    intervals.new_threads().flat_map(|mut thread| words(&mut thread)).collect()
}

fn request(user: u64) -> Span {
    info_span!("request", user)
}

isolated! {
    fn intervals_are_those_of_watched_spans_alone() {
        let router = install();
        let stream = session(&router, "user = 42");
        let mut intervals = record(&router, &stream);
        for user in [41, 42] {
            request(user).in_scope(|| info_span!("query").in_scope(|| info_span!("row", user = 41).in_scope(|| ())));
        }
        info_span!("other").in_scope(|| ());
        let expected = ["+request", "+request/query", "+request/query/row", "-request/query/row", "-request/query", "-request"];
        assert_eq!(all_words(&mut intervals), expected);
    }

    fn a_span_that_another_session_times_is_not_recorded() {
        let router = install();
        let (_other, stream) = (session(&router, "user = 41"), session(&router, "user = 42 and @target = intervals_test"));
        let mut intervals = record(&router, &stream);
        request(41).in_scope(|| ());
        request(42).in_scope(|| ());
        assert!(all_words(&mut intervals).is_empty(), "its close would not be shown to the session: {:?}", stream.stats());
    }

    fn a_recorded_field_begins_and_ends_what_is_watched() {
        let router = install();
        let stream = session(&router, "user = 42");
        let mut intervals = record(&router, &stream);
        let span = info_span!("request", user = tracing::field::Empty);
        span.in_scope(|| ());
        span.record("user", 42);
        span.in_scope(|| ());
        span.record("user", 43);
        span.in_scope(|| ());
        assert_eq!(all_words(&mut intervals), ["+request", "-request"]);
    }

    fn a_span_entered_twice_is_left_twice() {
        let router = install();
        let stream = session(&router, "user = 42");
        let mut intervals = record(&router, &stream);
        let span = request(42);
        span.in_scope(|| span.in_scope(|| ()));
        assert_eq!(all_words(&mut intervals), ["+request", "+request", "-request", "-request"]);
    }

    fn a_span_entered_again_inside_another_is_recorded() {
        let router = install();
        let stream = session(&router, "user = 42");
        let mut intervals = record(&router, &stream);
        let span = request(42);
        span.in_scope(|| info_span!(parent: None, "other").in_scope(|| span.in_scope(|| ())));
        assert_eq!(all_words(&mut intervals), ["+request", "+request", "-request", "-request"]);
    }

    fn a_full_queue_reports_what_is_missing_and_goes_on() {
        let router = install();
        let stream = session(&router, "user = 42");
        let mut intervals = router.intervals(stream.id(), IntervalOptions::default().capacity(5)).unwrap();
        let span = request(42);
        (0..4).for_each(|_| span.in_scope(|| ()));
        let mut thread = intervals.new_threads().next().unwrap();
        assert_eq!(words(&mut thread), ["+request", "-request", "+request", "-request", "lost 3"]);
        span.in_scope(|| ());
        assert_eq!(words(&mut thread), ["lost 0", "+request", "-request"], "the path is known again");
    }

    fn options_that_are_set_to_zero_record_a_little() {
        let router = install();
        let stream = session(&router, "user = 42");
        let mut options = IntervalOptions::default();
        (options.max_threads, options.capacity) = (0, 0);
        let mut intervals = router.intervals(stream.id(), options).unwrap();
        request(42).in_scope(|| ());
        assert_eq!(all_words(&mut intervals), ["+request", "lost 1"]);
    }

    fn each_thread_has_its_own_and_one_too_many_is_counted() {
        let router = install();
        let stream = session(&router, "user = 42");
        let options = IntervalOptions::default().max_threads(2).thread_id(|| 7);
        let mut intervals = router.intervals(stream.id(), options).unwrap();
        let all_there = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let all_there = Arc::clone(&all_there);
                thread::spawn(move || {
                    request(42).in_scope(|| ());
                    all_there.wait();
                    all_there.wait();
                })
            })
            .collect();
        all_there.wait();
        let mut recorded: Vec<_> = intervals.new_threads().collect();
        assert_eq!((recorded.len(), intervals.left_out_threads()), (2, 1));
        assert!(recorded.iter().all(|thread| thread.thread() == 7 && !thread.is_over()));
        all_there.wait();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for thread in &mut recorded {
            assert!(!thread.is_over(), "it is not read yet");
            assert_eq!(words(thread), ["+request", "-request"]);
        }
        wait_until("the threads to be gone", || recorded.iter().all(ThreadIntervals::is_over));
        drop(recorded);
        thread::spawn(|| request(42).in_scope(|| ())).join().unwrap();
        assert_eq!(intervals.new_threads().count(), 1, "there is room again");
    }

    fn a_thread_that_was_left_out_is_recorded_once_there_is_room() {
        let router = install();
        let stream = session(&router, "user = 42");
        let mut intervals = router.intervals(stream.id(), IntervalOptions::default().max_threads(1)).unwrap();
        thread::spawn(|| request(42).in_scope(|| ())).join().unwrap();
        (0..2).for_each(|_| request(42).in_scope(|| ()));
        let mut other: Vec<_> = intervals.new_threads().collect();
        assert_eq!((other.len(), intervals.left_out_threads()), (1, 1));
        assert_eq!(words(&mut other[0]), ["+request", "-request"]);
        wait_until("the thread to be gone", || other[0].is_over());
        drop(other);
        request(42).in_scope(|| ());
        assert_eq!(all_words(&mut intervals), ["+request", "-request"]);
        assert_eq!(intervals.left_out_threads(), 1, "counted once");
    }

    fn one_session_is_recorded_at_a_time_and_it_needs_timings() {
        let router = install();
        let stream = session(&router, "user = 42");
        let plain = router.watch(Predicate::eq("user", 42));
        let error = |session| router.intervals(session, IntervalOptions::default()).unwrap_err();
        assert!(error(plain.id()).to_string().contains("has no timings"));
        let intervals = record(&router, &stream);
        assert!(error(stream.id()).is_in_use());
        drop(intervals);
        let mut intervals = record(&router, &stream);
        request(42).in_scope(|| ());
        assert_eq!(all_words(&mut intervals), ["+request", "-request"], "nothing is left of the one before");
        let id = stream.id();
        drop((intervals, stream));
        assert!(error(id).to_string().contains("is not open"));
    }

    fn a_sampled_out_request_has_no_intervals() {
        let router = install();
        let options = SessionOptions::new(Predicate::everything()).timings().without_events().sample(2);
        let mut stream = router.watch(options);
        let mut intervals = record(&router, &stream);
        (0..64).for_each(|user| request(user).in_scope(|| ()));
        let entered = all_words(&mut intervals).iter().filter(|word| word.starts_with('+')).count();
        assert!((1..64).contains(&entered), "some are sampled");
        assert_eq!(stream.drain().count(), entered);
    }
}
