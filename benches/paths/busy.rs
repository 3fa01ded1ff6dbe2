//! Paths on which another thread is busy: with reading what matches, or with records.

use crate::operations::{four_fields, four_fields_two_spans, in_two_spans, not_matching};
use crate::service::install;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tracing_tap::{EventStream, Follow, Predicate, SessionOptions, TapRouter};

/// How often a reader that does not wait looks what is there.
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// 100,000 events a second, for half a second.
const PACE: Duration = Duration::from_micros(10);
const PACED_EVENTS: u32 = 50_000;

/// Matching events while another core reads them.
pub(crate) fn drained() -> f64 {
    beside_a_reader(drain_until, four_fields_two_spans)
}

/// Matching events while another core looks for them without a pause.
pub(crate) fn drained_without_pause() -> f64 {
    beside_a_reader(drain_without_pause_until, four_fields_two_spans)
}

/// Matching events at a steady pace, for a reader that waits for each.
pub(crate) fn paced_for_a_waiting_reader() -> f64 {
    beside_a_reader(|stream, _| wait_for_all(stream), || in_two_spans(paced))
}

/// Matching events at the same pace, for a reader that looks now and then and need not be woken.
pub(crate) fn paced_for_a_looking_reader() -> f64 {
    beside_a_reader(drain_until, || in_two_spans(paced))
}

fn beside_a_reader(read: fn(EventStream, &AtomicBool), operation: fn() -> f64) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let stream = router.watch(Predicate::eq("user", 42));
    let result = beside(
        move |stop| read(stream, stop),
        || {
            let result = operation();
            router.shutdown();
            result
        },
    );
    drop(router);
    result
}

/// Runs both at once until the operation is done.
fn beside(other: impl FnOnce(&AtomicBool) + Send + 'static, operation: impl FnOnce() -> f64) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let thread = thread::spawn(move || other(&seen));
    let result = operation();
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the other thread does not panic");
    result
}

fn drain_without_pause_until(mut stream: EventStream, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        stream.drain().for_each(drop);
    }
}

fn drain_until(mut stream: EventStream, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        stream.drain().for_each(drop);
        thread::park_timeout(LOOK_EVERY);
    }
}

fn wait_for_all(mut stream: EventStream) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers starts");
    runtime.block_on(async { while stream.recv().await.is_some() {} });
}

/// The mean, not the median: what waking costs is spread over the events that wake nobody.
fn paced() -> f64 {
    let start = Instant::now();
    let emitted = (1..=PACED_EVENTS).map(|number| {
        while start.elapsed() < PACE * number {
            std::hint::spin_loop();
        }
        let before = Instant::now();
        four_fields();
        before.elapsed()
    });
    emitted.sum::<Duration>().as_nanos() as f64 / f64::from(PACED_EVENTS)
}

/// Another thread records a tested field as fast as a busy service would, in spans of its own.
pub(crate) fn records_elsewhere() -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _stream = router.watch(Predicate::ge("status", 500));
    beside(record_every_microsecond, not_matching)
}

/// Another thread has a session follow 1,000 requests a second that fail.
pub(crate) fn follows_elsewhere() -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    let _stream = router.watch(SessionOptions::new(Predicate::ge("status", 500)).follow(Follow::Root));
    beside(fail_every_millisecond, not_matching)
}

fn fail_every_millisecond(stop: &AtomicBool) {
    let mut number: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        tracing::info_span!("request", number).in_scope(|| tracing::debug!(status = 500, "failed"));
        thread::park_timeout(Duration::from_millis(1));
    }
}

fn record_every_microsecond(stop: &AtomicBool) {
    let start = Instant::now();
    let span = tracing::info_span!("request", status = tracing::field::Empty);
    let mut number: u128 = 0;
    while !stop.load(Ordering::Relaxed) {
        span.record("status", 200);
        while start.elapsed().as_micros() < number {
            std::hint::spin_loop();
        }
        number += 1;
    }
}
