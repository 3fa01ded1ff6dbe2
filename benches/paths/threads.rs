//! Producers on two cores: what they do to each other.

use crate::operations::four_fields;
use crate::service::install;
use crate::table::{Path, path};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use tracing_tap::{Predicate, TapRouter};

const ONE: &str = "one thread";
const RUN: Duration = Duration::from_millis(300);
const CALLS_BETWEEN_LOOKS: u32 = 256;

/// Threads that produce, each on behalf of a user, and the users that sessions are about.
struct Producers {
    users: &'static [u64],
    watched: &'static [u64],
}

pub(crate) const THREADS: &[Path] = &[
    path("two threads: not matching", || throughput(&[1, 2], &[3]), || throughput(&[1], &[3]), ONE),
    path("two threads: into two sessions", || throughput(&[1, 2], &[1, 2]), || throughput(&[1], &[1, 2]), ONE),
    path("two threads: into one session", || throughput(&[1, 1], &[1]), || throughput(&[1], &[1]), ONE),
];

fn throughput(users: &'static [u64], watched: &'static [u64]) -> f64 {
    Producers { users, watched }.events_per_microsecond()
}

impl Producers {
    fn events_per_microsecond(&self) -> f64 {
        let router = TapRouter::new();
        install(Some(&router));
        let _streams: Vec<_> = self.watched.iter().map(|user| router.watch(Predicate::eq("user", *user))).collect();
        let ready = Barrier::new(self.users.len());
        thread::scope(|scope| {
            let threads: Vec<_> = self.users.iter().map(|user| scope.spawn(|| produce(*user, &ready))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a producer does not panic")).sum()
        })
    }
}

fn produce(user: u64, ready: &Barrier) -> f64 {
    let _span = tracing::info_span!("conn", conn_id = 1, user).entered();
    events_per_microsecond();
    ready.wait();
    events_per_microsecond()
}

fn events_per_microsecond() -> f64 {
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < RUN {
        (0..CALLS_BETWEEN_LOOKS).for_each(|_| four_fields());
        calls += CALLS_BETWEEN_LOOKS;
    }
    f64::from(calls) / start.elapsed().as_nanos() as f64 * 1_000.0
}
