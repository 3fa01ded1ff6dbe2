//! The other layer behind filters and `reload`, and samplers.

use super::{active, all_shown, opentelemetry, router};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use testing::{events, messages};
use tracing::{debug, debug_span, info_span};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::reload;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

/// The other layer sees spans at INFO alone, ours all.
fn install_at_info() -> TapRouter {
    let router = TapRouter::builder().span_level(LevelFilter::DEBUG).trace_source(tracing_tap_otel::traces()).build();
    let layer = opentelemetry().with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(layer).with(router.layer()).init();
    router
}

isolated! {
    fn events_in_a_filtered_span_show_the_span_around_it() {
        let router = install_at_info();
        let mut stream = router.watch(Predicate::everything());
        let ids = info_span!("request").in_scope(|| {
            debug_span!("filtered").in_scope(|| debug!("first"));
            debug!("second");
            debug_span!("filtered").in_scope(|| debug!("third"));
            active()
        });
        let ids = || Some(ids.clone());
        assert_eq!(all_shown(&events(&mut stream)), [("first", ids()), ("second", ids()), ("third", ids())]);
    }

    fn a_filtered_span_never_gets_the_trace_that_it_is_entered_in() {
        let router = install_at_info();
        let request = info_span!(parent: None, "request");
        let filtered = request.in_scope(|| debug_span!("filtered"));
        let other = info_span!(parent: None, "other");
        let theirs = other.in_scope(active);
        let mut stream = router.watch(Predicate::eq("trace_id", theirs.0.as_str()));
        let mut everything = router.watch(Predicate::everything());
        // With nothing known of the other span, and with something.
        other.in_scope(|| filtered.in_scope(|| debug!("one")));
        other.in_scope(|| debug!("in the other"));
        other.in_scope(|| filtered.in_scope(|| debug!("two")));
        let ids = request.in_scope(|| {
            debug!("in the request");
            active()
        });
        other.in_scope(|| filtered.in_scope(|| debug!("three")));
        assert_eq!(messages(&mut stream), ["in the other"]);
        let shown = [
            ("one", None),
            ("in the other", Some(theirs)),
            ("two", None),
            ("in the request", Some(ids.clone())),
            ("three", Some(ids)),
        ];
        assert_eq!(all_shown(&events(&mut everything)), shown);
    }

    fn a_fresh_span_shows_no_trace_but_its_own_or_one_around() {
        let router = install_at_info();
        let mut stream = router.watch(Predicate::everything());
        let (request, other) = (info_span!(parent: None, "request"), info_span!(parent: None, "other"));
        // At `one` the router does not know the thread's outer spans. The event outside any span lets it know them.
        other.in_scope(|| debug_span!(parent: &request, "filtered").in_scope(|| debug!("one")));
        debug!("outside");
        other.in_scope(|| debug_span!(parent: &request, "filtered").in_scope(|| debug!("two")));
        let own = other.in_scope(|| {
            info_span!(parent: &request, "seen").in_scope(|| {
                debug!("three");
                active()
            })
        });
        let around = info_span!(parent: None, "outer").in_scope(|| {
            info_span!("middle").in_scope(|| {
                debug_span!("filtered").in_scope(|| debug!("four"));
                active()
            })
        });
        let shown =
            [("one", None), ("outside", None), ("two", None), ("three", Some(own)), ("four", Some(around))];
        assert_eq!(all_shown(&events(&mut stream)), shown);
    }

    fn a_known_trace_is_not_taken_for_that_of_a_hidden_span() {
        let router = router();
        let layer = opentelemetry().with_filter(filter_fn(|metadata| metadata.target() != "hidden"));
        tracing_subscriber::registry().with(layer).with(router.layer()).init();
        let mut stream = router.watch(Predicate::everything());
        debug!("outside");
        let ids = info_span!("request").in_scope(|| {
            debug!("inside");
            info_span!(target: "hidden", parent: None, "hidden").in_scope(|| debug!("hidden"));
            active()
        });
        let shown = [("outside", None), ("inside", Some(ids)), ("hidden", None)];
        assert_eq!(all_shown(&events(&mut stream)), shown);
    }

    fn a_request_polled_in_another_span_has_its_own_trace() {
        let router = install_at_info();
        let connection = info_span!("connection");
        let request = info_span!(parent: None, "request");
        let mut stream = router.watch(SessionOptions::new(Predicate::everything()));
        let ids = connection.in_scope(|| {
            request.in_scope(|| {
                debug!("inside");
                active()
            })
        });
        assert_eq!(all_shown(&events(&mut stream)), [("inside", Some(ids))]);
    }

    fn a_layer_behind_reload_is_as_good() {
        let router = router();
        let (layer, handle) = reload::Layer::new(None::<OpenTelemetryLayer<Registry, SdkTracer>>);
        tracing_subscriber::registry().with(layer).with(router.layer()).init();
        let mut stream = router.watch(Predicate::exists("trace_id").or(Predicate::exists("message")));
        info_span!("request").in_scope(|| debug!("without"));
        handle.reload(Some(opentelemetry())).unwrap();
        let ids = info_span!("request").in_scope(|| {
            debug!("with");
            active()
        });
        assert_eq!(all_shown(&events(&mut stream)), [("without", None), ("with", Some(ids))]);
    }

    fn a_trace_that_no_sampler_keeps_has_ids_too() {
        let router = router();
        let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("service"));
        tracing_subscriber::registry().with(layer).with(router.layer()).init();
        let span = info_span!("request");
        let ids = span.in_scope(active);
        let mut stream = router.watch(Predicate::eq("trace_id", ids.0.as_str()));
        span.in_scope(|| debug!("inside"));
        let events = events(&mut stream);
        assert_eq!(all_shown(&events), [("inside", Some(ids))]);
        assert!(!events[0].trace().unwrap().is_sampled());
    }

    fn a_filter_around_our_layer_leaves_ids_right_or_out() {
        let router = router();
        let ours = router.layer().with_filter(LevelFilter::INFO);
        tracing_subscriber::registry().with(opentelemetry()).with(ours).init();
        let mut stream = router.watch(Predicate::everything());
        let request = info_span!("request");
        let ids = request.in_scope(|| {
            debug_span!("hidden from us").in_scope(|| tracing::info!("in a hidden span"));
            tracing::info!("in the request");
            active()
        });
        let events = events(&mut stream);
        for (message, shown) in all_shown(&events) {
            assert!(shown.as_ref().is_none_or(|shown| *shown == ids), "{message}: {shown:?}");
        }
        assert_eq!(events.len(), 2);
    }
}
