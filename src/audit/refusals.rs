//! The rate limit of audit events: a client that keeps trying must not fill the service's logs.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time between two events at the steady rate.
const INTERVAL: Duration = Duration::from_millis(100);

/// The unused time that may be saved up for a burst.
const BURST: Duration = Duration::from_secs(1);

/// Limits audit events to ten a second, with bursts of at most ten, and counts the rest.
///
/// Share one between all requests of an endpoint. A call takes an uncontended mutex.
///
/// ```
/// use std::time::Instant;
/// use tracing_tap::audit::AuditLimit;
///
/// let (limit, now) = (AuditLimit::default(), Instant::now());
/// let admitted = (0..25).filter(|_| limit.admit(now).is_some()).count();
/// assert_eq!(admitted, 10);
/// ```
#[derive(Debug, Default)]
pub struct AuditLimit(Mutex<AuditRate>);

#[derive(Debug, Default)]
struct AuditRate {
    /// The time until which the admitted events use up the steady rate.
    until: Option<Instant>,
    suppressed: u64,
}

impl AuditLimit {
    /// Admits an event at the time `now`, or counts it.
    ///
    /// Returns the number of events rejected since the last admitted one, for a field `suppressed`; `None` if this event
    /// is rejected.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let mut rate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = rate.until.map_or(now, |until| until.max(now)) + INTERVAL;
        if until.saturating_duration_since(now) > BURST {
            rate.suppressed += 1;
            return None;
        }
        rate.until = Some(until);
        Some(std::mem::take(&mut rate.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_logged_at_once_then_ten_a_second() {
        let limit = AuditLimit::default();
        let start = Instant::now();
        let logged_at = |milliseconds| limit.admit(start + Duration::from_millis(milliseconds));
        assert!((0..10).all(|_| logged_at(0) == Some(0)));
        assert!((0..5).all(|_| logged_at(99).is_none()));
        assert_eq!(logged_at(100), Some(5));
        assert_eq!(logged_at(150), None);
        assert_eq!(logged_at(200), Some(1));
        // A long rest brings no more than one second's worth.
        let later = (0..30).filter_map(|_| logged_at(60_000)).collect::<Vec<_>>();
        assert_eq!(later, [0; 10]);
        assert_eq!(logged_at(60_100), Some(20));
    }

    #[test]
    fn a_clock_that_steps_keeps_events_back_no_longer_than_the_step() {
        let limit = AuditLimit::default();
        let start = Instant::now();
        let logged_at = |milliseconds| limit.admit(start + Duration::from_millis(milliseconds)).is_some();
        assert!((0..10).all(|_| logged_at(5_000)));
        // Five seconds back: nothing until the clock is where it was, and nothing is logged twice.
        assert!([0, 2_500, 4_999].into_iter().all(|time| !logged_at(time)));
        assert!(logged_at(5_100));
        // An hour ahead: a second's worth, no more.
        assert_eq!((0..100).filter(|_| logged_at(3_600_000)).count(), 10);
    }
}
