//! A span: its fields from creation on, and what sessions know of it.
//!
//! Spans live in a [table](super::table) of our own, not in the registry's extensions: other layers format their users'
//! values while they hold a span's extensions locked, and an event of such a value, or of another thread in the same
//! span, would wait there for unknown code.

use super::decided::{Brought, ScopeRef, Stamp};
use super::kept::{Kept, NewSpan};
use super::name::NO_SPAN;
use super::notes::{Locked, Notes, Placement};
use super::place::{CHUNK_CELLS, PLACE_BITS, index};
use super::surroundings::Surroundings;
use crate::coverage::Seen;
use crate::event::{CapturedSpan, Fields, Lane, plain_name};
use crate::session::open::OpenSession;
use crate::session::outcome::{Request, RequestSpan};
use crate::session::sample::RootSerial;
use crate::session::scope::Sessions;
use crate::session::snapshot::{Judgement, Snapshot};
use crate::sync::OnceBox;
use crate::trace::TraceContext;
use crate::value::Value;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;
use tracing_core::Metadata;

/// Names a span among all that there have been; 0: none.
pub(super) type SpanKey = u64;

/// Set in the key of a span that has a cell of its own.
pub(super) const ALONE_KEY: u64 = 1 << 63;

/// The contents of a span, as records of the past have them.
#[derive(Debug)]
pub(super) struct SpanContents {
    pub(super) key: SpanKey,
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) is_hidden: bool,
    pub(super) is_recorded: bool,
    /// Packed.
    pub(super) values: SmallVec<[u8; 64]>,
}

/// The notes about the spans of a chunk, once a session has had to do with one of them.
pub(super) type ChunkNotes = OnceBox<[Notes; CHUNK_CELLS]>;

/// One span: what is kept of it from creation on, and what sessions know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanCell<'a> {
    pub(super) kept: &'a Kept,
    notes: NotesAt<'a>,
}

