//! How long to wait before the next attempt, and when to give up.

use crate::remote::pause_after;
use std::time::{Duration, Instant};

/// The attempts since a connection was lost.
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

    /// How long ago the connection was lost.
    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// How long to wait; `None` if it is time to give up.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        let left = self.patience.checked_sub(self.elapsed()).filter(|left| !left.is_zero())?;
        let pause = pause_after(self.tries);
        self.tries = self.tries.saturating_add(1);
        Some(pause.min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_and_end_with_the_patience() {
        let mut backoff = Backoff::new(Duration::from_secs(3600));
        let waits: Vec<_> = (0..20).map(|_| backoff.next().unwrap()).collect();
        assert!(waits[2] > waits[0] && waits.iter().all(|wait| *wait < Duration::from_secs(1)), "{waits:?}");
        assert_eq!(Backoff::new(Duration::ZERO).next(), None);
        assert!(Backoff::new(Duration::from_millis(50)).next().is_none_or(|wait| wait <= Duration::from_millis(50)));
    }
}
