//! What a producer does, again and again.

use crate::forms::written;
use crate::measure::nanoseconds;
use std::hint::black_box;
use tracing_tap::Format;

pub(crate) fn disabled_event() -> f64 {
    nanoseconds(|| tracing::debug!(n = black_box(1), text = "some", "disabled"))
}

pub(crate) fn enter_exit() -> f64 {
    let span = tracing::info_span!("conn", conn_id = 1, user = 7);
    nanoseconds(|| {
        drop(black_box(span.enter()));
    })
}

/// The same of the user that is watched.
pub(crate) fn enter_exit_of_42() -> f64 {
    let span = tracing::info_span!("conn", conn_id = 1, user = 42);
    nanoseconds(|| {
        drop(black_box(span.enter()));
    })
}

pub(crate) fn span_of_42() -> f64 {
    nanoseconds(|| {
        drop(black_box(tracing::info_span!("conn", conn_id = black_box(1), user = 42)));
    })
}

pub(crate) fn printed_event() -> f64 {
    let _span = tracing::info_span!("conn", conn_id = 1, user = 7).entered();
    nanoseconds(|| tracing::info!(n = black_box(1), text = "some", "printed"))
}

pub(crate) fn span_without_fields() -> f64 {
    nanoseconds(|| {
        black_box(tracing::info_span!("conn"));
    })
}

pub(crate) fn span_with_fields() -> f64 {
    nanoseconds(|| {
        black_box(tracing::info_span!("conn", conn_id = black_box(1), user = "7"));
    })
}

pub(crate) fn trace_span() -> f64 {
    let _span = tracing::info_span!("conn", conn_id = 1, user = 7).entered();
    nanoseconds(|| {
        black_box(tracing::trace_span!("frame", length = black_box(1), kind = "data"));
    })
}

pub(crate) fn not_matching() -> f64 {
    let _span = tracing::info_span!("conn", conn_id = 1, user = 7).entered();
    nanoseconds(|| tracing::debug!(n = black_box(1), text = "some", "not matching"))
}

/// Outside any span, where the same callsite was inside before.
pub(crate) fn lost() -> f64 {
    inside_then_outside(|| tracing::debug!(n = black_box(1), text = "some", "lost"))
}

/// The same of an event that is printed.
pub(crate) fn lost_and_printed() -> f64 {
    inside_then_outside(|| tracing::info!(n = black_box(1), text = "some", "lost"))
}

fn inside_then_outside(event: fn()) -> f64 {
    tracing::info_span!("conn", conn_id = 1, user = 7).in_scope(event);
    nanoseconds(event)
}

pub(crate) fn enter_event_exit() -> f64 {
    let span = tracing::info_span!("conn", conn_id = 1, user = 7);
    nanoseconds(|| span.in_scope(|| tracing::debug!(n = black_box(1), text = "some", "not matching")))
}

pub(crate) fn own_field() -> f64 {
    nanoseconds(|| tracing::debug!(user = black_box(7), text = "some", "not matching"))
}

pub(crate) fn four_fields_two_spans() -> f64 {
    in_two_spans(|| nanoseconds(four_fields))
}

pub(crate) fn in_two_spans<R>(operation: impl FnOnce() -> R) -> R {
    let _conn = tracing::info_span!("conn", conn_id = 1, user = 42).entered();
    let _message = tracing::info_span!("message", kind = "subscribe").entered();
    operation()
}

pub(crate) fn four_fields() {
    tracing::debug!(channel = "orders", attempt = black_box(3), ok = true, took = 1.5, "subscription accepted");
}

/// Writes the event of four fields in two spans, captured once.
pub(crate) fn line(format: Format) -> f64 {
    written(format, || in_two_spans(four_fields))
}
