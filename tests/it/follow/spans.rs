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
    fn a_span_to_follow_that_does_not_exist_follows_nothing() {
        let router = install();
        let mut stream = router.watch(failing(named("request")));
        for _ in 0..20 {
            failing_in_a_debug_span();
            assert_eq!(messages(&mut stream), ["failed"]);
        }
    }

    fn with_spans_an_existing_verbose_span_is_followed_by_all() {
        let router = install();
        let mut first = router.watch(failing(named("request")).spans(LevelFilter::DEBUG));
        let mut second = router.watch(failing(named("request")));
        let request = tracing::debug_span!(parent: None, "request", status = 200);
        request.in_scope(failing_then_after);
        assert_eq!(messages(&mut first), ["failed", "after"]);
        assert_eq!(messages(&mut second), ["failed", "after"]);
    }

    fn with_spans_requests_are_followed_by_a_verbose_spans_name() {
        let router = install();
        let mut stream = router.watch(failing(named("request")).spans(LevelFilter::DEBUG));
        for round in 0..20 {
            failing_in_a_debug_span();
            assert_eq!(messages(&mut stream), ["failed", "after"], "round {round}");
        }
    }

    fn with_spans_a_verbose_span_is_followed_not_what_is_around() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Span).spans(LevelFilter::DEBUG));
        for round in 0..20 {
            let conn = tracing::info_span!("conn", id = 1);
            conn.in_scope(failing_in_a_debug_span);
            conn.in_scope(|| tracing::debug!("of the connection"));
            assert_eq!(messages(&mut stream), ["failed", "after"], "round {round}");
        }
    }

    fn the_innermost_span_that_exists_is_followed() {
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

    fn a_followed_verbose_span_exists_if_spans_are_asked_for() {
        check_spans_in_what_is_followed(LevelFilter::TRACE, &["request", "detail"]);
    }

    fn a_followed_verbose_span_is_absent_without_spans() {
        check_spans_in_what_is_followed(LevelFilter::OFF, &["request"]);
    }

    fn a_followed_span_past_the_asked_level_is_absent() {
        check_spans_in_what_is_followed(LevelFilter::DEBUG, &["request"]);
    }
}
