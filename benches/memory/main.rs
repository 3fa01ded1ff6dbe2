//! Bytes that are held: per span while no session is open, per captured event, per session.
//!
//! Tables that grow with what they hold are counted in. `cargo bench --bench memory [-- PART OF A NAME]`; a program of
//! its own, so that no allocator that counts slows the paths that are timed.
#![expect(unsafe_code, reason = "an allocator is unsafe")]

mod allocator;
#[path = "../paths/table.rs"]
mod table;

use allocator::bytes_per_item;
use std::io;
use table::{Path, Table, path};
use tracing::Span;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{Format, Predicate, SessionOptions, TapRouter, write_item};

const WITHOUT: &str = "the same without the router";
const ITEMS: usize = 10_000;
const BOUND_PER_SESSION: f64 = 2048.0;

const TABLES: &[Table] = &[Table { title: "memory", unit: "bytes", rows: MEMORY }];

const MEMORY: &[Path] = &[
    path("idle span without fields", || idle(without_fields), || bare(without_fields), WITHOUT),
    path("idle span with 2 fields", || idle(with_2_fields), || bare(with_2_fields), WITHOUT),
    path("idle span with 8 fields", || idle(with_8_fields), || bare(with_8_fields), WITHOUT),
    path("captured event, 4 fields, 2 spans", captured_event, event_as_json, "its JSON line"),
    path("session that matched nothing", unmatched_session, || BOUND_PER_SESSION, "the bound: 2 KiB"),
];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", name, variant] => table::measure(TABLES, name, variant),
        [] => table::print(TABLES, "", 1),
        [name, ..] => table::print(TABLES, name, 1),
    }
}

fn install(router: Option<&TapRouter>) {
    let logs = tracing_subscriber::fmt::layer().json().with_writer(io::sink).with_filter(LevelFilter::INFO);
    match router {
        Some(router) => tracing_subscriber::registry().with(logs).with(router.layer()).init(),
        None => tracing_subscriber::registry().with(logs).init(),
    }
}

fn idle(span: fn() -> Span) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    spans(span)
}

fn bare(span: fn() -> Span) -> f64 {
    install(None);
    spans(span)
}

fn spans(span: fn() -> Span) -> f64 {
    bytes_per_item(ITEMS, || (0..ITEMS).map(|_| span()).collect::<Vec<_>>())
}

fn without_fields() -> Span {
    tracing::info_span!("conn")
}

fn with_2_fields() -> Span {
    tracing::info_span!("conn", conn_id = 1, user = "7")
}

fn with_8_fields() -> Span {
    tracing::info_span!("conn", conn_id = 1, user = "7", a = 1, b = 2, c = true, d = 1.5, host = "example", path = "/")
}

/// Events that wait to be read; the ring that holds them was there before.
fn captured_event() -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).capacity(2 * ITEMS));
    let bytes = bytes_per_item(ITEMS, || in_two_spans(|| (0..ITEMS).for_each(|_| four_fields())));
    drop(stream);
    bytes
}

fn event_as_json() -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let mut stream = router.watch(Predicate::eq("user", 42));
    in_two_spans(four_fields);
    let mut line = Vec::new();
    write_item(&mut line, &stream.try_recv().expect("the event matches"), Format::Json);
    line.len() as f64
}

fn in_two_spans(operation: impl FnOnce()) {
    let _conn = tracing::info_span!("conn", conn_id = 1, user = 42).entered();
    let _message = tracing::info_span!("message", kind = "subscribe").entered();
    operation();
}

fn four_fields() {
    tracing::debug!(channel = "orders", attempt = 3, ok = true, took = 1.5, "subscription accepted");
}

fn unmatched_session() -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    bytes_per_item(ITEMS, || (0..ITEMS).map(|user| router.watch(Predicate::eq("user", user))).collect::<Vec<_>>())
}
