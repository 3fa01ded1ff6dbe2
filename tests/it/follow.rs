//! Once an event has matched, what happens around it belongs to the session too: on every thread, and for nobody else.

mod bounds;
mod others;
mod shown;
mod spans;

use std::sync::mpsc;
use testing::{PATIENCE, messages};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{Follow, Predicate, SessionOptions, TapRouter};

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
    tracing::info_span!("conn", conn_id = 8).in_scope(|| tracing::debug!("another user"));
}

fn check(follow: Follow, expected: &[&str]) {
    let router = install();
    let mut stream = router.watch(failing(follow));
    failing_request();
    assert_eq!(messages(&mut stream), expected);
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

    fn a_match_by_explicit_parent_follows_that_parents_request() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Span));
        let (mine, theirs) = (tracing::info_span!("conn", id = 1), tracing::info_span!("conn", id = 2));
        theirs.in_scope(|| tracing::info!(parent: &mine, status = 500, "failed"));
        theirs.in_scope(|| tracing::debug!("in theirs"));
        mine.in_scope(|| tracing::debug!("in mine"));
        assert_eq!(messages(&mut stream), ["failed", "in mine"]);
    }

    fn a_match_by_a_late_record_is_followed_after_it_changes() {
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
        // Another layer wants DEBUG spans; the router does not, while no session is open.
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
}
