//! Names that are given once in a process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Gives every number once, from 1 on. Nothing else may depend on the order in which they are given, so that no model
/// needs to know of it.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn next(&self) -> u64 {
        // Relaxed: of one word, every addition has another result whatever its ordering.
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number given last; 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        // Relaxed: it is at least every number whose giving happened before.
        self.0.load(Ordering::Relaxed)
    }
}
