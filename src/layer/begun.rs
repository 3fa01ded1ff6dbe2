//! When a span was created, where the past is kept: a request of the past lasted from then on.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The creation of one span. Used for one span after the other.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// The number of the span; 0: none.
    of: AtomicU64,
    at: AtomicU64,
}

impl Begun {
    /// Notes the creation of the span of this number. Called by the thread that creates it.
    pub(super) fn set(&self, number: u64, at: u64) {
        self.of.store(0, Ordering::Relaxed);
        // Release, both: who finds the time of one span does not find the number of the one before, and the other way round.
        self.at.store(at, Ordering::Release);
        self.of.store(number, Ordering::Release);
    }

    /// When the span of this number was created.
    pub(super) fn of(&self, number: u64) -> Option<u64> {
        // Acquire pairs with the Release in `set`.
        let is_of = || self.of.load(Ordering::Acquire) == number;
        is_of().then(|| self.at.load(Ordering::Acquire)).filter(|_| is_of())
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/begun.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_creation_is_of_one_span() {
        let begun = Begun::default();
        begun.set(7, 100);
        assert_eq!((begun.of(7), begun.of(8)), (Some(100), None));
        begun.set(8, 200);
        assert_eq!((begun.of(7), begun.of(8)), (None, Some(200)));
    }
}
