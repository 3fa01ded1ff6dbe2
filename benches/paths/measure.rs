//! Timing of one operation: the median of many short batches, so that an interruption spoils a batch, not the result.

use std::time::{Duration, Instant};

const BATCHES: usize = 101;
const BATCH_TIME: Duration = Duration::from_millis(2);

/// Nanoseconds per call of `operation`.
pub(crate) fn nanoseconds(mut operation: impl FnMut()) -> f64 {
    let calls = calibrate(&mut operation);
    median((0..BATCHES).map(|_| time(calls, &mut operation).as_nanos() as f64 / calls as f64).collect())
}

/// Nanoseconds of something too slow or too rare for batches, which takes its own time.
pub(crate) fn nanoseconds_each(times: usize, mut operation: impl FnMut() -> Duration) -> f64 {
    median((0..times).map(|_| operation().as_nanos() as f64).collect())
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
    for _ in 0..calls {
        operation();
    }
    start.elapsed()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
