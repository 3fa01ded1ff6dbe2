//! How long to wait before the next try, and when to give up.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// The tries since a connection was lost.
#[derive(Debug)]
pub(crate) struct Backoff {
    since: Instant,
    patience: Duration,
    tries: u32,
}

impl Backoff {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { since: Instant::now(), patience, tries: 0 }
    }

    /// How long it was tried.
    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// How long to wait; nothing where it was tried for long enough. Between half and all of a time that doubles, so that
    /// clients which lost the same server do not come back as one.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        let left = self.patience.checked_sub(self.elapsed()).filter(|left| !left.is_zero())?;
        let whole = FIRST.saturating_mul(1 << self.tries.min(10)).min(LONGEST);
        self.tries += 1;
        Some(whole.mul_f64(0.5 + fastrand::f64() / 2.0).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_to_a_bound_and_end_with_the_patience() {
        let mut backoff = Backoff::new(Duration::from_secs(3600));
        let waits: Vec<_> = (0..20).map(|_| backoff.next().unwrap()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits[4] > waits[1] && waits[19] >= LONGEST / 2);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert_eq!(Backoff::new(Duration::ZERO).next(), None);
        assert!(Backoff::new(Duration::from_millis(50)).next().is_none_or(|wait| wait <= Duration::from_millis(50)));
    }
}
