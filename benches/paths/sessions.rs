//! What opening sessions costs the opener.

use crate::callsites;
use crate::measure::nanoseconds_each;
use crate::service::{install, open};
use std::time::{Duration, Instant};
use tracing::Level;
use tracing_tap::{Predicate, TapRouter};

/// Between two openings, so that callsites are at rest again.
const REST: Duration = Duration::from_millis(2);

/// Opens a session, and closes it untimed.
pub(crate) fn watch(callsites: usize, sessions: usize) -> f64 {
    each_of_many(callsites, sessions, |router, user| {
        let start = Instant::now();
        let stream = router.watch(Predicate::eq("user", user));
        let took = start.elapsed();
        drop(stream);
        took
    })
}

/// Opens a session and closes it, both timed.
pub(crate) fn watch_and_close(callsites: usize, sessions: usize) -> f64 {
    each_of_many(callsites, sessions, |router, user| {
        let start = Instant::now();
        drop(router.watch(Predicate::eq("user", user)));
        start.elapsed()
    })
}

fn each_of_many(callsites: usize, sessions: usize, once: fn(&TapRouter, u64) -> Duration) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    callsites::register(callsites);
    let _streams = open(&router, sessions);
    let mut user = 0;
    nanoseconds_each(101, || {
        user += 1;
        let took = once(&router, user);
        std::thread::sleep(REST);
        took
    })
}

/// Opens so many sessions, one after the other.
pub(crate) fn open_all(sessions: usize) -> f64 {
    let router = TapRouter::new();
    install(Some(&router));
    callsites::register(5_000);
    let start = Instant::now();
    let streams = open(&router, sessions);
    let took = start.elapsed();
    drop(streams);
    took.as_nanos() as f64
}

/// Has `tracing` ask all callsites again, as a change of a filter does.
pub(crate) fn rebuild(callsites: usize) -> f64 {
    install(None);
    callsites::register(callsites);
    assert!(!tracing::enabled!(Level::DEBUG), "the service logs at INFO");
    nanoseconds_each(101, || {
        let start = Instant::now();
        tracing::callsite::rebuild_interest_cache();
        start.elapsed()
    })
}
