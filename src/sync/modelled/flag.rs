//! `AtomicBool`, without a history that `loom` tries and that cannot be.

use loom::sync::atomic::Ordering;

/// A flag whose changes have one order, in which each takes its place when it is made.
///
/// `loom` also tries orders in which a store comes between what a swap has read and what it has written, and so loses
/// what was stored; a swap in its place is not moved there. It orders a little more: who acquires from what it wrote
/// also acquires from the stores before it.
#[derive(Debug, Default)]
pub(crate) struct AtomicBool(loom::sync::atomic::AtomicBool);

impl AtomicBool {
    pub(crate) fn new(value: bool) -> Self {
        Self(loom::sync::atomic::AtomicBool::new(value))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> bool {
        self.0.load(ordering)
    }

    pub(crate) fn store(&self, value: bool, ordering: Ordering) {
        self.0.swap(value, ordering);
    }

    pub(crate) fn swap(&self, value: bool, ordering: Ordering) -> bool {
        self.0.swap(value, ordering)
    }
}
