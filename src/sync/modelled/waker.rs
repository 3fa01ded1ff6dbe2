//! `atomic_waker::AtomicWaker`.

use super::stored;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::Mutex;
use std::task::Waker;

/// A place for one waker, left by one thread. The thread that takes it finds what was left in a call that happens before, and
/// may find nothing where that is not so. If it is taken while it is being left, it is woken at once.
#[derive(Debug, Default)]
pub(crate) struct AtomicWaker {
    /// How often something was left or taken.
    changes: AtomicUsize,
    place: Mutex<LeftWaker>,
}

#[derive(Debug, Default)]
enum LeftWaker {
    #[default]
    Empty,
    BeingLeft {
        is_wanted: bool,
    },
    Left(Waker, usize),
}

impl AtomicWaker {
    pub(crate) fn register(&self, waker: &Waker) {
        self.changes.fetch_add(1, AcqRel);
        *stored(&self.place) = LeftWaker::BeingLeft { is_wanted: false };
        let before = self.changes.fetch_add(1, AcqRel);
        let left = LeftWaker::Left(waker.clone(), before + 1);
        let is_wanted = matches!(*stored(&self.place), LeftWaker::BeingLeft { is_wanted: true });
        *stored(&self.place) = if is_wanted { LeftWaker::Empty } else { left };
        if is_wanted {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn take(&self) -> Option<Waker> {
        let seen = self.changes.load(Acquire);
        let is_unseen = |place: &LeftWaker| matches!(place, LeftWaker::Left(_, left) if *left > seen);
        if is_unseen(&stored(&self.place)) {
            return None;
        }
        self.changes.fetch_add(1, AcqRel);
        let mut place = stored(&self.place);
        match std::mem::take(&mut *place) {
            LeftWaker::Empty => None,
            LeftWaker::BeingLeft { .. } => {
                *place = LeftWaker::BeingLeft { is_wanted: true };
                None
            }
            LeftWaker::Left(waker, _) => Some(waker),
        }
    }
}
