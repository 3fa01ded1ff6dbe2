//! Records of the `log` crate are events like others: by their own target, level and place, never by `log.*` fields.
//! Without the feature `log` they are what the bridge makes of them.

#[cfg(feature = "log")]
use std::sync::{Arc, Mutex};
#[cfg(feature = "log")]
use testing::wait_until;
use testing::{Output, events, info_printer, messages};
#[cfg(feature = "log")]
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
#[cfg(feature = "log")]
use tracing_tap::SessionOptions;
use tracing_tap::{Predicate, TapRouter};

fn install(output: &Output) -> TapRouter {
    let router = TapRouter::new();
    let dispatch = tracing_subscriber::registry().with(info_printer(output)).with(router.layer());
    tracing::subscriber::set_global_default(dispatch).expect("nobody set it before");
    tracing_log::LogTracer::builder().with_max_level(log::LevelFilter::Info).init().expect("nobody set it before");
    router
}

#[cfg(not(feature = "log"))]
isolated! {
    fn without_the_feature_no_log_level_is_raised() {
        let router = install(&Output::default());
        let mut all = router.watch(Predicate::everything());
        let mut by_target = router.watch(Predicate::target("store"));
        let mut by_field = router.watch(Predicate::eq("log.target", "store"));
        log::info!(target: "store", "a record");
        log::debug!(target: "store", "below the level of the bridge");
        assert_eq!(log::max_level(), log::LevelFilter::Info);
        assert_eq!(events(&mut all).iter().map(|event| event.target()).collect::<Vec<_>>(), ["log"]);
        assert!(messages(&mut by_target).is_empty());
        assert_eq!(messages(&mut by_field), ["a record"]);
    }
}

