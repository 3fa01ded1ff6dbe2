//! What CPU samples cost a busy service: its CPU time per request with a profiler and without, by turns.
//!
//! `cargo bench -p tracing-tap-profile`. A request is three spans with some 60 µs of work; one user in a hundred is watched, or all
//! are. The profiler's own thread counts.
#![expect(clippy::unwrap_used, reason = "a bench may")]

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::Duration;
use tracing::info_span;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};
use tracing_tap_profile::{CpuOptions, CpuProfiler};

const PAIRS: usize = 15;
const REQUESTS: u64 = 10_000;

fn main() {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    serve();
    println!("CPU time per request at 99 Hz, times that without a profiler (median of {PAIRS} pairs, by turns):");
    for (what, predicate) in
        [("one user in a hundred is watched", "user = 42"), ("every user is watched", "user exists")]
    {
        let mut ratios: Vec<_> = (0..PAIRS).map(|_| ratio(&router, predicate)).collect();
        ratios.sort_by(f64::total_cmp);
        let [low, median, high] = [ratios[PAIRS / 4], ratios[PAIRS / 2], ratios[PAIRS * 3 / 4]];
        println!("{what}: {median:.3} ({low:.3}–{high:.3})");
    }
}

fn ratio(router: &TapRouter, predicate: &str) -> f64 {
    let without = serve();
    let session = SessionOptions::new(predicate.parse::<Predicate>().unwrap()).capacity(65_536);
    let profiler = CpuProfiler::start(router, session, CpuOptions::default()).unwrap();
    let with = serve();
    profiler.finish().unwrap();
    with.as_secs_f64() / without.as_secs_f64()
}

/// The CPU time of the process for all requests.
fn serve() -> Duration {
    let begun = on_cpu();
    (0..REQUESTS).for_each(|request| request_of(request % 100));
    on_cpu() - begun
}

fn request_of(user: u64) {
    info_span!("request", user).in_scope(|| {
        info_span!("query").in_scope(|| work(30));
        info_span!("render").in_scope(|| work(20));
        work(10);
    });
}

fn work(micros: u64) {
    let sum = (0..micros * 700).fold(1_u64, |sum, round| black_box(sum.wrapping_mul(31).wrapping_add(round)));
    black_box(sum);
}

fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
