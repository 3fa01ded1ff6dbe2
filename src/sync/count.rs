//! A count of the whole process.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many there are of something at present. Nothing else may depend on when it changes, so that no model needs to know
/// of it.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(crate) fn add(&self) {
        // Relaxed, here and below: it orders nothing.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes back one [`add`](Self::add).
    pub(crate) fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}
