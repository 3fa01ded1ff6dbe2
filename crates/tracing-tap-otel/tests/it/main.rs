//! The ids of OpenTelemetry on events, next to the real layer of `tracing-opentelemetry`.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[macro_use]
extern crate testing;

mod absence;
mod forms;
mod ids;
mod layers;
mod matching;
mod threads;

use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::sync::Arc;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_tap::{CapturedEvent, TapRouter};

/// A trace id and a span id.
type Ids = (String, String);

fn router() -> TapRouter {
    TapRouter::builder().trace_source(tracing_tap_otel::traces()).build()
}

fn tracer() -> SdkTracer {
    SdkTracerProvider::builder().build().tracer("service")
}

fn opentelemetry<S>() -> OpenTelemetryLayer<S, SdkTracer>
where
    S: tracing::Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    tracing_opentelemetry::layer().with_tracer(tracer())
}

/// Next to the other layer, which is asked first.
fn install() -> TapRouter {
    let router = router();
    tracing_subscriber::registry().with(opentelemetry()).with(router.layer()).init();
    router
}

/// What OpenTelemetry takes for the context here.
fn active() -> Ids {
    opentelemetry::Context::map_current(|context| {
        let span = context.span();
        let ids = span.span_context();
        (ids.trace_id().to_string(), ids.span_id().to_string())
    })
}

fn shown(event: &CapturedEvent) -> Option<Ids> {
    event.trace().map(|trace| (trace.trace_id().to_owned(), trace.span_id().to_owned()))
}

/// What each event shows, by its message.
fn all_shown(events: &[Arc<CapturedEvent>]) -> Vec<(&str, Option<Ids>)> {
    events.iter().map(|event| (event.message(), shown(event))).collect()
}

/// A context that came from another service.
fn remote(trace_id: u128) -> opentelemetry::Context {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    let (trace_id, span_id) = (TraceId::from(trace_id), SpanId::from(7));
    let ids = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::default());
    opentelemetry::Context::new().with_remote_span_context(ids)
}
