//! The table of spans: found by their ids without hashing, written without an allocation.
//!
//! An id of the registry is the place of the span in the memory of the thread that created it, that thread's number,
//! and a generation. So thread and place name a slot of their own here. Nothing but speed relies on that: a slot says
//! whose it is, and what finds its slot taken goes to an ordinary map.

mod survey;

use super::span::Span;
use crate::event::Fields;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, OnceBox};
use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use std::fmt;
use std::sync::{Arc, PoisonError};
use tracing_core::{Metadata, span};

/// The spans a layer instance knows, by their id. An entry is removed when its span closes, before its id recurs.
#[derive(Default)]
pub(super) struct Spans {
    shards: Box<Shards>,
    /// Spans whose slot was taken, or for whose place there is no slot.
    others: DashMap<u64, Arc<Span>, FxBuildHasher>,
    other_count: AtomicUsize,
}

/// The slots for the spans of one thread (or a few), made as they are needed and kept.
struct Shard([OnceBox<Chunk>; CHUNKS]);

struct Shards([OnceBox<Shard>; SHARDS]);

struct Chunk([Slot; CHUNK_SLOTS]);

const SHARDS: usize = 128;
const CHUNKS: usize = 2048;
const CHUNK_SLOTS: usize = 64;

/// Where the number of the thread is in an id of the registry.
const THREAD_SHIFT: u32 = 38;

#[derive(Default)]
struct Slot {
    /// The span in here; 0: none. Written while the entry is locked.
    id: AtomicU64,
    /// Locked for a few instructions, never while anybody else is called.
    entry: Mutex<Entry>,
}

#[derive(Default)]
enum Entry {
    #[default]
    Vacant,
    /// A span that nobody has asked for yet.
    New {
        metadata: &'static Metadata<'static>,
        fields: Fields,
    },
    Known(Arc<Span>),
}

impl Spans {
    /// Keeps a new span with its fields.
    #[inline]
    pub(super) fn insert_new(&self, id: &span::Id, metadata: &'static Metadata<'static>, fields: Fields) {
        let id = id.into_u64();
        match self.slot_to_fill(id).and_then(|slot| slot.free_for(id)) {
            Some((slot, mut entry)) => {
                // What a closed span left here is rare, and its memory all that is freed under the lock.
                *entry = Entry::New { metadata, fields };
                slot.set_id(id);
            }
            None => self.insert_other(id, Arc::new(Span::new(id, metadata, fields, true))),
        }
    }

    /// Keeps a span unless its like is there, and returns the one that is. Two threads that come upon a span at once
    /// must hold the same.
    pub(super) fn insert_if_unknown(&self, span: Arc<Span>) -> Arc<Span> {
        match self.slot_to_fill(span.id()) {
            Some(slot) => slot.insert_if_unknown(span).unwrap_or_else(|span| self.insert_other_if_unknown(span)),
            None => self.insert_other_if_unknown(span),
        }
    }

    #[inline]
    pub(super) fn get(&self, id: &span::Id) -> Option<Arc<Span>> {
        let id = id.into_u64();
        match self.slot(id).and_then(|slot| slot.taken_by(id)) {
            Some(mut entry) => entry.known(id).map(Arc::clone),
            None => self.other(id),
        }
    }

    /// Looks at a span without taking hold of it. `look` must not use this table.
    #[inline]
    pub(super) fn look_at<R>(&self, id: &span::Id, look: impl FnOnce(&Span) -> Option<R>) -> Option<R> {
        let id = id.into_u64();
        match self.slot(id).and_then(|slot| slot.taken_by(id)) {
            Some(mut entry) => entry.known(id).and_then(|span| look(span)),
            None => self.other(id).and_then(|span| look(&span)),
        }
    }

    #[inline]
    pub(super) fn remove(&self, id: &span::Id) {
        let id = id.into_u64();
        if let Some(slot) = self.slot(id).filter(|slot| slot.is_of(id)) {
            drop(slot.vacate(id));
        }
        // Even so: two threads that came upon a span at once may have put it into both.
        if self.has_others() {
            self.remove_other(id);
        }
    }

    /// Every open span that somebody has asked for. Copied, so that nothing is locked while the caller looks at them.
    pub(super) fn known(&self) -> Vec<Arc<Span>> {
        let chunks = self.shards.0.iter().filter_map(OnceBox::get).flat_map(|shard| &shard.0).filter_map(OnceBox::get);
        let known = chunks.flat_map(|chunk| &chunk.0).filter_map(Slot::known);
        known.chain(self.others.iter().map(|entry| Arc::clone(entry.value()))).collect()
    }

    /// The slot where a span would be; nothing where no span near it was ever kept.
    #[inline]
    fn slot(&self, id: u64) -> Option<&Slot> {
        let (shard, chunk, slot) = place(id);
        Some(&self.shards.0[shard].get()?.0.get(chunk)?.get()?.0[slot])
    }

    #[inline]
    fn slot_to_fill(&self, id: u64) -> Option<&Slot> {
        self.slot(id).or_else(|| self.new_slot(id))
    }

    #[cold]
    fn new_slot(&self, id: u64) -> Option<&Slot> {
        let (shard, chunk, slot) = place(id);
        let shard = self.shards.0[shard].get_or_init(Box::default);
        Some(&shard.0.get(chunk)?.get_or_init(Box::default).0[slot])
    }

    #[inline]
    fn has_others(&self) -> bool {
        // Relaxed: whoever asks for a span was told of it after it was inserted.
        self.other_count.load(Ordering::Relaxed) > 0
    }

    #[inline]
    fn other(&self, id: u64) -> Option<Arc<Span>> {
        if self.has_others() { self.others.get(&id).map(|span| Arc::clone(&span)) } else { None }
    }

