//! What other layers, and other ways to log, keep from a session.

use super::{check, coverage_of};
use testing::wait_until;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, registry};
use tracing_tap::Verdict::{Everything, Nothing, Partly};
use tracing_tap::coverage::Finding;
use tracing_tap::{LookBack, TapRouter};

/// Refuses events for everyone, once they are there.
struct Refuses(fn(&Metadata<'_>) -> bool);

impl<S: Subscriber> Layer<S> for Refuses {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        !(self.0)(event.metadata())
    }
}

fn emit() {
    for n in 0..6 {
        tracing::info!(user = 42, n, "info");
        tracing::debug!(user = 42, n, "debug");
    }
}

fn refused(level: Level) -> Finding {
    let callsites = if level == Level::INFO { 2 } else { 1 };
    Finding::RefusedByLayer { level: level.to_string(), target: module_path!().to_owned(), callsites }
}

isolated! {
    fn events_that_a_layer_outside_us_refuses_are_found() {
        let router = TapRouter::new();
        registry().with(router.layer()).with(Refuses(|metadata| *metadata.level() > Level::INFO)).init();
        let stream = router.watch("user = 42".parse::<tracing_tap::Predicate>().unwrap());
        emit();
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), coverage.findings()), (Partly, &[refused(Level::DEBUG)][..]), "{coverage}");
        assert!(coverage.to_string().contains("`event_enabled` of another layer"), "{coverage}");
    }

    fn events_that_a_layer_inside_us_refuses_are_found() {
        let router = TapRouter::new();
        registry().with(Refuses(|metadata| *metadata.level() > Level::INFO)).with(router.layer()).init();
        let stream = router.watch("user = 42".parse::<tracing_tap::Predicate>().unwrap());
        emit();
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), coverage.findings()), (Partly, &[refused(Level::DEBUG)][..]), "{coverage}");
    }

    fn events_kept_for_looking_back_are_not_taken_for_refused() {
        let router = TapRouter::builder().look_back(LookBack::new(1 << 20)).build();
        registry().with(router.layer()).init();
        wait_until("looking back to be switched on", || router.stats().look_back_bytes > 0);
        emit();
        check(&router, "user = 42", Everything, &[]);
    }

    fn where_another_layer_refuses_all_nothing_can_match() {
        let router = TapRouter::new();
        registry().with(router.layer()).with(Refuses(|_| true)).init();
        let stream = router.watch("user = 42".parse::<tracing_tap::Predicate>().unwrap());
        emit();
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), coverage.findings()), (Nothing, &[refused(Level::INFO)][..]), "{coverage}");
    }

    fn where_a_global_filter_hides_all_nothing_can_match() {
        let router = TapRouter::new();
        registry().with(filter_fn(|_| false)).with(router.layer()).init();
        emit();
        check(&router, "user = 42", Nothing, &["events at ERROR are hidden by a global filter"]);
    }

    fn questions_without_events_are_no_refused_events() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let stream = router.watch("user = 42".parse::<tracing_tap::Predicate>().unwrap());
        for _ in 0..9 {
            assert!(tracing::enabled!(Level::DEBUG) && tracing::event_enabled!(Level::DEBUG));
        }
        emit();
        assert_eq!(stream.coverage().verdict(), Everything, "{}", stream.coverage());
    }

    fn a_layer_that_is_installed_twice_is_found() {
        let router = TapRouter::new();
        registry().with(router.layer()).with(router.layer()).init();
        emit();
        check(&router, "user = 42", Partly, &["in one subscriber more than once", "once"]);
        assert_eq!(coverage_of(&router, "user = 42").findings(), [Finding::InstalledTwice]);
    }

    fn layers_in_two_subscribers_are_not_installed_twice() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let other = tracing::Dispatch::new(registry().with(router.layer()));
        emit();
        tracing::dispatcher::with_default(&other, emit);
        check(&router, "user = 42", Everything, &[]);
    }
}

#[cfg(feature = "log")]
isolated! {
    fn log_records_that_no_bridge_hands_over_are_found() {
        let router = TapRouter::new();
        tracing::subscriber::set_global_default(registry().with(router.layer())).unwrap();
        emit();
        log::error!("nobody gets this");
        check(&router, "user = 42", Partly, &["records of the `log` crate do not arrive", "`tracing_log::LogTracer::init()`"]);
        assert_eq!(coverage_of(&router, "user = 42").findings(), [Finding::NoLogRecords]);
        tracing_log::LogTracer::init().unwrap();
        check(&router, "user = 42", Everything, &[]);
    }

    fn a_misspelt_target_is_found_after_a_log_record_too() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let _stream = router.watch(tracing_tap::Predicate::everything());
        tracing::info!(target: "shop::stock", "reached");
        log::info!(target: "dep", "a record");
        check(&router, "@target = shop::stok", Partly, &["did you mean `shop::stock`?"]);
        check(&router, "@target = shop", Everything, &[]);
    }

    fn a_target_of_log_records_may_match_once_one_has_arrived() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        check(&router, "@target = sqlx", Nothing, &["no callsite seen so far has `@target = sqlx`"]);
        let stream = router.watch("@target = sqlx".parse::<tracing_tap::Predicate>().unwrap());
        log::info!(target: "sqlx::query", "select");
        assert_eq!((stream.stats().matched, stream.coverage().verdict()), (1, Everything), "{}", stream.coverage());
        // Which targets records have had is not kept.
        check(&router, "@target = sqlx", Partly, &["no callsite seen so far has `@target = sqlx`"]);
    }
}
