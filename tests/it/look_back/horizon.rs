//! How far the past reaches back, and what the horizon says of it.

use super::{LONG, horizon, looking_back, plenty, router, told, wait_for_past};
use std::time::{Duration, Instant};
use testing::{events, wait_until};
use tracing_subscriber::prelude::*;
use tracing_tap::{LookBack, Predicate, SessionOptions, TapRouter};

testing::isolated! {
    fn what_was_overwritten_is_counted_and_the_rest_is_there() {
        let router = router(LookBack::new(64 << 10).thread_bytes(4 << 10).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        (0..500_u64).for_each(|number| tracing::debug!(user = 42, number, "numbered"));
        std::thread::Builder::new()
            .name("quiet".to_owned())
            .spawn(|| tracing::debug!(user = 42, number = 1000_u64, "numbered"))
            .unwrap()
            .join()
            .unwrap();
        let mut stream = router.watch(looking_back("user = 42"));
        let horizon = horizon(&mut stream);
        let seen = events(&mut stream);
        let numbers: Vec<u64> = seen.iter().map(|event| event.field("number").unwrap().as_u64().unwrap()).collect();
        let first = horizon.overwritten;
        assert!((300..500).contains(&first), "{horizon:?}");
        assert_eq!(numbers, (first..500).chain([1000]).collect::<Vec<_>>());
        assert_eq!(horizon.threads.len(), 1, "{horizon:?}");
        assert_eq!(horizon.threads[0].overwritten, first);
        assert!(horizon.threads[0].thread.contains("what_was_overwritten") || horizon.threads[0].thread == "main");
        assert!(horizon.reaches_ms < horizon.asked_ms && !horizon.is_whole());
        assert_eq!((horizon.unresolved, horizon.unkept), (0, 0));
    }

    fn looking_back_further_than_kept_gets_what_there_is() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        tracing::debug!(user = 42, "kept");
        let session = SessionOptions::new(Predicate::eq("user", 42)).look_back(Duration::MAX);
        let mut stream = router.watch(session);
        let horizon = horizon(&mut stream);
        assert!(horizon.reaches_ms < 60_000 && horizon.asked_ms == u64::MAX, "{horizon:?}");
        assert_eq!(horizon.overwritten, 0);
        assert_eq!(told(&mut stream), ["past kept"]);
        let mut nothing = router.watch(SessionOptions::new(Predicate::eq("user", 42)).look_back(Duration::ZERO));
        assert!(super::horizon(&mut nothing).is_whole());
        assert_eq!(told(&mut nothing), Vec::<String>::new());
    }

    fn events_older_than_asked_for_are_left_out() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        tracing::debug!(user = 42, "old");
        let old = Instant::now();
        wait_until("some time to pass", || old.elapsed() > Duration::from_millis(100));
        tracing::debug!(user = 42, "young");
        let short = old.elapsed() - Duration::from_millis(50);
        let session = SessionOptions::new(Predicate::eq("user", 42)).look_back(Duration::from_millis(60).min(short));
        let mut stream = router.watch(session);
        assert!(horizon(&mut stream).is_whole());
        assert_eq!(told(&mut stream), ["past young"]);
    }

    fn events_past_the_maximum_age_are_left_out() {
        let router = router(LookBack::new(1 << 20).max_age(Duration::from_millis(50)));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        tracing::debug!(user = 42, "old");
        let old = Instant::now();
        wait_until("the maximum age to pass", || old.elapsed() > Duration::from_millis(60));
        let mut stream = router.watch(looking_back("user = 42"));
        assert!(horizon(&mut stream).reaches_ms <= 50);
        assert_eq!(told(&mut stream), Vec::<String>::new());
    }

    fn an_event_whose_span_closed_too_long_ago_is_counted() {
        let router = router(LookBack::new(64 << 10).thread_bytes(4 << 10).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let span = tracing::info_span!("request", user = 42);
        std::thread::scope(|scope| {
            scope.spawn(|| span.in_scope(|| tracing::debug!("of a quiet thread"))).join().unwrap();
        });
        drop(span);
        (0..500_u64).for_each(|number| tracing::debug!(user = 43, number, "of a busy thread"));
        let mut stream = router.watch(looking_back("user = 42"));
        assert_eq!(horizon(&mut stream).unresolved, 1);
        assert_eq!(told(&mut stream), Vec::<String>::new());
    }

    fn an_event_before_a_record_that_was_overwritten_is_counted() {
        let router = router(LookBack::new(64 << 10).thread_bytes(4 << 10).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let span = tracing::info_span!("request", user = 43);
        std::thread::scope(|scope| {
            scope.spawn(|| span.in_scope(|| tracing::debug!("of user 43"))).join().unwrap();
        });
        span.record("user", 42);
        (0..500_u64).for_each(|number| tracing::debug!(number, "of a busy thread"));
        span.in_scope(|| tracing::debug!("of user 42"));
        let mut stream = router.watch(looking_back("user = 42"));
        assert_eq!(horizon(&mut stream).unresolved, 1, "it may have been of user 42");
        assert_eq!(told(&mut stream), ["past of user 42"]);
    }

    fn an_event_before_a_record_that_found_no_room_is_counted() {
        let past = LookBack::new(64 << 10).thread_bytes(4 << 10).max_age(LONG);
        let router = TapRouter::builder().look_back(past).max_value_bytes(16 << 10).build();
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let span = tracing::info_span!("request", body = "x".repeat(3_000), user = 43);
        span.in_scope(|| tracing::debug!("of user 43"));
        span.record("user", 42);
        span.in_scope(|| tracing::debug!("of user 42"));
        let mut stream = router.watch(looking_back("user = 42"));
        assert_eq!(horizon(&mut stream).unresolved, 1, "it may have been of user 42");
        assert_eq!(told(&mut stream), ["past of user 42"]);
    }

    fn an_event_before_a_record_on_a_ringless_thread_is_counted() {
        // One ring.
        let router = router(LookBack::new(5 << 10).thread_bytes(4 << 10).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let span = tracing::info_span!("request", user = 43);
        span.in_scope(|| tracing::debug!("of user 43"));
        std::thread::scope(|scope| {
            scope.spawn(|| span.record("user", 42)).join().unwrap();
        });
        span.in_scope(|| tracing::debug!("of user 42"));
        let mut stream = router.watch(looking_back("user = 42"));
        assert_eq!(horizon(&mut stream).unresolved, 1, "it may have been of user 42");
        assert_eq!(told(&mut stream), ["past of user 42"]);
    }
}
