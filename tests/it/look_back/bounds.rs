//! What the past may take: bytes, rings, threads.

use super::{LONG, horizon, looking_back, plenty, router, told, wait_for_past};
use std::sync::mpsc::channel;
use std::time::Duration;
use testing::wait_until;
use tracing_subscriber::prelude::*;
use tracing_tap::{LookBack, TapRouter};

testing::isolated! {
    fn all_rings_together_take_no_more_than_was_allowed() {
        for bytes in [0, 1, 5_000, 100_000, 1 << 20] {
            let router = router(LookBack::new(bytes).thread_bytes(16 << 10));
            let subscriber = tracing_subscriber::registry().with(router.layer());
            tracing::subscriber::with_default(subscriber, || {
                drop(router.watch("user = 42").unwrap());
                wait_until("looking back to be on", || {
                    drop(router.watch("user = 42").unwrap());
                    router.stats().look_back_bytes > 0 || bytes < 4096
                });
            });
            let taken = router.stats().look_back_bytes;
            assert!(taken <= bytes && (bytes < 16 << 10 || taken > bytes / 2), "{taken} of {bytes}");
        }
    }

    fn the_events_of_an_ended_thread_are_kept() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        for number in 0..4 {
            let log = move || tracing::debug!(user = 42, "of thread {number}");
            std::thread::Builder::new().name(format!("thread {number}")).spawn(log).unwrap().join().unwrap();
        }
        let mut stream = router.watch(looking_back("user = 42"));
        let threads: Vec<_> = testing::events(&mut stream)
            .iter()
            .map(|event| (event.message().to_owned(), event.thread().unwrap().to_owned()))
            .collect();
        let expected = (0..4).map(|number| (format!("of thread {number}"), format!("thread {number}")));
        assert_eq!(threads, expected.collect::<Vec<_>>());
    }

    fn events_of_threads_without_a_ring_are_counted_and_seen_live() {
        // Three rings.
        let router = router(LookBack::new(16 << 10).thread_bytes(4 << 10).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let (ready, waiting) = channel();
        std::thread::scope(|scope| {
            let mut ends = Vec::new();
            for number in 0..8 {
                let (end, until) = channel::<()>();
                let ready = ready.clone();
                ends.push(end);
                scope.spawn(move || {
                    tracing::debug!(user = 42, number, "before");
                    ready.send(()).unwrap();
                    let _ = until.recv();
                    tracing::debug!(user = 42, number, "after");
                });
            }
            (0..8).for_each(|_| waiting.recv().unwrap());
            let mut stream = router.watch(looking_back("user = 42"));
            drop(ends);
            assert_eq!(horizon(&mut stream).unkept, 5);
            let mut all = Vec::new();
            wait_until("all events", || {
                all.extend(told(&mut stream));
                all.len() >= 11
            });
            assert_eq!(all.iter().filter(|text| *text == "past before").count(), 3);
            assert_eq!(all.iter().filter(|text| *text == "after").count(), 8);
        });
    }

    fn the_ring_of_an_ended_thread_is_free_after_the_maximum_age() {
        let router = router(LookBack::new(16 << 10).thread_bytes(4 << 10).max_age(Duration::from_millis(20)));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let unkept = || horizon(&mut router.watch(looking_back("user = 42"))).unkept;
        for _ in 0..3 {
            std::thread::spawn(|| tracing::debug!("takes a ring")).join().unwrap();
        }
        wait_until("a thread to get the ring of one that has ended", || {
            let before = unkept();
            std::thread::spawn(|| tracing::debug!(user = 42, "kept")).join().unwrap();
            unkept() == before
        });
    }

    fn an_event_from_the_destructor_of_a_thread_local_does_no_harm() {
        struct Logs;
        impl Drop for Logs {
            fn drop(&mut self) {
                tracing::debug!(user = 42, "from a destructor");
            }
        }
        thread_local! {
            static LOGS: Logs = const { Logs };
        }
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        std::thread::spawn(|| {
            LOGS.with(|_| {});
            tracing::debug!(user = 42, "from a thread");
        })
        .join()
        .unwrap();
        let mut stream = router.watch(looking_back("user = 42"));
        let unkept = horizon(&mut stream).unkept as usize;
        assert_eq!(told(&mut stream).len() + unkept, 2, "kept or counted");
    }

    fn a_long_value_is_cut_and_fields_without_room_are_counted() {
        let router = router(LookBack::new(64 << 10).thread_bytes(4 << 10).max_value_bytes(100).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let long = "x".repeat(200);
        tracing::debug!(user = 42, long, "cut");
        let mut stream = router.watch(looking_back("user = 42"));
        let seen = testing::events(&mut stream);
        assert_eq!(seen[0].field("long").unwrap().to_string(), format!("{}…[cut]", "x".repeat(100)));
    }

    fn a_value_that_drops_a_span_while_it_is_formatted_does_no_harm() {
        struct Drops(std::cell::Cell<Option<tracing::Span>>);
        impl std::fmt::Debug for Drops {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                drop(self.0.take());
                f.write_str("dropped")
            }
        }
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let span = tracing::info_span!("request", user = 42);
        span.in_scope(|| tracing::debug!("inside"));
        let value = Drops(std::cell::Cell::new(Some(span)));
        tracing::debug!(user = 42, value = ?value, "after");
        let mut stream = router.watch(looking_back("user = 42"));
        assert_eq!(told(&mut stream), ["past inside", "past after"]);
    }

    fn a_message_without_room_is_counted_and_never_shown_short() {
        let past = LookBack::new(64 << 10).thread_bytes(4 << 10).max_value_bytes(16 << 10).max_age(LONG);
        let router = TapRouter::builder().look_back(past).max_value_bytes(16 << 10).build();
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let long = "x".repeat(3_000);
        for text in [&long, "1", &long, "2"] {
            tracing::debug!(user = 42, "short {text}");
        }
        let mut stream = router.watch(looking_back("user = 42"));
        let seen = testing::events(&mut stream);
        let seen: Vec<_> = seen.iter().map(|event| (event.message(), event.omitted_fields())).collect();
        assert_eq!(seen, [("", 1), ("short 1", 0), ("", 1), ("short 2", 0)]);
    }

    fn an_event_whose_tested_field_found_no_room_is_counted() {
        let past = LookBack::new(64 << 10).thread_bytes(4 << 10).max_value_bytes(16 << 10).max_age(LONG);
        let router = TapRouter::builder().look_back(past).max_value_bytes(16 << 10).build();
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let long = "x".repeat(3_000);
        tracing::debug!(number = 1, user = long.as_str(), "long");
        tracing::debug!(number = 2, user = 42, "short");
        let looked_back = |predicate: &str| {
            let mut stream = router.watch(looking_back(predicate));
            let unresolved = horizon(&mut stream).unresolved;
            (testing::messages(&mut stream), unresolved)
        };
        let found = |messages: &[&str], unresolved| (messages.iter().map(ToString::to_string).collect(), unresolved);
        for (predicate, expected) in [
            ("user = 42", found(&["short"], 1)),
            ("not user = 42", found(&[], 1)),
            ("user exists or number = 1", found(&["long", "short"], 0)),
            ("not user = 42 and number = 2", found(&[], 0)),
            ("other = 42", found(&[], 0)),
        ] {
            assert_eq!(looked_back(predicate), expected, "{predicate}");
        }
    }
}
