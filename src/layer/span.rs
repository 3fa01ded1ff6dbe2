//! A span: its fields from creation on, where it hangs, and the scope that was decided for it.
//!
//! Spans live in a [table](super::table) of our own, not in the registry's extensions: other layers format their users'
//! values while they hold a span's extensions locked, and an event of such a value, or of another thread in the same
//! span, would wait there for code nobody knows.

use super::callsite::key_of;
use super::decided::{Brought, Decided, Follower, ScopeRef, Stamp};
use super::surroundings::Surroundings;
use crate::coverage::Seen;
use crate::event::{CapturedSpan, Fields, KeptFields, plain_name};
use crate::predicate::FieldTest;
use crate::session::open::OpenSession;
use crate::session::sample::RootSerial;
use crate::session::scope::{Scope, Sessions, extend_from_index};
use crate::session::snapshot::Snapshot;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, Numbers};
use crate::value::Value;
use std::borrow::Cow;
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use tracing_core::Metadata;

/// The id that no span has.
pub(super) const NO_SPAN: u64 = 0;

/// The place of one span, used for one after the other.
#[derive(Debug, Default)]
pub(super) struct SpanCell {
    /// The span in here; [`NO_SPAN`]: none. Written while the state is locked.
    id: AtomicU64,
    /// Its parent's id, [`NO_SPAN`] for a root, [`UNKNOWN`] until somebody asks. A parent outlives its children.
    parent: AtomicU64,
    /// The tree whose records concern it; 0 until somebody asks.
    tree: AtomicU32,
    /// The key generation under which it is known to have its parent's scope; 0: none. Written while the state is locked.
    absent_in: AtomicU32,
    /// How many stacks had been synchronized when it was created with a session open: see `entered`.
    created_at: AtomicU64,
    /// Tells the span from all others with its id, since ids recur: how many have been in here, or a number of its own.
    uses: AtomicU64,
    /// Locked for a few instructions, never while anybody else is called.
    state: Mutex<State>,
}

/// Set in the number of a span that has a cell of its own.
const ALONE_BIT: u64 = 1 << 63;

/// In place of a parent's id: not looked up yet.
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug, Default)]
struct State {
    /// Nothing while the cell is vacant.
    metadata: Option<&'static Metadata<'static>>,
    /// Whether scopes show it.
    visible: bool,
    /// The fields, until an event captures them.
    fields: KeptFields,
    /// Shared with the events that captured it; a record replaces it.
    captured: Option<Arc<CapturedSpan>>,
    decided: Option<Decided>,
    watched: Option<Box<Watched>>,
}

/// What few spans have: those that sessions follow, sample or have seen an event in.
#[derive(Debug, Default)]
struct Watched {
    followers: Vec<Follower>,
    /// Names it where it is a root and a session that samples needed that.
    serial: Option<RootSerial>,
    surroundings: Option<Arc<Surroundings>>,
}

/// A span to keep.
pub(super) struct NewSpan {
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) visible: bool,
    pub(super) fields: Fields,
    pub(super) place: Place,
}

/// Where a new span hangs, as far as its creation tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    parent: u64,
    tree: u32,
    absent_in: u32,
    created_at: u64,
}

impl SpanCell {
    /// A cell of its own for a span that has none in the table.
    pub(super) fn of(id: u64, span: NewSpan) -> Self {
        static ALONE: Numbers = Numbers::new();
        let cell = Self::default();
        cell.put(&mut cell.lock(), id, span);
        cell.uses.store(ALONE.next() | ALONE_BIT, Ordering::Relaxed);
        cell
    }

    #[inline]
    pub(super) fn is_of(&self, id: u64) -> bool {
        // Relaxed: what it guards is read under the lock, or by somebody who was told of the span after it was written.
        self.id.load(Ordering::Relaxed) == id
    }

    /// What tells the span from all others with its id.
    #[inline]
    pub(super) fn uses(&self) -> u64 {
        // Relaxed: asked for a span that the caller was told of after it was put here.
        self.uses.load(Ordering::Relaxed)
    }

    /// Puts a new span in here. Hands it back where another one is.
    #[inline]
    pub(super) fn fill(&self, id: u64, span: NewSpan) -> Option<NewSpan> {
        let mut state = self.lock();
        if state.metadata.is_some() && !self.is_of(id) {
            return Some(span);
        }
        // What a closed span left here is rare, and its memory all that is freed under the lock.
        self.put(&mut state, id, span);
        None
    }

