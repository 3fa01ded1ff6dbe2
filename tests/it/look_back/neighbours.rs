//! Other layers see the same with looking back as without.

use super::{looking_back, plenty, router, told, wait_for_past};
use testing::{Evaluations, Output, info_printer, wait_until};
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_subscriber::prelude::*;

testing::isolated! {
    fn the_spans_of_two_subscribers_are_not_mixed_up() {
        let router = router(plenty());
        let both = [42, 43].map(|user| (user, Dispatch::new(tracing_subscriber::registry().with(router.layer()))));
        wait_for_past(&router);
        let spans = both.each_ref().map(|(user, dispatch)| {
            with_default(dispatch, || {
                let span = tracing::info_span!("request", user);
                span.in_scope(|| tracing::debug!("of {user}"));
                span
            })
        });
        for user in [42, 43] {
            let mut stream = router.watch(looking_back(&format!("user = {user}")));
            assert_eq!(told(&mut stream), [format!("past of {user}")]);
        }
        drop(spans);
    }

    fn other_layers_see_no_more_events_and_spans() {
        let (router, output) = (router(plenty()), Output::default());
        tracing_subscriber::registry().with(router.layer()).with(info_printer(&output)).init();
        wait_for_past(&router);
        let span = tracing::debug_span!("verbose");
        assert!(span.is_disabled(), "looking back enables no span");
        tracing::info_span!("request").in_scope(|| {
            tracing::debug!("hidden");
            tracing::info!("shown");
            tracing::trace!("hidden");
        });
        assert_eq!(output.lines().len(), 1, "{:?}", output.lines());
        assert_eq!(told(&mut router.watch(looking_back("@span = request"))), ["past hidden", "past shown"]);
    }

    fn arguments_that_log_show_other_layers_nothing_new() {
        let (router, output) = (router(plenty()), Output::default());
        tracing_subscriber::registry().with(router.layer()).with(info_printer(&output)).init();
        wait_for_past(&router);
        let logs = || {
            tracing::info!("inner");
            42
        };
        tracing::debug!(user = logs(), "outer");
        tracing::debug!("plain");
        assert_eq!(output.lines().iter().filter(|line| line.contains("outer") || line.contains("plain")).count(), 0);
        assert_eq!(told(&mut router.watch(looking_back("user = 42"))), ["past outer"]);
    }

    fn a_session_does_not_veto_what_is_kept() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).with(info_printer(&Output::default())).init();
        wait_for_past(&router);
        let (count, verbose) = (Evaluations::default(), Evaluations::default());
        let log = || {
            tracing::debug!(number = count.count(), "kept");
            tracing::trace!(number = verbose.count(), "not kept");
        };
        let _watching = router.watch("user = 42 and @level = trace").unwrap();
        wait_until("more verbose events to be vetoed", || verbose.during(log) == 0);
        assert_eq!(count.during(log), 1);
        assert_eq!(verbose.during(log), 0);
    }

    fn once_the_last_session_is_closed_events_are_kept_as_before() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).with(info_printer(&Output::default())).init();
        wait_for_past(&router);
        drop(router.watch("user = 42").unwrap());
        wait_until("the router to rest", || {
            tracing::trace!("nobody wants it");
            !tracing::enabled!(tracing::Level::TRACE)
        });
        tracing::debug!(user = 42, "kept");
        assert_eq!(told(&mut router.watch(looking_back("user = 42"))), ["past kept"]);
    }
}
