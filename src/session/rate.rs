//! The rate limit of a session: a token bucket without a lock and without a clock of its own.

use crate::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A lock-free token bucket that holds one second's tokens and starts full.
///
/// It counts tokens instead of times, so that no rounding accumulates: `t` seconds after its creation it has earned
/// `per_second × t` tokens, rounded down, in addition to the first `per_second`. Tokens earned while the bucket is full are
/// lost, and counted as spent.
///
/// ```
/// use std::time::Duration;
/// use tracing_tap::endpoint::TokenBucket;
///
/// let bucket = TokenBucket::new(2);
/// assert_eq!((0..5).filter(|_| bucket.take(Duration::ZERO)).count(), 2);
/// assert!(bucket.take(Duration::from_millis(500)) && !bucket.take(Duration::from_millis(500)));
/// ```
#[derive(Debug)]
pub struct TokenBucket {
    per_second: u64,
    /// Tokens of those ever earned that are spent, or lost because the bucket was full.
    spent: AtomicU64,
}

impl TokenBucket {
    /// The largest rate: ten tokens a nanosecond, more than any clock resolves. Larger rates count as this one, which keeps
    /// a second's nanoseconds times the rate within 64 bits.
    pub const MAX_PER_SECOND: u64 = 10_000_000_000;

    /// Creates a full bucket of `per_second` tokens. Values above [`MAX_PER_SECOND`](Self::MAX_PER_SECOND) count as that.
    pub fn new(per_second: u64) -> Self {
        Self { per_second: per_second.min(Self::MAX_PER_SECOND), spent: AtomicU64::new(0) }
    }

    /// Takes a token, and returns whether there was one. `now` is the time since the creation of the bucket.
    ///
    /// Costs one compare-and-swap. A thread that passes an earlier `now` than another thread before it finds fewer tokens,
    /// never more: at any `now`, at most the tokens earned until then plus one second's were ever taken.
    #[inline]
    pub fn take(&self, now: Duration) -> bool {
        self.take_many(1, now)
    }

    /// Takes so many tokens, or none if there are fewer. Returns whether there were as many.
    #[inline]
    pub(crate) fn take_many(&self, tokens: u64, now: Duration) -> bool {
        let earned = self.earned(now);
        let available = earned + self.per_second;
        // Relaxed throughout: one number, compared with the clock alone. Fails with a load and a store instead:
        // `many_threads_take_no_more_than_there_is`.
        let mut spent = self.spent.load(Ordering::Relaxed);
        loop {
            let taken = spent.max(earned).saturating_add(tokens);
            if taken > available {
                return false;
            }
            match self.spent.compare_exchange_weak(spent, taken, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => spent = changed,
            }
        }
    }

    /// Whether there is no token at this time.
    #[inline]
    pub(crate) fn is_empty(&self, now: Duration) -> bool {
        // Relaxed: as in `take`. It only grows, and by no more than is earned, so an empty bucket is empty by its own clock.
        self.spent.load(Ordering::Relaxed) >= self.earned(now) + self.per_second
    }