    /// Puts a span in here unless its like is here. Hands it back where another one is.
    pub(super) fn fill_if_unknown(&self, id: u64, span: NewSpan) -> Option<NewSpan> {
        let mut state = self.lock();
        match state.metadata {
            Some(_) if !self.is_of(id) => return Some(span),
            Some(known) if std::ptr::eq(known, span.metadata) => {}
            _ => self.put(&mut state, id, span),
        }
        None
    }

    #[inline]
    fn put(&self, state: &mut State, id: u64, span: NewSpan) {
        let NewSpan { metadata, visible, fields, place } = span;
        state.metadata = Some(metadata);
        state.visible = visible;
        // Written over what the last span left: a copy of what is used rather than of all there is room for.
        state.fields.set(&fields);
        state.captured = None;
        state.decided = None;
        state.watched = None;
        // Relaxed: whoever asks for the span was told of it after this.
        self.parent.store(place.parent, Ordering::Relaxed);
        self.tree.store(place.tree, Ordering::Relaxed);
        self.absent_in.store(place.absent_in, Ordering::Relaxed);
        self.created_at.store(place.created_at, Ordering::Relaxed);
        self.uses.store(self.uses().wrapping_add(1), Ordering::Relaxed);
        self.id.store(id, Ordering::Relaxed);
    }

    /// Empties the cell, if this span is in it. What it held beside its own memory is freed outside the lock.
    #[inline]
    pub(super) fn vacate(&self, id: u64) {
        let mut state = self.lock();
        if !self.is_of(id) {
            return;
        }
        self.id.store(NO_SPAN, Ordering::Relaxed);
        state.metadata = None;
        if state.holds_nothing() {
            return;
        }
        let left = std::mem::take(&mut *state);
        drop(state);
        drop(left);
    }

    /// The span's metadata; nothing where the cell is vacant.
    pub(super) fn metadata(&self) -> Option<&'static Metadata<'static>> {
        self.lock().metadata
    }

    /// Its parent's id; `None` until that is known.
    #[inline]
    pub(super) fn parent(&self) -> Option<u64> {
        // Relaxed, here and below: the answer is always the same, and orders nothing.
        Some(self.parent.load(Ordering::Relaxed)).filter(|parent| *parent != UNKNOWN)
    }

    /// The tree whose records concern it; `None` until that is known.
    #[inline]
    pub(super) fn tree(&self) -> Option<usize> {
        Some(self.tree.load(Ordering::Relaxed) as usize).filter(|tree| *tree != 0)
    }

    pub(super) fn set_parent(&self, parent: u64) {
        self.parent.store(parent, Ordering::Relaxed);
    }

    pub(super) fn set_tree(&self, tree: usize) {
        self.tree.store(tree as u32, Ordering::Relaxed);
    }

    /// Whether it was certainly created after a stack was synchronized that was given this number.
    #[inline]
    pub(super) fn is_newer_than(&self, synchronized: u64) -> bool {
        self.created_at.load(Ordering::Relaxed) >= synchronized
    }

    /// Whether it is known to have its parent's scope under this key generation.
    #[inline]
    pub(super) fn is_absent_in(&self, generation: u32) -> bool {
        // Relaxed: who adds a follower clears this, and then moves the records of the tree, which whoever relies on this
        // compares as well.
        self.absent_in.load(Ordering::Relaxed) == generation
    }

    /// The span's metadata, where scopes show it.
    pub(super) fn shown_metadata(&self) -> Option<&'static Metadata<'static>> {
        let state = self.lock();
        state.metadata.filter(|_| state.visible)
    }

    pub(super) fn is_visible(&self) -> bool {
        self.lock().visible
    }

    /// Whether it is a span of this name that scopes show.
    pub(super) fn is_shown_as(&self, name: &str) -> bool {
        let state = self.lock();
        state.visible && state.metadata.is_some_and(|metadata| plain_name(metadata.name()) == name)
    }

    /// Its serial as a root, given when it is first needed.
    pub(super) fn serial(&self) -> RootSerial {
        *self.lock().watched().serial.get_or_insert_with(RootSerial::next)
    }

