//! What a session of an opener may cost the service: its predicate is charged by the prices of the cost model, and a
//! session that is charged more than it may ends.
//!
//! Producers add to one counter, and look at no clock before it has grown by all that a second may bring.

use super::SessionId;
use crate::sync::atomic::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use std::fmt::Debug;
use std::sync::{Mutex, TryLockError, Weak};
use std::time::{Duration, Instant};

/// What a session may be charged within a second.
const SECOND: Duration = Duration::from_secs(1);

/// Takes note that a session has ended because it was charged too much.
pub(crate) trait TooCostly: Debug + Send + Sync {
    fn session_is_too_costly(&self, id: SessionId);
}

/// The charges of one session, in nanoseconds of a producer's time.
#[derive(Debug)]
pub(crate) struct Governor {
    charged: CachePadded<AtomicU64>,
    /// Charges up to here need no look at the clock.
    allowed: AtomicU64,
    per_second: u64,
    /// When what is allowed was allowed.
    since: Mutex<Instant>,
    report: Weak<dyn TooCostly>,
}

impl Governor {
    pub(crate) fn new(per_second: Duration, report: Weak<dyn TooCostly>) -> Self {
        let per_second = u64::try_from(per_second.as_nanos()).unwrap_or(u64::MAX);
        Self {
            charged: CachePadded::default(),
            allowed: AtomicU64::new(per_second),
            per_second,
            since: Mutex::new(Instant::now()),
            report,
        }
    }

    /// Adds a charge. Returns whether more was charged within a second than may be: at the latest once it is twice as much.
    #[inline]
    pub(crate) fn charge(&self, nanos: u64) -> bool {
        self.charge_at(nanos, Instant::now)
    }

    pub(crate) fn report(&self, id: SessionId) {
        if let Some(report) = self.report.upgrade() {
            report.session_is_too_costly(id);
        }
    }

    #[inline]
    fn charge_at(&self, nanos: u64, now: impl FnOnce() -> Instant) -> bool {
        // Relaxed, here and below: two numbers that are compared with each other; only the lock changes what is allowed, and
        // a thread that sees the older of two checks it under the lock.
        let charged = self.charged.fetch_add(nanos, Ordering::Relaxed).saturating_add(nanos);
        charged > self.allowed.load(Ordering::Relaxed) && self.is_too_much(charged, now)
    }

    #[cold]
    fn is_too_much(&self, charged: u64, now: impl FnOnce() -> Instant) -> bool {
        let mut since = match self.since.try_lock() {
            Ok(since) => since,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another thread is deciding.
            Err(TryLockError::WouldBlock) => return false,
        };
        if charged <= self.allowed.load(Ordering::Relaxed) {
            return false;
        }
        let now = now();
        // A clock that goes back starts another second.
        if now >= *since && now.duration_since(*since) < SECOND {
            return true;
        }
        *since = now;
        self.allowed.store(charged.saturating_add(self.per_second), Ordering::Relaxed);
        false
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl TooCostly for Nobody {
        fn session_is_too_costly(&self, _: SessionId) {}
    }

    /// Charges at so many milliseconds, and whether the last of them is too much.
    #[track_caller]
    fn check(charges: &[(u64, u64)], expected: bool) {
        let governor = Governor::new(Duration::from_nanos(100), Weak::<Nobody>::new());
        let start = *governor.since.lock().unwrap();
        let charge = |(at, nanos): &(u64, u64)| governor.charge_at(*nanos, || start + Duration::from_millis(*at));
        let (last, before) = charges.split_last().unwrap();
        assert!(before.iter().all(|each| !charge(each)), "{charges:?}");
        assert_eq!(charge(last), expected, "{charges:?}");
    }

    #[test]
    fn more_within_a_second_than_may_be_is_too_much() {
        check(&[(0, 100)], false);
        check(&[(0, 100), (999, 1)], true);
        check(&[(0, 100), (1000, 1)], false);
        check(&[(0, 101)], true);
        check(&[(0, u64::MAX)], true);
    }

    #[test]
    fn a_long_rest_saves_nothing_up() {
        check(&[(60_000, 101), (60_001, 100), (60_002, 1)], true);
    }

    #[test]
    fn a_steady_charge_below_the_bound_never_ends_it() {
        let steady: Vec<_> = (0..1_000).map(|step| (step * 100, 9)).collect();
        check(&steady, false);
    }
}
