//! Rejected messages, counted by reason.

use super::seal::Rejection;
use std::sync::atomic::{AtomicU64, Ordering};

/// Messages that were rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IgnoredMessages {
    /// Not signed with an accepted key, or changed on the way.
    pub forged: u64,
    /// Sent more than 30 s ago, or by a clock that is off by more.
    pub stale: u64,
    /// Received before.
    pub replayed: u64,
    /// Not readable, or too large.
    pub malformed: u64,
    /// Of another version of the format.
    pub other_version: u64,
    /// From instances beyond the 65,536 that a watcher knows at once.
    pub too_many_instances: u64,
}

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    forged: AtomicU64,
    stale: AtomicU64,
    replayed: AtomicU64,
    malformed: AtomicU64,
    other_version: AtomicU64,
    too_many_instances: AtomicU64,
}

impl Counts {
    pub(super) fn note(&self, rejection: Rejection) {
        let count = match rejection {
            Rejection::Forged => &self.forged,
            Rejection::Stale => &self.stale,
            Rejection::Replayed => &self.replayed,
            Rejection::Malformed | Rejection::TooLarge => &self.malformed,
            Rejection::Version(_) => &self.other_version,
            Rejection::TooMany => &self.too_many_instances,
        };
        // Relaxed, here and below: plain numbers on which no other memory depends.
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> IgnoredMessages {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        IgnoredMessages {
            forged: read(&self.forged),
            stale: read(&self.stale),
            replayed: read(&self.replayed),
            malformed: read(&self.malformed),
            other_version: read(&self.other_version),
            too_many_instances: read(&self.too_many_instances),
        }
    }
}
