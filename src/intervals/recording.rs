//! The recording that is open at present: its session and its threads.

use super::options::IntervalOptions;
use super::queue::ThreadQueue;
use crate::guard::run_user_code;
use crate::session::SessionId;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{ArcSwap, ArrayQueue, Numbers};
use std::sync::{Arc, Weak};

/// The recording that is open, if one is.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    /// Its number; 0: none is.
    open: AtomicU64,
    current: ArcSwap<Option<Arc<Recording>>>,
    /// Whether a reader has it.
    is_taken: AtomicBool,
}

/// One recording, until its reader is dropped.
#[derive(Debug)]
pub(super) struct Recording {
    number: u64,
    pub(super) session: SessionId,
    options: IntervalOptions,
    /// The threads that have a queue or wait for their first reading.
    pub(super) threads: AtomicUsize,
    pub(super) left_out: AtomicU64,
    /// The queues that the reader does not know yet.
    pub(super) new: ArrayQueue<Arc<ThreadQueue>>,
}

impl Recordings {
    /// Whether anything is recorded.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.number() != 0
    }

    #[inline]
    pub(super) fn number(&self) -> u64 {
        // Acquire pairs with the Release in `begin`: who sees the number finds the recording. Late, it misses an enter.
        self.open.load(Ordering::Acquire)
    }

    /// Begins one; `None` if another is open.
    pub(super) fn begin(&self, session: SessionId, options: IntervalOptions) -> Option<Arc<Recording>> {
        static RECORDINGS: Numbers = Numbers::new();
        // Of concurrent callers one goes on. Acquire pairs with the Release in `end`: what this one stores comes after what the
        // last recording stored. No model fails otherwise, since `loom` has all changes of one word in the order in which it
        // runs them.
        if self.is_taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // Fields may be set past what the setters allow, and a queue without places panics.
        let options = options.max_threads(options.max_threads).capacity(options.capacity);
        let recording = Arc::new(Recording {
            number: RECORDINGS.next(),
            session,
            options,
            threads: AtomicUsize::new(0),
            left_out: AtomicU64::new(0),
            new: ArrayQueue::new(options.max_threads),
        });
        drop(self.current.swap(Arc::new(Some(Arc::clone(&recording)))));
        self.open.store(recording.number, Ordering::Release);
        Some(recording)
    }

    pub(super) fn end(&self) {
        // Relaxed: a thread that sees it late appends to a queue that nobody reads, or finds it gone.
        self.open.store(0, Ordering::Relaxed);
        drop(self.current.swap(Arc::new(None)));
        self.is_taken.store(false, Ordering::Release);
    }

    /// The recording of that number, if it is still open.
    pub(super) fn current(&self, number: u64) -> Option<Arc<Recording>> {
        Option::clone(&self.current.load()).filter(|recording| recording.number == number)
    }
}

impl Recording {
    /// Makes the queue of this thread; `None` where there are too many.
    pub(super) fn new_queue(&self) -> Option<Weak<ThreadQueue>> {
        // Relaxed: a number.
        let has_room = |threads: usize| (threads < self.options.max_threads).then_some(threads + 1);
        self.threads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, has_room).ok()?;
        let thread = run_user_code(self.options.thread_id).unwrap_or_default();
        let name = std::thread::current().name().map(Box::from);
        let queue = Arc::new(ThreadQueue::new(thread, name, self.options.capacity));
        let weak = Arc::downgrade(&queue);
        // There is room for all that are counted.
        drop(self.new.push(queue));
        Some(weak)
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/recording.rs"]
mod models;
