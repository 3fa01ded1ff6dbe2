//! What of spans is in the past: those that have closed, and the values that they had.

use super::{horizon, looking_back, plenty, router, told, wait_for_past};
use testing::{events, info_printer};
use tracing::field::Empty;
use tracing_subscriber::prelude::*;
use tracing_tap::Value;

testing::isolated! {
    fn the_past_comes_first_and_is_marked() {
        let router = router(plenty());
        tracing_subscriber::registry().with(info_printer(&Default::default())).with(router.layer()).init();
        wait_for_past(&router);
        tracing::debug!(user = 42, "one");
        tracing::debug!(user = 43, "another user");
        tracing::trace!(user = 42, "too verbose to be kept");
        let mut stream = router.watch(looking_back("user = 42"));
        tracing::trace!(user = 42, "two");
        assert!(horizon(&mut stream).reaches_ms > 0);
        assert_eq!(told(&mut stream), ["past one", "two"]);
        let stats = stream.stats();
        assert_eq!((stats.matched, stats.delivered, stats.buffered), (2, 2, 0));
    }

    fn events_of_closed_spans_match_by_all_spans_around_them() {
        let router = router(plenty());
        tracing_subscriber::registry().with(info_printer(&Default::default())).with(router.layer()).init();
        wait_for_past(&router);
        for user in [42, 43] {
            let _outer = tracing::info_span!("request", user).entered();
            let _inner = tracing::info_span!("query", table = "orders").entered();
            tracing::debug!(rows = 3, "read");
        }
        let open = tracing::info_span!("request", user = 42);
        open.in_scope(|| tracing::debug!("still open"));
        let mut stream = router.watch(looking_back("user = 42"));
        let seen = events(&mut stream);
        let shown: Vec<_> = seen
            .iter()
            .map(|event| (event.message(), event.spans().map(|span| span.name()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(shown, [("read", vec!["request", "query"]), ("still open", vec!["request"])]);
        assert_eq!(seen[0].find("table").and_then(Value::as_str), Some("orders"));
        assert_eq!(seen[0].field("rows").and_then(Value::as_i64), Some(3));
        assert_eq!((seen[0].target(), seen[0].line().is_some()), (module_path!(), true));
    }

    fn a_span_made_where_the_thread_is_lost_is_around_its_events() {
        let router = router(plenty());
        tracing_subscriber::registry().with(info_printer(&Default::default())).with(router.layer()).init();
        wait_for_past(&router);
        let work = || {
            // Left out of order, after which a thread asks the registry where it is.
            let (one, other) = (tracing::info_span!("one").entered(), tracing::info_span!("other").entered());
            drop((one, other));
            tracing::info_span!("request", user = 42).in_scope(|| tracing::info!("inside"));
        };
        (0..200).for_each(|_| work());
        assert_eq!(told(&mut router.watch(looking_back("user = 42"))), ["past inside"; 200]);
    }

    fn an_event_shows_the_values_its_spans_had_then() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        for is_closed in [false, true] {
            let span = tracing::info_span!("request", user = Empty, step = 0);
            for step in 1..4 {
                span.in_scope(|| tracing::debug!("{}", step - 1));
                span.record("step", step);
                if step == 2 {
                    span.record("user", 42);
                }
            }
            span.in_scope(|| tracing::debug!("3"));
            let kept = (!is_closed).then_some(span);
            let mut stream = router.watch(looking_back("user = 42"));
            let seen = events(&mut stream);
            let steps: Vec<_> = seen.iter().map(|event| event.find("step").unwrap().to_string()).collect();
            let messages: Vec<_> = seen.iter().map(|event| event.message().to_owned()).collect();
            assert_eq!(steps, messages);
            assert_eq!(messages.len(), if is_closed { 4 } else { 2 }, "{messages:?}");
            drop(kept);
        }
    }

    fn an_id_that_recurs_stands_for_each_of_its_spans() {
        let router = router(plenty().thread_bytes(4 << 20));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        for user in 0..9_000 {
            tracing::info_span!("request", user).in_scope(|| tracing::debug!("of {user}"));
        }
        for user in [0, 1, 8_190, 8_191, 8_999] {
            let mut stream = router.watch(looking_back(&format!("user = {user}")));
            assert_eq!(told(&mut stream), [format!("past of {user}")]);
        }
    }

    fn an_explicit_parent_counts_and_no_parent_is_none() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let (one, other) = (tracing::info_span!("a", user = 42), tracing::info_span!("b", user = 43));
        other.in_scope(|| {
            tracing::debug!(parent: &one, "by name");
            tracing::debug!(parent: None, "of nobody");
        });
        drop((one, other));
        assert_eq!(told(&mut router.watch(looking_back("user = 42"))), ["past by name"]);
        assert_eq!(told(&mut router.watch(looking_back("user = 43"))), Vec::<String>::new());
        assert_eq!(told(&mut router.watch(looking_back("user != 43"))), ["past by name", "past of nobody"]);
    }

    fn a_span_older_than_the_layer_is_found_around_past_events() {
        let router = router(plenty());
        let layered = tracing_subscriber::registry().with(None.or_else(|| Some(router.layer())));
        layered.init();
        let old = tracing::info_span!("old", user = 42);
        wait_for_past(&router);
        let inner = old.in_scope(|| tracing::info_span!("inner"));
        inner.in_scope(|| tracing::debug!("inside"));
        drop(inner);
        assert_eq!(told(&mut router.watch(looking_back("user = 42"))), ["past inside"]);
        drop(old);
        assert_eq!(told(&mut router.watch(looking_back("user = 42"))), ["past inside"]);
    }

    fn records_of_the_log_crate_are_in_the_past() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        log::debug!(target: "chat::hub", "from log");
        let mut stream = router.watch(looking_back("@target = chat"));
        let seen = events(&mut stream);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].message(), seen[0].target(), seen[0].is_past()), ("from log", "chat::hub", true));
        assert!(seen[0].file().is_some_and(|file| file.ends_with("spans.rs")), "{:?}", seen[0].file());
        assert_eq!(seen[0].fields().count(), 1);
    }

    fn values_of_every_kind_are_kept() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let log = || {
            let error: &dyn std::error::Error = &std::fmt::Error;
            tracing::debug!(a = 1_u64, b = -1, c = 1.5, d = true, e = "text", f = ?Some(1), g = %2, h = error, "all");
            tracing::debug!(a = i128::MIN, b = u128::MAX, c = f64::NAN, d = &[1_u8, 2][..], e = Empty, f = "x".repeat(99));
        };
        log();
        let mut stream = router.watch(looking_back("a exists"));
        log();
        let texts: Vec<_> = events(&mut stream).iter().map(|event| format!("{:?}", event.fields().collect::<Vec<_>>())).collect();
        assert_eq!(texts[..2], texts[2..]);
    }

    fn a_message_that_goes_on_behind_the_kept_one_is_whole() {
        struct Panics;
        impl std::fmt::Display for Panics {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("while it is formatted")
            }
        }
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let rests: [&dyn std::fmt::Display; 6] = [&"", &" late", &Panics, &"", &2, &"accepted"];
        for rest in rests {
            tracing::debug!(user = 42, "accepted{rest}");
        }
        let mut stream = router.watch(looking_back("user = 42"));
        let panicked = "<panicked while formatting>";
        let expected = ["accepted", "accepted late", panicked, "accepted", "accepted2", "acceptedaccepted"];
        assert_eq!(told(&mut stream), expected.map(|message| format!("past {message}")));
    }
}
