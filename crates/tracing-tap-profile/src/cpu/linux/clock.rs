//! The two clocks, of the kernel and of the intervals.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The two clocks: what the kernel says, and what the intervals do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Instant,
    /// What `CLOCK_MONOTONIC` said at the origin.
    origin_ns: u64,
}

impl Clock {
    pub(super) fn new(origin: Instant) -> Self {
        // The narrowest of a few pairs of looks says best what one clock is in the other.
        let look = |_| {
            let before = Instant::now();
            let kernel = clock_gettime(ClockId::Monotonic);
            let took = before.elapsed();
            let kernel_ns = u64::try_from(i128::from(kernel.tv_sec) * 1_000_000_000 + i128::from(kernel.tv_nsec));
            (took, kernel_ns.unwrap_or(0).saturating_sub(nanos(before.duration_since(origin) + took / 2)))
        };
        let (_, origin_ns) = (0..16).map(look).min().unwrap_or_default();
        Self { origin, origin_ns }
    }

    /// Nanoseconds since the origin.
    pub(super) fn now(self) -> u64 {
        nanos(self.origin.elapsed())
    }

    /// A time of the kernel as nanoseconds since the origin.
    pub(super) fn of_kernel(self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.origin_ns)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
