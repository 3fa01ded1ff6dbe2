//! The limits of a session hold for its past.

use super::{LONG, horizon, looking_back, plenty, router, told, wait_for_past};
use testing::events;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{Follow, Item, LookBack, MissingReason, Overflow, Predicate, SessionOptions, TapRouter};

fn log_ten() {
    (0..10).for_each(|number| tracing::debug!(user = 42, number, "{number}"));
}

testing::isolated! {
    fn the_past_is_bounded_by_the_sessions_capacity() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        log_ten();
        let mut stream = router.watch(looking_back("user = 42").capacity(3));
        let items: Vec<_> = stream.drain().collect();
        assert!(matches!(&items[..2], [Item::Horizon(_), Item::Missing(lost)] if lost.count == 7), "{items:?}");
        let sequence = |item: &Item| if let Item::Event { sequence, .. } = item { Some(*sequence) } else { None };
        assert_eq!(items.iter().filter_map(sequence).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(stream.stats().missing[MissingReason::Overflow], 7);
        let newest = SessionOptions::overflow(looking_back("user = 42").capacity(3), Overflow::DropNewest);
        assert_eq!(told(&mut router.watch(newest)), ["past 0", "past 1", "past 2"]);
        assert_eq!(router.stats().buffered_bytes, 0);
    }

    fn unread_past_events_are_counted_and_freed_with_their_session() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        log_ten();
        let stream = router.watch(looking_back("user = 42"));
        assert_eq!((stream.stats().buffered, stream.stats().matched), (10, 10));
        assert!(router.stats().buffered_bytes > 0);
        drop(stream);
        testing::wait_until("the session to be freed", || router.stats().buffered_bytes == 0);
        assert_eq!(router.stats().events.missing[MissingReason::Closed], 10);
    }

    fn a_session_of_so_many_events_may_end_in_its_past() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        log_ten();
        let mut stream = router.watch(looking_back("user = 42").max_events(4));
        testing::wait_until("the session to be over", || router.sessions().is_empty());
        log_ten();
        let items: Vec<_> = stream.drain().collect();
        let events = items.iter().cloned().filter_map(Item::into_event);
        assert_eq!(events.map(|event| event.message().to_owned()).collect::<Vec<_>>(), ["0", "1", "2", "3"]);
        assert!(matches!(items.last(), Some(Item::Ended(_))), "{items:?}");
    }

    fn the_rate_is_about_the_present() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        log_ten();
        let mut stream = router.watch(looking_back("user = 42").max_rate(0));
        log_ten();
        assert_eq!(told(&mut stream).len(), 10);
        assert_eq!(stream.stats().missing[MissingReason::RateLimited], 10);
    }

    fn a_request_is_sampled_whole_past_and_present() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let requests: Vec<_> = (0..64).map(|request| tracing::info_span!("request", user = 42, request)).collect();
        requests.iter().for_each(|request| request.in_scope(|| tracing::debug!("before")));
        let mut stream = router.watch(looking_back("user = 42").sample(2));
        requests.iter().for_each(|request| request.in_scope(|| tracing::debug!("after")));
        let of = |past: bool, events: &[std::sync::Arc<tracing_tap::CapturedEvent>]| -> Vec<String> {
            let of = events.iter().filter(|event| event.is_past() == past);
            of.map(|event| event.find("request").unwrap().to_string()).collect()
        };
        let seen = events(&mut stream);
        assert_eq!(of(true, &seen), of(false, &seen));
        assert!((10..54).contains(&of(true, &seen).len()), "{}", seen.len());
        assert_eq!(stream.stats().missing[MissingReason::SampledOut], 128 - seen.len() as u64);
    }

    fn the_past_of_a_confined_session_is_confined() {
        let router = router(LookBack::new(128 << 10).thread_bytes(4 << 10).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        for number in 0..100 {
            let tenant = if number % 2 == 0 { 7 } else { 8 };
            tracing::info_span!("request", tenant).in_scope(|| tracing::debug!("of {tenant}"));
        }
        let confined = looking_back("@span = request").confined_to(Predicate::eq("tenant", 7));
        let mut stream = router.watch(confined);
        let horizon = horizon(&mut stream);
        assert_eq!((horizon.threads.len(), horizon.overwritten, horizon.unresolved), (0, 0, 0), "others' events");
        let told = told(&mut stream);
        assert!(!told.is_empty() && told.iter().all(|text| text == "past of 7"), "{told:?}");
    }

    fn the_maximum_level_and_levels_in_the_predicate_hold() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        tracing::debug!("debug");
        tracing::info!("info");
        tracing::error!("error");
        let all = || SessionOptions::new(Predicate::everything()).look_back(LONG);
        assert_eq!(told(&mut router.watch(all())), ["past debug", "past info", "past error"]);
        assert_eq!(told(&mut router.watch(all().max_level(LevelFilter::INFO))), ["past info", "past error"]);
        assert_eq!(told(&mut router.watch(looking_back("@level = error"))), ["past error"]);
    }

    fn what_the_past_has_followed_is_followed_in_the_present() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let request = tracing::info_span!("request");
        request.in_scope(|| {
            tracing::debug!("before");
            tracing::info_span!("query").in_scope(|| tracing::error!("failed"));
            tracing::debug!("retried");
        });
        tracing::info_span!("request").in_scope(|| tracing::debug!("another one"));
        let mut stream = router.watch(looking_back("@level = error").follow(Follow::Root));
        request.in_scope(|| tracing::debug!("answered"));
        tracing::info_span!("request").in_scope(|| tracing::debug!("a third one"));
        assert_eq!(told(&mut stream), ["past failed", "past retried", "answered"]);
    }

    fn a_router_that_keeps_no_past_refuses_by_the_builders_word() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let error = router.try_watch(looking_back("user = 42")).unwrap_err();
        assert!(error.is_without_past(), "{error:?}");
        assert!(error.to_string().contains("TapRouterBuilder::look_back"), "{error}");
        let horizon = horizon(&mut router.watch(looking_back("user = 42")));
        assert_eq!((horizon.reaches_ms, horizon.asked_ms), (0, 600_000));
        assert!(!horizon.is_whole());
        assert_eq!(router.stats().look_back_bytes, 0);
    }

    fn denied_targets_and_redacted_values_are_never_kept() {
        let builder = TapRouter::builder().look_back(plenty()).deny_targets(["secret"]).redact_fields(["password"]);
        let router = builder.build();
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        tracing::debug!(target: "secret::vault", user = 42, "denied");
        let span = tracing::info_span!(target: "secret", "vault", user = 42);
        span.in_scope(|| tracing::debug!("inside a denied span"));
        tracing::info_span!("login", password = "hunter2", user = 42).in_scope(|| {
            tracing::debug!(password = "x", count = 7_u64, delta = -1, ratio = 0.5, "kept");
        });
        let mut stream = router.watch(looking_back("user = 42"));
        let seen = events(&mut stream);
        assert_eq!(seen.iter().map(|event| event.message()).collect::<Vec<_>>(), ["kept"]);
        let shown = format!("{:?}", seen[0]);
        assert!(!shown.contains("hunter2") && seen[0].find("password").unwrap().to_string() == "<redacted>", "{shown}");
        let numbers = ["count", "delta", "ratio"].map(|name| seen[0].field(name).unwrap().to_string());
        assert_eq!(numbers, ["7", "-1", "0.5"]);
    }

    fn only_events_of_the_targets_and_levels_asked_for_are_kept() {
        let router = router(plenty().level(Level::INFO).targets(["chat"]));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let count = testing::Evaluations::default();
        let evaluated = count.during(|| {
            tracing::debug!(target: "chat", number = count.count(), "too verbose");
            tracing::info!(target: "elsewhere", number = count.count(), "elsewhere");
        });
        assert_eq!(evaluated, 0, "nobody wants them");
        tracing::info!(target: "chat::hub", "kept");
        let mut stream = router.watch(SessionOptions::new(Predicate::everything()).look_back(LONG));
        assert_eq!(told(&mut stream), ["past kept"]);
    }
}
