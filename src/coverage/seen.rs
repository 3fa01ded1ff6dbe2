//! Facts that producers record for coverage: a bit or a count for each callsite, in tables of fixed size, never a value.

use super::marks::NameMarks;
use super::remembered::Remembered;
use super::table::Table;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use crate::value::{Shape, ValueRef};
use tracing_core::Metadata;

/// The number of events counted for one callsite. Further events cost a load and a comparison.
pub(crate) const TOO_MANY_TO_COUNT: u64 = 100;

/// A flag in a count of events: one was seen inside spans that carried a tested field.
const INSIDE: u64 = 1 << 63;

/// Inside some span a trace was active.
const IN_TRACE: u8 = 1;
/// Inside some span none was.
const IN_NO_TRACE: u8 = 2;

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
    /// How many events arrived outside any span, at least, and whether one was seen inside spans that carried a tested
    /// field, by callsite.
    places: Table,
    /// How many arrived outside after that, by callsite.
    lost: Table,
    lost_callsites: AtomicU64,
    lost_events: AtomicU64,
    /// Where the tasks were spawned in which they were.
    #[cfg(all(feature = "tokio", tokio_unstable))]
    pub(crate) spawns: super::spawns::Spawns,
    links: Remembered<Link>,
    /// Spans whose guards were held across `.await`.
    held_guards: Remembered<&'static Metadata<'static>>,
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

impl Default for Seen {
    fn default() -> Self {
        Self {
            shapes: Table::default(),
            places: Table::default(),
            lost: Table::default(),
            lost_callsites: AtomicU64::new(0),
            lost_events: AtomicU64::new(0),
            #[cfg(all(feature = "tokio", tokio_unstable))]
            spawns: super::spawns::Spawns::default(),
            links: Remembered::default(),
            held_guards: Remembered::default(),
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

    /// Notes that an event was seen inside spans that carry a tested field.
    pub(crate) fn note_inside(&self, callsite: usize) {
        if let Some(place) = self.places.find(callsite as u64) {
            // Relaxed: a bit that is never cleared.
            place.fetch_or(INSIDE, Ordering::Relaxed);
        }
    }

    /// Counts an event that is outside any span although others of its callsite were inside, with the marks of the names
    /// that are tested now. Returns whether more are to be counted.
    pub(crate) fn note_lost(&self, callsite: usize, marks: NameMarks) -> bool {
        let Some(lost) = self.lost.find(callsite as u64) else { return false };
        // Relaxed: as in `note_outside`.
        let before =
            lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(Lost(now).with_one_more(marks).0));
        let count = before.map_or(0, |before| Lost(before).count());
        if count == 0 {
            self.lost_callsites.fetch_add(1, Ordering::Relaxed);
        }
        if count < TOO_MANY_TO_COUNT {
            self.lost_events.fetch_add(1, Ordering::Relaxed);
        }
        count + 1 < TOO_MANY_TO_COUNT
    }

    /// How many events of a callsite were outside any span although others were inside spans that carried one of these
    /// names, at least.
    pub(crate) fn lost(&self, callsite: usize, of: NameMarks) -> u64 {
        let lost = Lost(self.lost.get(callsite as u64));
        if lost.marks().meet(of) { lost.count() } else { 0 }
    }

    /// How many callsites and events are counted so.
    pub(crate) fn count_lost(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.lost_callsites), load(&self.lost_events))
    }

    /// How many events of a callsite arrived outside any span, at least.
    pub(crate) fn outside(&self, callsite: usize) -> u64 {
        (self.places.get(callsite as u64) & !INSIDE).min(TOO_MANY_TO_COUNT)
    }

    /// Whether an event of a callsite was seen inside spans that carried a tested field.
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

    /// Remembers a span whose guard was held across `.await`.
    pub(crate) fn note_held_guard(&self, span: &'static Metadata<'static>) {
        self.held_guards.add(span, |known| std::ptr::eq(*known, span));
    }

    pub(crate) fn held_guards(&self) -> Vec<&'static Metadata<'static>> {
        self.held_guards.all()
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

/// The events of a callsite that are outside any span although others were inside: in the lowest byte how many, at most
/// [`TOO_MANY_TO_COUNT`], then the marks of the names that were tested.
#[derive(Clone, Copy, Debug)]
struct Lost(u64);

const _: () = assert!(TOO_MANY_TO_COUNT < 1 << 8);

impl Lost {
    fn count(self) -> u64 {
        self.0 & 0xff
    }

    fn marks(self) -> NameMarks {
        NameMarks((self.0 >> 8) as u32)
    }

    fn with_one_more(self, marks: NameMarks) -> Self {
        let count = (self.count() + 1).min(TOO_MANY_TO_COUNT);
        Self(u64::from(self.marks().0 | marks.0) << 8 | count)
    }
}

fn key_of_field(callsite: usize, field: usize) -> u64 {
    callsite as u64 | (field as u64 + 1) << FIELD_SHIFT
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use tracing_core::Callsite;
    use tracing_core::metadata::Kind;

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
    fn counting_outside_events_ends() {
        let seen = Seen::default();
        seen.note_outside(16);
        assert!(!seen.was_inside(16));
        seen.note_inside(16);
        (0..TOO_MANY_TO_COUNT + 5).for_each(|_| seen.note_outside(16));
        assert_eq!((seen.outside(16), seen.was_inside(16)), (TOO_MANY_TO_COUNT, true));
    }

    #[test]
    fn lost_events_are_counted_by_the_names_tested_then() {
        let (user, order) = (NameMarks::of(["user"]), NameMarks::of(["order"]));
        assert!(!user.meet(order), "or the test shows nothing");
        let seen = Seen::default();
        let counted = (1..).find(|_| !seen.note_lost(16, user));
        assert_eq!(counted, Some(TOO_MANY_TO_COUNT));
        assert_eq!((seen.lost(16, user), seen.lost(16, order), seen.lost(32, user)), (TOO_MANY_TO_COUNT, 0, 0));
        assert!(!seen.note_lost(16, order), "other names are tested now");
        assert_eq!((seen.lost(16, order), seen.count_lost()), (TOO_MANY_TO_COUNT, (1, TOO_MANY_TO_COUNT)));
    }

    #[test]
    fn each_lost_event_of_a_name_counts() {
        let (seen, user) = (Seen::default(), NameMarks::of(["user"]));
        for count in 1..=3 {
            seen.note_lost(16, user);
            assert_eq!(seen.lost(16, user), count);
        }
    }

    #[test]
    fn traces_are_lacking_where_none_was_ever_active() {
        let seen = Seen::default();
        assert!(!seen.lacks_traces(), "none was asked for");
        (0..2).for_each(|_| seen.note_trace(false));
        assert!(seen.lacks_traces());
        (0..2).for_each(|_| seen.note_trace(true));
        assert!(!seen.lacks_traces());
        seen.note_trace(false);
        assert!(!seen.lacks_traces());
    }

    #[test]
    fn a_link_or_span_left_out_is_remembered_once() {
        let seen = Seen::default();
        let [one, other] = [
            tracing::callsite! { name: "one", kind: Kind::SPAN, fields: }.metadata(),
            tracing::callsite! { name: "other", kind: Kind::SPAN, fields: }.metadata(),
        ];
        for (root, from) in [(one, one), (one, other), (other, other), (one, one)] {
            seen.note_link(Link { root, from });
        }
        assert_eq!(seen.links().len(), 3);
        for (callsite, count) in [(7, 1), (7, 1), (8, 2), (7, 2)] {
            seen.note_left_out(callsite);
            assert_eq!(seen.left_out().len(), count);
        }
    }
}
