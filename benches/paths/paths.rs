//! The paths: what a producer does with no session open, with sessions about others, and with one about it.

use crate::callsites;
use crate::forms::written;
use crate::measure::{nanoseconds, nanoseconds_each};
use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Format, Predicate, TapRouter};

/// One path with the router, and what it is held against.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    pub(crate) tap: fn() -> f64,
    pub(crate) bare: fn() -> f64,
    pub(crate) beside: &'static str,
}

const WITHOUT: &str = "the same without the router";
const JSON: &str = "fmt().json() writing the event to nowhere";
const LINE: &str = "the JSON line";

pub(crate) const PATHS: &[Path] = &[
    path("idle: disabled event", || idle(disabled_event), || bare(disabled_event), WITHOUT),
    path("idle: enter and exit", || idle(enter_exit), || bare(enter_exit), WITHOUT),
    path("idle: event another layer prints", || idle(printed_event), || bare(printed_event), WITHOUT),
    path("idle: span with 2 fields, whole life", || idle(span_with_fields), || bare(span_with_fields), WITHOUT),
    path("open: not matching", || elsewhere(1, not_matching), || bare(not_matching), WITHOUT),
    path("open: not matching, 1,000 sessions", || elsewhere(1_000, not_matching), || bare(not_matching), WITHOUT),
    path("open: not matching, 100,000 sessions", || elsewhere(100_000, not_matching), || bare(not_matching), WITHOUT),
    path(
        "open: not matching, enter, event, exit",
        || elsewhere(1, enter_event_exit),
        || bare(enter_event_exit),
        WITHOUT,
    ),
    path("open: enter and exit", || elsewhere(1, enter_exit), || bare(enter_exit), WITHOUT),
    path("open: event another layer prints", || elsewhere(1, printed_event), || bare(printed_event), WITHOUT),
    path("open: TRACE span nobody wants", || elsewhere(1, trace_span), || bare(trace_span), WITHOUT),
    path("open: own field, 100,000 sessions", || elsewhere(100_000, own_field), json, JSON),
    path("matching: 4 fields, 2 spans", || matching(false), json, JSON),
    path("matching, while another core drains", || matching(true), json, JSON),
    path("a captured event as a JSON line", || line(Format::Json), json, JSON),
    path("a captured event in the human form", || line(Format::Human), || line(Format::Json), LINE),
    path("a captured event in the compact form", || line(Format::Compact), || line(Format::Json), LINE),
    path("not matching, 1,000,000 records/s elsewhere", records_elsewhere, || elsewhere(1, not_matching), "no records"),
    path("watch, 5,000 callsites", || watch(5_000, 0), || rebuild(5_000), "a bare rebuild of the interest cache"),
    path(
        "one more session of 100,000",
        || watch(5_000, 100_000),
        || rebuild(5_000),
        "a bare rebuild of the interest cache",
    ),
];

const fn path(name: &'static str, tap: fn() -> f64, bare: fn() -> f64, beside: &'static str) -> Path {
    Path { name, tap, bare, beside }
}

