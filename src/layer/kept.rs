//! What is kept of a span from its creation on, whether or not sessions are open: its fields.

use super::name::NO_SPAN;
use super::notes::Placement;
use crate::event::{Fields, KeptFields};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::value::{PackedBytes, Value};
use std::sync::PoisonError;
use tracing_core::Metadata;

/// The place of one span, used for one after the other. Every open span holds one, whether or not sessions are open.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The span in here; [`NO_SPAN`]: none. Set while the state is locked.
    id: AtomicU64,
    /// Distinguishes the span from all others with its id, since ids recur: how many have been in here, or a number of its own.
    /// In the lowest bits, [`SPILLS`] and [`HIDDEN`].
    number: AtomicU64,
    /// Locked for a few instructions, never while other code is called.
    state: Mutex<State>,
}

/// Next to a span's number: its fields take memory of their own.
const SPILLS: u64 = 1;
/// Scopes do not show it.
const HIDDEN: u64 = 2;
/// Something was recorded on it while the past was kept.
const RECORDED: u64 = 4;
/// What one use of the cell adds to the number.
pub(super) const ONCE: u64 = 8;

#[derive(Debug, Default)]
pub(super) struct State {
    /// That of the last span in here.
    pub(super) metadata: Option<&'static Metadata<'static>>,
    pub(super) fields: KeptFields,
}

/// A span to keep.
#[derive(Clone, Copy)]
pub(super) struct NewSpan<'a> {
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) visible: bool,
    pub(super) fields: &'a PackedBytes,
    /// Its place in its tree, if a session is open.
    pub(super) place: Option<Placement>,
}

impl Kept {
    #[inline]
    pub(super) fn is_of(&self, id: u64) -> bool {
        // Relaxed: what it guards is read under the lock, or by a thread that got the span after it was written.
        self.id.load(Ordering::Relaxed) == id
    }

