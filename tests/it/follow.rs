//! Once an event has matched, what happens around it belongs to the session too: on every thread, and for nobody else.

use std::sync::mpsc;
use testing::{Evaluations, PATIENCE, messages};
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::coverage::Note;
use tracing_tap::{EventStream, Follow, Predicate, SessionOptions, TapRouter};

fn install() -> TapRouter {
    install_with(TapRouter::new())
}

fn install_with(router: TapRouter) -> TapRouter {
    let info = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(info).with(router.layer()).init();
    router
}

fn failing(follow: Follow) -> SessionOptions {
    SessionOptions::new(Predicate::ge("status", 500)).follow(follow)
}

fn named(name: &str) -> Follow {
    Follow::Named(name.to_owned())
}

fn errors(follow: Follow) -> SessionOptions {
    SessionOptions::new("@level = error".parse().expect("the text is valid")).follow(follow)
}

/// Two requests, of which the first logs two errors.
fn request_with_two_errors() {
    tracing::debug!("outside before");
    tracing::info_span!("request", path = "/a").in_scope(|| {
        tracing::debug!("debug before");
        tracing::error!("first error");
        tracing::debug!("debug between");
        tracing::trace!("trace between");
        tracing::info_span!("handler").in_scope(|| tracing::info!("handler between"));
        tracing::error!("second error");
        tracing::debug!("debug after");
    });
    tracing::info_span!("request", path = "/b").in_scope(|| tracing::debug!("next request"));
    tracing::debug!("outside after");
}

/// A connection with a request that fails in its handler, and what happens around it, before and after.
fn failing_request() {
    let conn = tracing::info_span!("conn", conn_id = 7);
    conn.in_scope(|| {
        tracing::debug!("conn before");
        let request = tracing::info_span!("request", path = "/a");
        request.in_scope(|| {
            tracing::debug!("request before");
            let handler = tracing::info_span!("handler");
            handler.in_scope(|| {
                tracing::trace!("handler before");
                tracing::info!(status = 503, "failed");
                tracing::trace!("handler after");
                tracing::info_span!("query", table = "t").in_scope(|| tracing::trace!("query after"));
            });
            tracing::debug!("request after");
        });
        tracing::debug!("conn after");
        tracing::info_span!("request", path = "/b").in_scope(|| tracing::debug!("next request"));
    });
    tracing::debug!("outside");
    tracing::info_span!("conn", conn_id = 8).in_scope(|| tracing::debug!("somebody else"));
}

fn check(follow: Follow, expected: &[&str]) {
    let router = install();
    let mut stream = router.watch(failing(follow));
    failing_request();
    assert_eq!(messages(&mut stream), expected);
}

/// A request whose span is DEBUG.
fn failing_in_a_debug_span() {
    tracing::debug_span!("request", path = "/a").in_scope(failing_then_after);
}

fn failing_then_after() {
    tracing::info!(status = 500, "failed");
    tracing::debug!("after");
}

/// The spans that the event inside a TRACE span shows, where a session with `spans` follows the root.
#[track_caller]
fn check_spans_in_what_is_followed(spans: LevelFilter, expected: &[&str]) {
    let router = install();
    let mut stream = router.watch(failing(Follow::Root).spans(spans));
    tracing::info_span!("request", path = "/a").in_scope(|| {
        tracing::info!(status = 500, "failed");
        tracing::trace_span!("detail", n = 1).in_scope(|| tracing::trace!("inside"));
    });
    let events = testing::events(&mut stream);
    assert_eq!(events[1].message(), "inside");
    assert_eq!(events[1].spans().map(|span| span.name()).collect::<Vec<_>>(), expected);
}

