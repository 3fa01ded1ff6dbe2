//! Which ids an event shows.

use super::{Ids, active, all_shown, install, remote, router, shown};
use opentelemetry::trace::TraceContextExt;
use testing::events;
use tracing::{debug, debug_span, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Predicate, TapRouter};

/// Logs in a request and in a span inside, and checks the ids against those that are active there.
fn check_nested(mut stream: EventStream) {
    let (outer, inner) = info_span!("request").in_scope(|| {
        debug!("outer");
        let inner = debug_span!("query").in_scope(|| {
            debug!("inner");
            active()
        });
        debug!("outer again");
        (active(), inner)
    });
    debug!("outside");
    assert_eq!(outer.0, inner.0, "one trace");
    assert_ne!(outer.1, inner.1, "two spans");
    let shown =
        [("outer", Some(outer.clone())), ("inner", Some(inner)), ("outer again", Some(outer)), ("outside", None)];
    assert_eq!(all_shown(&events(&mut stream)), shown);
}

isolated! {
    fn events_show_the_ids_of_their_innermost_span() {
        check_nested(install().watch(Predicate::everything()));
    }

    fn the_ids_are_the_same_with_our_layer_first() {
        let router = router();
        tracing_subscriber::registry().with(router.layer()).with(super::opentelemetry()).init();
        check_nested(router.watch(Predicate::everything()));
    }

    fn the_ids_are_the_same_where_traces_are_tested() {
        check_nested(install().watch(Predicate::exists("trace_id").or(Predicate::eq("message", "outside"))));
    }

    fn a_session_that_looks_first_later_shows_them_as_well() {
        let router = install();
        let span = info_span!("request");
        let ids = span.in_scope(|| {
            debug!("before");
            active()
        });
        let mut stream = router.watch(Predicate::everything());
        span.in_scope(|| debug!("after"));
        assert_eq!(all_shown(&events(&mut stream)), [("after", Some(ids))]);
    }

    fn a_parent_can_be_set_until_the_span_is_entered() {
        let router = install();
        let mut stream = router.watch(Predicate::exists("trace_id").or(Predicate::exists("message")));
        let span = info_span!("request");
        debug!(parent: &span, "before");
        span.set_parent(remote(0xabc)).expect("nothing has started it");
        let ids = span.in_scope(|| {
            debug!("inside");
            active()
        });
        debug!(parent: &span, "behind");
        assert!(ids.0.ends_with("abc"), "{ids:?}");
        let shown = [("before", None), ("inside", Some(ids.clone())), ("behind", Some(ids))];
        assert_eq!(all_shown(&events(&mut stream)), shown);
    }

    fn an_explicit_parent_never_gets_the_ids_of_the_current_span() {
        let router = install();
        let mut stream = router.watch(Predicate::everything());
        let (quiet, known) = (info_span!(parent: None, "quiet"), info_span!(parent: None, "known"));
        let ids = known.in_scope(|| {
            debug!("known");
            active()
        });
        info_span!(parent: None, "current").in_scope(|| {
            debug!(parent: &quiet, "in quiet");
            debug!(parent: &known, "in known");
            debug!(parent: None, "in none");
        });
        let shown = [("known", Some(ids.clone())), ("in quiet", None), ("in known", Some(ids)), ("in none", None)];
        assert_eq!(all_shown(&events(&mut stream)), shown);
    }

    fn a_span_id_that_recurs_does_not_bring_its_trace_along() {
        let router = install();
        let mut stream = router.watch(Predicate::everything());
        let mut last: Option<Ids> = None;
        for number in 0..9_001 {
            let span = info_span!(parent: None, "request");
            if number % 1000 == 0 {
                let ids = span.in_scope(|| {
                    info!("inside");
                    active()
                });
                let shown = shown(&events(&mut stream)[0]);
                assert_eq!(shown, Some(ids), "{number}");
                assert_ne!(shown, last);
                last = shown;
            } else {
                debug!(parent: &span, "not inside");
                assert_eq!(shown(&events(&mut stream)[0]), None, "{number}");
            }
        }
    }

    fn a_session_changes_no_trace() {
        let router = install();
        let parents = |router: Option<&TapRouter>| {
            let _stream = router.map(|router| router.watch(Predicate::exists("trace_id")));
            let span = info_span!("request");
            let is_set = span.set_parent(remote(0xdef)).is_ok();
            let child = span.in_scope(|| {
                debug!("inside");
                info_span!("child").in_scope(|| {
                    debug!("inside");
                    active().0
                })
            });
            (is_set, child, span.context().span().span_context().trace_id().to_string())
        };
        assert_eq!(parents(Some(&router)), parents(None));
    }
}