    /// Sets recorded values and hands back those they replaced, to be dropped outside the lock.
    pub(super) fn record(&self, recorded: &Fields) -> Vec<Value> {
        let mut state = self.lock();
        let Some(mut fields) = state.take_fields() else { return Vec::new() };
        let replaced = fields.set_all(recorded);
        state.fields.set(&fields);
        replaced
    }

    /// The span as events captured now show it, shared with those before it where nothing was recorded since; nothing
    /// where scopes do not show it.
    pub(super) fn captured(&self) -> Option<Arc<CapturedSpan>> {
        let mut state = self.lock();
        let metadata = state.metadata.filter(|_| state.visible)?;
        if let Some(captured) = &state.captured {
            return Some(Arc::clone(captured));
        }
        let mut fields = state.fields.to_fields(metadata.fields());
        fields.keep_last();
        let captured = Arc::new(CapturedSpan {
            name: Cow::Borrowed(plain_name(metadata.name())),
            level: *metadata.level(),
            target: Cow::Borrowed(metadata.target()),
            fields,
        });
        state.captured = Some(Arc::clone(&captured));
        Some(captured)
    }

    /// The scope decided under this very stamp.
    #[inline]
    pub(super) fn decided(&self, stamp: Stamp) -> Option<ScopeRef> {
        let state = self.lock();
        state.decided.as_ref().filter(|decided| decided.stamp == stamp).map(|decided| decided.scope.clone())
    }

    /// Brings the scope up to date without making one, where that can be done: where the span adds nothing to its
    /// parent's, or where no change since it was decided concerns it. Otherwise says what the span brings in.
    pub(super) fn bring_up_to_date(
        &self,
        parent: &ScopeRef,
        is_absent: bool,
        stamp: Stamp,
        snapshot: &Snapshot,
        seen: &Seen,
    ) -> Result<ScopeRef, Brought> {
        let mut state = self.lock();
        let outer = parent.get(snapshot);
        let may_share = self.parent() != Some(NO_SPAN) || !outer.samples();
        let followers = state.open_followers();
        if is_absent && may_share && followers.is_empty() {
            self.absent_in.store(snapshot.names.generation, Ordering::Relaxed);
            return Ok(state.keep(stamp, parent, parent.clone()));
        }
        if let Some(decided) = &state.decided
            && decided.still_holds(parent, stamp, snapshot, |key| state.satisfies(key))
        {
            let scope = decided.scope.clone();
            return Ok(state.keep(stamp, parent, scope));
        }
        let found = state.indexed_sessions(snapshot, seen);
        if may_share && found.is_empty() && followers.is_empty() && outer.candidates.is_empty() {
            return Ok(state.keep(stamp, parent, parent.clone()));
        }
        Err(Brought { found, followers })
    }

    /// Keeps a scope that was made for it.
    pub(super) fn keep(&self, stamp: Stamp, parent: &ScopeRef, scope: Scope) -> ScopeRef {
        self.lock().keep(stamp, parent, ScopeRef::own(scope))
    }

    /// What events right inside it are captured with, as it was kept.
    pub(super) fn surroundings(&self) -> Option<Arc<Surroundings>> {
        self.lock().watched.as_ref()?.surroundings.clone()
    }

    pub(super) fn keep_surroundings(&self, surroundings: &Arc<Surroundings>) {
        let replaced = self.lock().watched().surroundings.replace(Arc::clone(surroundings));
        drop(replaced);
    }

    /// Forgets what was decided for this span, and who followed it and has ended. A session that was opened meanwhile
    /// may follow it already.
    pub(super) fn clear_decided(&self) {
        let mut state = self.lock();
        let decided = state.decided.take();
        let surroundings = state.watched.as_mut().and_then(|watched| {
            watched.followers.retain(|follower| follower.open().is_some());
            watched.surroundings.take()
        });
        drop(state);
        drop((decided, surroundings));
    }

    /// From now on the span has a scope of its own. The caller holds the state locked, and moves the records of its tree
    /// afterwards.
    fn stop_sharing(&self) {
        // Relaxed: the Release of those records makes it visible to whoever sees them. Fails otherwise:
        // `loom_a_span_that_is_followed_shares_no_scope_for_good`.
        self.absent_in.store(0, Ordering::Relaxed);
    }

