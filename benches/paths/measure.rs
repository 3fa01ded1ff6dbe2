//! Timing of one operation: the median of many short batches, so that an interruption spoils a batch, not the result.
//! Or, under valgrind, a number of calls that is known exactly.

use crate::table::median;
use std::time::{Duration, Instant};

/// Makes a child make exactly this many counted calls, instead of taking the time.
pub(crate) const CALLS: &str = "TRACING_TAP_CALLS";

const BATCHES: usize = 101;
const BATCH_TIME: Duration = Duration::from_millis(2);

/// Of an operation that takes longer than a batch should, there are fewer batches.
const FEWEST_BATCHES: usize = 3;
const LONGEST: Duration = Duration::from_secs(2);

/// Long enough for what is learned about callsites to be learned: reaching them once makes them known.
const WARM_UP: Duration = Duration::from_millis(100);

/// More calls than a ring of the default capacity has entries, in rounds between which the control thread gets its
/// turn: valgrind runs one thread at a time.
const WARM_UP_ROUNDS: usize = 10;
const WARM_UP_CALLS: usize = 500;

/// Nanoseconds per call of `operation`; under valgrind, nothing worth reading.
pub(crate) fn nanoseconds(mut operation: impl FnMut()) -> f64 {
    if let Some(calls) = calls_to_count() {
        warm_up_by_calls(calls, &mut operation);
        counted(calls, &mut operation);
        return 0.0;
    }
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        operation();
    }
    let calls = calibrate(&mut operation);
    let (began, mut batches) = (Instant::now(), Vec::new());
    while batches.len() < FEWEST_BATCHES || batches.len() < BATCHES && began.elapsed() < LONGEST {
        batches.push(time(calls, &mut operation).as_nanos() as f64 / calls as f64);
    }
    median(batches)
}

/// Nanoseconds of something too slow or too rare for batches, which takes its own time.
pub(crate) fn nanoseconds_each(times: usize, mut operation: impl FnMut() -> Duration) -> f64 {
    median((0..times).map(|_| operation().as_nanos() as f64).collect())
}

/// Whether this process runs under valgrind, some fifty times slower, to have its instructions counted.
pub(crate) fn is_counting() -> bool {
    calls_to_count().is_some()
}

fn calls_to_count() -> Option<usize> {
    std::env::var(CALLS).ok().map(|calls| calls.parse().expect("the parent sets a number"))
}

fn warm_up_by_calls(counted: usize, operation: &mut impl FnMut()) {
    for _ in 0..WARM_UP_ROUNDS {
        repeat(WARM_UP_CALLS.min(counted), operation);
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What callgrind counts, by this function's name.
#[inline(never)]
fn counted(calls: usize, operation: &mut impl FnMut()) {
    repeat(calls, operation);
}

fn calibrate(operation: &mut impl FnMut()) -> usize {
    let mut calls = 1;
    while time(calls, operation) < BATCH_TIME {
        calls *= 2;
    }
    calls
}

fn time(calls: usize, operation: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    repeat(calls, operation);
    start.elapsed()
}

fn repeat(calls: usize, operation: &mut impl FnMut()) {
    for _ in 0..calls {
        operation();
    }
}
