//! `arc_swap::ArcSwap` and `once_cell::race::OnceBox`.

use super::stored;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{AcqRel, Acquire};
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};

/// A pointer that is replaced whole. A swap happens before the loads that see it; a load that nothing orders after a
/// swap may see what was there before it. (The documentation promises more: one order of all loads and swaps.)
#[derive(Debug)]
pub(crate) struct ArcSwap<T> {
    latest: AtomicUsize,
    versions: Mutex<Vec<Arc<T>>>,
}

/// What was loaded.
pub(crate) struct Guard<T>(Arc<T>);

impl<T> Deref for Guard<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.0
    }
}

impl<T> ArcSwap<T> {
    pub(crate) fn new(first: Arc<T>) -> Self {
        Self { latest: AtomicUsize::new(0), versions: Mutex::new(vec![first]) }
    }

    pub(crate) fn load(&self) -> Guard<T> {
        let seen = self.latest.load(Acquire);
        Guard(Arc::clone(&stored(&self.versions)[seen]))
    }

    pub(crate) fn swap(&self, new: Arc<T>) -> Arc<T> {
        let number = {
            let mut versions = stored(&self.versions);
            versions.push(new);
            versions.len() - 1
        };
        let replaced = self.latest.swap(number, AcqRel);
        Arc::clone(&stored(&self.versions)[replaced])
    }
}

impl<T: Default> Default for ArcSwap<T> {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

/// A place that is filled once, by the first thread; a thread that comes at the same time drops its own value. As
/// documented, all its operations acquire and release.
#[derive(Debug)]
pub(crate) struct OnceBox<T> {
    is_set: AtomicUsize,
    value: OnceLock<Box<T>>,
}

impl<T> OnceBox<T> {
    pub(crate) fn new() -> Self {
        Self { is_set: AtomicUsize::new(0), value: OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // A load that does not see the value finds none, though it may be there.
        if self.is_set.load(Acquire) == 0 { None } else { self.value.get().map(|value| &**value) }
    }

    pub(crate) fn set(&self, value: Box<T>) -> Result<(), Box<T>> {
        match self.is_set.compare_exchange(0, 1, AcqRel, Acquire) {
            Ok(_) => self.value.set(value),
            Err(_) => Err(value),
        }
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> Box<T>) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        // Whether it was filled meanwhile, by any thread.
        let _ = self.set(make());
        self.value.get().expect("it was set by one or the other")
    }
}

impl<T> Default for OnceBox<T> {
    fn default() -> Self {
        Self::new()
    }
}