/// Installs a service's usual subscriber, with the router if there is one.
fn install(router: Option<&TapRouter>) {
    let logs = tracing_subscriber::fmt::layer().json().with_writer(io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(logs).with(router.map(TapRouter::layer)).init();
}

fn bare(operation: fn() -> f64) -> f64 {
    let logs = tracing_subscriber::fmt::layer().json().with_writer(io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(logs).init();
    operation()
}

fn idle(operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    operation()
}

/// With sessions open that are about other users.
fn elsewhere(sessions: usize, operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _streams = open(&router, sessions);
    warm_up(&operation);
    operation()
}

fn open(router: &TapRouter, sessions: usize) -> Vec<EventStream> {
    (0..sessions).map(|user| router.watch(Predicate::eq("user", 1_000_000 + user))).collect()
}

/// Lets what is learned about callsites be learned: reaching them once makes them known.
fn warm_up(operation: &fn() -> f64) {
    black_box(operation());
}

fn disabled_event() -> f64 {
    nanoseconds(|| tracing::debug!(n = black_box(1), text = "some", "disabled"))
}

fn enter_exit() -> f64 {
    let span = tracing::info_span!("conn", conn_id = 1, user = 7);
    nanoseconds(|| {
        drop(black_box(span.enter()));
    })
}

fn printed_event() -> f64 {
    let _span = tracing::info_span!("conn", conn_id = 1, user = 7).entered();
    nanoseconds(|| tracing::info!(n = black_box(1), text = "some", "printed"))
}

fn span_with_fields() -> f64 {
    nanoseconds(|| {
        black_box(tracing::info_span!("conn", conn_id = black_box(1), user = "7"));
    })
}

fn trace_span() -> f64 {
    let _span = tracing::info_span!("conn", conn_id = 1, user = 7).entered();
    nanoseconds(|| {
        black_box(tracing::trace_span!("frame", length = black_box(1), kind = "data"));
    })
}

fn not_matching() -> f64 {
    let _span = tracing::info_span!("conn", conn_id = 1, user = 7).entered();
    nanoseconds(|| tracing::debug!(n = black_box(1), text = "some", "not matching"))
}

fn enter_event_exit() -> f64 {
    let span = tracing::info_span!("conn", conn_id = 1, user = 7);
    nanoseconds(|| span.in_scope(|| tracing::debug!(n = black_box(1), text = "some", "not matching")))
}

fn own_field() -> f64 {
    nanoseconds(|| tracing::debug!(user = black_box(7), text = "some", "not matching"))
}

fn four_fields_two_spans() -> f64 {
    in_two_spans(|| nanoseconds(four_fields))
}

fn in_two_spans<R>(operation: impl FnOnce() -> R) -> R {
    let _conn = tracing::info_span!("conn", conn_id = 1, user = 42).entered();
    let _message = tracing::info_span!("message", kind = "subscribe").entered();
    operation()
}

fn four_fields() {
    tracing::debug!(channel = "orders", attempt = black_box(3), ok = true, took = 1.5, "subscription accepted");
}

fn line(format: Format) -> f64 {
    written(format, || in_two_spans(four_fields))
}

fn json() -> f64 {
    let logs = tracing_subscriber::fmt::layer().json().with_writer(io::sink).with_filter(LevelFilter::TRACE);
    tracing_subscriber::registry().with(logs).init();
    four_fields_two_spans()
}

fn matching(drained: bool) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let mut stream = router.watch(Predicate::eq("user", 42));
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let reader = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            if drained {
                stream.drain().for_each(drop);
            }
            std::thread::park_timeout(Duration::from_micros(100));
        }
    });
    let result = four_fields_two_spans();
    stop.store(true, Ordering::Relaxed);
    reader.join().expect("the reader does not panic");
    result
}

/// Another thread records a tested field as fast as a busy service would, in spans of its own.
fn records_elsewhere() -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _stream = router.watch(Predicate::ge("status", 500));
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let recorder = std::thread::spawn(move || {
        let start = Instant::now();
        let span = tracing::info_span!("request", status = tracing::field::Empty);
        for number in 0_u64.. {
            if seen.load(Ordering::Relaxed) {
                return;
            }
            span.record("status", 200);
            while start.elapsed().as_micros() < u128::from(number) {
                std::hint::spin_loop();
            }
        }
    });
    black_box(not_matching());
    let result = not_matching();
    stop.store(true, Ordering::Relaxed);
    recorder.join().expect("the recorder does not panic");
    result
}

/// Opens a session, and closes it untimed; the next one waits until callsites are at rest again.
fn watch(callsites: usize, sessions: usize) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    callsites::register(callsites);
    let _streams = open(&router, sessions);
    let mut number = 0;
    nanoseconds_each(101, || {
        number += 1;
        let start = Instant::now();
        let stream = router.watch(Predicate::eq("user", number));
        let took = start.elapsed();
        drop(stream);
        std::thread::sleep(Duration::from_millis(2));
        took
    })
}

fn rebuild(callsites: usize) -> f64 {
    install(None);
    callsites::register(callsites);
    assert!(!tracing::enabled!(Level::DEBUG), "the service logs at INFO");
    nanoseconds_each(101, || {
        let start = Instant::now();
        tracing::callsite::rebuild_interest_cache();
        start.elapsed()
    })
}
