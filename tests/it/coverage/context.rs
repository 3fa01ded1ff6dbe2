//! Spans that do not exist, came too late, or are not around the events that need them.

use super::{check, check_coverage, check_session, coverage_of};
use testing::{Output, info_printer, wait_until};
use tracing::Dispatch;
use tracing::dispatcher::{set_default, with_default};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_tap::Verdict::{Everything, Nothing, Partly};
use tracing_tap::coverage::{Finding, Note};
use tracing_tap::{Follow, Predicate, SessionOptions, TapRouter};

fn router() -> TapRouter {
    let router = TapRouter::new();
    registry().with(router.layer()).init();
    router
}

fn user() -> Predicate {
    Predicate::eq("user", 42)
}

fn debug_request() {
    tracing::debug_span!("request", user = 42).in_scope(|| tracing::info!("inside"));
}

isolated! {
    fn a_span_that_nobody_enables_is_named_with_the_wish_that_helps() {
        let router = router();
        let stream = router.watch(user());
        debug_request();
        let coverage = stream.coverage();
        assert_eq!(coverage.verdict(), Nothing, "{coverage}");
        let [Finding::SpanNotEnabled { span, level, field, .. }] = coverage.findings() else { panic!("{coverage}") };
        assert_eq!((&**span, &**level, field.as_deref()), ("request", "DEBUG", Some("user")));
        for remedy in ["`spans=debug`", "`span_level(LevelFilter::DEBUG)`"] {
            assert!(coverage.to_string().contains(remedy), "{coverage}");
        }
        assert_eq!(stream.stats().matched, 0, "the finding is true");
    }

    fn a_session_with_spans_says_that_older_ones_are_invisible() {
        let router = router();
        let stream = router.watch(SessionOptions::new(user()).spans(LevelFilter::DEBUG));
        debug_request();
        assert_eq!(stream.stats().matched, 1);
        let coverage = stream.coverage();
        assert_eq!(coverage.verdict(), Partly, "{coverage}");
        assert!(matches!(coverage.findings(), [Finding::SpanTooVerbose { .. }]), "{coverage}");
        assert!(coverage.to_string().contains("created while no session was open"), "{coverage}");
    }

    fn a_span_that_is_tested_or_followed_by_its_name_must_exist() {
        let router = router();
        let stream = router.watch(Predicate::span("request"));
        debug_request();
        assert_eq!(stream.coverage().verdict(), Nothing, "{}", stream.coverage());
        assert!(stream.coverage().to_string().contains("spans `request`"), "{}", stream.coverage());
        let follows = || SessionOptions::new(Predicate::level(tracing::Level::INFO)).follow(Follow::Named("request".to_owned()));
        check_session(&router, &follows(), Partly, &["are DEBUG, and no layer enables them", "`spans=debug`"]);
        check_session(&router, &follows().spans(LevelFilter::DEBUG), Partly, &["`span_level(LevelFilter::DEBUG)`"]);
    }

    fn tasks_without_their_span_are_counted() {
        let router = TapRouter::new();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let stream = router.watch(user());
        let conn = tracing::info_span!("conn", user = 42);
        conn.in_scope(|| tracing::info!("inside"));
        assert_eq!(stream.coverage().verdict(), Everything, "{}", stream.coverage());
        conn.in_scope(|| std::thread::spawn(|| (0..3).for_each(|n| tracing::info!(n, "lost"))).join()).unwrap();
        let outside = Finding::OutsideSpans { target: module_path!().to_owned(), events: 3, spans: None };
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), coverage.findings()), (Partly, &[outside][..]), "{coverage}");
        assert!(coverage.to_string().contains("`.in_current_span()`"), "{coverage}");
        check(&router, "@level = info", Everything, &[]);
    }

    fn tasks_without_their_span_are_found_if_events_are_vetoed() {
        let router = router();
        let stream = router.watch(user());
        let conn = tracing::info_span!("conn", user = 42);
        conn.in_scope(|| tracing::debug!("inside"));
        drop(tracing::debug_span!("query"));
        let lost = || std::thread::spawn(|| tracing::debug!("lost")).join();
        (0..3).for_each(|_| conn.in_scope(lost).unwrap());
        let coverage = stream.coverage();
        let [Finding::OutsideSpans { events: 1..=3, spans: Some(level), .. }] = coverage.findings() else { panic!("{coverage}") };
        assert_eq!((level.as_str(), coverage.verdict()), ("DEBUG", Partly));
        assert!(coverage.to_string().contains("`spans=debug`"), "{coverage}");
    }

    fn sampling_and_following_without_request_spans_is_found() {
        let router = router();
        let sampled = || SessionOptions::new(Predicate::everything()).sample(2);
        let followed = || SessionOptions::new(Predicate::ge("status", 500)).follow(Follow::Root);
        let _open = router.watch(Predicate::everything());
        let request = || tracing::debug_span!("request").in_scope(|| tracing::info!(status = 500, "failed"));
        request();
        for session in [sampled(), followed()] {
            check_session(&router, &session, Partly, &["is sampled and followed by itself", "`spans=debug`"]);
        }
        check_session(&router, &SessionOptions::new(Predicate::everything()), Everything, &[]);
        check_session(&router, &sampled().spans(LevelFilter::DEBUG), Everything, &[]);
    }

    fn events_outside_spans_of_a_background_module_are_a_note() {
        let router = router();
        let stream = router.watch(user());
        tracing::info_span!("conn", user = 42).in_scope(|| tracing::info!("inside"));
        tracing::info!(target: "it::coverage::accepting", "accepted");
        let note = Note::OutsideSpans { target: "it::coverage::accepting".to_owned(), events: 1, spans: None };
        assert_eq!(stream.coverage().verdict(), Everything, "{}", stream.coverage());
        assert!(stream.coverage().notes().contains(&note), "{}", stream.coverage());
        tracing::info_span!("conn", user = 42).in_scope(|| tracing::info!(target: "it::coverage::accepting", "inside"));
        assert_eq!(stream.coverage().verdict(), Partly, "{}", stream.coverage());
    }

    fn events_of_a_library_that_never_match_are_not_counted() {
        let router = router();
        let stream = router.watch(user());
        tracing::info_span!("conn", user = 42).in_scope(|| tracing::info!("inside"));
        (0..3).for_each(|_| tracing::info!(target: "hyper::proto", "flushed"));
        let coverage = stream.coverage();
        assert_eq!(coverage.verdict(), Everything, "{coverage}");
        assert!(!coverage.to_string().contains("hyper"), "{coverage}");
    }

    fn events_of_a_library_inside_and_outside_spans_are_noted() {
        fn query() {
            tracing::info!(target: "sqlx::query", "select");
        }
        let router = router();
        let stream = router.watch(user());
        tracing::info_span!("conn", user = 42).in_scope(query);
        (0..3).for_each(|_| query());
        let coverage = stream.coverage();
        let is_noted = |note: &Note| matches!(note, Note::LostContext { target, events: 3, .. } if target == "sqlx::query");
        assert!(coverage.notes().iter().any(is_noted), "{coverage}");
        assert_eq!(coverage.verdict(), Everything, "whether they belong there is not known: {coverage}");
    }

    fn events_of_a_trace_layer_without_its_span_are_noted() {
        let router = router();
        let stream = router.watch(user());
        let request = || tracing::debug_span!(target: "tower_http::trace::make_span", "request", uri = "/");
        request().in_scope(|| tracing::debug!(target: "tower_http::trace::on_request", "started"));
        tracing::info_span!("conn", user = 42).in_scope(|| tracing::info!("inside"));
        let coverage = stream.coverage();
        let (target, spans) = ("tower_http::trace::on_request".to_owned(), Some("DEBUG".to_owned()));
        assert!(coverage.notes().contains(&Note::OutsideSpans { target, events: 1, spans }), "{coverage}");
        assert_eq!(coverage.verdict(), Everything, "{coverage}");
        assert!(coverage.to_string().contains("`make_span_with`"), "{coverage}");
        check(&router, "@target = tower_http", Everything, &["1 of 2"]);
    }

    fn root_spans_of_tokio_are_noted_where_they_exist() {
        let router = router();
        let conn = tracing::info_span!("conn", user = 42);
        conn.in_scope(|| tracing::info!("inside"));
        let verbose = router.watch(SessionOptions::new(user()).spans(LevelFilter::TRACE));
        drop(tracing::trace_span!(target: "tokio::task", parent: None, "runtime.spawn"));
        check_coverage(&verbose.coverage(), Everything, &["the spans `runtime.spawn` of target `tokio::task` are roots"]);
        drop(verbose);
        let note = Note::RootSpans { span: "runtime.spawn".to_owned(), target: "tokio::task".to_owned() };
        let notes = |session: SessionOptions| router.coverage_of(&session).notes().contains(&note);
        assert!(!notes(SessionOptions::new(user())), "nobody enables them");
        let with_spans = || SessionOptions::new(user()).spans(LevelFilter::TRACE);
        assert!(notes(with_spans()) && !notes(with_spans().confined_to(Predicate::target("coverage"))));
        assert!(!notes(SessionOptions::new(Predicate::everything()).spans(LevelFilter::TRACE)), "it needs no span");
    }

    fn a_root_that_only_follows_from_the_users_span_is_found() {
        let router = router();
        let request = tracing::info_span!("request", user = 42);
        let job = tracing::info_span!(parent: None, "job");
        job.follows_from(&request);
        job.in_scope(|| tracing::info!("done"));
        check(&router, "user = 42", Partly, &["spans `job`", "only follow from `request`", "`parent: &span`"]);
        check(&router, "@span = request", Partly, &["only follow from `request`"]);
        check(&router, "@span = job", Everything, &[]);
    }

    fn a_child_that_also_follows_from_a_span_is_no_finding() {
        let router = router();
        let request = tracing::info_span!("request", user = 42);
        let job = tracing::info_span!(parent: &request, "job");
        job.follows_from(&request);
        job.in_scope(|| tracing::info!("done"));
        check(&router, "user = 42", Everything, &[]);
    }

    fn a_span_left_out_before_the_field_was_recorded_is_named() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let stream = router.watch(SessionOptions::new(user()).spans(LevelFilter::DEBUG));
        let left_out = |found: &Finding| matches!(found, Finding::SpanLeftOut { span, .. } if span == "auth");
        // The veto works once the control thread has learned that nobody else wants the span.
        wait_until("the span to be vetoed", || {
            let conn = tracing::info_span!("conn", user = tracing::field::Empty).entered();
            tracing::debug_span!("auth").in_scope(|| tracing::info!("who is it"));
            conn.record("user", 42);
            tracing::info!("it is 42");
            stream.coverage().findings().iter().any(left_out)
        });
        let words = stream.coverage().to_string();
        assert!(words.contains("`.or_current()`") && words.contains("`parent: &span`"), "{words}");
        assert!(!coverage_of(&router, "user = 42").findings().iter().any(left_out), "it asks for no such span");
    }

    fn a_span_left_out_first_of_all_on_a_thread_is_named() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let stream = router.watch(SessionOptions::new(user()).spans(LevelFilter::DEBUG));
        let conn = || tracing::info_span!("conn", user = tracing::field::Empty);
        let auth = || tracing::debug_span!("auth");
        wait_until("the span to be vetoed", || conn().in_scope(|| auth().is_disabled()));
        let on_a_new_thread = || {
            let conn = conn().entered();
            assert!(auth().is_disabled());
            conn.record("user", 42);
        };
        std::thread::scope(|scope| scope.spawn(on_a_new_thread).join().unwrap());
        let coverage = stream.coverage();
        let left_out = |found: &Finding| matches!(found, Finding::SpanLeftOut { span, .. } if span == "auth");
        assert!(coverage.findings().iter().any(left_out), "{coverage}");
    }

    fn a_span_left_out_in_another_subscriber_is_not_named() {
        let router = TapRouter::new();
        let [one, other] = [(); 2].map(|()| Dispatch::new(registry().with(router.layer())));
        let stream = router.watch(SessionOptions::new(user()).spans(LevelFilter::DEBUG));
        let conn = || tracing::info_span!("conn", user = tracing::field::Empty);
        let of_others = with_default(&one, conn);
        wait_until("the span to be vetoed", || {
            let _one = set_default(&one);
            of_others.in_scope(|| tracing::debug_span!("auth").is_disabled())
        });
        let same_id = with_default(&other, conn);
        assert_eq!(same_id.id().map(|id| id.into_u64()), of_others.id().map(|id| id.into_u64()));
        same_id.record("user", 42);
        assert!(stream.coverage().findings().iter().all(|found| !matches!(found, Finding::SpanLeftOut { .. })));
    }

    fn a_span_left_out_before_its_request_was_followed_is_named() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        // Found by a key of the event's own, so no scope says beforehand that it may match.
        let followed = SessionOptions::new(user()).follow(Follow::Named("request".to_owned()));
        let stream = router.watch(followed.spans(LevelFilter::DEBUG));
        wait_until("the span to be vetoed", || {
            let _request = tracing::info_span!("request").entered();
            tracing::debug_span!("query").in_scope(|| tracing::info!("select"));
            tracing::info!(user = 42, "it is 42");
            stream.coverage().findings().iter().any(|found| matches!(found, Finding::SpanLeftOut { span, .. } if span == "query"))
        });
    }
}