    #[cold]
    fn insert_other(&self, id: u64, span: Arc<Span>) {
        self.other_count.fetch_add(1, Ordering::Relaxed);
        let replaced = self.others.insert(id, span);
        self.uncount_other(replaced);
    }

    #[cold]
    fn insert_other_if_unknown(&self, span: Arc<Span>) -> Arc<Span> {
        self.other_count.fetch_add(1, Ordering::Relaxed);
        let mut is_new = false;
        let mut kept = self.others.entry(span.id()).or_insert_with(|| {
            is_new = true;
            Arc::clone(&span)
        });
        if !kept.is_like(&span) {
            *kept = span;
        }
        let kept = Arc::clone(&kept);
        if !is_new {
            self.other_count.fetch_sub(1, Ordering::Relaxed);
        }
        kept
    }

    #[cold]
    fn remove_other(&self, id: u64) {
        let removed = self.others.remove(&id).map(|(_, span)| span);
        self.uncount_other(removed);
    }

    fn uncount_other(&self, removed: Option<Arc<Span>>) {
        if removed.is_some() {
            self.other_count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Where the slot of a span is. The registry counts from 1.
#[inline]
fn place(id: u64) -> (usize, usize, usize) {
    let index = id.wrapping_sub(1);
    let within_thread = (index & ((1 << THREAD_SHIFT) - 1)) as usize;
    let shard = (index >> THREAD_SHIFT) as usize % SHARDS;
    (shard, within_thread / CHUNK_SLOTS, within_thread % CHUNK_SLOTS)
}

impl Slot {
    /// The entry to write for a new span: where there is none yet, or one that a closed span with its id left behind,
    /// as where somebody came upon that span while it closed.
    #[inline]
    fn free_for(&self, id: u64) -> Option<(&Self, MutexGuard<'_, Entry>)> {
        let entry = self.lock();
        (matches!(*entry, Entry::Vacant) || self.is_of(id)).then_some((self, entry))
    }

    /// Keeps a span unless its like is there, and returns the one that is; hands it back where the slot is another's.
    fn insert_if_unknown(&self, span: Arc<Span>) -> Result<Arc<Span>, Arc<Span>> {
        let mut entry = self.lock();
        match &*entry {
            Entry::Vacant => {
                self.set_id(span.id());
                *entry = Entry::Known(Arc::clone(&span));
                Ok(span)
            }
            _ if self.is_of(span.id()) => Ok(entry.known_or(span)),
            _ => Err(span),
        }
    }

    /// The entry, if it is of this span.
    #[inline]
    fn taken_by(&self, id: u64) -> Option<MutexGuard<'_, Entry>> {
        if !self.is_of(id) {
            return None;
        }
        let entry = self.lock();
        self.is_of(id).then_some(entry)
    }

    #[inline]
    fn is_of(&self, id: u64) -> bool {
        // Relaxed: what it guards is read under the lock, or by somebody who was told of the span after it was written.
        self.id.load(Ordering::Relaxed) == id
    }

    #[inline]
    fn set_id(&self, id: u64) {
        self.id.store(id, Ordering::Relaxed);
    }

    /// Empties the slot and hands back what was in it, to be dropped outside the lock.
    #[inline]
    fn vacate(&self, id: u64) -> Entry {
        match self.taken_by(id) {
            Some(mut entry) => {
                self.set_id(0);
                std::mem::take(&mut *entry)
            }
            None => Entry::Vacant,
        }
    }

    fn known(&self) -> Option<Arc<Span>> {
        match &*self.lock() {
            Entry::Known(span) => Some(Arc::clone(span)),
            Entry::Vacant | Entry::New { .. } => None,
        }
    }

    /// Nothing panics while this lock is held, so poison cannot mean half-done work.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Entry> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The span, which becomes one of its own when it is first asked for.
    #[inline]
    fn known(&mut self, id: u64) -> Option<&Arc<Span>> {
        if matches!(self, Self::New { .. }) {
            self.make_known(id);
        }
        match self {
            Self::Known(span) => Some(span),
            Self::Vacant | Self::New { .. } => None,
        }
    }

    /// The span in here, or this one if that is of another callsite: it was not removed when it closed.
    fn known_or(&mut self, span: Arc<Span>) -> Arc<Span> {
        match self.known(span.id()) {
            Some(known) if known.is_like(&span) => Arc::clone(known),
            _ => {
                *self = Self::Known(Arc::clone(&span));
                span
            }
        }
    }

    #[cold]
    fn make_known(&mut self, id: u64) {
        if let Self::New { metadata, fields } = std::mem::take(self) {
            *self = Self::Known(Arc::new(Span::new(id, metadata, fields, true)));
        }
    }
}

impl Default for Shards {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceBox::new()))
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceBox::new()))
    }
}

impl Default for Chunk {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Slot::default()))
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_span_takes_the_place_of_one_with_its_id_that_was_not_removed() {
        let span = tracing::subscriber::with_default(tracing_subscriber::registry(), || tracing::info_span!("span"));
        let metadata = span.metadata().unwrap();
        let (spans, id) = (Spans::default(), span::Id::from_u64(7));
        let stale = spans.insert_if_unknown(Arc::new(Span::new(7, metadata, Fields::default(), true)));
        spans.insert_new(&id, metadata, Fields::default());
        let found = spans.get(&id).unwrap();
        assert!(!Arc::ptr_eq(&found, &stale), "it would have another's fields and ancestors");
        spans.remove(&id);
        assert!(spans.get(&id).is_none() && spans.known().is_empty(), "closed, it is gone");
    }
}
