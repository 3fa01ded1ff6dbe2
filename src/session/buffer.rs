//! Where a session's events wait for its reader, and where their memory waits for the next ones.

use crate::event::CapturedEvent;
use crate::queue::ring::{Made, Popped, Ring, Room};
use crate::sync::ArrayQueue;
use std::sync::Arc;

/// How many events that were read or dropped are kept for reuse.
const MAX_SPARE_EVENTS: usize = 256;

/// A larger event is freed rather than kept.
const MAX_SPARE_EVENT_BYTES: usize = 4 << 10;

/// Where an event that a session admitted will be put.
#[derive(Debug)]
pub(crate) enum Place {
    /// Where the push finds room, as there seems to be.
    Any,
    /// Where another event was displaced.
    Made(Room),
    /// Nowhere: there was no room, and the event is counted as lost already.
    Nowhere,
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

    /// Makes a place for an event that is about to be captured. Returns what was displaced for it.
    pub(crate) fn make_place(&self) -> (Place, Option<Arc<CapturedEvent>>) {
        match self.ring.make_room() {
            Made::Nothing => (Place::Any, None),
            Made::Room { oldest, room } => (Place::Made(room), Some(oldest)),
            Made::Loss => (Place::Nowhere, None),
        }
    }

    /// An event to write over: what was displaced, if nobody else holds it, or else one that was read.
    pub(crate) fn spare(&self, displaced: Option<Arc<CapturedEvent>>) -> Option<Arc<CapturedEvent>> {
        displaced.filter(is_spare).or_else(|| self.spare.pop())
    }

    /// Puts an event into its place.
    pub(crate) fn push(&self, event: Arc<CapturedEvent>, bytes: usize, place: Place) {
        let dropped = match place {
            Place::Made(room) => self.ring.push_into(room, event, bytes),
            Place::Any => self.ring.push(event, bytes),
            Place::Nowhere => return,
        };
        dropped.into_iter().for_each(|dropped| self.recycle(dropped));
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
