//! The bounded queue between producers and one reader, which counts exactly what it loses.
//!
//! # The account
//! Every item that is pushed is afterwards in exactly one place: read, lost or buffered. So, whenever no call is under
//! way, `pushed = popped + lost() + len()`, and [`bytes`](Ring::bytes) is the sum of what is buffered. While calls are
//! under way, each count is by itself one that was true at an instant during the question (never torn, never
//! negative), but their sum may be off by the pushes and pops under way: dropping the oldest counts an item as lost just
//! before it leaves the queue, and an item that is being pushed is nowhere yet.
//!
//! # Where a loss is announced
//! [`pop`](Ring::pop) says how many items were lost before the one it returns. There are two kinds of losses, because
//! there are two places where the gap is:
//! - A *refused* item would have been the newest, so the gap is behind everything buffered. Each entry therefore bears the
//!   number of items refused before it was pushed.
//! - A *displaced* item was the oldest, so the gap is before everything buffered. It is counted before it is taken out,
//!   and the reader looks at that count after it took its own item: whatever was displaced before it is counted by
//!   then. The reader may also see displacements of items behind its own, and so announce them a few items early; it
//!   cannot announce them late or twice.

use super::budget::{Budget, Lease};
use crate::sync::ArrayQueue;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crossbeam_utils::CachePadded;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// The event that a full buffer loses. The loss is counted and announced in either case.
///
/// A buffer is full if the session's [capacity](crate::SessionOptions::capacity) or
/// [bytes](crate::SessionOptions::capacity_bytes) are used up, or the router's
/// [bytes for all sessions](crate::TapRouterBuilder::max_buffered_bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// Loses the oldest unread events, so that the reader gets the latest ones. For watching live.
    ///
    /// The new event itself is lost if it is larger than the session's bytes, or if its own buffer is empty and other
    /// sessions hold all of the router's bytes.
    #[default]
    DropOldest,
    /// Loses new events until the reader has made room, so that the reader gets the first ones. For recording how something
    /// began.
    DropNewest,
}

/// A bounded lock-free queue of items with their sizes, for any number of producers and one reader.
///
/// With several readers nothing is lost and no count breaks, but it is unknown which reader saw a loss first.
pub(crate) struct Ring<T> {
    // Before the lease, so that the items are gone before their bytes are given to others.
    queue: ArrayQueue<RingEntry<T>>,
    lease: Lease,
    overflow: Overflow,
    /// Written only when something is lost, so the reader's look at it usually costs no cache miss.
    losses: CachePadded<Losses>,
    /// Whether the last push found the ring full. Asking the queue itself each time would take the reader's end of it
    /// from the reader; this is written only when it changes.
    seemed_full: AtomicBool,
    /// The losses announced to the reader, so that the announced number never decreases. Written by the reader alone.
    announced: CachePadded<AtomicU64>,
    /// The session that it is of, for probes.
    #[cfg(feature = "usdt")]
    session: u64,
}

/// What a push dropped, for the caller to recycle: the displaced items from the oldest on, or the refused item itself.
///
/// Only a push that drops more than four items (a large one in place of many small ones) allocates.
pub(crate) type Displaced<T> = SmallVec<[T; 4]>;

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Popped<T> {
    /// The oldest item, and how many items were lost before it since the ring was made.
    Item { item: T, lost: u64 },
    /// Nothing is buffered; the number of items that were lost since the ring was made.
    Empty { lost: u64 },
}

/// What came of making room before there is an item to push.
#[derive(Debug)]
pub(crate) enum Made<T> {
    /// There was no need to, as far as is known.
    Nothing,
    /// The oldest item was displaced and counted as lost; the room it leaves is for the item to come.
    Room { oldest: T, room: Room },
    /// A loss was counted, but the reader was quicker: the item to come is the one that is lost.
    Loss,
}

/// Room in a ring for one item, and bytes that are reserved for it. It must be pushed into.
#[derive(Debug)]
#[must_use]
pub(crate) struct Room {
    bytes: u32,
}

struct RingEntry<T> {
    item: T,
    bytes: u32,
    refused_before: u64,
}

#[derive(Default)]
struct Losses {
    displaced: AtomicU64,
    refused: AtomicU64,
}

impl<T> Ring<T> {
    /// Allocates the whole queue. A `capacity` of 0 counts as 1; `capacity_bytes` is cut to 4 GiB and to the budget.
    pub(crate) fn new(overflow: Overflow, capacity: usize, capacity_bytes: usize, budget: Arc<Budget>) -> Self {
        Self {
            queue: ArrayQueue::new(capacity.max(1)),
            lease: Lease::new(budget, capacity_bytes),
            overflow,
            losses: CachePadded::default(),
            seemed_full: AtomicBool::new(false),
            announced: CachePadded::default(),
            #[cfg(feature = "usdt")]
            session: 0,
        }
    }