isolated! {
    fn nothing_is_followed_unless_asked_for() {
        check(Follow::Event, &["failed"]);
    }

    fn the_span_around_the_match_is_followed() {
        check(Follow::Span, &["failed", "handler after", "query after"]);
    }

    fn the_root_around_the_match_is_followed() {
        let of_the_root =
            ["failed", "handler after", "query after", "request after", "conn after", "next request"];
        check(Follow::Root, &of_the_root);
    }

    fn the_nearest_span_of_a_name_is_followed() {
        check(named("request"), &["failed", "handler after", "query after", "request after"]);
    }

    fn where_no_span_has_the_name_nothing_is_followed() {
        check(named("job"), &["failed"]);
    }

    fn a_match_outside_any_span_is_followed_by_nothing() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Root));
        tracing::info!(status = 500, "failed");
        tracing::info!("later");
        assert_eq!(messages(&mut stream), ["failed"]);
    }

    fn what_is_followed_is_followed_on_every_thread() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Root));
        let root = tracing::info_span!("request", path = "/a");
        let (ready, go) = (mpsc::channel(), mpsc::channel::<()>());
        let worker = {
            let (root, ready) = (root.clone(), ready.0);
            std::thread::spawn(move || {
                root.in_scope(|| {
                    tracing::debug!("there before");
                    ready.send(()).expect("the test waits");
                    go.1.recv_timeout(PATIENCE).expect("the test goes on");
                    // Still in the span, with a decision of its own from before.
                    tracing::debug!("there after");
                    tracing::debug!(parent: &root, "there by its parent");
                });
            })
        };
        ready.1.recv_timeout(PATIENCE).expect("the thread lives");
        root.in_scope(|| tracing::info!(status = 500, "failed here"));
        go.0.send(()).expect("the thread waits");
        worker.join().expect("the thread does not panic");
        assert_eq!(messages(&mut stream), ["failed here", "there after", "there by its parent"]);
    }

    fn a_match_by_an_explicit_parent_follows_what_is_around_that_parent() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Span));
        let (mine, theirs) = (tracing::info_span!("conn", id = 1), tracing::info_span!("conn", id = 2));
        theirs.in_scope(|| tracing::info!(parent: &mine, status = 500, "failed"));
        theirs.in_scope(|| tracing::debug!("in theirs"));
        mine.in_scope(|| tracing::debug!("in mine"));
        assert_eq!(messages(&mut stream), ["failed", "in mine"]);
    }

    fn a_match_by_a_late_record_is_followed_though_the_value_changes_again() {
        let router = install();
        let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).follow(Follow::Span));
        let span = tracing::info_span!("conn", user = tracing::field::Empty);
        span.in_scope(|| tracing::debug!("nobody yet"));
        span.record("user", 42);
        span.in_scope(|| tracing::debug!("her"));
        span.record("user", 43);
        span.in_scope(|| tracing::debug!("him, in what is followed"));
        assert_eq!(messages(&mut stream), ["her", "him, in what is followed"]);
    }

    fn a_root_that_is_not_tracked_is_followed() {
        let router = TapRouter::new();
        // Somebody else wants DEBUG spans; the router does not, while no session is open.
        let debug = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::DEBUG);
        tracing_subscriber::registry().with(debug).with(router.layer()).init();
        let root = tracing::debug_span!("request", path = "/a");
        let child = root.in_scope(|| tracing::info_span!("handler", step = 1));
        let mut stream = router.watch(failing(Follow::Root));
        child.in_scope(|| tracing::info!(status = 500, "failed"));
        root.in_scope(|| tracing::debug!("in the root"));
        root.in_scope(|| tracing::info_span!("handler", step = 2)).in_scope(|| tracing::debug!("in another child"));
        assert_eq!(messages(&mut stream), ["failed", "in the root", "in another child"]);
    }

    fn an_error_is_followed_by_debug_events_up_to_the_next_error() {
        let router = install();
        let mut stream = router.watch(errors(named("request")));
        request_with_two_errors();
        let followed = ["first error", "debug between", "trace between", "handler between", "second error", "debug after"];
        assert_eq!(messages(&mut stream), followed);
    }

    fn the_maximum_level_bounds_what_matches_and_what_is_followed() {
        let router = install();
        let mut followed = router.watch(errors(named("request")).max_level(LevelFilter::INFO));
        let mut plain = router.watch(SessionOptions::new(Predicate::span("request")).max_level(LevelFilter::DEBUG));
        let mut indexed = router.watch(SessionOptions::new(Predicate::eq("path", "/a")).max_level(LevelFilter::WARN));
        let mut nothing = router.watch(errors(Follow::Root).max_level(LevelFilter::OFF));
        request_with_two_errors();
        assert_eq!(messages(&mut followed), ["first error", "handler between", "second error"]);
        let of_requests = ["debug before", "first error", "debug between", "handler between", "second error", "debug after", "next request"];
        assert_eq!(messages(&mut plain), of_requests);
        assert_eq!(messages(&mut indexed), ["first error", "second error"]);
        assert!(messages(&mut nothing).is_empty());
        assert_eq!(nothing.stats().matched, 0);
    }

    fn nobody_evaluates_what_is_beyond_the_maximum_level() {
        let router = install();
        let mut stream = router.watch(errors(Follow::Root).max_level(LevelFilter::INFO));
        let evaluations = Evaluations::default();
        tracing::info_span!("request", path = "/a").in_scope(|| {
            tracing::error!("failed");
            assert_eq!(evaluations.during(|| tracing::debug!(counted = evaluations.count(), "event")), 0);
            assert_eq!(evaluations.during(|| tracing::info!(counted = evaluations.count(), "event")), 1);
        });
        assert_eq!(messages(&mut stream), ["failed", "event"]);
    }

    fn coverage_of_a_session_takes_the_maximum_level_into_account() {
        let router = install();
        tracing::info!("seen");
        let everything = || SessionOptions::new(Predicate::everything());
        let counted = |session: SessionOptions| {
            let told = router.coverage_of(&session).notes().iter().find_map(|note| match note {
                Note::Callsites { can_match, .. } => Some(*can_match),
                _ => None,
            });
            let stream = router.watch(session);
            let open = stream.coverage();
            assert!(open.notes().iter().any(|note| matches!(note, Note::Callsites { can_match, .. } if Some(*can_match) == told)));
            told
        };
        assert_eq!(counted(everything().max_level(LevelFilter::INFO)), Some(1));
        assert_eq!(counted(everything().max_level(LevelFilter::WARN)), Some(0));
        let never = router.watch(everything().max_level(LevelFilter::OFF));
        assert!(never.coverage().findings().iter().any(|finding| matches!(finding, tracing_tap::coverage::Finding::NeverMatches)));
    }

    fn a_session_shows_its_maximum_level_and_its_spans() {
        let router = install();
        let _plain = router.watch(Predicate::everything());
        let bounded = SessionOptions::new(Predicate::everything()).max_level(LevelFilter::WARN).spans(LevelFilter::DEBUG);
        let _bounded = router.watch(bounded);
        let shown: Vec<_> = router.sessions().iter().map(|session| (session.max_level, session.spans)).collect();
        assert_eq!(shown, [(LevelFilter::TRACE, LevelFilter::OFF), (LevelFilter::WARN, LevelFilter::DEBUG)]);
    }

    fn targets_of_the_predicate_hold_for_what_is_followed_and_levels_do_not() {
        let router = install();
        let predicate = "status >= 500 and @level >= info and not @target = noisy";
        let mut stream =
            router.watch(SessionOptions::new(predicate.parse().expect("the text is valid")).follow(Follow::Span));
        tracing::info_span!("request", path = "/a").in_scope(|| {
            tracing::info!(status = 500, "failed");
            tracing::debug!("debug");
            tracing::trace!("trace");
            tracing::info!(target: "noisy::part", "noise");
        });
        assert_eq!(messages(&mut stream), ["failed", "debug", "trace"]);
    }

    fn the_openers_scope_holds_for_what_is_followed() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Root).confined_to(Predicate::eq("tenant", 7)));
        tracing::info_span!("batch", size = 2).in_scope(|| {
            let (ours, theirs) = (tracing::info_span!("job", tenant = 7), tracing::info_span!("job", tenant = 8));
            theirs.in_scope(|| tracing::info!(status = 500, "theirs failed"));
            ours.in_scope(|| tracing::debug!("ours before"));
            ours.in_scope(|| tracing::info!(status = 500, "ours failed"));
            theirs.in_scope(|| tracing::debug!("theirs"));
            tracing::debug!("of the batch");
            tracing::debug!(tenant = 7, "of the batch, ours");
            ours.in_scope(|| tracing::debug!("ours"));
        });
        assert_eq!(messages(&mut stream), ["ours failed", "of the batch, ours", "ours"]);
    }

    fn a_denied_target_is_not_followed_and_follows_nothing() {
        let router = install_with(TapRouter::builder().deny_targets(["secret"]).build());
        let mut stream = router.watch(failing(Follow::Root));
        tracing::info_span!("request", path = "/a").in_scope(|| {
            tracing::info!(target: "secret", status = 500, "a secret");
            tracing::debug!("after the secret");
            tracing::info!(status = 500, "failed");
            tracing::debug!(target: "secret::part", "another secret");
            tracing::debug!("after");
        });
        assert_eq!(messages(&mut stream), ["failed", "after"]);
    }

    fn a_span_to_follow_by_name_that_does_not_exist_is_followed_by_no_request() {
        let router = install();
        let mut stream = router.watch(failing(named("request")));
        for _ in 0..20 {
            failing_in_a_debug_span();
            assert_eq!(messages(&mut stream), ["failed"]);
        }
    }

    fn with_spans_a_verbose_span_that_is_there_already_is_followed_by_every_session() {
        let router = install();
        let mut first = router.watch(failing(named("request")).spans(LevelFilter::DEBUG));
        let mut second = router.watch(failing(named("request")));
        let request = tracing::debug_span!(parent: None, "request", status = 200);
        request.in_scope(failing_then_after);
        assert_eq!(messages(&mut first), ["failed", "after"]);
        assert_eq!(messages(&mut second), ["failed", "after"]);
    }

    fn with_spans_every_request_is_followed_by_the_name_of_its_verbose_span() {
        let router = install();
        let mut stream = router.watch(failing(named("request")).spans(LevelFilter::DEBUG));
        for round in 0..20 {
            failing_in_a_debug_span();
            assert_eq!(messages(&mut stream), ["failed", "after"], "round {round}");
        }
    }

    fn with_spans_a_verbose_span_is_followed_and_not_the_connection_around_it() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Span).spans(LevelFilter::DEBUG));
        for round in 0..20 {
            let conn = tracing::info_span!("conn", id = 1);
            conn.in_scope(failing_in_a_debug_span);
            conn.in_scope(|| tracing::debug!("of the connection"));
            assert_eq!(messages(&mut stream), ["failed", "after"], "round {round}");
        }
    }

    fn the_innermost_span_that_exists_is_followed_whatever_is_known_of_callsites() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Span));
        for _ in 0..20 {
            let conn = tracing::info_span!("conn", id = 1);
            conn.in_scope(failing_in_a_debug_span);
            conn.in_scope(|| tracing::debug!("of the connection"));
            tracing::info_span!("conn", id = 2).in_scope(|| tracing::debug!("of another one"));
            assert_eq!(messages(&mut stream), ["failed", "after", "of the connection"]);
        }
    }

    fn a_verbose_span_in_what_is_followed_exists_if_the_session_asks_for_spans() {
        check_spans_in_what_is_followed(LevelFilter::TRACE, &["request", "detail"]);
    }

    fn a_verbose_span_in_what_is_followed_is_enabled_by_no_session_that_asks_for_none() {
        check_spans_in_what_is_followed(LevelFilter::OFF, &["request"]);
    }

    fn a_verbose_span_in_what_is_followed_is_as_absent_as_it_is_more_verbose_than_asked_for() {
        check_spans_in_what_is_followed(LevelFilter::DEBUG, &["request"]);
    }

    fn others_are_not_evaluated_while_one_is_followed() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Root));
        let evaluations = Evaluations::default();
        let (mine, theirs) = (tracing::info_span!("conn", id = 1), tracing::info_span!("conn", id = 2));
        let event = || tracing::debug!(counted = evaluations.count(), "event");
        mine.in_scope(|| tracing::info!(status = 500, "failed"));
        // The first one tells where its callsite takes its parent from.
        testing::wait_until("the callsite is learned", || evaluations.during(|| theirs.in_scope(event)) == 0);
        assert_eq!(evaluations.during(|| (0..100).for_each(|_| theirs.in_scope(event))), 0);
        assert_eq!(evaluations.during(|| mine.in_scope(event)), 1);
        assert_eq!(messages(&mut stream), ["failed", "event"]);
    }

    fn nobody_else_is_evaluated_while_errors_are_waited_for_and_one_is_followed() {
        let router = install();
        let mut stream = router.watch(errors(named("conn")));
        let evaluations = Evaluations::default();
        let (mine, theirs) = (tracing::info_span!("conn", id = 1), tracing::info_span!("conn", id = 2));
        let event = || tracing::debug!(counted = evaluations.count(), "event");
        mine.in_scope(|| tracing::error!("failed"));
        // The first one tells where its callsite takes its parent from.
        testing::wait_until("the callsite is learned", || evaluations.during(|| theirs.in_scope(event)) == 0);
        assert_eq!(evaluations.during(|| (0..100).for_each(|_| theirs.in_scope(event))), 0);
        assert_eq!(evaluations.during(|| mine.in_scope(event)), 1);
        assert_eq!(messages(&mut stream), ["failed", "event"]);
    }

    fn each_session_follows_for_itself() {
        let router = install();
        let mut whole = router.watch(failing(Follow::Root));
        let mut alone = router.watch(failing(Follow::Event));
        let mut other = router.watch(SessionOptions::new(Predicate::eq("path", "/a")).follow(Follow::Root));
        failing_request();
        let later = ["failed", "handler after", "query after", "request after", "conn after", "next request"];
        assert_eq!(messages(&mut whole), later);
        assert_eq!(messages(&mut alone), ["failed"]);
        let mut of_other = vec!["request before", "handler before"];
        of_other.extend(later);
        assert_eq!(messages(&mut other), of_other);
    }

    fn a_session_that_is_closed_is_followed_no_more_and_a_new_one_begins_anew() {
        let router = install();
        let root = tracing::info_span!("conn", id = 1);
        let mut first = router.watch(failing(Follow::Root));
        root.in_scope(|| tracing::info!(status = 500, "failed"));
        assert!(router.close(first.id()));
        let mut second = router.watch(failing(Follow::Root));
        root.in_scope(|| tracing::debug!("later"));
        assert_eq!(messages(&mut first), ["failed"]);
        assert!(messages(&mut second).is_empty());
        root.in_scope(|| tracing::info!(status = 500, "failed again"));
        root.in_scope(|| tracing::debug!("much later"));
        assert_eq!(messages(&mut second), ["failed again", "much later"]);
    }

    fn a_hit_that_the_rate_withholds_is_followed_all_the_same() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Span).max_rate(2));
        let request = |path: &'static str| tracing::info_span!("request", path);
        let drained = request("/a");
        drained.in_scope(|| (0..3).for_each(|_| tracing::info!(status = 500, "failed")));
        assert_eq!(messages(&mut stream), ["failed", "failed"]);
        let stats = stream.stats();
        let withheld = request("/b");
        withheld.in_scope(|| tracing::info!(status = 500, "failed"));
        withheld.in_scope(|| tracing::debug!("after"));
        assert_eq!(stream.stats().matched, stats.matched + 2, "what follows a withheld match matches too");
    }

    fn ids_of_spans_that_recur_are_not_followed() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Root));
        let mut ids = std::collections::HashSet::new();
        // Ids of a thread recur after 8,191 spans.
        for round in 0..20_000 {
            let root = tracing::info_span!("request", round);
            let is_new = ids.insert(root.id().map(|id| id.into_u64()));
            root.in_scope(|| if is_new { tracing::info!(status = 500, "failed") } else { tracing::debug!("innocent") });
        }
        assert!(ids.len() < 20_000, "no id recurred");
        assert!(messages(&mut stream).iter().all(|message| message == "failed"));
    }

    fn coverage_says_that_no_span_has_the_name_to_follow() {
        let router = install();
        let stream = router.watch(failing(named("request")));
        let unseen = Note::UnseenSpan { span: "request".to_owned() };
        assert!(stream.coverage().notes().contains(&unseen));
        let _request: Span = tracing::info_span!("request", path = "/a");
        assert!(!stream.coverage().notes().contains(&unseen));
    }

    fn coverage_says_that_spans_to_follow_are_not_tracked_while_no_session_is_open() {
        let router = install();
        let stream: EventStream = router.watch(failing(named("request")));
        let _request = tracing::debug_span!("request", path = "/a");
        let findings: Vec<_> = stream.coverage().findings().iter().map(ToString::to_string).collect();
        let remedies = ["spans `request`", "spans=debug", "span_level(LevelFilter::DEBUG)"];
        assert!(findings.iter().any(|finding| remedies.iter().all(|part| finding.contains(part))), "{findings:?}");
        let asked = router.coverage_of(&failing(named("request")).spans(LevelFilter::DEBUG));
        assert!(!asked.to_string().contains("nobody enables them"), "{asked}");
    }
}

