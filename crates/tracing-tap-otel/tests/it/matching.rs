//! Predicates on `trace_id` and `span_id`.

use super::{active, install, remote, router};
use testing::{Evaluations, events, messages, wait_until};
use tracing::{debug, debug_span, info_span, trace};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions};

isolated! {
    fn a_trace_is_found_in_spans_older_than_the_session() {
        let router = install();
        let spans: Vec<_> = (0..100).map(|_| info_span!(parent: None, "request")).collect();
        let ids: Vec<_> = spans.iter().map(|span| span.in_scope(active)).collect();
        let mut stream = router.watch(Predicate::eq("trace_id", ids[42].0.as_str()));
        for (number, span) in spans.iter().enumerate() {
            span.in_scope(|| debug_span!("inside").in_scope(|| trace!("{number}")));
            span.in_scope(|| trace!("{number} again"));
        }
        assert_eq!(messages(&mut stream), ["42", "42 again"]);
    }

    fn events_of_other_traces_are_vetoed() {
        let router = router();
        let layer = super::opentelemetry().with_filter(LevelFilter::INFO);
        tracing_subscriber::registry().with(layer).with(router.layer()).init();
        let evaluations = Evaluations::default();
        let log = || trace!(count = evaluations.count(), "inside");
        let (one, other) = (info_span!(parent: None, "request"), info_span!(parent: None, "request"));
        let ids = one.in_scope(active);
        let mut stream = router.watch(Predicate::eq("trace_id", ids.0.as_str()));
        wait_until("the veto", || evaluations.during(|| other.in_scope(log)) == 0);
        assert_eq!(evaluations.during(|| one.in_scope(log)), 1);
        assert_eq!(evaluations.during(|| (0..10).for_each(|_| other.in_scope(log))), 0);
        assert_eq!(messages(&mut stream), ["inside"]);
    }

    fn a_span_id_is_true_inside_the_span() {
        let router = install();
        let span = info_span!("request");
        let ids = span.in_scope(active);
        let mut stream = router.watch(Predicate::eq("span_id", ids.1.as_str()));
        span.in_scope(|| {
            debug!("in it");
            info_span!("child").in_scope(|| debug!("in its child"));
            debug!(parent: None, "in none");
        });
        info_span!("request").in_scope(|| debug!("in another"));
        assert_eq!(messages(&mut stream), ["in it", "in its child"]);
    }

    fn a_trace_within_another_is_found_by_itself() {
        let router = install();
        let consumer = info_span!("consumer");
        let ids = consumer.in_scope(active);
        let wanted = format!("{:032x}", 0x123);
        let mut stream = router.watch(Predicate::eq("trace_id", wanted.as_str()));
        consumer.in_scope(|| {
            debug!("waits");
            for trace in [0x122, 0x123, 0x124] {
                let message = info_span!("message");
                message.set_parent(remote(trace)).unwrap();
                message.in_scope(|| debug!(trace, "handled"));
            }
        });
        let events = events(&mut stream);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].trace().unwrap().trace_id(), wanted);
        assert_ne!(ids.0, wanted);
    }

    fn traces_are_found_without_an_index_too() {
        let router = install();
        let mut stream = router.watch(Predicate::starts_with("trace_id", "0000").or(Predicate::eq("user", 42)));
        for trace in [0xa0 << 120, 0xa0_u128] {
            let span = info_span!("request");
            span.set_parent(remote(trace)).unwrap();
            span.in_scope(|| debug!("{trace:x}"));
        }
        assert_eq!(messages(&mut stream), ["a0"]);
    }

    fn a_fresh_span_is_decided_once_its_trace_is_known() {
        // The other layer wants no events, so the router may veto those of other traces.
        let router = router();
        let layer = super::opentelemetry().with_filter(LevelFilter::INFO);
        tracing_subscriber::registry().with(layer).with(router.layer()).init();
        let wanted = format!("{:032x}", 0xa0);
        let indexed = Predicate::eq("trace_id", wanted.as_str());
        let linear = Predicate::starts_with("trace_id", &wanted[..31]);
        for predicate in [indexed, linear] {
            let mut stream = router.watch(predicate);
            for round in 0..6 {
                debug!("outside");
                for trace in [0xb0, 0xa0] {
                    let span = info_span!("request", round);
                    span.set_parent(remote(trace)).unwrap();
                    span.in_scope(|| debug!("{trace:x} in {round}"));
                }
            }
            assert_eq!(messages(&mut stream), [0, 1, 2, 3, 4, 5].map(|round| format!("a0 in {round}")));
        }
    }

    fn a_trace_and_a_field_are_both_needed() {
        let router = install();
        let span = info_span!("request", user = tracing::field::Empty);
        let ids = span.in_scope(active);
        let mut stream = router.watch(Predicate::eq("trace_id", ids.0.as_str()).and(Predicate::eq("user", 42)));
        span.in_scope(|| debug!("too early"));
        span.record("user", 42);
        span.in_scope(|| debug!("in time"));
        info_span!("request", user = 42).in_scope(|| debug!("in another trace"));
        assert_eq!(messages(&mut stream), ["in time"]);
    }

    fn what_a_span_adds_to_the_trace_around_it_is_seen() {
        let router = install();
        let request = info_span!("request");
        let ids = request.in_scope(active);
        let of_trace = || Predicate::eq("trace_id", ids.0.as_str());
        let mut by_name = router.watch(of_trace().and(Predicate::span("query")));
        let mut by_field = router.watch(of_trace().and(Predicate::gt("user", 40)));
        request.in_scope(|| debug!("its trace is known from now on"));
        let query = info_span!(parent: &request, "query");
        let of_user = info_span!(parent: &request, "task", user = 42);
        // The tested field is the seventeenth. Only the first fifteen have a bit of their own.
        #[rustfmt::skip]
        let of_many = info_span!(parent: &request, "task", a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, i = 1,
            j = 1, k = 1, l = 1, m = 1, n = 1, o = 1, p = 1, user = 42);
        // These spans were never entered, so their own trace ids are unknown.
        debug!(parent: &query, "query");
        debug!(parent: &of_user, "user");
        debug!(parent: &of_many, "many");
        assert_eq!(messages(&mut by_name), ["query"]);
        assert_eq!(messages(&mut by_field), ["user", "many"]);
    }

    fn ids_in_fields_of_the_service_match_as_ever() {
        let router = install();
        let mut stream = router.watch(Predicate::eq("trace_id", "abc"));
        info_span!("request", trace_id = "abc").in_scope(|| debug!("of a span"));
        debug!(trace_id = "abc", "of an event");
        debug!(trace_id = "abd", "of another");
        assert_eq!(messages(&mut stream), ["of a span", "of an event"]);
    }

    fn spans_are_timed_by_their_trace_with_our_layer_first() {
        let router = router();
        tracing_subscriber::registry().with(router.layer()).with(super::opentelemetry()).init();
        let (one, other) = (info_span!(parent: None, "one"), info_span!(parent: None, "other"));
        let ids = one.in_scope(active);
        let mut stream = router.watch(SessionOptions::new(Predicate::eq("trace_id", ids.0.as_str())).timings());
        for span in [other, one] {
            span.in_scope(|| debug!("inside"));
            span.in_scope(|| debug!("again"));
        }
        let names: Vec<_> = stream.drain().filter_map(|item| item.into_timing()).map(|timing| timing.name().to_owned()).collect();
        assert_eq!(names, ["one"]);
    }

    fn the_first_events_of_the_library_do_not_hide_the_trace() {
        let router = install();
        let span = info_span!("request");
        let ids = span.in_scope(active);
        let mut stream = router.watch(Predicate::eq("trace_id", ids.0.as_str()));
        span.in_scope(|| {
            debug!(target: "opentelemetry_sdk", "of the library");
            debug!("of the service");
        });
        assert_eq!(messages(&mut stream), ["of the service"]);
    }
}