    /// Names the session in probes.
    pub(crate) fn of_session(self, session: u64) -> Self {
        let _ = session;
        Self {
            #[cfg(feature = "usdt")]
            session,
            ..self
        }
    }

    /// Appends an item that holds `bytes` of memory, or loses something by policy; returns what was lost.
    ///
    /// Wake the reader after every push, also after one that lost its item: a reader that waits wants to know.
    pub(crate) fn push(&self, item: T, bytes: usize) -> Displaced<T> {
        let mut displaced = Displaced::new();
        match u32::try_from(bytes) {
            Ok(bytes) if bytes <= self.lease.capacity_bytes() => {
                // Relaxed: only a number. A thread's own refusals are in it, as are those that happened before this
                // push in any way that another thread could observe.
                let entry = RingEntry { item, bytes, refused_before: self.losses.refused.load(Relaxed) };
                match self.overflow {
                    Overflow::DropOldest => self.push_over_oldest(entry, &mut displaced),
                    Overflow::DropNewest => self.push_or_refuse(entry, &mut displaced),
                }
            }
            // No room could be made for it, so nothing is dropped for it.
            _ => self.refuse(item, &mut displaced),
        }
        displaced
    }

    /// Makes room for an item that does not exist yet, where the ring is full and is to lose its oldest: what is
    /// displaced may be written over to make the new one. (Should that turn out to be larger than the whole ring, both
    /// are lost.)
    pub(crate) fn make_room(&self) -> Made<T> {
        // Relaxed: a hint. Where it is wrong, `push` makes room.
        if !self.seemed_full.load(Relaxed) {
            return Made::Nothing;
        }
        if !self.queue.is_full() {
            self.forget_full();
            return Made::Nothing;
        }
        match self.take_oldest() {
            Some(RingEntry { item: oldest, bytes, .. }) => Made::Room { oldest, room: Room { bytes } },
            None => Made::Loss,
        }
    }

    /// Forgets that the ring was full once a good part of it is free. Not at once: each of several producers finds room
    /// that another has just made for itself.
    fn forget_full(&self) {
        if self.queue.len() < self.queue.capacity() - self.queue.capacity() / 8 {
            self.seemed_full.store(false, Relaxed);
        }
    }

    /// Appends an item where room was made for it, as [`push`](Self::push) does.
    #[inline]
    pub(crate) fn push_into(&self, room: Room, item: T, bytes: usize) -> Displaced<T> {
        match u32::try_from(bytes) {
            Ok(bytes) if bytes == room.bytes || self.fits(bytes, room.bytes) => {
                let entry = RingEntry { item, bytes, refused_before: self.losses.refused.load(Relaxed) };
                let mut displaced = Displaced::new();
                self.push_reserved(entry, &mut displaced);
                displaced
            }
            _ => {
                self.lease.release(room.bytes);
                self.push(item, bytes)
            }
        }
    }

    /// Whether an item of so many bytes never fits.
    pub(crate) fn is_too_large(&self, bytes: u32) -> bool {
        bytes > self.lease.capacity_bytes()
    }

    /// Sets bytes aside for an item that may be pushed later; `false` if there is no room for them. Displaces nothing.
    pub(crate) fn set_aside(&self, bytes: u32) -> bool {
        self.lease.reserve(bytes)
    }

    /// Ends the use of bytes that were set aside for an item that is not pushed.
    pub(crate) fn put_back(&self, bytes: u32) {
        self.lease.release(bytes);
    }

    /// Appends an item whose bytes were set aside, in place of the oldest if the queue is full.
    pub(crate) fn push_set_aside(&self, item: T, bytes: u32) -> Displaced<T> {
        let entry = RingEntry { item, bytes, refused_before: self.losses.refused.load(Relaxed) };
        let mut displaced = Displaced::new();
        self.push_reserved(entry, &mut displaced);
        displaced
    }

    /// Counts items that are lost before they could be pushed.
    pub(crate) fn refuse_many(&self, items: u64) {
        // One by one, so that every sum of losses is one that the count has passed through. Release: as in `refuse`.
        for _ in 0..items {
            self.losses.refused.fetch_add(1, Release);
            self.probe_lost();
        }
    }

    /// Makes a reservation larger or smaller, if there is room.
    fn fits(&self, bytes: u32, reserved: u32) -> bool {
        if bytes > reserved {
            return self.lease.reserve(bytes - reserved);
        }
        self.lease.release(reserved - bytes);
        true
    }