/// What docs/recipes.md shows of following, as code.
const IN_RECIPES: &str = r#"SessionOptions::new("@level = error".parse()?).follow(Follow::Named("request".into()))"#;

isolated! {
    fn the_recipe_of_following_does_what_it_says() {
        let recipes = include_str!("../../docs/recipes.md").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(recipes.contains(IN_RECIPES), "the recipe shows another example: test that one");
        assert_eq!(recipes.matches("Follow::").count(), 1, "the recipes show more than one");
        let of_the_recipe = || -> Result<SessionOptions, tracing_tap::PredicateError> {
            Ok(SessionOptions::new("@level = error".parse()?).follow(Follow::Named("request".into())))
        };
        let router = install();
        let session = of_the_recipe().expect("the text is valid");
        let mut bounded = router.watch(session.clone().max_level(LevelFilter::INFO));
        let mut stream = router.watch(session);
        request_with_two_errors();
        let rest = ["first error", "debug between", "trace between", "handler between", "second error", "debug after"];
        assert_eq!(messages(&mut stream), rest);
        assert_eq!(messages(&mut bounded), ["first error", "handler between", "second error"]);
    }
}

#[track_caller]
fn check_text(text: &str, expected: &Follow) {
    assert_eq!((text.parse().as_ref(), &*expected.to_string()), (Ok(expected), text));
}

#[test]
fn what_to_follow_is_read_from_what_it_prints() {
    check_text("event", &Follow::Event);
    check_text("span", &Follow::Span);
    check_text("root", &Follow::Root);
    check_text("named:request", &named("request"));
    check_text("named:named: an odd one ", &named("named: an odd one "));
}

#[test]
fn a_text_that_names_nothing_to_follow_is_shown_escaped_and_short_with_what_was_expected() {
    let check = |text: &str, shown: &str| {
        let error = text.parse::<Follow>().expect_err("it names nothing");
        let expected = format!("follow `{shown}`: expected `event`, `span`, `root` or `named:` and the name of a span");
        assert_eq!(error.to_string(), expected);
    };
    check("", "");
    check("Root", "Root");
    check("named:", "named:");
    check("request", "request");
    check("span\u{1B}[2J\u{202E}", r"span\u{1b}[2J\u{202e}");
    check(&"x".repeat(1 << 20), &format!("{}…", "x".repeat(40)));
}