/// Where the notes about a span are.
#[derive(Clone, Copy, Debug)]
enum NotesAt<'a> {
    Chunk(&'a ChunkNotes, usize),
    Alone(&'a Notes),
}

impl<'a> SpanCell<'a> {
    /// The span at this place of a chunk.
    #[inline]
    pub(super) fn in_chunk(kept: &'a Kept, notes: &'a ChunkNotes, place: usize) -> Self {
        Self { kept, notes: NotesAt::Chunk(notes, place) }
    }

    /// A span that has a cell of its own.
    pub(super) fn alone(kept: &'a Kept, notes: &'a Notes) -> Self {
        Self { kept, notes: NotesAt::Alone(notes) }
    }

    #[inline]
    pub(super) fn is_of(&self, id: u64) -> bool {
        self.kept.is_of(id)
    }

    /// Distinguishes the span from all others with its id.
    #[inline]
    pub(super) fn number(&self) -> u64 {
        self.kept.number()
    }

    /// Puts a new span in here. Returns whether it found room: not where another one is.
    #[inline]
    pub(super) fn fill(&self, id: u64, span: NewSpan<'_>) -> bool {
        let is_filled = self.kept.fill(id, span);
        if is_filled {
            self.start(span.place);
        }
        is_filled
    }

    /// Puts a span in here unless its like is here. Returns whether it is: not where another one is.
    pub(super) fn fill_if_unknown(&self, id: u64, span: NewSpan<'_>) -> bool {
        let is_known = self.metadata().is_some_and(|known| std::ptr::eq(known, span.metadata));
        is_known && self.is_of(id) || self.fill(id, span)
    }

    #[inline]
    pub(super) fn start(&self, place: Option<Placement>) {
        if let Some(place) = place {
            self.any_notes().start(self.number(), place);
        }
    }

    /// Empties the cell, if this span is in it. The memory it held outside the cell is freed outside the lock.
    #[inline]
    pub(super) fn vacate(&self, id: u64) {
        if !self.is_of(id) {
            return;
        }
        if let Some(notes) = self.made_notes() {
            notes.end(self.number());
        }
        self.kept.vacate(id);
    }

    /// The span's metadata; `None` if the cell is vacant.
    pub(super) fn metadata(&self) -> Option<&'static Metadata<'static>> {
        let metadata = self.kept.lock().metadata;
        metadata.filter(|_| !self.is_of(NO_SPAN))
    }

    /// Its parent's id; `None` until that is known.
    #[inline]
    pub(super) fn parent(&self) -> Option<u64> {
        self.notes()?.parent()
    }

    /// The tree whose records concern it; `None` until that is known.
    #[inline]
    pub(super) fn tree(&self) -> Option<usize> {
        self.notes()?.tree()
    }

    pub(super) fn set_parent(&self, parent: u64) {
        self.notes_made().set_parent(parent);
    }

    /// Notes that it is about to be timed.
    pub(super) fn note_timed(&self) {
        self.notes_made().note_timed();
    }

    pub(super) fn set_tree(&self, tree: usize) {
        self.notes_made().set_tree(tree);
    }

    /// The span's metadata, where scopes show it.
    pub(super) fn shown_metadata(&self) -> Option<&'static Metadata<'static>> {
        self.metadata().filter(|_| self.is_visible())
    }

    #[inline]
    pub(super) fn is_visible(&self) -> bool {
        self.kept.is_visible()
    }

    /// The contents of the span; `None` if the cell is vacant.
    pub(super) fn contents(&self, place: usize) -> Option<SpanContents> {
        let key = self.key(place);
        let state = self.kept.lock();
        let metadata = state.metadata.filter(|_| !self.is_of(NO_SPAN) && self.key(place) == key)?;
        let values = SmallVec::from_slice(state.fields.as_slice());
        let (is_hidden, is_recorded) = (!self.is_visible(), self.kept.is_recorded());
        Some(SpanContents { key, metadata, is_hidden, is_recorded, values })
    }

    /// The id of the span in here.
    pub(super) fn id(&self) -> u64 {
        self.kept.id()
    }

    /// Notes that something is being recorded while the past is kept.
    pub(super) fn mark_recorded(&self) {
        self.kept.mark_recorded();
    }

    /// Names the span among all that there have been, ids that recur apart. `place` is its place in the table.
    #[inline]
    pub(super) fn key(&self, place: usize) -> SpanKey {
        match self.notes {
            NotesAt::Chunk(..) => (self.number() << PLACE_BITS | place as u64) & !ALONE_KEY,
            NotesAt::Alone(_) => self.number() | ALONE_KEY,
        }
    }

    /// Whether it is a span of this name that scopes show.
    pub(super) fn is_shown_as(&self, name: &str) -> bool {
        self.shown_metadata().is_some_and(|metadata| plain_name(metadata.name()) == name)
    }

    /// Its serial as a root, given when it is first needed.
    pub(super) fn serial(&self) -> RootSerial {
        let locked = self.lock_notes();
        locked.map_or_else(RootSerial::next, |mut locked| *locked.watched().serial.get_or_insert_with(RootSerial::next))
    }

    /// Sets recorded values and hands back those they replaced, to be dropped outside the lock.
    pub(super) fn record(&self, recorded: &Fields) -> Vec<Value> {
        let replaced = self.kept.record(recorded);
        // After the values are in place: a capture under this lock has read them, or is cleared here.
        if let Some(locked) = self.made_notes().and_then(|notes| notes.lock(self.number())) {
            locked.clear_captured();
        }
        replaced
    }

    /// The span as events captured now show it, shared with those before it where nothing was recorded since; `None` if
    /// scopes do not show it.
    pub(super) fn captured(&self, lane: Lane) -> Option<Arc<CapturedSpan>> {
        let mut locked = self.lock_notes()?;
        if let Some(captured) = locked.captured() {
            return Some(captured);
        }
        let captured = Arc::new(self.capture_in(locked.trace(), lane)?);
        locked.keep_captured(&captured);
        Some(captured)
    }

    /// The span as it is now, not shared.
    pub(super) fn capture(&self, lane: Lane) -> Option<CapturedSpan> {
        self.capture_in(self.trace(), lane)
    }

    fn capture_in(&self, trace: Option<TraceContext>, lane: Lane) -> Option<CapturedSpan> {
        let metadata = self.shown_metadata()?;
        let mut fields = self.kept.lock().fields.to_fields(metadata.fields());
        fields.keep_last();
        Some(CapturedSpan {
            name: Cow::Borrowed(plain_name(metadata.name())),
            level: *metadata.level(),
            target: Cow::Borrowed(metadata.target()),
            fields,
            trace,
            request: Some(lane.request(self.key(index(self.id())))),
        })
    }

    /// The scope decided under this very stamp.
    #[inline]
    pub(super) fn decided(&self, stamp: Stamp) -> Option<ScopeRef> {
        self.notes()?.lock(self.number())?.decided_under(stamp)
    }

    /// Brings the scope up to date without making one, where that can be done: where the span adds nothing to its
    /// parent's, or where no change since it was decided concerns it. Otherwise says what the span brings in.
    pub(super) fn bring_up_to_date(
        &self,
        parent: &ScopeRef,
        judgement: Judgement,
        stamp: Stamp,
        snapshot: &Snapshot,
        seen: &Seen,
    ) -> Result<ScopeRef, Brought> {
        let notes = self.notes_made();
        // A span that closes: nothing is known of it any more.
        let Some(mut locked) = notes.lock(self.number()) else { return Ok(parent.clone()) };
        let outer = parent.get(snapshot);
        let carries = parent.carries() || !judgement.absent;
        let may_share = notes.parent() != Some(NO_SPAN) || !outer.samples();
        let followers = locked.open_followers();
        if judgement.absent && may_share && followers.is_empty() {
            locked.share(snapshot.names.generation);
            return Ok(locked.keep(stamp, parent, parent.clone()));
        }
        let trace = locked.trace();
        if let Some(decided) = locked.decided()
            && decided.still_holds(parent, stamp, snapshot, |key| self.satisfies(key, trace.as_ref()))
        {
            let scope = decided.scope.clone().carrying(carries);
            return Ok(locked.keep(stamp, parent, scope));
        }
        let found = self.indexed_sessions(judgement.tested, trace.as_ref(), snapshot, seen);
        let adds_nothing = || trace.is_none() && self.adds_at_most_a_trace(judgement, snapshot);
        if may_share && found.is_empty() && followers.is_empty() && (outer.candidates.is_empty() || adds_nothing()) {
            return Ok(locked.keep(stamp, parent, parent.clone().carrying(carries)));
        }
        Err(Brought { found, followers, carries })
    }

    /// Keeps a scope that was made for it.
    pub(super) fn keep(&self, stamp: Stamp, parent: &ScopeRef, scope: ScopeRef) -> ScopeRef {
        match self.lock_notes() {
            Some(mut locked) => locked.keep(stamp, parent, scope),
            None => scope,
        }
    }

    /// What events right inside it are captured with, as it was kept.
    pub(super) fn surroundings(&self) -> Option<Arc<Surroundings>> {
        self.notes()?.lock(self.number())?.surroundings()
    }

    pub(super) fn keep_surroundings(&self, surroundings: &Arc<Surroundings>) {
        let replaced = self.lock_notes().and_then(|mut locked| locked.keep_surroundings(surroundings));
        drop(replaced);
    }

    /// Forgets what was decided for this span, and its followers that have ended.
    pub(super) fn clear_decided(&self) {
        let Some(notes) = self.made_notes() else { return };
        if self.is_of(NO_SPAN) {
            notes.free(self.number());
        } else if let Some(locked) = notes.lock(self.number()) {
            locked.clear_decided();
        }
    }

    /// The open sessions that follow it.
    pub(super) fn followers(&self) -> Sessions {
        let locked = self.notes().and_then(|notes| notes.lock(self.number()));
        locked.map(|locked| locked.open_followers()).unwrap_or_default()
    }

    /// Marks the span as followed by sessions. Returns whether it was not before by one of them.
    pub(super) fn add_followers<'s>(&self, id: u64, sessions: impl IntoIterator<Item = &'s Arc<OpenSession>>) -> bool {
        let Some(mut locked) = self.lock_notes() else { return false };
        // It may have closed on another thread, and another be in here.
        if !self.is_of(id) {
            return false;
        }
        self.any_notes().stop_sharing();
        locked.watched().followers.add(sessions)
    }

    /// Notes when it was created.
    #[cold]
    pub(super) fn note_begin(&self, begun: Instant) {
        if let Some(mut locked) = self.lock_notes() {
            locked.watched().begun = Some(begun);
        }
    }

    /// The request that the span makes for a session, and whether it was begun just now.
    pub(super) fn request_of(
        &self,
        id: u64,
        session: &Arc<OpenSession>,
        span: RequestSpan,
    ) -> Option<(Arc<Request>, bool)> {
        let mut locked = self.lock_notes()?;
        // It may have closed on another thread, and another be in here.
        if !self.is_of(id) {
            return None;
        }
        let watched = locked.watched();
        if let Some(mark) = watched.requests.iter().find(|mark| mark.session == session.id) {
            return Some((Arc::clone(&mark.request), false));
        }
        // A session that is gone has no use for its mark.
        watched.requests.retain(|mark| !mark.is_stale());
        let mark = session.new_request(RequestSpan { begun: span.begun.or(watched.begun), ..span })?;
        let request = Arc::clone(&mark.request);
        watched.requests.push(mark);
        Some((request, true))
    }

    /// Its name and since when a session has followed it, if it does.
    pub(super) fn followed_since(&self, session: &Arc<OpenSession>) -> Option<(&'static str, Instant)> {
        let locked = self.notes()?.lock(self.number())?;
        let since = locked.watched_if_any()?.followers.since(session)?;
        Some((plain_name(self.metadata()?.name()), since))
    }

    /// What sessions know of it, as far as they know anything.
    #[inline]
    pub(super) fn notes(&self) -> Option<&'a Notes> {
        self.made_notes().filter(|notes| notes.are_about(self.number()))
    }

    /// What sessions know of it, begun with it if need be.
    #[inline]
    fn notes_made(&self) -> &'a Notes {
        let notes = self.any_notes();
        if !notes.are_about(self.number()) {
            notes.claim(self.number());
        }
        notes
    }

    pub(super) fn lock_notes(&self) -> Option<Locked<'a>> {
        self.notes_made().lock(self.number())
    }

    /// The notes that were made for this cell, whatever span they are about.
    #[inline]
    fn made_notes(&self) -> Option<&'a Notes> {
        match self.notes {
            NotesAt::Chunk(notes, place) => notes.get().map(|notes| &notes[place]),
            NotesAt::Alone(notes) => Some(notes),
        }
    }

    #[inline]
    fn any_notes(&self) -> &'a Notes {
        match self.notes {
            NotesAt::Chunk(notes, place) => &notes.get_or_init(new_notes)[place],
            NotesAt::Alone(notes) => notes,
        }
    }
}

#[cold]
fn new_notes() -> Box<[Notes; CHUNK_CELLS]> {
    Box::new(std::array::from_fn(|_| Notes::default()))
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/span.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn an_open_span_holds_little() {
        assert!(size_of::<Kept>() <= 96, "{}", size_of::<Kept>());
        assert!(size_of::<Notes>() <= 120, "{}", size_of::<Notes>());
    }
}
