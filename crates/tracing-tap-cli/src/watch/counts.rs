//! What was printed so far: counted by the printing thread, read by the others.

use std::sync::atomic::{AtomicU64, Ordering};
use tracing_tap::missing::{Missing, MissingCounts, MissingReason};

/// How an update is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Event,
    Missing(Missing),
    /// Events lost between an instance and this program.
    Gap(u64),
    /// Unreadable data, and why they are.
    Unreadable(String),
    Nothing,
}

/// Written by one thread. All loads and stores are relaxed: each number is shown on its own, and the final ones are
/// read after that thread was joined.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    delivered: AtomicU64,
    missing: [AtomicU64; MissingReason::ALL.len()],
    /// Events lost between an instance and this program.
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

    /// Printed events.
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

    /// Lines that could not be read.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// All events known to have matched.
    pub(crate) fn matched(&self) -> u64 {
        let left_out = self.missing().total() - self.missing().lost();
        let missing = self.lost().saturating_add(left_out);
        self.delivered().saturating_add(missing).saturating_add(self.unreadable())
    }
}