#[cfg(feature = "log")]
isolated! {
    fn a_service_that_calls_init_needs_nothing_else() {
        let router = TapRouter::new();
        let output = Output::default();
        tracing_subscriber::registry().with(info_printer(&output)).with(router.layer()).init();
        log::debug!(target: "store", "before");
        let mut stream = router.watch(Predicate::target("store"));
        log::trace!(target: "store", "detail");
        log::info!(target: "store", "printed");
        assert_eq!(messages(&mut stream), ["detail", "printed"]);
        assert_eq!(output.lines(), [" INFO store: printed"]);
        drop(stream);
        wait_until("the level to be put back", || log::max_level() < log::LevelFilter::Trace);
    }

    fn a_logger_that_is_no_bridge_prints_no_more_for_a_session() {
        /// As some are, it goes by the level of the process alone.
        struct Syslog(Arc<Mutex<Vec<String>>>);
        impl log::Log for Syslog {
            fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
                metadata.level() <= log::max_level()
            }
            fn log(&self, record: &log::Record<'_>) {
                self.0.lock().expect("nobody panicked").push(record.args().to_string());
            }
            fn flush(&self) {}
        }
        let printed = Arc::<Mutex<Vec<String>>>::default();
        log::set_boxed_logger(Box::new(Syslog(Arc::clone(&printed)))).expect("nobody set it before");
        log::set_max_level(log::LevelFilter::Warn);
        let router = TapRouter::new();
        let subscriber = tracing_subscriber::registry().with(router.layer());
        tracing::subscriber::set_global_default(subscriber).expect("nobody set it before");
        let mut stream = router.watch(Predicate::everything());
        log::debug!("detail");
        log::warn!("slow");
        assert_eq!(*printed.lock().expect("nobody panicked"), ["slow"]);
        assert_eq!((log::max_level(), messages(&mut stream).len()), (log::LevelFilter::Warn, 0));
    }

    fn spans_that_a_session_enables_raise_no_level_of_records() {
        let router = install(&Output::default());
        let session = SessionOptions::new(Predicate::target("store")).max_level(LevelFilter::INFO).spans(LevelFilter::TRACE);
        let mut stream = router.watch(session);
        assert_eq!(log::max_level(), log::LevelFilter::Info);
        log::debug!(target: "store", "too verbose");
        log::info!(target: "store", "a record");
        assert_eq!(messages(&mut stream), ["a record"]);
    }

    fn the_maximum_level_is_restored_when_routers_are_dropped() {
        let first = TapRouter::new();
        let second = TapRouter::new();
        let subscriber = tracing_subscriber::registry().with(first.layer()).with(second.layer());
        let guard = tracing::subscriber::set_default(subscriber);
        tracing_log::LogTracer::builder().with_max_level(log::LevelFilter::Info).init().expect("nobody set it before");
        let verbose = first.watch(Predicate::everything());
        let debug = second.watch(Predicate::level(tracing::Level::DEBUG));
        assert_eq!(log::max_level(), log::LevelFilter::Trace);
        drop(verbose);
        wait_until("the first to give up its part", || log::max_level() == log::LevelFilter::Debug);
        drop(debug);
        wait_until("the level to be put back", || log::max_level() == log::LevelFilter::Info);

        let stream = first.watch(Predicate::everything());
        assert_eq!(log::max_level(), log::LevelFilter::Trace);
        drop((guard, first, second));
        drop(stream);
        wait_until("the level to be put back by a router that is gone", || log::max_level() == log::LevelFilter::Info);
    }

    fn a_record_is_known_by_its_own_target_level_and_place() {
        let router = install(&Output::default());
        let mut by_target = router.watch(Predicate::target("store::cache"));
        let mut by_level = router.watch(Predicate::level(tracing::Level::WARN));
        let mut by_file = router.watch(Predicate::file(file!()));
        log::debug!(target: "store::cache", "hit {}", 1);
        log::debug!(target: "store::cached", "another target");
        log::warn!(target: "store", "slow");
        tracing::debug!(target: "store::cache", "not a record");

        let seen = events(&mut by_target);
        let texts: Vec<_> = seen.iter().map(|event| event.message()).collect();
        assert_eq!(texts, ["hit 1", "not a record"]);
        let hit = &seen[0];
        assert_eq!((hit.target(), hit.level()), ("store::cache", tracing::Level::DEBUG));
        assert_eq!(hit.module_path(), Some(module_path!()));
        assert_eq!(hit.file(), Some(file!()));
        assert!(hit.line().is_some_and(|line| line > 20));
        assert_eq!(hit.fields().map(|(name, _)| name).collect::<Vec<_>>(), ["message"]);
        assert_eq!(messages(&mut by_level), ["slow"]);
        assert_eq!(messages(&mut by_file), ["hit 1", "another target", "slow", "not a record"]);
    }

    fn the_fields_of_the_bridge_are_tested_by_nobody() {
        let router = install(&Output::default());
        let mut raw = router.watch(Predicate::exists("log.target") | Predicate::exists("log.line"));
        let mut raw_target = router.watch(Predicate::eq("log.target", "store"));
        let mut bridge = router.watch(Predicate::target("log"));
        log::info!(target: "store", "one");
        assert!(messages(&mut raw).is_empty());
        assert!(messages(&mut raw_target).is_empty());
        assert!(messages(&mut bridge).is_empty());
    }

    fn a_record_belongs_to_the_span_it_happens_in() {
        let router = install(&Output::default());
        let alice = tracing::info_span!("conn", user = 42);
        let bob = tracing::info_span!("conn", user = 43);
        let mut stream = router.watch(Predicate::eq("user", 42));
        for round in 0..100 {
            bob.in_scope(|| log::debug!("his"));
            alice.in_scope(|| log::trace!("hers"));
            log::debug!("nobody's");
            assert_eq!(messages(&mut stream), ["hers"], "round {round}");
        }
    }

    fn log_records_below_the_level_come_with_a_session_alone() {
        let output = Output::default();
        let router = install(&output);
        assert_eq!(log::max_level(), log::LevelFilter::Info);
        log::debug!(target: "store", "before");
        let mut stream = router.watch(Predicate::target("store") & Predicate::level(tracing::Level::DEBUG));
        assert_eq!(log::max_level(), log::LevelFilter::Debug);
        log::debug!(target: "store", "during");
        log::trace!(target: "store", "too verbose");
        let mut second = router.watch(Predicate::target("store"));
        log::trace!(target: "store", "for the second");
        assert_eq!(messages(&mut second), ["for the second"]);
        drop(second);
        wait_until("one level less", || log::max_level() == log::LevelFilter::Debug);
        assert_eq!(messages(&mut stream), ["during"]);
        drop(stream);
        wait_until("the level from before", || log::max_level() == log::LevelFilter::Info);
        log::debug!(target: "store", "after");
        log::info!(target: "store", "printed");
        assert_eq!(output.lines(), [" INFO store: printed"]);
        assert_eq!(router.stats().events.matched, 2);
    }

    fn a_level_that_the_application_sets_during_a_session_stays() {
        let router = install(&Output::default());
        let stream = router.watch(Predicate::target("store"));
        assert_eq!(log::max_level(), log::LevelFilter::Trace);
        log::set_max_level(log::LevelFilter::Warn);
        drop(stream);
        let other = router.watch(Predicate::target("elsewhere"));
        drop(other);
        wait_until("rest", || log::max_level() == log::LevelFilter::Warn);
    }
}
