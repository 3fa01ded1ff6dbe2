//! Not going to wait at once: waking a reader costs the producer microseconds, a second look costs it nothing.

use crate::guard::{Guard, run_user_code};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How long a reader that has just read looks again before it says that it waits. Longer, and one that reads a steady
/// trickle would keep a core busy; shorter, and each event of a stream of 100,000 a second would wake it.
const LINGER: Duration = Duration::from_micros(20);

/// Whether a reader that finds nothing looks again before it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linger {
    /// It waits: it has found nothing for a while.
    No,
    /// It has just read something.
    HasRead,
    /// It has read something, and looks again until then.
    Until(Instant),
}

impl Linger {
    /// Called where nothing was found: whether to look again. If so, the reader's own task was woken to do it, so that
    /// its executor does what else there is to do in between.
    pub(super) fn look_again(&mut self, waker: &Waker) -> bool {
        *self = match *self {
            Self::HasRead => Self::Until(Instant::now() + LINGER),
            Self::Until(end) if Instant::now() >= end => Self::No,
            unchanged => unchanged,
        };
        let looks_again = *self != Self::No;
        if looks_again {
            // As where a producer wakes: what the executor's code logs is not routed, and its panic stays its own.
            let _guard = Guard::enter();
            run_user_code(|| waker.wake_by_ref());
        }
        looks_again
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;
    use std::task::Wake;

    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_reader_that_has_read_is_woken_to_look_again_for_a_while() {
        let wakes = Arc::new(Counts(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&wakes));
        let hour = Duration::from_secs(3_600);
        let before = Instant::now();
        for (mut linger, looks_again) in [
            (Linger::No, false),
            (Linger::HasRead, true),
            (Linger::Until(before + hour), true),
            (Linger::Until(before), false),
        ] {
            let (woken, asked) = (wakes.0.load(Ordering::Relaxed), Instant::now());
            assert_eq!(linger.look_again(&waker), looks_again, "{linger:?}");
            assert_eq!(wakes.0.load(Ordering::Relaxed) - woken, usize::from(looks_again));
            match linger {
                Linger::Until(end) => assert!(looks_again && end >= asked + LINGER),
                ended => assert_eq!((ended, looks_again), (Linger::No, false)),
            }
        }
    }
}
