//! What CPU samples cost a busy service: its CPU time per request with a profiler and without, by turns.
//!
//! `cargo bench -p tracing-tap-profile`. A request is three spans with some 200 µs of work; one user in a hundred is watched, or all
//! are. The profiler's own thread counts.
#![expect(clippy::unwrap_used, reason = "a bench may")]

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use tracing::info_span;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};
use tracing_tap_profile::{CpuOptions, CpuProfiler};

const PAIRS: usize = 15;
const REQUESTS: u64 = 4_000;

fn main() {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    serve();
    println!("CPU time per request at 99 Hz (median of {PAIRS} rounds, by turns; the middle half):");
    for (what, predicate) in
        [("one user in a hundred is watched", "user = 42"), ("every user is watched", "user exists")]
    {
        let rounds: Vec<_> = (0..PAIRS).map(|_| round(&router, predicate)).collect();
        let sampled = spread(rounds.iter().map(|[_, timed, sampled]| sampled / timed).collect());
        let all = spread(rounds.iter().map(|[none, _, sampled]| sampled / none).collect());
        println!("{what}: {sampled} times that of the session with timings alone, {all} times that without a session");
    }
}

/// The CPU time without a session, with a session that has timings, and with a profiler.
fn round(router: &TapRouter, predicate: &str) -> [f64; 3] {
    let session = || SessionOptions::new(predicate.parse::<Predicate>().unwrap()).capacity(65_536);
    let without = serve();
    let mut stream = router.watch(session().timings().without_events());
    let (finish, finished) = mpsc::channel::<()>();
    let timed = thread::scope(|scope| {
        // As often as the profiler reads.
        scope.spawn(move || {
            while finished.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
                stream.drain().for_each(drop);
            }
        });
        let timed = serve();
        drop(finish);
        timed
    });
    let profiler = CpuProfiler::start(router, session(), CpuOptions::default()).unwrap();
    let sampled = serve();
    profiler.finish().unwrap();
    [without, timed, sampled].map(|time| time.as_secs_f64())
}

fn spread(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let [low, median, high] = [ratios[PAIRS / 4], ratios[PAIRS / 2], ratios[PAIRS * 3 / 4]];
    format!("{median:.3} ({low:.3}–{high:.3})")
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
    let sum = (0..micros * 2_000).fold(1_u64, |sum, round| black_box(sum.wrapping_mul(31).wrapping_add(round)));
    black_box(sum);
}

fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
