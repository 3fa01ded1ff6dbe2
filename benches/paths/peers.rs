//! The same paths by others: what a service would use today.
//!
//! The peer stands in the first column of numbers, the router in the second: the ratio says how much the peer costs
//! for each nanosecond of ours. An `EnvFilter` has no sessions; its counterpart to one is a directive for one user.

use crate::operations::{disabled_event, four_fields_two_spans, not_matching, span_with_fields};
use crate::service::{elsewhere, matching};
use crate::table::{Path, path};
use std::io;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Filter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry, reload};

const ONE: &str = "one session";
const MANY: &str = "64 sessions";

pub(crate) const PEERS: &[Path] = &[
    path("EnvFilter, 1 directive: disabled event", || directed(1, disabled_event), || one(disabled_event), ONE),
    path("EnvFilter, 1 directive: span, 2 fields", || directed(1, span_with_fields), || one(span_with_fields), ONE),
    path("EnvFilter, 1 directive: not matching", || directed(1, not_matching), || one(not_matching), ONE),
    path("EnvFilter, 64 directives: disabled event", || directed(64, disabled_event), || many(disabled_event), MANY),
    path(
        "EnvFilter, 64 directives: span, 2 fields",
        || directed(64, span_with_fields),
        || many(span_with_fields),
        MANY,
    ),
    path("EnvFilter, 64 directives: not matching", || directed(64, not_matching), || many(not_matching), MANY),
    path("reload of EnvFilter, 1: disabled event", || reloadable(disabled_event), || one(disabled_event), ONE),
    path("reload of EnvFilter, 1: span, 2 fields", || reloadable(span_with_fields), || one(span_with_fields), ONE),
    path("reload of EnvFilter, 1: not matching", || reloadable(not_matching), || one(not_matching), ONE),
    path("tracing-appender: event as JSON", appended, || matching(1, four_fields_two_spans), "a matching event"),
];

fn one(operation: fn() -> f64) -> f64 {
    elsewhere(1, operation)
}

fn many(operation: fn() -> f64) -> f64 {
    elsewhere(64, operation)
}

fn directed(users: usize, operation: fn() -> f64) -> f64 {
    filtered(directives(users), operation)
}

fn reloadable(operation: fn() -> f64) -> f64 {
    let (filter, _handle) = reload::Layer::new(directives(1));
    filtered(filter, operation)
}

fn filtered(filter: impl Filter<Registry> + Send + Sync + 'static, operation: fn() -> f64) -> f64 {
    let logs = tracing_subscriber::fmt::layer().json().with_writer(io::sink).with_filter(filter);
    tracing_subscriber::registry().with(logs).init();
    operation()
}

/// INFO for everybody, and DEBUG for so many users that do nothing.
fn directives(users: usize) -> EnvFilter {
    let others: String = (0..users).map(|user| format!(",[conn{{user={}}}]=debug", 1_000_000 + user)).collect();
    EnvFilter::builder().parse(format!("info{others}")).expect("these are directives")
}

/// JSON, written to nowhere by a thread of its own.
fn appended() -> f64 {
    let (writer, _guard) = tracing_appender::non_blocking(io::sink());
    let logs = tracing_subscriber::fmt::layer().json().with_writer(writer).with_filter(LevelFilter::TRACE);
    tracing_subscriber::registry().with(logs).init();
    four_fields_two_spans()
}
