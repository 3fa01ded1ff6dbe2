//! What a test of a predicate costs a producer, for the slowest text of 8 KiB that is known: the prices of
//! `src/predicate/cost.rs` are these, for each KiB and rounded up.

use crate::measure::nanoseconds;
use crate::service::install;
use crate::table::{Path, path};
use std::hint::black_box;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

const EXISTS: &str = "whether the field is there";

pub(crate) const TESTS: &[Path] = &[
    path("test of 8 KiB: `=`", equal, nothing, EXISTS),
    path("test of 8 KiB: `=` with 256 values", one_of_256, nothing, EXISTS),
    path("test of 8 KiB: `*=`", contained, nothing, EXISTS),
    path("test of 8 KiB: `~` with a table of 1 MiB", matching, nothing, EXISTS),
    path("test of a number of 40 digits", number, nothing, EXISTS),
    path("test of 8 KiB, printed", printed, nothing, EXISTS),
    path("test of 8 KiB, printed and unescaped", quoted, nothing, EXISTS),
];

const BYTES: usize = 8 << 10;
const BITS: usize = 13;

fn nothing() -> f64 {
    watched(Predicate::exists("text"), &letters())
}

fn equal() -> f64 {
    watched(Predicate::eq("text", format!("{}b", &letters()[1..])), &letters())
}

fn one_of_256() -> f64 {
    let values = (0..256).map(|number| format!("{}{number:03}", &letters()[3..]));
    watched(Predicate::any_of("text", values), &format!("{}111", &letters()[3..]))
}

fn contained() -> f64 {
    let part = format!("{0}b{0}", &letters()[..200]);
    watched(Predicate::contains("text", part), &letters())
}

/// A table of some 16,000 states, which the text visits without an order.
fn matching() -> f64 {
    let pattern = format!("(?s-u:a[ab]{{{BITS}}}c)");
    watched(Predicate::regex("text", pattern).expect("it is an expression"), &disorder())
}

fn number() -> f64 {
    watched(Predicate::gt("text", 1), "2.470328229206232720882843964341106861825e-324")
}

fn printed() -> f64 {
    let letters = letters();
    watched_event(Predicate::eq("text", "x"), || tracing::info!(text = %black_box(&*letters)))
}

fn quoted() -> f64 {
    let quotes = "\"\n".repeat(BYTES / 4);
    watched_event(Predicate::eq("text", "x"), || tracing::info!(text = ?black_box(&*quotes)))
}

/// With a session that looks at the text and is true of no event.
fn watched(predicate: Predicate, text: &str) -> f64 {
    watched_event(predicate, || tracing::info!(text = black_box(text)))
}

fn watched_event(predicate: Predicate, event: impl Fn()) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _stream = router.watch(SessionOptions::new(predicate & Predicate::file("nowhere.rs")));
    nanoseconds(event)
}

fn letters() -> String {
    "a".repeat(BYTES)
}

fn disorder() -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state >> 33 & 1 == 0 { 'a' } else { 'b' }
    };
    (0..BYTES).map(|_| next()).collect()
}
