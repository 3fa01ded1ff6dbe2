//! Where a session's events wait for its reader, and where their memory waits for the next ones.

use crate::event::CapturedEvent;
use crate::queue::ring::{Popped, Ring};
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

/// How many events that were read or dropped are kept for reuse.
const MAX_SPARE_EVENTS: usize = 256;

/// A larger event is freed rather than kept.
const MAX_SPARE_EVENT_BYTES: usize = 4 << 10;

/// The ring of a session, and the events it is done with.
///
/// An event that the reader frees makes the producer wait for its own allocator: most of them lock a thread's memory
/// while another thread gives some of it back. So what is done with goes back to where it came from.
#[derive(Debug)]
pub(crate) struct Buffer {
    ring: Ring<Arc<CapturedEvent>>,
    spare: ArrayQueue<Arc<CapturedEvent>>,
}

impl Buffer {
    pub(crate) fn new(ring: Ring<Arc<CapturedEvent>>) -> Self {
        Self { ring, spare: ArrayQueue::new(MAX_SPARE_EVENTS) }
    }

    pub(crate) fn push(&self, event: Arc<CapturedEvent>, bytes: usize) {
        for dropped in self.ring.push(event, bytes) {
            self.recycle(dropped);
        }
    }

    pub(crate) fn pop(&self) -> Popped<Arc<CapturedEvent>> {
        self.ring.pop()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.ring.lost()
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Bytes of what is buffered.
    pub(crate) fn bytes(&self) -> usize {
        self.ring.bytes()
    }

    /// An event to write into, if there is one; nobody else holds it.
    pub(crate) fn spare(&self) -> Option<Arc<CapturedEvent>> {
        self.spare.pop()
    }

    /// Takes back an event, unless somebody else still holds it.
    pub(crate) fn recycle(&self, mut event: Arc<CapturedEvent>) {
        let Some(unshared) = Arc::get_mut(&mut event).filter(|event| event.held_bytes() <= MAX_SPARE_EVENT_BYTES)
        else {
            return;
        };
        unshared.forget_values();
        drop(self.spare.push(event));
    }
}
