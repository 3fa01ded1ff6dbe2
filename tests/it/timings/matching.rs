//! A close matches as an event inside the span would.

use super::{install, install_with, names, only, timings, user};
use tracing::level_filters::LevelFilter;
use tracing_tap::{Item, MissingReason, Predicate, SessionOptions, TapRouter, Value};

fn request(user: i64) {
    tracing::info_span!("request", user).in_scope(|| {
        tracing::warn_span!("slow").in_scope(|| ());
        tracing::info!("inside");
    });
}

isolated! {
    fn spans_of_watched_requests_alone_are_reported() {
        let router = install();
        let mut stream = router.watch(user(42));
        request(43);
        request(42);
        tracing::info_span!("outside").in_scope(|| ());
        assert_eq!(names(&timings(&mut stream)), ["slow", "request"]);
    }

    fn an_item_has_the_time_of_what_was_captured() {
        let mut stream = install().watch(user(42));
        request(42);
        let items: Vec<_> = stream.drain().collect();
        assert_eq!(items.len(), 3);
        for item in items {
            let time = item.time().expect("it was captured");
            assert!(item.is_numbered());
            assert!(item.into_event().is_none_or(|event| event.time() == time));
        }
    }

    fn the_level_and_target_of_the_span_count() {
        let router = install();
        let mut warnings = router.watch(user(42).max_level(LevelFilter::WARN));
        let mut selected = router.watch(SessionOptions::new("user = 42 and @level = warn".parse().unwrap()).timings());
        let mut elsewhere = router.watch(SessionOptions::new("user = 42 and @target = nowhere".parse().unwrap()).timings());
        request(42);
        assert_eq!(names(&timings(&mut warnings)), ["slow"]);
        assert_eq!(names(&timings(&mut selected)), ["slow"]);
        assert_eq!(names(&timings(&mut elsewhere)), [""; 0]);
    }

    fn the_confinement_holds_for_times() {
        let router = install();
        let everything = SessionOptions::new(Predicate::everything()).timings();
        let mut stream = router.watch(everything.confined_to(Predicate::eq("user", 42)));
        request(43);
        request(42);
        let timings = timings(&mut stream);
        assert_eq!(names(&timings), ["slow", "request"]);
        assert_eq!(timings[0].path().next().and_then(|root| root.field("user")).and_then(Value::as_i64), Some(42));
    }

    fn denied_targets_and_redacted_fields_stay_hidden() {
        let router = TapRouter::builder().deny_targets(["secret"]).redact_fields(["password"]).build();
        let mut stream = install_with(router).watch(SessionOptions::new(Predicate::everything()).timings());
        tracing::info_span!(target: "secret", "hidden").in_scope(|| {
            tracing::info_span!("shown", password = "hunter2").in_scope(|| ());
        });
        let timing = only(&mut stream);
        assert_eq!((timing.name(), timing.path().len()), ("shown", 1));
        assert_eq!(timing.field("password"), Some(&Value::Redacted));
    }

    fn a_request_that_is_sampled_out_is_counted_with_its_times() {
        let router = install();
        let mut stream = router.watch(SessionOptions::new("user >= 0".parse().unwrap()).timings().sample(2));
        (0..64).for_each(request);
        let mut shown = [0_u64; 2];
        for item in stream.drain().filter(Item::is_numbered) {
            shown[usize::from(item.into_timing().is_some())] += 1;
        }
        assert_eq!(shown[1], 2 * shown[0], "a request is shown whole");
        assert_eq!(shown[0] + shown[1] + stream.stats().missing[MissingReason::SampledOut], 64 * 3);
        assert!(shown[0] > 0 && shown[0] < 64);
    }

    fn times_are_lost_and_counted_as_events_are() {
        let router = install();
        let mut stream = router.watch(user(42).capacity(2));
        (0..5).for_each(|_| request(42));
        let stats = stream.stats();
        assert_eq!((stats.matched, stats.missing[MissingReason::Overflow], stats.buffered), (15, 13, 2));
        let items: Vec<_> = stream.drain().collect();
        assert!(matches!(items[0], Item::Missing(missing) if missing.count == 13));
        assert!(matches!(&items[2], Item::Timing { sequence: 14, .. }), "{items:?}");

        let mut bounded = router.watch(user(43).max_events(2));
        request(43);
        assert_eq!(bounded.drain().filter(Item::is_numbered).count(), 2);
        let mut none = router.watch(user(44).max_rate(0));
        request(44);
        assert_eq!((none.drain().count(), none.stats().missing[MissingReason::RateLimited]), (0, 3));
    }

    fn a_close_follows_as_an_event_in_the_span_would() {
        let router = install();
        let slow = SessionOptions::new("@level = warn".parse().unwrap()).follow(tracing_tap::Follow::Root).timings();
        let mut stream = router.watch(slow);
        request(42);
        let items: Vec<_> = stream.drain().collect();
        assert!(matches!(&items[0], Item::Timing { timing, .. } if timing.name() == "slow"));
        assert!(matches!(&items[1], Item::Event { event, .. } if event.message() == "inside"));
        assert!(matches!(&items[2], Item::Timing { timing, .. } if timing.name() == "request"));
    }

    fn a_session_without_events_shows_times_alone() {
        let router = install();
        let mut stream = router.watch(user(42).without_events());
        tracing::info!(user = 42, "before");
        request(42);
        tracing::info_span!("request").in_scope(|| tracing::info!(user = 42, "by its own field"));
        let items: Vec<_> = stream.drain().collect();
        assert_eq!(items.len(), 2, "{items:?}");
        assert_eq!(items[0].clone().into_timing().unwrap().name(), "slow");
        assert_eq!(stream.stats().matched, 2);
    }

    fn spans_that_the_session_enables_are_timed() {
        let router = install();
        let mut plain = router.watch(user(42));
        let mut stream = router.watch(user(42).spans(LevelFilter::TRACE));
        tracing::info_span!("request", user = 42).in_scope(|| tracing::trace_span!("detail").in_scope(|| ()));
        assert_eq!(names(&timings(&mut stream)), ["detail", "request"]);
        assert_eq!(names(&timings(&mut plain)), ["detail", "request"]);
    }

    fn lists_say_that_a_session_wants_times() {
        let router = install();
        let (_timed, _plain) = (router.watch(user(42)), router.watch(Predicate::eq("user", 43)));
        let mut wants: Vec<_> = router.sessions().iter().map(|session| (session.id, session.timings)).collect();
        wants.sort_unstable();
        assert_eq!(wants.iter().map(|(_, timings)| *timings).collect::<Vec<_>>(), [true, false]);
    }
}
