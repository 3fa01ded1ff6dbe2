//! How long to wait before another attempt.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
/// Less than a second with the attempt itself: that soon a service is read again after its return.
const LONGEST: Duration = Duration::from_millis(750);

/// The wait after this many failed attempts: between half and all of a time that doubles up to a bound, so that clients
/// of the same server do not reconnect all at once.
pub(crate) fn pause_after(tries: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << tries.min(10)).min(LONGEST);
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_a_bound_below_a_second() {
        for _ in 0..100 {
            assert!((FIRST / 2..=FIRST).contains(&pause_after(0)));
            assert!((FIRST..=2 * FIRST).contains(&pause_after(1)));
            for tries in [2, 3, 10, 1000, u32::MAX] {
                assert!((LONGEST / 2..=LONGEST).contains(&pause_after(tries)), "after {tries} tries");
            }
        }
        assert!(LONGEST < Duration::from_secs(1));
    }
}
