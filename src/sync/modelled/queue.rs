//! `crossbeam_queue::ArrayQueue`.

use super::stored;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::collections::VecDeque;
use std::sync::Mutex;

/// A bounded queue whose items come out in the order in which they went in.
///
/// What orders more than that:
/// - The push of an item happens before the pop of that item; who sends something has to rely on it.
/// - The pop of an item happens before the pops of later ones. This is not documented, but our ring relies on it and
///   says so; the source has one word for the head, moved by nothing but `SeqCst` compare-and-swaps.
/// - A pop and a count may miss a push that does not happen before them, and a count a pop. Neither a push that finds no
///   room nor a pop that finds nothing orders anything.
pub(crate) struct ArrayQueue<T> {
    capacity: usize,
    /// Pushes so far, where who looks may see less; and, for a moment, those that find no room.
    pushed: AtomicUsize,
    /// Pops so far, where who looks may see fewer; and what orders them.
    head: AtomicUsize,
    /// What orders the push of an item before its pop. Made with the queue, since `loom` holds that nobody may touch an
    /// atomic whose making it does not know to be over.
    stamps: [AtomicUsize; STAMPS],
    stored: Mutex<Stored<T>>,
}

/// More than any model pushes.
const STAMPS: usize = 16;

struct Stored<T> {
    /// Each with the number of its stamp.
    items: VecDeque<(T, usize)>,
    popped: usize,
    stamps_used: usize,
}

impl<T> ArrayQueue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let stored = Stored { items: VecDeque::new(), popped: 0, stamps_used: 0 };
        Self {
            capacity,
            pushed: AtomicUsize::new(0),
            head: AtomicUsize::new(0),
            stamps: std::array::from_fn(|_| AtomicUsize::new(0)),
            stored: Mutex::new(stored),
        }
    }

    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let stamp = self.next_stamp();
        self.stamps[stamp].store(1, Release);
        loop {
            // A step of its own, so that `loom` tries it before and after every pop.
            self.head.fetch_add(0, Relaxed);
            if self.is_full_now() {
                // A thread that finds it full has seen its content.
                self.pushed.fetch_add(0, Relaxed);
                return Err(item);
            }
            self.pushed.fetch_add(1, Relaxed);
            if !self.is_full_now() {
                stored(&self.stored).items.push_back((item, stamp));
                return Ok(());
            }
            self.pushed.fetch_sub(1, Relaxed);
        }
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let seen = self.pushed.load(Relaxed);
        if seen <= stored(&self.stored).popped || stored(&self.stored).items.is_empty() {
            return None;
        }
        self.head.fetch_add(1, AcqRel);
        let Some((item, stamp)) = self.take() else {
            self.head.fetch_sub(1, Relaxed);
            return None;
        };
        self.stamps[stamp].swap(2, Acquire);
        Some(item)
    }

    pub(crate) fn len(&self) -> usize {
        let pushed = self.pushed.load(Relaxed);
        pushed.saturating_sub(self.head.load(Relaxed)).min(self.capacity)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.head.fetch_add(0, Relaxed);
        self.pushed.fetch_add(0, Relaxed);
        self.is_full_now()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    fn is_full_now(&self) -> bool {
        stored(&self.stored).items.len() == self.capacity
    }

    fn next_stamp(&self) -> usize {
        let mut stored = stored(&self.stored);
        assert!(stored.stamps_used < STAMPS, "a model pushes more than there are stamps for");
        stored.stamps_used += 1;
        stored.stamps_used - 1
    }

    fn take(&self) -> Option<(T, usize)> {
        let mut stored = stored(&self.stored);
        let taken = stored.items.pop_front()?;
        stored.popped += 1;
        Some(taken)
    }
}

impl<T> std::fmt::Debug for ArrayQueue<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ArrayQueue { .. }")
    }
}