    /// Takes the oldest item. Where there is none, the ring's unused bytes go back to the budget.
    pub(crate) fn pop(&self) -> Popped<T> {
        // Before the look into the queue: what is lost after the ring was found empty has its place behind what is
        // pushed in between.
        let lost_before_look = self.lost();
        let Some(entry) = self.queue.pop() else {
            self.lease.give_back_unused();
            return Popped::Empty { lost: self.announce(lost_before_look) };
        };
        self.lease.release_by_reader(entry.bytes);
        // After the pop, and relaxed: the queue's head moves by SeqCst compare-and-swaps alone, so the one that took our
        // item synchronizes with all that took older ones, and their counting came before. Fails where pops are
        // not ordered so: `loom_a_displacement_is_reported_before_the_next_item`.
        let lost = entry.refused_before + self.losses.displaced.load(Relaxed);
        Popped::Item { item: entry.item, lost: self.announce(lost) }
    }

    /// Items lost so far. Never decreases, and is never a number that the count did not pass through.
    pub(crate) fn lost(&self) -> u64 {
        // Acquire pairs with the Release in `refuse`: a thread that knows of a refused item and then looks into the queue finds
        // what was pushed before it. Fails otherwise: `loom_a_loss_is_reported_after_earlier_pushes`. A displaced
        // one was before everything buffered and may be announced early, so Relaxed is enough. The sum of two reads is
        // a count that was true in between, since both only grow and do so by one.
        self.losses.displaced.load(Relaxed) + self.losses.refused.load(Acquire)
    }

    /// Items buffered; between 0 and the capacity.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of what is buffered, and of pushes under way; between 0 and the ring's and the budget's maximum.
    pub(crate) fn bytes(&self) -> usize {
        self.lease.used_bytes()
    }

    fn push_over_oldest(&self, entry: RingEntry<T>, displaced: &mut Displaced<T>) {
        while !self.lease.reserve(entry.bytes) {
            if !self.displace_oldest(displaced) {
                return displaced.push(entry.item);
            }
        }
        self.push_reserved(entry, displaced);
    }

    /// Appends an entry whose bytes are reserved.
    fn push_reserved(&self, mut entry: RingEntry<T>, displaced: &mut Displaced<T>) {
        while let Err(returned) = self.queue.push(entry) {
            if !self.displace_oldest(displaced) {
                self.lease.release(returned.bytes);
                return displaced.push(returned.item);
            }
            // The load spares the write: all producers read this line.
            if !self.seemed_full.load(Relaxed) {
                self.seemed_full.store(true, Relaxed);
            }
            entry = returned;
        }
    }

    fn push_or_refuse(&self, entry: RingEntry<T>, displaced: &mut Displaced<T>) {
        if !self.lease.reserve(entry.bytes) {
            return self.refuse(entry.item, displaced);
        }
        if let Err(returned) = self.queue.push(entry) {
            self.lease.release(returned.bytes);
            self.refuse(returned.item, displaced);
        }
    }

    /// Counts a loss, then drops the oldest item. `false`: the reader has just emptied the ring, and the caller must
    /// drop its own item instead, since the loss may have been announced to the reader already.
    fn displace_oldest(&self, displaced: &mut Displaced<T>) -> bool {
        let Some(oldest) = self.take_oldest() else {
            return false;
        };
        self.lease.release(oldest.bytes);
        displaced.push(oldest.item);
        true
    }

    fn take_oldest(&self) -> Option<RingEntry<T>> {
        // Relaxed: that the count is seen by the reader of a later item needs no more than its place before the pop, see
        // `pop`.
        self.losses.displaced.fetch_add(1, Relaxed);
        self.probe_lost();
        self.queue.pop()
    }

    fn refuse(&self, item: T, displaced: &mut Displaced<T>) {
        // Release pairs with the Acquire in `lost`: a reader that finds the ring empty and announces this loss has seen
        // all that this thread pushed before. Fails otherwise: `loom_a_loss_is_reported_after_earlier_pushes`.
        self.losses.refused.fetch_add(1, Release);
        self.probe_lost();
        displaced.push(item);
    }

    #[inline]
    fn probe_lost(&self) {
        #[cfg(feature = "usdt")]
        crate::usdt::lost(self.session);
    }

    /// Remembers and returns the announced count. An item of a slow producer may bear an older count than the item before
    /// it; the newer count is then announced again.
    fn announce(&self, lost: u64) -> u64 {
        // Relaxed: one number, compared with itself alone. The load spares the write where nothing was lost.
        let announced = self.announced.load(Relaxed);
        if lost <= announced {
            return announced;
        }
        self.announced.fetch_max(lost, Relaxed).max(lost)
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ring")
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .field("lost", &self.lost())
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

#[cfg(test)]
#[cfg(loom)]
#[path = "../../sync/models/ring.rs"]
mod models;
