//! CPU samples of a service at work. Each test runs in a process of its own, since `tracing`'s state is the process's.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![expect(clippy::unwrap_used, reason = "a test may")]

#[macro_use]
extern crate testing;

mod forbidden;
mod refused;
mod samples;
mod waiting;

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::Duration;
use testing::permitted::is_permitted;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};
use tracing_tap_profile::{CpuOptions, CpuProfiler};

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    router
}

/// Whether the kernel permits perf events; where it does not, the test that asks is skipped.
fn may_sample() -> bool {
    let tried = match CpuProfiler::start(&TapRouter::new(), user(0), CpuOptions::default()) {
        Err(error) if error.is_forbidden() => Err(error.to_string()),
        _ => Ok(()),
    };
    is_permitted(tried)
}

fn user(number: i64) -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", number)).capacity(65_536)
}

/// The time that this thread has spent on processors.
fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Uses up processor time. Returns how much.
#[inline(never)]
fn burn(time: Duration) -> Duration {
    let begun = on_cpu();
    let mut sum = 1_u64;
    while on_cpu() - begun < time {
        // In user code for nearly all of the time.
        sum = (0..200_000).fold(sum, |sum, round| black_box(sum.wrapping_mul(31).wrapping_add(round)));
    }
    black_box(sum);
    on_cpu() - begun
}
