//! Facts that producers record for coverage: a bit or a count for each callsite, in tables of fixed size, never a value.

use super::table::Table;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use crate::value::{Shape, ValueRef};
use std::sync::{Mutex, PoisonError, TryLockError};
use tracing_core::Metadata;

/// The number of events counted for one callsite. Further events cost a load and a comparison.
pub(crate) const TOO_MANY_TO_COUNT: u64 = 100;

/// How many links between spans, and how many spans that were left out, are remembered.
const MAX_REMEMBERED: usize = 64;

/// A flag in a count of events: one has matched inside a span.
const INSIDE: u64 = 1 << 63;

/// Inside some span a trace was active.
const IN_TRACE: u8 = 1;
/// Inside some span none was.
const IN_NO_TRACE: u8 = 2;

/// Under `loom` as few as there can be: it makes them again for each history.
const LEFT_OUT_SLOTS: usize = if cfg!(loom) { 2 } else { 64 };

/// Where the number of a field is in a key: above every address.
const FIELD_SHIFT: u32 = 57;

/// Facts about events and spans while sessions were open.
///
/// Callsites are statics, so no reference in here dangles. If a table is full, further facts are not recorded: that costs
/// explanations, never events.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The shapes of the values that events brought, by callsite and field.
    shapes: Table,
    /// How many events arrived outside any span, at least, and whether one matched inside one, by callsite.
    places: Table,
    links: Remembered<Link>,
    vetoed: Box<[VetoedSpan; LEFT_OUT_SLOTS]>,
    left_out: Remembered<usize>,
    log_record: AtomicBool,
    /// What came of asking for traces: [`IN_TRACE`], [`IN_NO_TRACE`].
    traces: AtomicU8,
}

/// A root span that follows from another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) root: &'static Metadata<'static>,
    /// The span it follows from, or one around that.
    pub(crate) from: &'static Metadata<'static>,
}

/// The span callsite that was vetoed last in a tree of spans, and the innermost span it was vetoed in.
#[derive(Debug, Default)]
struct VetoedSpan {
    within: AtomicU64,
    callsite: AtomicU64,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            shapes: Table::default(),
            places: Table::default(),
            links: Remembered::default(),
            vetoed: Box::new(std::array::from_fn(|_| VetoedSpan::default())),
            left_out: Remembered::default(),
            log_record: AtomicBool::new(false),
            traces: AtomicU8::new(0),
        }
    }
}

impl Seen {
    /// Notes the shape of a value that an event brought. One relaxed load where that shape is known.
    #[inline]
    pub(crate) fn note_value(&self, callsite: usize, field: usize, value: ValueRef<'_>) {
        let Some(shape) = Shape::of(value) else { return };
        let Some(shapes) = self.shapes.find(key_of_field(callsite, field)) else { return };
        // Relaxed: a bit that is never cleared and orders nothing.
        if shapes.load(Ordering::Relaxed) & shape.bit() == 0 {
            shapes.fetch_or(shape.bit(), Ordering::Relaxed);
        }
    }

    /// The shapes of the values that events of a callsite brought in a field, as bits.
    pub(crate) fn shapes_of(&self, callsite: usize, field: usize) -> u64 {
        self.shapes.get(key_of_field(callsite, field))
    }

