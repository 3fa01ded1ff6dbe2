//! Following spans that are more verbose than those that always exist.

use super::{failing, install, named};
use testing::{events, messages};
use tracing::level_filters::LevelFilter;
use tracing_tap::Follow;

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
    let events = events(&mut stream);
    assert_eq!(events[1].message(), "inside");
    assert_eq!(events[1].spans().map(|span| span.name()).collect::<Vec<_>>(), expected);
}

isolated! {
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
}