    pub(super) fn id(&self) -> u64 {
        self.id.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn number(&self) -> u64 {
        // Relaxed: asked for a span that the caller got after it was put here.
        self.number.load(Ordering::Relaxed) / ONCE
    }

    #[inline]
    pub(super) fn is_visible(&self) -> bool {
        self.number.load(Ordering::Relaxed) & HIDDEN == 0
    }

    #[inline(always)]
    pub(super) fn fill(&self, id: u64, span: NewSpan<'_>) -> bool {
        let mut state = self.lock();
        let inside = self.id.load(Ordering::Relaxed);
        if inside != NO_SPAN && inside != id {
            return false;
        }
        let number = (self.number.load(Ordering::Relaxed) | SPILLS | HIDDEN | RECORDED).wrapping_add(1);
        self.put(&mut state, id, number, span);
        true
    }

    #[inline(always)]
    pub(super) fn put(&self, state: &mut State, id: u64, number: u64, span: NewSpan<'_>) {
        state.metadata = Some(span.metadata);
        // Written over what the last span left. What a closed one has spilled here is rare, and its memory all that is
        // freed under the lock.
        let spills = if state.fields.set(span.fields) { 0 } else { SPILLS };
        let hidden = if span.visible { 0 } else { HIDDEN };
        // Relaxed: a thread that asks for the span got it after this.
        self.number.store(number | spills | hidden, Ordering::Relaxed);
        self.id.store(id, Ordering::Relaxed);
    }

    /// Only a span whose fields take memory of their own is locked for it: what others leave is written over.
    #[inline]
    pub(super) fn vacate(&self, id: u64) {
        if self.number.load(Ordering::Relaxed) & SPILLS != 0 {
            return self.free(id);
        }
        self.id.store(NO_SPAN, Ordering::Relaxed);
    }

    #[cold]
    fn free(&self, id: u64) {
        let mut state = self.lock();
        if self.id.load(Ordering::Relaxed) == id {
            self.id.store(NO_SPAN, Ordering::Relaxed);
            let left = std::mem::take(&mut state.fields);
            drop(state);
            drop(left);
        }
    }

    /// Whether anything was recorded on it while the past was kept.
    pub(super) fn is_recorded(&self) -> bool {
        self.number.load(Ordering::Relaxed) & RECORDED != 0
    }

    /// Notes that something is being recorded.
    pub(super) fn mark_recorded(&self) {
        // Relaxed: who reads the values reads them under the lock, which the record takes after this.
        self.number.fetch_or(RECORDED, Ordering::Relaxed);
    }

    pub(super) fn record(&self, recorded: &Fields) -> Vec<Value> {
        let mut state = self.lock();
        let Some(metadata) = state.metadata else { return Vec::new() };
        let mut fields = state.fields.to_fields(metadata.fields());
        let replaced = fields.set_all(recorded);
        if !state.fields.set(fields.packed()) {
            // Relaxed: read when the span closes, after this.
            self.number.fetch_or(SPILLS, Ordering::Relaxed);
        }
        replaced
    }

    /// Nothing panics while this lock is held, so poison cannot mean half-done work.
    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewSpan<'_> {
    /// A span that was found where nothing had been kept of it.
    pub(super) fn found(metadata: &'static Metadata<'static>, visible: bool) -> Self {
        static NOTHING: PackedBytes = PackedBytes::new();
        Self { metadata, visible, fields: &NOTHING, place: None }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::value::{TextRef, ValueRef};
    use tracing_core::Callsite;

    fn fields(text: &str) -> PackedBytes {
        let mut fields = PackedBytes::new();
        fields.push(0, ValueRef::Str(TextRef { text, cut: false }));
        fields
    }

    fn span(fields: &PackedBytes, visible: bool) -> NewSpan<'_> {
        let metadata =
            tracing::callsite! { name: "span", kind: tracing::metadata::Kind::SPAN, fields: text }.metadata();
        NewSpan { metadata, visible, fields, place: None }
    }

    #[test]
    fn a_cell_is_taken_until_its_span_leaves() {
        let (kept, fields) = (Kept::default(), fields("short"));
        assert!(kept.fill(7, span(&fields, true)) && kept.is_of(7));
        assert!(!kept.fill(8, span(&fields, true)) && kept.is_of(7), "it is taken");
        assert!(kept.fill(7, span(&fields, true)), "the id recurs, so the span has left");
        kept.vacate(7);
        assert!(kept.is_of(NO_SPAN) && kept.fill(8, span(&fields, true)) && kept.is_of(8));
    }

    #[test]
    fn each_span_of_a_cell_has_its_own_number_and_flags() {
        let (kept, short, long) = (Kept::default(), fields("short"), fields(&"long".repeat(100)));
        for round in 1..20 {
            let (fields, visible) = (if round % 2 == 0 { &short } else { &long }, round % 3 == 0);
            assert!(kept.fill(7, span(fields, visible)));
            assert_eq!((kept.number(), kept.is_visible(), kept.is_recorded()), (round, visible, false));
            if round % 5 < 2 {
                kept.mark_recorded();
                assert!(kept.is_recorded());
            }
            assert_eq!((kept.number(), kept.is_visible()), (round, visible));
            kept.vacate(7);
        }
    }

    #[test]
    fn long_fields_are_freed_with_their_span() {
        let (kept, long) = (Kept::default(), fields(&"long".repeat(100)));
        kept.fill(7, span(&long, true));
        assert!(!kept.lock().fields.as_slice().is_empty());
        kept.vacate(7);
        assert!(kept.lock().fields.as_slice().is_empty());
        // Recorded, they become long.
        kept.fill(8, span(&fields("short"), true));
        kept.record(&Fields::packed_as(span(&long, true).metadata.fields(), long.clone()));
        kept.vacate(8);
        assert!(kept.lock().fields.as_slice().is_empty());
    }
}
