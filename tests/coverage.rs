//! Why a session sees nothing: each finding and each note on a real stack, and its remedy tried.

mod support;

use std::sync::{Arc, Mutex, mpsc};
use support::messages;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, fmt, registry};
use tracing_tap::{Finding, Note, Predicate, TapRouter};

fn user() -> Predicate {
    Predicate::eq("user", 42)
}

/// The findings on a predicate, and their words.
fn findings(router: &TapRouter, predicate: Predicate) -> (Vec<Finding>, String) {
    let stream = router.watch(predicate);
    let coverage = stream.coverage();
    assert_eq!(coverage.is_clear(), coverage.findings().is_empty());
    (coverage.findings().to_vec(), coverage.to_string())
}

#[track_caller]
fn check_clear(router: &TapRouter, predicate: Predicate) {
    let (found, words) = findings(router, predicate);
    assert!(found.is_empty(), "{words}");
}

isolated! {
    fn a_router_whose_layer_is_in_no_subscriber_says_so_until_it_is() {
        let router = TapRouter::new();
        let (found, words) = findings(&router, user());
        assert_eq!(found, [Finding::NotInstalled]);
        assert!(words.contains("`.with(router.layer())`"), "{words}");

        registry().with(router.layer()).init();
        check_clear(&router, user());
    }

    fn a_global_env_filter_hides_events_and_as_the_filter_of_a_layer_it_does_not() {
        let global = TapRouter::new();
        let hidden = registry().with(EnvFilter::new("info")).with(fmt::layer().with_writer(std::io::sink)).with(global.layer());
        tracing::subscriber::with_default(hidden, || {
            let (found, words) = findings(&global, user());
            assert_eq!(found, [Finding::HiddenByGlobalFilter { level: "DEBUG".to_owned(), target: None }]);
            assert!(words.contains("with_filter(filter)"), "{words}");
            let mut stream = global.watch(user());
            tracing::debug!(user = 42, "hidden");
            assert!(messages(&mut stream).is_empty(), "the finding is true");
            check_clear(&global, user().and(Predicate::level(tracing::Level::INFO)));
        });

        let router = TapRouter::new();
        let logs = fmt::layer().with_writer(std::io::sink).with_filter(EnvFilter::new("info"));
        let remedied = registry().with(logs).with(router.layer());
        tracing::subscriber::with_default(remedied, || {
            check_clear(&router, user());
            let mut stream = router.watch(user());
            tracing::debug!(user = 42, "seen");
            assert_eq!(messages(&mut stream), ["seen"]);
        });
    }

    fn a_global_filter_that_hides_one_target_is_named_with_the_target() {
        let router = TapRouter::new();
        let filter = EnvFilter::new("trace,service::noisy=off");
        registry().with(filter).with(router.layer()).init();
        tracing::error!(target: "service::noisy", "reached, so that it is known");
        tracing::error!(target: "service::quiet", "reached too");
        let (found, words) = findings(&router, Predicate::target("service::noisy"));
        assert_eq!(found, [Finding::HiddenByGlobalFilter { level: "ERROR".to_owned(), target: None }], "{words}");
        let (found, words) = findings(&router, user());
        assert!(found.iter().all(|finding| matches!(
            finding, Finding::HiddenByGlobalFilter { target: Some(target), .. } if target == "service::noisy")), "{words}");
        assert!(!found.is_empty());
    }

    fn a_global_level_filter_outside_and_inside_of_the_layer_is_found() {
        for outside in [true, false] {
            let router = TapRouter::new();
            let stack: Box<dyn Subscriber + Send + Sync> = if outside {
                Box::new(registry().with(router.layer()).with(LevelFilter::INFO))
            } else {
                Box::new(registry().with(LevelFilter::INFO).with(router.layer()))
            };
            tracing::subscriber::with_default(stack, || {
                let (found, words) = findings(&router, user());
                assert_eq!(found, [Finding::HiddenByGlobalFilter { level: "DEBUG".to_owned(), target: None }], "{words}");
            });
        }
    }

    fn a_filter_around_the_layer_itself_is_found_by_what_it_withholds() {
        let router = TapRouter::new();
        registry().with(fmt::layer().with_writer(std::io::sink)).with(router.layer().with_filter(LevelFilter::WARN)).init();
        let (found, words) = findings(&router, user());
        assert_eq!(found, [
            Finding::WithheldFromLayer { level: "INFO".to_owned(), what: "spans".to_owned() },
            Finding::WithheldFromLayer { level: "INFO".to_owned(), what: "events".to_owned() },
        ], "{words}");
        assert!(words.contains("without `with_filter`"), "{words}");
    }

    fn a_span_that_declares_the_field_but_is_not_tracked_is_named_and_tracking_it_is_the_remedy() {
        fn request() -> tracing::Span {
            tracing::debug_span!("request", user = 42)
        }
        let all = || fmt::layer().with_writer(std::io::sink);
        let router = TapRouter::new();
        tracing::subscriber::with_default(registry().with(all()).with(router.layer()), || {
            let span = request();
            let (found, words) = findings(&router, user());
            let Some(Finding::SpanTooVerbose { span: name, level, field, .. }) = found.first() else { panic!("{words}") };
            assert_eq!((&**name, &**level, &**field), ("request", "DEBUG", "user"));
            assert!(words.contains("span_level(LevelFilter::DEBUG)"), "{words}");
            let mut stream = router.watch(user());
            span.in_scope(|| tracing::info!("in flight"));
            assert!(messages(&mut stream).is_empty(), "the finding is true");
        });

        let router = TapRouter::builder().span_level(LevelFilter::DEBUG).build();
        tracing::subscriber::with_default(registry().with(all()).with(router.layer()), || {
            let span = request();
            check_clear(&router, user());
            let mut stream = router.watch(user());
            span.in_scope(|| tracing::info!("in flight"));
            assert_eq!(messages(&mut stream), ["in flight"]);
        });
    }

    fn a_rebuild_that_another_layer_holds_up_is_pending_until_it_lets_go() {
        /// Takes a lock of the application whenever a callsite is registered.
        struct Locks(Arc<Mutex<()>>);
        impl<S: Subscriber> Layer<S> for Locks {
            fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
                let _held = self.0.lock().expect("nobody panics with this lock");
                tracing::subscriber::Interest::sometimes()
            }
        }
        let lock = Arc::new(Mutex::new(()));
        let router = TapRouter::new();
        registry().with(Locks(Arc::clone(&lock))).with(router.layer()).init();
        tracing::debug!("reached, so that there is a callsite to ask");

        let held = lock.lock().expect("nobody panics with this lock");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn({
            let router = router.clone();
            move || sender.send(router.watch(user())).expect("the test waits")
        });
        let stream = receiver.recv_timeout(support::PATIENCE).expect("`watch` waits for a bounded time");
        assert!(stream.coverage().findings().contains(&Finding::RebuildPending), "{}", stream.coverage());
        drop(held);
        support::wait_until("the rebuild to end", || stream.coverage().is_clear());
    }

    fn a_field_that_no_callsite_declares_is_a_note_and_a_finding_where_a_near_name_exists() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let _span = tracing::info_span!("conn", user = 42, tenant = 7);

        let stream = router.watch(Predicate::eq("usr", 42));
        assert_eq!(stream.coverage().findings(), [Finding::MisspeltField { field: "usr".to_owned(), near: "user".to_owned() }]);
        assert!(stream.coverage().to_string().contains("did you mean `user`?"));

        let stream = router.watch(Predicate::eq("shard", 1));
        assert!(stream.coverage().is_clear());
        assert!(stream.coverage().notes().contains(&Note::UnseenField { field: "shard".to_owned() }));
        assert!(stream.coverage().to_string().contains("when they are first reached"));

        check_clear(&router, Predicate::eq(["usr_id", "tenant"], 7));
    }

    fn coverage_counts_the_callsites_that_can_match() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        tracing::info!(target: "service::part", "one");
        tracing::debug!(target: "service::part", "two");
        tracing::debug!(target: "elsewhere", "three");
        let count = |predicate| router.coverage(&predicate).notes().first().cloned();
        assert_eq!(count(Predicate::everything()), Some(Note::Callsites { can_match: 1, seen: 1 }), "only what is reached counts");
        let _stream = router.watch(Predicate::everything());
        tracing::debug!(target: "service::part", "two");
        let seen = |can_match| Some(Note::Callsites { can_match, seen: 2 });
        assert_eq!(count(Predicate::target("service")), seen(2));
        assert_eq!(count(Predicate::level(tracing::Level::INFO)), seen(1));
        assert_eq!(count(Predicate::everything().not()), seen(0));
    }

    fn what_the_router_was_built_to_refuse_is_found() {
        let router = TapRouter::builder().redact_fields(["password"]).deny_targets(["secret"]).build();
        registry().with(router.layer()).init();
        let redacted = Finding::RedactedField { field: "password".to_owned() };
        assert!(findings(&router, Predicate::eq("password", "x")).0.contains(&redacted));
        let denied = Finding::DeniedTarget { target: "secret::inner".to_owned() };
        assert_eq!(findings(&router, Predicate::target("secret::inner")).0, [denied]);
        assert_eq!(findings(&router, Predicate::everything().not()).0, [Finding::NeverMatches]);
    }
}
