//! What coverage says where no context is ever active.

use super::{opentelemetry, router};
use tracing::{debug, info_span};
use tracing_subscriber::prelude::*;
use tracing_tap::coverage::{Finding, Note};
use tracing_tap::{Coverage, Predicate, Verdict};

fn coverage_after_an_event(router: &tracing_tap::TapRouter, predicate: Predicate) -> Coverage {
    let mut stream = router.watch(predicate);
    info_span!("request").in_scope(|| debug!("inside"));
    testing::wait_until("the rebuild", || !stream.coverage().findings().contains(&Finding::RebuildPending));
    let _ = stream.drain().count();
    stream.coverage()
}

fn of_trace() -> Predicate {
    Predicate::eq("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736")
}

isolated! {
    fn coverage_says_that_the_layer_is_missing() {
        let router = router();
        tracing_subscriber::registry().with(router.layer()).init();
        let coverage = coverage_after_an_event(&router, of_trace());
        let [Finding::NoTrace { reason }] = coverage.findings() else { panic!("{coverage}") };
        assert!(reason.contains("add `tracing_opentelemetry::layer()"), "{reason}");
        let coverage = coverage_after_an_event(&router, Predicate::everything());
        let reasons = coverage.notes().iter().filter(|note| matches!(note, Note::NoTrace { .. }));
        assert_eq!((reasons.count(), coverage.findings()), (1, &[][..]), "{coverage}");
    }

    fn coverage_says_that_contexts_are_not_activated() {
        let router = router();
        let layer = opentelemetry().with_context_activation(false);
        tracing_subscriber::registry().with(layer).with(router.layer()).init();
        let coverage = coverage_after_an_event(&router, of_trace());
        assert!(coverage.to_string().contains("with its contexts activated"), "{coverage}");
    }

    fn coverage_is_clear_where_a_context_was_seen() {
        let router = super::install();
        let coverage = coverage_after_an_event(&router, of_trace());
        assert_eq!((coverage.verdict(), coverage.findings()), (Verdict::Everything, &[][..]), "{coverage}");
    }

    fn a_misspelt_trace_id_is_named() {
        let router = super::install();
        let coverage = coverage_after_an_event(&router, Predicate::eq("traceid", "4bf9"));
        let near = Finding::MisspeltField { field: "traceid".to_owned(), near: "trace_id".to_owned() };
        assert!(coverage.findings().contains(&near), "{coverage}");
    }
}
