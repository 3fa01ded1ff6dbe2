//! What bounds what is followed: levels, targets, the opener's scope, the rate.

use super::{errors, failing, install, install_with, named, request_with_two_errors};
use testing::{Evaluations, messages, wait_until};
use tracing::level_filters::LevelFilter;
use tracing_tap::{Follow, Predicate, SessionOptions, TapRouter};

isolated! {
    fn a_session_that_has_ended_follows_no_more() {
        let router = install();
        let mut ended = router.watch(errors(Follow::Root).max_events(1));
        // Another session keeps the router awake.
        let _other = router.watch(Predicate::eq("user", 1));
        let evaluations = Evaluations::default();
        let debug = || tracing::debug!(counted = evaluations.count(), "debug");
        tracing::info_span!("request", path = "/a").in_scope(|| {
            tracing::error!("failed");
            wait_until("the session to be closed", || router.stats().open_sessions == 1);
            wait_until("nothing to be followed", || evaluations.during(debug) == 0);
            // It ends though its stream is still there, and so the session.
            tracing::info_span!("inner").in_scope(|| {
                wait_until("nothing to be followed in a span inside", || evaluations.during(debug) == 0);
            });
            tracing::error!("failed again");
            assert_eq!(evaluations.during(debug), 0);
        });
        assert_eq!(messages(&mut ended), ["failed"]);
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

    fn following_keeps_the_predicates_targets_and_not_its_levels() {
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

    fn a_hit_that_the_rate_withholds_is_followed_all_the_same() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Span).max_rate(2));
        let request = |path: &'static str| tracing::info_span!("request", path);
        let drained = request("/a");
        drained.in_scope(|| (0..3).for_each(|_| tracing::info!(status = 500, "failed")));
        assert_eq!(messages(&mut stream), ["failed", "failed"]);
        let stats = stream.stats();
        let kept_back = request("/b");
        kept_back.in_scope(|| tracing::info!(status = 500, "failed"));
        kept_back.in_scope(|| tracing::debug!("after"));
        assert_eq!(stream.stats().matched, stats.matched + 2, "what follows a kept-back match matches too");
    }
}