    /// Tokens earned until `now`, rounded down, in addition to those it began with. At the largest rate the count would be full
    /// after 58 years; from then on nothing is earned.
    #[inline]
    fn earned(&self, now: Duration) -> u64 {
        const NANOS_PER_SECOND: u64 = 1_000_000_000;
        let of_whole_seconds = now.as_secs().saturating_mul(self.per_second);
        let of_the_rest = u64::from(now.subsec_nanos()) * self.per_second / NANOS_PER_SECOND;
        of_whole_seconds.saturating_add(of_the_rest).min(u64::MAX - self.per_second)
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/rate.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::sync::atomic::AtomicU64;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many tokens can be taken at once, up to a bound.
    fn taken_at(bucket: &TokenBucket, now: Duration, at_most: u64) -> u64 {
        (0..at_most).take_while(|_| bucket.take(now)).count() as u64
    }

    #[test]
    fn a_bucket_is_empty_where_nothing_can_be_taken() {
        let bucket = TokenBucket::new(3);
        for now in (0..4_000).step_by(50).map(Duration::from_millis) {
            let is_empty = bucket.is_empty(now);
            assert_eq!(bucket.take(now), !is_empty, "{now:?}");
        }
    }

    #[track_caller]
    fn check(per_second: u64, times: &[(Duration, u64)]) {
        let bucket = TokenBucket::new(per_second);
        for (now, expected) in times {
            assert_eq!(taken_at(&bucket, *now, 1_000_000), *expected, "{per_second} a second, at {now:?}");
        }
    }

    #[test]
    fn a_full_bucket_gives_a_seconds_tokens_then_one_an_interval() {
        let millis = Duration::from_millis;
        let just_before = millis(100) - Duration::from_nanos(1);
        check(10, &[(Duration::ZERO, 10), (just_before, 0), (millis(100), 1), (millis(350), 2), (SECOND, 7)]);
        // A third of a second has no whole number of nanoseconds: the token comes with the first one after it.
        let third = Duration::from_nanos(333_333_333);
        check(
            3,
            &[(Duration::ZERO, 3), (third, 0), (third + Duration::from_nanos(1), 1), (SECOND, 2), (SECOND * 2, 3)],
        );
    }

    #[test]
    fn a_bucket_never_holds_more_than_one_second_s_tokens() {
        check(5, &[(Duration::ZERO, 5), (SECOND * 3_600, 5), (SECOND * 3_601, 5), (SECOND * 1_000_000, 5)]);
        check(7, &[(SECOND * 3_600, 7), (SECOND * 3_600, 0)]);
    }

    #[test]
    fn over_a_second_of_steady_events_exactly_the_rate_is_taken() {
        for per_second in [1, 3, 7, 997, 5_000, 99_991] {
            let bucket = TokenBucket::new(per_second);
            assert_eq!(taken_at(&bucket, Duration::ZERO, u64::MAX), per_second);
            for second in 0..3 {
                let times = (1..=200_000).map(|step| SECOND * second + Duration::from_micros(5 * step));
                let taken = times.filter(|now| bucket.take(*now)).count() as u64;
                assert_eq!(taken, per_second, "{per_second} a second");
            }
        }
    }

    #[test]
    fn several_tokens_are_taken_together_or_not_at_all() {
        let bucket = TokenBucket::new(5);
        assert!(!bucket.take_many(6, Duration::ZERO), "there are never as many");
        assert!(bucket.take_many(3, Duration::ZERO) && !bucket.take_many(3, Duration::ZERO));
        assert!(bucket.take_many(2, Duration::ZERO) && !bucket.take(Duration::ZERO));
        assert!(bucket.take_many(5, SECOND) && !bucket.take_many(u64::MAX, SECOND));
    }

    #[test]
    fn a_rate_of_none_gives_nothing_ever() {
        check(0, &[(Duration::ZERO, 0), (SECOND, 0), (Duration::MAX, 0)]);
    }

    #[test]
    fn the_largest_rates_and_times_overflow_nothing() {
        for per_second in [u64::MAX, u64::MAX - 1, TokenBucket::MAX_PER_SECOND, 1 << 40] {
            let bucket = TokenBucket::new(per_second);
            for now in [Duration::ZERO, SECOND - Duration::from_nanos(1), SECOND, Duration::from_secs(1 << 30)] {
                assert_eq!(taken_at(&bucket, now, 1_000), 1_000, "{per_second} a second, at {now:?}");
            }
            let _ = taken_at(&bucket, Duration::MAX, 1_000);
        }
        check(1, &[(Duration::ZERO, 1), (SECOND * u32::MAX, 1)]);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_twice() {
        check(10, &[(SECOND * 5, 10), (SECOND * 4, 0), (SECOND * 5, 0), (SECOND * 6, 10)]);
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        const RATE: u64 = if cfg!(miri) { 100 } else { 1_000 };
        const MILLIS: u64 = if cfg!(miri) { 100 } else { 3_000 };
        let (bucket, clock, taken) = (TokenBucket::new(RATE), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        // Read early and used late: times arrive out of order, as threads that are preempted bring them.
                        let now = clock.fetch_add(1, Ordering::SeqCst) / 16;
                        if now > MILLIS {
                            return;
                        }
                        let is_taken = bucket.take(Duration::from_millis(now));
                        taken.fetch_add(u64::from(is_taken), Ordering::SeqCst);
                    }
                });
            }
        });
        let (taken, bound) = (taken.into_inner(), RATE + RATE * MILLIS / 1_000);
        assert!(taken <= bound, "{taken} of at most {bound}");
        // Sixteen are asked for each one earned; a few of the last may bring their times late.
        assert!(taken >= bound - RATE, "{taken} of {bound}");
    }

    proptest! {
        #[test]
        fn by_any_time_no_more_was_taken_than_earned_and_one_second_s(
            per_second in prop_oneof![0_u64..50, 0_u64..10_000],
            steps in prop::collection::vec(0_u64..2_000_000_000, 1..60),
        ) {
            let bucket = TokenBucket::new(per_second);
            let (mut now, mut taken) = (0_u64, 0_u64);
            for step in steps {
                now += step;
                taken += taken_at(&bucket, Duration::from_nanos(now), 30);
                let earned = u128::from(now) * u128::from(per_second) / 1_000_000_000;
                prop_assert!(u128::from(taken) <= earned + u128::from(per_second));
            }
        }
    }
}
