//! What was printed so far, as the printing thread counts it and the others see it.

use super::form::Counted;
use std::sync::atomic::{AtomicU64, Ordering};

/// Written by one thread. All loads and stores are relaxed: each number is shown on its own, and the last ones are read
/// when that thread has been joined.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    delivered: AtomicU64,
    lost: AtomicU64,
    unreadable: AtomicU64,
}

impl Counts {
    pub(crate) fn count(&self, counted: &Counted) {
        match counted {
            Counted::Event => self.delivered.fetch_add(1, Ordering::Relaxed),
            Counted::Lost(count) => self.lost.fetch_add(*count, Ordering::Relaxed),
            Counted::Unreadable(_) => self.unreadable.fetch_add(1, Ordering::Relaxed),
            Counted::Nothing => 0,
        };
    }

    /// Events that were printed.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Events that are told as lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What came and could not be printed.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Everything that is known to have matched.
    pub(crate) fn matched(&self) -> u64 {
        self.delivered().saturating_add(self.lost()).saturating_add(self.unreadable())
    }
}
