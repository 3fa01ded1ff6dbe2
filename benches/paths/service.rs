//! The service under measurement: its own logs, and the router beside them.

use crate::measure::{is_counting, nanoseconds};
use crate::operations::in_two_spans;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use std::{fmt, io};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Follow, Predicate, SessionOptions, TapRouter};

/// Under valgrind, opening more would take longer than all the rest.
const MOST_SESSIONS_COUNTED: usize = 1_000;

/// Installs a service's usual subscriber, with the router if there is one.
pub(crate) fn install(router: Option<&TapRouter>) {
    install_logging(LevelFilter::INFO, router);
}

/// Installs logs of this level and more severe, as JSON, written to nowhere.
pub(crate) fn install_logging(level: LevelFilter, router: Option<&TapRouter>) {
    let clock = Clock { is_frozen: is_counting() };
    let logs = tracing_subscriber::fmt::layer().json().with_timer(clock).with_writer(io::sink).with_filter(level);
    match router {
        Some(router) => tracing_subscriber::registry().with(logs).with(router.layer()).init(),
        None => tracing_subscriber::registry().with(logs).init(),
    }
}

/// The logs' clock. Some digits take more instructions to write than others, so it does not move under valgrind.
struct Clock {
    is_frozen: bool,
}

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        if self.is_frozen {
            return writer.write_str("2026-01-01T00:00:00.000000Z");
        }
        SystemTime.format_time(writer)
    }
}

/// Without a router.
pub(crate) fn bare(operation: fn() -> f64) -> f64 {
    install(None);
    operation()
}

/// With a router and no session.
pub(crate) fn idle(operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    operation()
}

/// With sessions open that are about other users.
pub(crate) fn elsewhere(sessions: usize, operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _streams = open(&router, sessions);
    operation()
}

/// With a session open that tests a field which no span has.
pub(crate) fn of_another_field(operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _stream = router.watch(Predicate::eq("order", 1));
    operation()
}

/// With a session on another trace, where the thread is in a trace of OpenTelemetry.
pub(crate) fn other_trace(operation: fn() -> f64) -> f64 {
    other_trace_with(|session| session, operation)
}

/// The same with these options.
pub(crate) fn other_trace_with(options: fn(SessionOptions) -> SessionOptions, operation: fn() -> f64) -> f64 {
    let router = TapRouter::builder().trace_source(tracing_tap_otel::traces()).build();
    install(Some(&router));
    let of_trace = SessionOptions::new(Predicate::eq("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"));
    let _stream = router.watch(options(of_trace));
    let (trace, span) = (TraceId::from(0xabc), SpanId::from(7));
    let ids = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default());
    let _active = opentelemetry::Context::new().with_remote_span_context(ids).attach();
    operation()
}

/// With so many sessions open that all want the same user's events, which nobody reads.
pub(crate) fn matching(sessions: usize, operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _streams: Vec<_> = (0..sessions).map(|_| router.watch(Predicate::eq("user", 42))).collect();
    operation()
}

/// With a session open that wants this user's events within limits, and nobody reads them.
pub(crate) fn limited(limits: fn(SessionOptions) -> SessionOptions, operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _stream = router.watch(limits(SessionOptions::new(Predicate::eq("user", 42))));
    operation()
}

/// With a session open that wants everything and may have nothing.
pub(crate) fn everything_beyond_a_rate(operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _stream = router.watch(SessionOptions::new(Predicate::everything()).max_rate(0));
    operation()
}

/// With a session open that samples, inside a request that it shows.
pub(crate) fn sampled_in(event: fn()) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    in_two_spans(|| {
        let _stream = std::iter::repeat_with(|| router.watch(SessionOptions::new(Predicate::eq("user", 42)).sample(2)))
            .find_map(|mut stream| {
                event();
                let shows_request = stream.drain().count() > 0;
                shows_request.then_some(stream)
            });
        nanoseconds(event)
    })
}

/// With a session open that follows, in a request that an event has matched.
pub(crate) fn followed(event: fn()) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _stream = router.watch(SessionOptions::new(Predicate::ge("status", 500)).follow(Follow::Root));
    in_two_spans(|| {
        tracing::debug!(status = 500, "failed");
        nanoseconds(event)
    })
}

/// Prints every event as JSON to nowhere.
pub(crate) fn json(operation: fn() -> f64) -> f64 {
    install_logging(LevelFilter::TRACE, None);
    operation()
}

/// Where no other layer wants INFO.
pub(crate) fn silent(router: Option<&TapRouter>, operation: fn() -> f64) -> f64 {
    install_logging(LevelFilter::ERROR, router);
    operation()
}

/// Opens sessions about users that do nothing.
pub(crate) fn open(router: &TapRouter, sessions: usize) -> Vec<EventStream> {
    let sessions = if is_counting() { sessions.min(MOST_SESSIONS_COUNTED) } else { sessions };
    (0..sessions).map(|user| router.watch(Predicate::eq("user", 1_000_000 + user))).collect()
}
