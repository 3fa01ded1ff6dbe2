//! Counts of the whole process.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many there are of something at each of five ranks, from 1, in one word. Nothing else may depend on when it changes, so
/// that no model needs to know of it.
#[derive(Debug)]
pub(crate) struct Counts(AtomicU64);

const BITS: u32 = 12;

impl Counts {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn add(&self, rank: u8) {
        // Relaxed, here and below: it orders nothing.
        self.0.fetch_add(one_at(rank), Ordering::Relaxed);
    }

    /// Takes back one [`add`](Self::add).
    pub(crate) fn remove(&self, rank: u8) {
        self.0.fetch_sub(one_at(rank), Ordering::Relaxed);
    }

    /// Whether there is any of this rank or a higher one.
    #[inline]
    pub(crate) fn is_any_from(&self, rank: u8) -> bool {
        self.0.load(Ordering::Relaxed) >= one_at(rank)
    }
}

/// Past 4,095 of a rank, there seems to be one of the next rank, until as many are taken back.
#[inline]
fn one_at(rank: u8) -> u64 {
    1 << (BITS * u32::from(rank.saturating_sub(1).min(4)))
}
