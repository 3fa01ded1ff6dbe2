//! The limits of a session over the whole fleet, granted to the instances that have matching events.
//!
//! Instances ask for each event before they send it. So the fleet never exceeds what one router would admit, and events
//! that one instance does not need are granted to others.

use std::time::Instant;
use tracing_tap::SessionOptions;
use tracing_tap::endpoint::TokenBucket;

/// The most events granted at once.
const MAX_ASKED: u64 = 1 << 20;

/// The events that may still be sent.
#[derive(Debug)]
pub(super) struct Limits {
    rate: Option<TokenBucket>,
    started: Instant,
    remaining: Option<u64>,
}

impl Limits {
    pub(super) fn of(session: &SessionOptions) -> Self {
        let rate = session.max_rate.map(TokenBucket::new);
        Self { rate, started: Instant::now(), remaining: session.max_events }
    }

    /// Grants up to this many events, and returns how many.
    pub(super) fn take(&mut self, asked: u64) -> u64 {
        let wanted = asked.min(MAX_ASKED).min(self.remaining.unwrap_or(u64::MAX));
        let now = self.started.elapsed();
        let granted = match &self.rate {
            Some(bucket) => (0..wanted).take_while(|_| bucket.take(now)).count() as u64,
            None => wanted,
        };
        self.remaining = self.remaining.map(|remaining| remaining - granted);
        granted
    }

    /// Takes back the unused grant of an instance that left.
    pub(super) fn give_back(&mut self, granted: u64) {
        self.remaining = self.remaining.map(|remaining| remaining.saturating_add(granted));
    }

    /// Charges events that were sent after their grant was given back.
    pub(super) fn charge(&mut self, sent: u64) {
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(sent));
    }

    /// Whether the last event was granted.
    pub(super) fn is_used_up(&self) -> bool {
        self.remaining == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_tap::Predicate;

    fn limits(limit: impl FnOnce(SessionOptions) -> SessionOptions) -> Limits {
        Limits::of(&limit(SessionOptions::new(Predicate::everything())))
    }

    #[test]
    fn all_grants_together_are_within_max_events() {
        let mut limits = limits(|session| session.max_events(10));
        assert_eq!([4, 4, 4, 4].map(|asked| limits.take(asked)), [4, 4, 2, 0]);
        assert!(limits.is_used_up());
        limits.give_back(3);
        assert!(!limits.is_used_up());
        assert_eq!([2, 2].map(|asked| limits.take(asked)), [2, 1]);
    }

    #[test]
    fn events_sent_after_their_grant_was_given_back_are_charged() {
        let mut limits = limits(|session| session.max_events(10));
        assert_eq!(limits.take(4), 4);
        limits.give_back(4);
        limits.charge(3);
        assert_eq!((limits.take(20), limits.is_used_up()), (7, true));
        limits.give_back(2);
        limits.charge(9);
        assert!(limits.is_used_up(), "more than there was leaves nothing");
    }

    #[test]
    fn all_grants_together_are_within_max_rate() {
        let mut limits = limits(|session| session.max_rate(10));
        let granted: u64 = (0..100).map(|_| limits.take(7)).sum();
        let earned = limits.started.elapsed().as_millis() as u64 / 100;
        assert!((10..=10 + earned).contains(&granted), "{granted} granted, {earned} earned");
        assert!(!limits.is_used_up());
    }

    #[test]
    fn an_extreme_request_is_granted_in_part() {
        let mut limits = limits(|session| session.max_rate(u64::MAX));
        assert_eq!(limits.take(u64::MAX), MAX_ASKED);
    }
}
