//! Looking back: what an event costs that is kept, and the same by tracing-flight-recorder.

use crate::measure::nanoseconds;
use crate::operations::{disabled_event, four_fields_two_spans, span_with_fields};
use crate::service::{idle, install};
use crate::table::{Path, path};
use std::hint::black_box;
use std::io;
use tracing_flight_recorder::{FlightRecorder, FlightRecorderLayer};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{LookBack, TapRouter};

const IDLE: &str = "the same without looking back";
const OURS: &str = "looking back";

/// As many events as 16 MiB hold of ours.
const RECORDED_EVENTS: usize = 1 << 18;

pub(crate) const PAST: &[Path] = &[
    path("look-back: 3 numbers, a literal message", || kept(three_numbers), || idle(disabled_event), IDLE),
    path("look-back: a text of 20 bytes, a literal message", || kept(text), || idle(disabled_event), IDLE),
    path("look-back: a message of 2 numbers", || kept(message), || idle(disabled_event), IDLE),
    path("look-back: 4 fields, 2 spans", || kept(four_fields_two_spans), || idle(disabled_event), IDLE),
    path("look-back: span with 2 fields, whole life", || kept(span_with_fields), || idle(span_with_fields), IDLE),
    path("flight recorder: 3 numbers", || recorded(three_numbers), || kept(three_numbers), OURS),
    path("flight recorder: a text of 20 bytes", || recorded(text), || kept(text), OURS),
    path("flight recorder: a message of 2 numbers", || recorded(message), || kept(message), OURS),
    path(
        "flight recorder: 4 fields, 2 spans",
        || recorded(four_fields_two_spans),
        || kept(four_fields_two_spans),
        OURS,
    ),
];

fn three_numbers() -> f64 {
    nanoseconds(|| tracing::debug!(a = black_box(1_u64), b = black_box(2_u64), c = black_box(3_u64), "accepted"))
}

fn text() -> f64 {
    nanoseconds(|| tracing::debug!(text = black_box("twenty bytes of text"), "accepted"))
}

fn message() -> f64 {
    nanoseconds(|| tracing::debug!("accepted {} of {}", black_box(1), black_box(2)))
}

/// With a router that looks back and no session.
fn kept(operation: fn() -> f64) -> f64 {
    let router = TapRouter::builder().look_back(LookBack::new(16 << 20)).build();
    install(Some(&router));
    while router.stats().look_back_bytes == 0 {
        std::thread::yield_now();
    }
    operation()
}

/// With a flight recorder beside the service's own log.
fn recorded(operation: fn() -> f64) -> f64 {
    let recorder = FlightRecorder::new(RECORDED_EVENTS);
    let logs = tracing_subscriber::fmt::layer().json().with_writer(io::sink).with_filter(LevelFilter::INFO);
    let layer = FlightRecorderLayer::new(recorder).with_filter(LevelFilter::DEBUG);
    tracing_subscriber::registry().with(logs).with(layer).init();
    operation()
}
