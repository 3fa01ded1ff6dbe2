//! The layers that services have beside the router: each sees the same with a session open as without.

#![expect(clippy::unwrap_used, reason = "the modules are a test's; clippy takes only test functions for tests")]

mod bunyan;
mod console;
mod layers;
mod service;
mod tokio_tracing;

use layers::{Forest, forest, opentelemetry, printed, tree};
use testing::Output;
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_error::ErrorLayer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry};
use tracing_tap::{Predicate, TapRouter};

isolated! {
    fn fmt_prints_records_on_the_span_around_an_instrumented_one() {
        check(printed, &["request{user=42 user_id=1042}: it::neighbours::service: authenticated"]);
    }

    fn fmt_as_json_prints_the_same_lines_at_the_same_time() {
        check(|output| printed(output).json().without_time(), &[r#""user_id":1042"#, r#""message":"in the child""#]);
    }

    fn tracing_tree_prints_the_same_lines_at_the_same_time() {
        check(tree, &["request user=42", "child n=2", "in the child"]);
    }

    fn deferred_spans_of_tracing_tree_are_printed_as_before() {
        check(|output| tree(output).with_deferred_spans(true), &["request user=42", "child n=2", "in the child"]);
    }

    fn tracing_forest_prints_the_same_trees_at_the_same_time() {
        check(|output| -> Forest { forest(output) }, &["request user=42 user_id=1042 [authenticated", "child n=2 [in the child"]);
    }

    fn a_span_trace_has_as_many_spans() {
        check(|_| ErrorLayer::default(), &["span trace [request]", "span trace [child]"]);
    }

    fn opentelemetry_contexts_and_traces_are_the_same() {
        check(opentelemetry, &["trace context true", "ended child below nothing", "ended handler below request"]);
    }
}

/// Runs the service beside a layer that is filtered at INFO: without a router, with the router alone, and with sessions
/// about everyone, the user and another user. Each must say the same, and all of `said`.
#[track_caller]
fn check<L>(layer: impl Fn(&Output) -> L, said: &[&str])
where
    L: Layer<Registry> + Send + Sync + 'static,
{
    let output = Output::default();
    let without = Dispatch::new(tracing_subscriber::registry().with(at_info(layer(&output))));
    let expected = tracing::dispatcher::with_default(&without, || service::run(&output));
    drop(without);
    for said in said {
        assert!(expected.iter().any(|step| step.contains(said)), "no `{said}` in {expected:#?}");
    }

    let (output, router) = (Output::default(), TapRouter::new());
    tracing_subscriber::registry().with(at_info(layer(&output))).with(router.layer()).init();
    assert_eq!(service::run(&output), expected, "with the router alone");
    let sessions = [
        ("everything", Predicate::everything()),
        ("the user", Predicate::eq("user", 42)),
        ("another user", Predicate::eq("user", 7)),
        ("a span that does not exist", Predicate::span("detail")),
        ("a field of a span that does not exist", Predicate::exists("detail_id")),
    ];
    for (about, predicate) in sessions {
        let stream = router.watch(predicate);
        // More than once: what the other layers want of a callsite is learned meanwhile.
        for round in 0..3 {
            assert_eq!(service::run(&output), expected, "with a session about {about}, round {round}");
        }
        drop(stream);
    }
    assert_eq!(service::run(&output), expected, "after the sessions");
    assert_eq!(router.stats().lost_context_events, 0, "it loses no context");
}

/// Filters a layer as services do, and leaves out what the audit says of sessions.
fn at_info<L: Layer<Registry>>(layer: L) -> impl Layer<Registry> {
    let audit = ("tracing_tap::audit", LevelFilter::OFF);
    layer.with_filter(Targets::new().with_default(LevelFilter::INFO).with_targets([audit]))
}
