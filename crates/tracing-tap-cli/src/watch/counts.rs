//! What was printed so far, as the printing thread counts it and the others see it.

use super::writer::Counted;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing_tap::missing::{Missing, MissingCounts, MissingReason};

/// Written by one thread. All loads and stores are relaxed: each number is shown on its own, and the last ones are read
/// when that thread has been joined.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    delivered: AtomicU64,
    missing: [AtomicU64; MissingReason::ALL.len()],
    /// Lost between an instance and here.
    lost_in_gaps: AtomicU64,
    unreadable: AtomicU64,
}

impl Counts {
    pub(crate) fn count(&self, counted: &Counted) {
        match counted {
            Counted::Event => self.delivered.fetch_add(1, Ordering::Relaxed),
            Counted::Missing(missing) => {
                self.missing[missing.reason as usize].fetch_add(missing.count, Ordering::Relaxed)
            }
            Counted::Gap(count) => self.lost_in_gaps.fetch_add(*count, Ordering::Relaxed),
            Counted::Unreadable(_) => self.unreadable.fetch_add(1, Ordering::Relaxed),
            Counted::Nothing => 0,
        };
    }

    /// Events that were printed.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Events announced as missing, by reason.
    pub(crate) fn missing(&self) -> MissingCounts {
        let count = |reason: &MissingReason| self.missing[*reason as usize].load(Ordering::Relaxed);
        MissingReason::ALL.iter().map(|reason| Missing::new(count(reason), *reason)).collect()
    }

    /// Events announced as lost.
    pub(crate) fn lost(&self) -> u64 {
        self.missing().lost().saturating_add(self.lost_in_gaps.load(Ordering::Relaxed))
    }

    /// What came and could not be printed.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Everything that is known to have matched.
    pub(crate) fn matched(&self) -> u64 {
        let missing = self.lost().saturating_add(self.missing().kept_back());
        self.delivered().saturating_add(missing).saturating_add(self.unreadable())
    }
}
