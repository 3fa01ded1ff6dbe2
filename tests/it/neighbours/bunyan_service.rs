//! A service that logs by `tracing-bunyan-formatter` at INFO: run by `tests/neighbours/bunyan.rs`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::Empty;
use tracing::{Dispatch, Span, dispatcher};
use tracing_bunyan_formatter::{BunyanFormattingLayer, JsonStorageLayer};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry};
use tracing_tap::{Predicate, TapRouter};

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let output = Output::default();
    let without = Dispatch::new(tracing_subscriber::registry().with(bunyan(&output)));
    let expected = dispatcher::with_default(&without, || run(&output));
    drop(without);
    for part in [r#""user_id":1042"#, "[CHILD - START]", "[CHILD - END]"] {
        assert!(expected.iter().any(|line| line.contains(part)), "no `{part}` in {expected:#?}");
    }

    let (output, router) = (Output::default(), TapRouter::new());
    tracing_subscriber::registry().with(bunyan(&output)).with(router.layer()).init();
    assert_eq!(run(&output), expected, "with the router alone");
    for predicate in [Predicate::everything(), Predicate::eq("user", 42), Predicate::eq("user", 7)] {
        let stream = router.watch(predicate.clone());
        // More than once: what the other layer wants of a callsite is learned meanwhile.
        for round in 0..3 {
            assert_eq!(run(&output), expected, "with a session on {predicate}, round {round}");
        }
        drop(stream);
    }
}

/// Leaves out what the audit says of sessions.
fn bunyan(output: &Output) -> impl Layer<Registry> + use<> {
    let output = output.clone();
    let layer = BunyanFormattingLayer::new("service".to_owned(), move || output.clone());
    let audit = ("tracing_tap::audit", LevelFilter::OFF);
    let filter = Targets::new().with_default(LevelFilter::INFO).with_targets([audit]);
    JsonStorageLayer.and_then(layer).with_filter(filter)
}

/// What was printed while the service ran once.
fn run(output: &Output) -> Vec<String> {
    let request = tracing::info_span!("request", user = 42, user_id = Empty);
    let detail = request.in_scope(|| {
        auth(1042);
        tracing::debug_span!("detail", detail_id = 1)
    });
    detail.in_scope(|| tracing::info!("in the detail"));
    tracing::info_span!(parent: &detail, "child", n = 2).in_scope(|| tracing::info!("in the child"));
    request.in_scope(|| tracing::info!("done"));
    drop((detail, request));
    let printed = std::mem::take(&mut *output.0.lock().unwrap_or_else(PoisonError::into_inner));
    String::from_utf8_lossy(&printed).lines().map(without_times).collect()
}

#[tracing::instrument(level = "debug")]
fn auth(id: u64) {
    Span::current().record("user_id", id);
    tracing::info!("authenticated");
}

fn without_times(line: &str) -> String {
    let mut line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
    let members = line.as_object_mut().expect("each line is an object");
    for name in ["time", "elapsed_milliseconds", "pid", "hostname"] {
        members.remove(name);
    }
    line.to_string()
}
