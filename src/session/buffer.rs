//! Where a session's events wait for its reader, and where their memory waits for the next ones.

use crate::event::CapturedEvent;
use crate::queue::ring::{Made, Popped, Ring, Room};
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

/// How many events that were read or dropped are kept for reuse.
const MAX_SPARE_EVENTS: usize = 256;

/// A larger event is freed rather than kept.
const MAX_SPARE_EVENT_BYTES: usize = 4 << 10;

/// What a session has ready for an event that it admitted.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// The memory of an event that nobody needs any more, and room in the ring, as far as they were to be had.
    For { spare: Option<Arc<CapturedEvent>>, room: Option<Room> },
    /// There was no room, and the event is counted as lost already.
    Lost,
}

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

    /// Makes ready for an event that is about to be captured.
    pub(crate) fn prepare(&self) -> Prepared {
        match self.ring.make_room() {
            Made::Nothing => Prepared::For { spare: self.spare.pop(), room: None },
            Made::Room { oldest, room } => {
                let spare = is_spare(&oldest).then_some(oldest);
                Prepared::For { spare: spare.or_else(|| self.spare.pop()), room: Some(room) }
            }
            Made::Loss => Prepared::Lost,
        }
    }

    /// Takes an event in, where room was made for it or where it finds some.
    pub(crate) fn push(&self, event: Arc<CapturedEvent>, bytes: usize, room: Option<Room>) {
        let dropped = match room {
            Some(room) => self.ring.push_into(room, event, bytes),
            None => self.ring.push(event, bytes),
        };
        dropped.into_iter().for_each(|dropped| self.recycle(dropped));
    }

    /// Takes an event in that was captured for another session.
    pub(crate) fn push_shared(&self, event: Arc<CapturedEvent>, bytes: usize) {
        match self.ring.make_room() {
            Made::Nothing => self.push(event, bytes, None),
            Made::Room { oldest, room } => {
                self.recycle(oldest);
                self.push(event, bytes, Some(room));
            }
            Made::Loss => drop(event),
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

    /// Takes back an event, unless somebody else still holds it.
    pub(crate) fn recycle(&self, mut event: Arc<CapturedEvent>) {
        if is_spare(&event)
            && let Some(unshared) = Arc::get_mut(&mut event)
        {
            unshared.forget_values();
            drop(self.spare.push(event));
        }
    }
}

/// Whether an event may be written over: nobody else holds it, and it is worth keeping.
fn is_spare(event: &Arc<CapturedEvent>) -> bool {
    // Whoever holds the only strong reference may find it so; no weak ones are made.
    Arc::strong_count(event) == 1 && event.held_bytes() <= MAX_SPARE_EVENT_BYTES
}
