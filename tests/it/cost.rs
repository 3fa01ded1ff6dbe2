//! What sessions of others may cost the service: bounded when they are opened, and while they are open.

use std::time::Duration;
use testing::{Output, info_printer, messages, wait_until};
use tracing_subscriber::prelude::*;
use tracing_tap::{EndReason, EventStream, Item, Predicate, SessionOptions, TapRouter};

fn install(router: &TapRouter) {
    tracing_subscriber::registry().with(router.layer()).init();
}

/// True of no event, after a look at all of its message.
fn searching(tests: usize) -> Predicate {
    (0..tests)
        .map(|number| Predicate::contains("message", format!("no such thing {number}")))
        .reduce(Predicate::or)
        .unwrap()
}

fn end_of(stream: &mut EventStream) -> Option<EndReason> {
    stream.drain().find_map(|item| match item {
        Item::Ended(reason) => Some(reason),
        _ => None,
    })
}

/// Logs until the stream ends, for so many events at most.
fn flood_until_the_end(stream: &mut EventStream, events: usize, log: impl Fn()) -> Option<EndReason> {
    (0..events).find_map(|_| {
        log();
        end_of(stream)
    })
}

isolated! {
    fn a_predicate_built_by_calls_is_refused_if_it_costs_too_much() {
        let router = TapRouter::new();
        install(&router);
        for session in [
            SessionOptions::new(searching(18)),
            SessionOptions::new(Predicate::eq("user", 42)).confined_to(searching(18)),
        ] {
            let error = router.try_watch(session).unwrap_err();
            assert!(error.is_too_costly() && !error.is_invalid_predicate() && error.limit_name().is_none());
            let text = error.to_string();
            assert!(text.starts_with("the session was not opened: the predicate may take 5") && text.contains("; use fewer tests"), "{text}");
        }
        assert_eq!((router.stats().refused, router.stats().refused_by.too_costly), (2, 2));
        assert!(router.try_watch(searching(17)).is_ok());
        let mut own = router.watch(searching(18) | Predicate::target("it"));
        tracing::info!("the application's own is not refused");
        assert_eq!(messages(&mut own).len(), 1);
    }

    fn the_predicate_that_held_a_thread_for_a_second_is_refused() {
        let hostile = r#"message ~ "^(?:[ -~]?){3000}(?:[ -~]?){3000}[0-9]$|q""#;
        let error = hostile.parse::<Predicate>().unwrap_err();
        assert!(error.is_too_large() && error.to_string().contains("larger than 1 MiB"), "{error}");
        let expressions = (0..16).map(|number| Predicate::regex("message", format!("{number}[a-z]+q")).unwrap());
        let sixteen = expressions.reduce(Predicate::or).unwrap();
        assert!(sixteen.to_string().parse::<Predicate>().unwrap_err().is_too_large());
        let error = TapRouter::new().try_watch(sixteen).unwrap_err();
        assert!(error.is_too_costly() && error.to_string().contains("88 µs"), "{error}");
    }

    fn a_costly_session_of_others_ends_and_producers_go_on() {
        let (router, log) = (TapRouter::new(), Output::default());
        tracing_subscriber::registry().with(info_printer(&log)).with(router.layer()).init();
        let costly = searching(16);
        assert!((46_000..50_000).contains(&costly.cost()), "{}", costly.cost());
        let mut own = router.watch(costly.clone());
        let mut theirs = router.try_watch(SessionOptions::remote(costly)).unwrap();
        let long = "x".repeat(8 << 10);
        let end = flood_until_the_end(&mut theirs, 1_000, || tracing::info!("{long}"));
        assert_eq!(end, Some(EndReason::TooCostly));
        wait_until("the session to be closed", || router.stats().open_sessions == 1);
        assert_eq!(router.stats().ended.too_costly, 1);
        wait_until("the end to be audited", || {
            log.all_lines().iter().any(|line| line.contains("session ended") && line.contains("reason=\"too_costly\""))
        });
        tracing::info!("no such thing 7");
        assert_eq!(messages(&mut own), ["no such thing 7"]);
    }

    fn a_session_of_others_that_costs_a_little_goes_on() {
        let router = TapRouter::new();
        install(&router);
        let mut theirs = router.try_watch(SessionOptions::remote(searching(16))).unwrap();
        // 40 µs each, of the 10 ms that a second may bring.
        let long = "x".repeat(1 << 10);
        (0..100).for_each(|_| tracing::info!("{long}"));
        tracing::info!("no such thing 7");
        assert_eq!((messages(&mut theirs), end_of(&mut theirs)), (vec!["no such thing 7".to_owned()], None));
    }

    fn spans_are_charged_as_events_are() {
        let router = TapRouter::builder().max_session_cost(Duration::from_millis(1)).build();
        install(&router);
        let searched = Predicate::contains("text", "no such thing") & Predicate::contains("text", "nor this");
        let mut stream = router.try_watch(searched).unwrap();
        let long = "x".repeat(8 << 10);
        let end = flood_until_the_end(&mut stream, 1_000, || {
            tracing::info_span!("request", text = &*long).in_scope(|| tracing::info!("inside"));
        });
        assert_eq!(end, Some(EndReason::TooCostly));
    }

    fn an_indexed_session_that_misses_is_charged_nothing() {
        // Nothing may be charged at all.
        let router = TapRouter::builder().max_session_cost(Duration::ZERO).build();
        install(&router);
        let mut stream = router.try_watch(Predicate::eq("user", 42) & searching(8)).unwrap();
        for _ in 0..100 {
            tracing::info!(user = 43, "{}", "x".repeat(8 << 10));
            tracing::info_span!("request", user = 43).in_scope(|| tracing::info!("inside"));
        }
        assert_eq!(end_of(&mut stream), None);
        tracing::info!(user = 42, "{}", "x".repeat(8 << 10));
        assert_eq!(end_of(&mut stream), Some(EndReason::TooCostly));
    }

    fn tables_of_regular_expressions_are_counted_and_given_back() {
        let router = TapRouter::new();
        install(&router);
        let table = Predicate::regex("message", "a[ab]{8}c").unwrap();
        let streams = [router.watch(table.clone()), router.watch(table)];
        let bytes = router.stats().predicate_bytes;
        assert!(bytes > 2 * 4096, "{bytes}");
        drop(streams);
        wait_until("the sessions to be freed", || router.stats().predicate_bytes == 0);
    }
}
