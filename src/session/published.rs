//! Values that are replaced whole while producers read them, and the epochs by which producers notice.
//!
//! # The protocol
//! | who replaces | producer |
//! |---|---|
//! | 1. swaps what is published | 1. reads the epoch |
//! | 2. moves the epoch | 2. reads what is published |
//!
//! So a producer may read what is newer than its epoch, which it will notice by the next epoch, and never what is older:
//! what it decides and keeps under an epoch was decided by what that epoch stands for, or by what came after.

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{ArcSwap, Numbers};
use crossbeam_utils::CachePadded;
use std::ops::Deref;
use std::sync::Arc;

static EPOCHS: Numbers = Numbers::new();

/// Something immutable that is replaced whole.
#[derive(Debug, Default)]
pub(crate) struct Published<T>(ArcSwap<T>);

/// Names a published value and the layer instance that it belongs to; 0: producers need not look.
#[derive(Debug, Default)]
pub(crate) struct Epoch(CachePadded<Moving>);

#[derive(Debug, Default)]
struct Moving {
    current: AtomicU64,
    /// The epoch that came after the last 0.
    awake_since: AtomicU64,
    /// Whether sessions are open: without, only the past is kept.
    has_sessions: AtomicBool,
}

impl<T> Published<T> {
    #[inline]
    pub(crate) fn load(&self) -> impl Deref<Target = Arc<T>> + use<T> {
        self.0.load()
    }

    /// Publishes something new, then moves the epochs. Returns the previous value, which producers may still be
    /// reading.
    pub(crate) fn replace<'a>(&self, new: T, epochs: impl Iterator<Item = &'a Epoch>) -> Arc<T> {
        let replaced = self.0.swap(Arc::new(new));
        epochs.for_each(Epoch::move_on);
        replaced
    }
}

impl Epoch {
    #[inline]
    pub(crate) fn current(&self) -> u64 {
        // Acquire pairs with the Release in `set`: a thread that sees an epoch sees what was published before it. Fails otherwise:
        // `loom_an_epoch_shows_what_was_published_before_it`.
        self.0.current.load(Ordering::Acquire)
    }

    /// The first epoch since which there has been no 0.
    #[inline]
    pub(crate) fn awake_since(&self) -> u64 {
        // Relaxed: a thread that has read an epoch sees what was stored before it.
        self.0.awake_since.load(Ordering::Relaxed)
    }

    /// Whether sessions are open in the current epoch, or were when it began.
    #[inline]
    pub(crate) fn has_sessions(&self) -> bool {
        // Relaxed: a thread that has read an epoch sees what was stored before it.
        self.0.has_sessions.load(Ordering::Relaxed)
    }

    /// Says whether there are sessions, before it moves on.
    pub(crate) fn set_has_sessions(&self, has_sessions: bool) {
        self.0.has_sessions.store(has_sessions, Ordering::Relaxed);
    }

    /// A number between the epochs that there have been and those to come.
    pub(crate) fn between() -> u64 {
        EPOCHS.next()
    }

    /// Moves to a number that no epoch of the process ever had. Of those who move and rest it one goes at a time.
    pub(crate) fn move_on(&self) {
        let next = EPOCHS.next();
        // Relaxed: the callers exclude each other.
        if self.0.current.load(Ordering::Relaxed) == 0 {
            self.0.awake_since.store(next, Ordering::Relaxed);
        }
        self.set(next);
    }

    /// Stops producers from looking until it moves on.
    pub(crate) fn rest(&self) {
        self.set(0);
    }

    fn set(&self, epoch: u64) {
        // Release pairs with the Acquire in `current`.
        self.0.current.store(epoch, Ordering::Release);
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/published.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_knows_when_producers_began_to_look() {
        let epoch = Epoch::default();
        assert_eq!((epoch.current(), epoch.awake_since()), (0, 0));
        epoch.move_on();
        let first = epoch.current();
        epoch.move_on();
        assert!(epoch.current() > first);
        assert_eq!(epoch.awake_since(), first, "they have looked ever since");
        epoch.rest();
        assert_eq!(epoch.current(), 0);
        epoch.move_on();
        assert!(epoch.current() > first);
        assert_eq!(epoch.awake_since(), epoch.current());
    }

    #[test]
    fn an_epoch_knows_whether_there_are_sessions() {
        let epoch = Epoch::default();
        let known = [false, true, false].map(|has_sessions| {
            epoch.set_has_sessions(has_sessions);
            epoch.has_sessions()
        });
        assert_eq!(known, [false, true, false]);
    }
}
