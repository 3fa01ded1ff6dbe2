//! Why a session sees nothing: each finding and each note on a real stack, and its remedy tried.

mod context;
mod names;
mod neighbours;
mod values;

use std::sync::{Arc, Mutex, mpsc};
use testing::{Output, info_printer, messages};
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry, fmt, registry};
use tracing_tap::coverage::{Finding, Note};
use tracing_tap::{Coverage, Follow, Predicate, SessionOptions, TapRouter, Verdict};

fn user() -> Predicate {
    Predicate::eq("user", 42)
}

/// What a new session on a predicate can see.
fn coverage_of(router: &TapRouter, predicate: &str) -> Coverage {
    router.watch(predicate.parse::<Predicate>().expect("a test asks for what can be read")).coverage()
}

#[track_caller]
fn check(router: &TapRouter, predicate: &str, verdict: Verdict, words: &[&str]) {
    check_coverage(&coverage_of(router, predicate), verdict, words);
}

#[track_caller]
fn check_session(router: &TapRouter, session: &SessionOptions, verdict: Verdict, words: &[&str]) {
    check_coverage(&router.coverage_of(session), verdict, words);
    check_coverage(&router.watch(session.clone()).coverage(), verdict, words);
}

/// The verdict is said first, everything is clear without findings alone, and the rest says these words.
#[track_caller]
fn check_coverage(coverage: &Coverage, verdict: Verdict, words: &[&str]) {
    let text = coverage.to_string();
    assert_eq!(coverage.verdict(), verdict, "{text}");
    assert_eq!(text.lines().next(), Some(verdict.to_string().as_str()));
    assert_eq!(coverage.is_clear(), verdict == Verdict::Everything);
    assert_eq!(coverage.findings().is_empty(), verdict == Verdict::Everything, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    let json = serde_json::to_value(coverage).expect("a coverage is plain data");
    assert_eq!(serde_json::from_value::<Coverage>(json).expect("it reads back"), *coverage);
}

/// Hands records of `log` to `tracing`, as `init` does: scoped subscribers do not.
fn bridge_log() {
    tracing_log::LogTracer::init().expect("nobody else has set a logger");
}

/// Reaches an event that some user's session can match.
fn reach() {
    tracing::info!(user = 1, "reached, so that something can match");
}

/// The findings on a predicate, and their words.
fn findings(router: &TapRouter, predicate: Predicate) -> (Vec<Finding>, String) {
    let stream = router.watch(predicate);
    let coverage = stream.coverage();
    assert_eq!(coverage.is_clear(), coverage.findings().is_empty(), "{coverage}");
    (coverage.findings().to_vec(), coverage.to_string())
}

#[track_caller]
fn check_clear(router: &TapRouter, predicate: Predicate) {
    let (found, words) = findings(router, predicate);
    assert!(found.is_empty(), "{words}");
}

isolated! {
    fn a_field_the_router_does_not_capture_is_found() {
        let router = TapRouter::builder().capture_fields(["user"]).deny_targets(["secret"]).build();
        registry().with(router.layer()).init();
        let _span = tracing::info_span!("conn", user = 1, tenant = 7).entered();
        tracing::info!("reached");
        let _denied = tracing::debug_span!(target: "secret", "conn", shard = 7);
        let found = Finding::FieldNotCaptured { field: "tenant".to_owned() };
        let (findings, words) = findings(&router, Predicate::eq("tenant", 7));
        assert_eq!(findings, [found], "{words}");
        assert!(words.contains("`capture_fields`"), "{words}");
        check_clear(&router, Predicate::eq("user", 1));
        let nothing = [Finding::NothingMatches { seen: 1 }];
        assert_eq!(self::findings(&router, Predicate::eq("shard", 7)).0, nothing, "there is no remedy to name");
    }

    fn what_a_predicate_names_reaches_no_terminal_raw() {
        let router = TapRouter::builder().deny_targets(["denied"]).redact_fields(["secret\u{202E}"]).build();
        registry().with(router.layer()).init();
        let odd = |name: &str| format!("{name}\u{1B}[2J\n\u{202E}");
        let predicate = Predicate::target(odd("denied::")) & Predicate::eq(odd("user"), 42) & !Predicate::exists("secret\u{202E}");
        let stream = router.watch(SessionOptions::new(predicate).follow(Follow::Named(odd("request"))));
        let words = stream.coverage().to_string();
        for shown in ["`denied::", "`user", "`request"] {
            assert!(words.contains(&format!(r"{shown}\u{{1b}}[2J\n\u{{202e}}`")), "{words}");
        }
        assert!(words.contains(r"`secret\u{202e}`"), "{words}");
        assert!(!words.contains(['\u{1B}', '\u{202E}']) && words.lines().all(|line| !line.is_empty()), "{words}");
    }

    fn a_router_whose_layer_is_in_no_subscriber_says_so_until_it_is() {
        let router = TapRouter::new();
        let (found, words) = findings(&router, user());
        assert_eq!(found, [Finding::NotInstalled]);
        assert!(words.contains("`.with(router.layer())`"), "{words}");

        registry().with(router.layer()).init();
        reach();
        check_clear(&router, user());
    }

    fn a_global_env_filter_hides_events_a_layers_own_does_not() {
        bridge_log();
        let global = TapRouter::new();
        let hidden = registry().with(EnvFilter::new("info")).with(fmt::layer().with_writer(std::io::sink)).with(global.layer());
        tracing::subscriber::with_default(hidden, || {
            let (found, words) = findings(&global, user());
            assert_eq!(found, [Finding::HiddenByGlobalFilter { level: "DEBUG".to_owned(), target: None }]);
            assert!(words.contains("with_filter(filter)"), "{words}");
            let mut stream = global.watch(user());
            tracing::debug!(user = 42, "hidden");
            assert!(messages(&mut stream).is_empty(), "the finding is true");
            reach();
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

    fn a_global_filter_that_hides_a_target_is_named_with_it() {
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

    fn a_global_level_filter_outside_or_inside_us_is_found() {
        bridge_log();
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

    fn a_filter_around_the_layer_is_found_by_what_it_hides() {
        let router = TapRouter::new();
        registry().with(fmt::layer().with_writer(std::io::sink)).with(router.layer().with_filter(LevelFilter::WARN)).init();
        let (found, words) = findings(&router, user());
        assert_eq!(found, [
            Finding::HiddenFromLayer { level: "INFO".to_owned(), what: "events".to_owned(), target: None },
            Finding::HiddenFromLayer { level: "INFO".to_owned(), what: "spans".to_owned(), target: None },
        ], "{words}");
        assert!(words.contains("without `with_filter`"), "{words}");
    }

    fn a_span_hidden_from_the_layer_is_a_finding() {
        fn in_her_span_inside_of_his(router: &TapRouter) -> Vec<String> {
            let mut stream = router.watch(Predicate::eq("user", 43));
            let _his = tracing::info_span!(target: "server", "conn", user = 43).entered();
            let _hers = tracing::info_span!(target: "hidden", parent: None, "conn", user = 42).entered();
            tracing::info!(target: "server", "hers");
            messages(&mut stream)
        }
        bridge_log();
        let output = Output::default();
        let router = TapRouter::new();
        let filter = filter_fn(|metadata| metadata.target() != "hidden");
        let withholding = registry().with(info_printer(&output)).with(router.layer().with_filter(filter));
        tracing::subscriber::with_default(withholding, || {
            assert_eq!(in_her_span_inside_of_his(&router), ["hers"], "the finding is true: it is taken for his");
            let (found, words) = findings(&router, Predicate::eq("user", 43));
            let target = Some("hidden".to_owned());
            let what = "spans".to_owned();
            assert_eq!(found, [Finding::HiddenFromLayer { level: "INFO".to_owned(), what, target }], "{words}");
            assert!(words.contains("perhaps another user's") && words.contains("without `with_filter`"), "{words}");
        });

        let router = TapRouter::new();
        tracing::subscriber::with_default(registry().with(info_printer(&output)).with(router.layer()), || {
            assert!(in_her_span_inside_of_his(&router).is_empty());
            check_clear(&router, Predicate::eq("user", 43));
        });
    }

    fn a_target_hidden_from_the_layer_is_named() {
        let router = TapRouter::new();
        let filter = Targets::new().with_default(LevelFilter::TRACE).with_target("noisy", LevelFilter::INFO);
        registry().with(router.layer().with_filter(filter)).init();
        tracing::info!(target: "noisy", "reached, so that it is known");
        let (found, words) = findings(&router, user());
        let target = Some("noisy".to_owned());
        let what = "events".to_owned();
        assert_eq!(found, [Finding::HiddenFromLayer { level: "DEBUG".to_owned(), what, target }], "{words}");
    }

    fn a_layer_in_and_then_that_hides_levels_is_found() {
        let output = Output::default();
        let router = TapRouter::new();
        registry().with(Layer::<Registry>::and_then(router.layer(), info_printer(&output))).init();
        let (found, words) = findings(&router, user());
        assert_eq!(found, [Finding::LevelHidden { level: "DEBUG".to_owned() }], "{words}");
        assert!(words.contains("`.with(..)`"), "{words}");
        let mut stream = router.watch(user());
        tracing::debug!(user = 42, "hidden");
        assert!(messages(&mut stream).is_empty(), "the finding is true");
        reach();
        check_clear(&router, user().and(Predicate::level(tracing::Level::INFO)));

        let remedied = TapRouter::new();
        tracing::subscriber::with_default(registry().with(remedied.layer()).with(info_printer(&output)), || {
            check_clear(&remedied, user());
            let mut stream = remedied.watch(user());
            tracing::debug!(user = 42, "seen");
            assert_eq!(messages(&mut stream), ["seen"]);
        });
    }

    fn a_layer_in_and_then_that_hides_tracked_spans_is_found() {
        let router = TapRouter::new();
        let warnings = fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::WARN);
        registry().with(Layer::<Registry>::and_then(router.layer(), warnings)).init();
        let coverage = router.coverage(&user());
        assert_eq!(coverage.findings(), [Finding::LevelHidden { level: "INFO".to_owned() }], "{coverage}");
    }

    fn an_older_neighbours_span_is_named_tracking_is_the_remedy() {
        fn request() -> tracing::Span {
            tracing::debug_span!("request", user = 42)
        }
        bridge_log();
        let all = || fmt::layer().with_writer(std::io::sink);
        let router = TapRouter::new();
        tracing::subscriber::with_default(registry().with(all()).with(router.layer()), || {
            let span = request();
            let (found, words) = findings(&router, user());
            let Some(Finding::SpanTooVerbose { span: name, level, field, .. }) = found.first() else { panic!("{words}") };
            assert_eq!((&**name, &**level, field.as_deref()), ("request", "DEBUG", Some("user")));
            assert!(words.contains("span_level(LevelFilter::DEBUG)"), "{words}");
            let mut stream = router.watch(user());
            span.in_scope(|| tracing::info!("in flight"));
            assert!(messages(&mut stream).is_empty(), "the finding is true");
            request().in_scope(|| tracing::info!("new"));
            assert_eq!(messages(&mut stream), ["new"], "not everything is hidden");
            assert_eq!(stream.coverage().verdict(), Verdict::Partly, "{}", stream.coverage());
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

    fn a_rebuild_that_another_layer_blocks_is_pending() {
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
        tracing::debug!(user = 1, "reached, so that there is a callsite to ask");

        let held = lock.lock().expect("nobody panics with this lock");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn({
            let router = router.clone();
            move || sender.send(router.watch(user())).expect("the test waits")
        });
        let stream = receiver.recv_timeout(testing::PATIENCE).expect("`watch` waits for a bounded time");
        assert!(stream.coverage().findings().contains(&Finding::RebuildPending), "{}", stream.coverage());
        drop(held);
        testing::wait_until("the rebuild to end", || stream.coverage().is_clear());
    }

    fn an_undeclared_field_is_a_note_and_a_near_name_a_finding() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let _span = tracing::info_span!("conn", user = 42, tenant = 7);
        tracing::info!("reached");

        let stream = router.watch(Predicate::eq("usr", 42));
        assert_eq!(stream.coverage().findings(), [Finding::MisspeltField { field: "usr".to_owned(), near: "user".to_owned() }]);
        assert!(stream.coverage().to_string().contains("did you mean `user`?"));

        let stream = router.watch(Predicate::eq("shard", 1));
        assert_eq!(stream.coverage().findings(), [Finding::NothingMatches { seen: 1 }]);
        assert!(stream.coverage().notes().contains(&Note::UnseenField { field: "shard".to_owned() }));
        assert!(stream.coverage().to_string().contains("when it is first reached"));

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