    /// Counts an event that arrived outside any span.
    pub(crate) fn note_outside(&self, callsite: usize) {
        if let Some(place) = self.places.find(callsite as u64)
            // Relaxed: a number for people, a little too high where several threads reach the bound at once.
            && place.load(Ordering::Relaxed) & !INSIDE < TOO_MANY_TO_COUNT
        {
            place.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that an event has matched inside a span.
    pub(crate) fn note_inside(&self, callsite: usize) {
        if let Some(place) = self.places.find(callsite as u64)
            // Relaxed: a bit that is never cleared.
            && place.load(Ordering::Relaxed) & INSIDE == 0
        {
            place.fetch_or(INSIDE, Ordering::Relaxed);
        }
    }

    /// How many events of a callsite arrived outside any span, at least.
    pub(crate) fn outside(&self, callsite: usize) -> u64 {
        (self.places.get(callsite as u64) & !INSIDE).min(TOO_MANY_TO_COUNT)
    }

    /// Whether an event of a callsite has matched inside a span.
    pub(crate) fn was_inside(&self, callsite: usize) -> bool {
        self.places.get(callsite as u64) & INSIDE != 0
    }

    /// Remembers a link between spans.
    pub(crate) fn note_link(&self, link: Link) {
        let is_same = |known: &Link| std::ptr::eq(known.root, link.root) && std::ptr::eq(known.from, link.from);
        self.links.add(link, is_same);
    }

    pub(crate) fn links(&self) -> Vec<Link> {
        self.links.all()
    }

    /// Notes a span callsite that was vetoed inside the span `within`, of the tree with this number.
    pub(crate) fn note_vetoed_span(&self, tree: usize, within: u64, callsite: usize) {
        let slot = &self.vetoed[tree % LEFT_OUT_SLOTS];
        // Relaxed: two threads of one tree may mix their notes. Then a callsite is named that was vetoed nearby.
        slot.callsite.store(callsite as u64, Ordering::Relaxed);
        slot.within.store(within, Ordering::Relaxed);
    }

    /// The span inside which a span of this tree was vetoed last, and the callsite of that; `None` if there was none.
    pub(crate) fn vetoed_span(&self, tree: usize) -> Option<(u64, usize)> {
        let slot = &self.vetoed[tree % LEFT_OUT_SLOTS];
        let within = slot.within.load(Ordering::Relaxed);
        (within != 0).then(|| (within, slot.callsite.load(Ordering::Relaxed) as usize))
    }

    /// Remembers a span callsite that was vetoed before it was known that its request matches.
    pub(crate) fn note_left_out(&self, callsite: usize) {
        self.left_out.add(callsite, |known| *known == callsite);
    }

    /// Notes that a record of the `log` bridge has arrived.
    pub(crate) fn note_log_record(&self) {
        // Relaxed: one fact that orders nothing. Written once, so that threads which log share the line.
        if !self.log_record.load(Ordering::Relaxed) {
            self.log_record.store(true, Ordering::Relaxed);
        }
    }

    /// Notes whether a trace was active inside a span.
    pub(crate) fn note_trace(&self, is_active: bool) {
        let bit = if is_active { IN_TRACE } else { IN_NO_TRACE };
        // Relaxed: as in `note_log_record`.
        if self.traces.load(Ordering::Relaxed) & bit == 0 {
            self.traces.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether traces were asked for inside spans, and none was ever active.
    pub(crate) fn lacks_traces(&self) -> bool {
        self.traces.load(Ordering::Relaxed) == IN_NO_TRACE
    }

    /// Whether a record of the `log` bridge has ever arrived.
    pub(crate) fn has_log_record(&self) -> bool {
        self.log_record.load(Ordering::Relaxed)
    }

    pub(crate) fn left_out(&self) -> Vec<usize> {
        self.left_out.all()
    }
}

fn key_of_field(callsite: usize, field: usize) -> u64 {
    callsite as u64 | (field as u64 + 1) << FIELD_SHIFT
}

/// A bounded list of distinct things. A producer that finds it locked leaves its thing out.
#[derive(Debug)]
struct Remembered<T>(Mutex<Vec<T>>);

impl<T: Copy> Remembered<T> {
    fn add(&self, new: T, is_same: impl Fn(&T) -> bool) {
        let known = match self.0.try_lock() {
            Ok(known) => Some(known),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut known) = known
            && known.len() < MAX_REMEMBERED
            && !known.iter().any(is_same)
        {
            known.push(new);
        }
    }

    fn all(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_kept_by_callsite_and_field() {
        let seen = Seen::default();
        seen.note_value(16, 0, ValueRef::I64(1));
        seen.note_value(16, 0, ValueRef::Bool(true));
        seen.note_value(16, 1, ValueRef::Redacted);
        assert_eq!(seen.shapes_of(16, 0), Shape::Number.bit() | Shape::Boolean.bit());
        assert_eq!((seen.shapes_of(16, 1), seen.shapes_of(32, 0)), (0, 0));
    }

    #[test]
    fn a_link_costs_a_bounded_number_of_comparisons() {
        let (links, compared) = (Remembered::default(), std::cell::Cell::new(0));
        for link in 0..10_000 {
            links.add(link, |known| {
                compared.set(compared.get() + 1);
                *known == link
            });
        }
        assert_eq!(links.all().len(), MAX_REMEMBERED);
        assert!(compared.get() <= MAX_REMEMBERED * MAX_REMEMBERED, "{}", compared.get());
    }

    #[test]
    fn counting_outside_events_ends() {
        let seen = Seen::default();
        seen.note_outside(16);
        assert!(!seen.was_inside(16));
        seen.note_inside(16);
        (0..TOO_MANY_TO_COUNT + 5).for_each(|_| seen.note_outside(16));
        assert_eq!((seen.outside(16), seen.was_inside(16)), (TOO_MANY_TO_COUNT, true));
    }
}
