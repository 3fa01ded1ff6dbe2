//! The buffer of a session's unread events, and the memory of read ones for reuse.

use crate::event::CapturedEvent;
use crate::queue::ring::{Made, Popped, Ring, Room};
use crate::sync::ArrayQueue;
use std::sync::Arc;

/// The number of read or dropped events kept for reuse.
const MAX_SPARE_EVENTS: usize = 256;

/// A larger event is freed rather than kept.
const MAX_SPARE_EVENT_BYTES: usize = 4 << 10;

/// The place in the ring for an admitted event.
#[derive(Debug)]
pub(crate) enum RingPlace {
    /// The push finds room by itself: there seems to be some.
    Any,
    /// The room of a displaced event.
    Made(Room),
    /// There is no room. The event is already counted as lost.
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
    pub(crate) fn make_place(&self) -> (RingPlace, Option<Arc<CapturedEvent>>) {
        match self.ring.make_room() {
            Made::Nothing => (RingPlace::Any, None),
            Made::Room { oldest, room } => (RingPlace::Made(room), Some(oldest)),
            Made::Loss => (RingPlace::Nowhere, None),
        }
    }

    /// An event to overwrite: the displaced one if it is not shared, or else one that was read.
    pub(crate) fn spare(&self, displaced: Option<Arc<CapturedEvent>>) -> Option<Arc<CapturedEvent>> {
        displaced.filter(is_spare).or_else(|| self.spare.pop())
    }

    /// Puts an event into its place.
    pub(crate) fn push(&self, event: Arc<CapturedEvent>, bytes: usize, place: RingPlace) {
        let dropped = match place {
            RingPlace::Made(room) => self.ring.push_into(room, event, bytes),
            RingPlace::Any => self.ring.push(event, bytes),
            RingPlace::Nowhere => return,
        };
        dropped.into_iter().for_each(|dropped| self.recycle(dropped));
    }

    /// Whether an event of so many bytes never fits.
    pub(crate) fn is_too_large(&self, bytes: u32) -> bool {
        self.ring.is_too_large(bytes)
    }

    /// Sets bytes aside for an event that is held; `false` if there is no room for them.
    pub(crate) fn set_aside(&self, bytes: u32) -> bool {
        self.ring.set_aside(bytes)
    }

    /// Takes back an event that was held and is not pushed.
    pub(crate) fn put_back(&self, event: Arc<CapturedEvent>, bytes: u32) {
        self.ring.put_back(bytes);
        self.recycle(event);
    }

    /// Appends an event that was held.
    pub(crate) fn push_held(&self, event: Arc<CapturedEvent>, bytes: u32) {
        self.ring.push_set_aside(event, bytes).into_iter().for_each(|dropped| self.recycle(dropped));
    }

    /// Counts events as lost that found no place.
    pub(crate) fn refuse(&self, events: u64) {
        self.ring.refuse_many(events);
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

    /// Takes back an event, unless it is still shared.
    pub(crate) fn recycle(&self, mut event: Arc<CapturedEvent>) {
        if is_spare(&event)
            && let Some(unshared) = Arc::get_mut(&mut event)
        {
            unshared.forget_values();
            drop(self.spare.push(event));
        }
    }
}

/// Whether an event may be overwritten: it is not shared, and not too large to keep. One written over a past event would be
/// taken for past.
fn is_spare(event: &Arc<CapturedEvent>) -> bool {
    // No weak references are created, so the holder of the only strong one is alone.
    Arc::strong_count(event) == 1 && event.held_bytes() <= MAX_SPARE_EVENT_BYTES && !event.is_past
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::event::testing::bare_event;
    use crate::queue::Overflow;
    use crate::queue::budget::Budget;

    fn buffer(capacity_bytes: usize) -> Buffer {
        Buffer::new(Ring::new(Overflow::DropOldest, 4, capacity_bytes, Arc::new(Budget::new(1 << 20))))
    }

    #[test]
    fn an_event_that_nobody_shares_is_kept_for_reuse() {
        let (buffer, done_with) = (buffer(1 << 20), bare_event());
        let address = Arc::as_ptr(&done_with);
        buffer.recycle(done_with);
        assert_eq!(buffer.spare(None).as_ref().map(Arc::as_ptr), Some(address));
        assert!(buffer.spare(None).is_none(), "it is given once");
        let displaced = bare_event();
        let address = Arc::as_ptr(&displaced);
        assert_eq!(buffer.spare(Some(displaced)).as_ref().map(Arc::as_ptr), Some(address));
    }

    #[test]
    fn shared_past_and_large_events_are_not_written_over() {
        let buffer = buffer(1 << 20);
        let (shared, mut past, mut large) = (bare_event(), bare_event(), bare_event());
        Arc::get_mut(&mut past).unwrap().is_past = true;
        Arc::get_mut(&mut large).unwrap().weigh(MAX_SPARE_EVENT_BYTES);
        let _other = Arc::clone(&shared);
        for event in [shared, past, large] {
            buffer.recycle(Arc::clone(&event));
            buffer.recycle(event);
            assert!(buffer.spare(None).is_none());
        }
    }

    #[test]
    fn what_is_larger_than_the_buffer_never_fits() {
        let buffer = buffer(1000);
        assert!(!buffer.is_too_large(1000) && buffer.is_too_large(1001));
    }
}