    /// The open sessions that follow it.
    pub(super) fn followers(&self) -> Sessions {
        self.lock().open_followers()
    }

    /// Marks the span as followed by a session. Returns whether it was not before.
    pub(super) fn add_follower(&self, id: u64, session: &Arc<OpenSession>) -> bool {
        let mut state = self.lock();
        // It may have closed on another thread, and another be in here.
        if !self.is_of(id) {
            return false;
        }
        self.stop_sharing();
        let followers = &mut state.watched().followers;
        followers.retain(|follower| follower.open().is_some());
        let is_new = !followers.iter().any(|follower| follower.is(session));
        if is_new {
            followers.push(Follower::new(session));
        }
        is_new
    }

    /// Its name and since when a session has followed it, if it does.
    pub(super) fn followed_since(&self, session: &Arc<OpenSession>) -> Option<(&'static str, Instant)> {
        let state = self.lock();
        let follower = state.watched.as_ref()?.followers.iter().find(|follower| follower.is(session))?;
        Some((plain_name(state.metadata?.name()), follower.since))
    }

    /// Nothing panics while this lock is held, so poison cannot mean half-done work.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn watched(&mut self) -> &mut Watched {
        self.watched.get_or_insert_default()
    }

    /// Whether there is nothing to free.
    #[inline]
    fn holds_nothing(&self) -> bool {
        let is_outside = self.decided.as_ref().is_none_or(|decided| decided.scope.is_outside());
        is_outside && self.fields.is_inline() && self.captured.is_none() && self.watched.is_none()
    }

    /// The fields to change: what was captured stays as it is.
    fn take_fields(&mut self) -> Option<Fields> {
        let names = self.metadata?.fields();
        let captured = self.captured.take();
        Some(captured.map_or_else(|| self.fields.to_fields(names), |captured| captured.fields.clone()))
    }

    /// Whether a field satisfies an equality.
    fn satisfies(&self, key: &FieldTest) -> bool {
        let Some(metadata) = self.metadata.filter(|_| self.visible) else { return false };
        self.fields.named_by(metadata.fields(), |name| key.names(name)).any(|(.., value)| key.accepts(value))
    }

    /// The sessions that the index keeps for the fields. The shapes of all tested values are noted for coverage.
    fn indexed_sessions(&self, snapshot: &Snapshot, seen: &Seen) -> Sessions {
        let mut found = Sessions::new();
        let Some(metadata) = self.metadata.filter(|_| self.visible) else { return found };
        for (name, field, value) in self.fields.named_by(metadata.fields(), |name| snapshot.names.test(name)) {
            seen.note_value(key_of(metadata), field, value);
            if snapshot.names.index.contains(name) {
                value.with_canonical(|text| extend_from_index(&mut found, snapshot, name, text));
            }
        }
        found
    }

    fn open_followers(&self) -> Sessions {
        self.watched.iter().flat_map(|watched| &watched.followers).filter_map(Follower::open).collect()
    }

    /// What was kept before is a scope at most: freeing it runs nobody's code.
    fn keep(&mut self, stamp: Stamp, parent: &ScopeRef, scope: ScopeRef) -> ScopeRef {
        self.decided = Some(Decided::new(stamp, parent, scope.clone()));
        scope
    }
}

impl NewSpan {
    /// A span that was found where nothing had been kept of it.
    pub(super) fn found(metadata: &'static Metadata<'static>, visible: bool) -> Self {
        Self { metadata, visible, fields: Fields::named(metadata.fields()), place: Place::UNKNOWN }
    }
}

impl Place {
    pub(super) const UNKNOWN: Self = Self { parent: UNKNOWN, tree: 0, absent_in: 0, created_at: 0 };

    /// Below this parent, in this tree if that is known.
    pub(super) fn below(parent: u64, tree: Option<usize>) -> Self {
        Self { parent, tree: tree.unwrap_or_default() as u32, ..Self::UNKNOWN }
    }

    /// What else is known of a span that is created while a session is open.
    pub(super) fn while_watched(self, absent_in: u32, synchronized: u64) -> Self {
        Self { absent_in, created_at: synchronized, ..self }
    }
}

#[cfg(test)]
#[cfg(loom)]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn an_open_span_holds_little() {
        assert!(size_of::<SpanCell>() <= 208, "{}", size_of::<SpanCell>());
    }
}
