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
