//! What sessions know of a span: its place in its tree, what was decided for it, its followers.
//!
//! None of it is there while no session is open, so an open span holds little. The notes of a chunk of spans are made
//! together, when a session first has to do with one of them, and used for one span after the other.
//!
//! # Whose notes they are
//! A span is named by the number of its use of the cell, which only grows. Atomics are believed where [`Notes::of`] is that
//! number. The locked part says itself whose it is: the first look by a later span empties it, a late look by an
//! earlier one finds nothing. So a span that closes leaves nothing that needs a lock to be taken back, but what holds
//! memory.

use super::callsite::Callsites;
use super::decided::{Decided, ScopeRef, Stamp};
use super::followers::Followers;
use super::surroundings::Surroundings;
use crate::event::CapturedSpan;
use crate::session::outcome::RequestMark;
use crate::session::sample::RootSerial;
use crate::session::scope::Sessions;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::trace::TraceContext;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// The notes about one span.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The number of the span that the other atomics are about; 0: none.
    of: AtomicU64,
    /// Its parent's id, [`NO_SPAN`](super::name::NO_SPAN) for a root, [`UNKNOWN`] until it is asked for. A parent
    /// outlives its children.
    parent: AtomicU64,
    /// How many stacks had been synchronized when it was created with a session open: see `entered`.
    created_at: AtomicU64,
    /// The key generation under which it is known to have its parent's scope; 0: none. Written while the state is locked.
    absent_in: AtomicU32,
    /// Its callsite's word when it was created: what was judged then holds under the generation it names.
    word: AtomicU64,
    /// The tree whose records concern it; 0 until it is asked for.
    tree: AtomicU8,
    /// Whether the state may hold a decision.
    is_decided: AtomicBool,
    /// Whether the span may be timed.
    is_timed: AtomicBool,
    /// Whether the state may hold memory of its own.
    holds_memory: AtomicBool,
    /// Locked for a few instructions, never while other code is called. A thread that locks a span's fields as well locks
    /// this first.
    state: Mutex<State>,
}

/// In place of a parent's id: not looked up yet.
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug, Default)]
pub(super) struct State {
    /// The number of the span that this is about.
    of: u64,
    /// Shared with the events that captured it; a record takes it away.
    pub(super) captured: Option<Arc<CapturedSpan>>,
    pub(super) decided: Option<Decided>,
    /// What events right inside it are captured with.
    surroundings: Option<Arc<Surroundings>>,
    watched: Option<Box<Watched>>,
}

/// What few spans have: those that sessions follow or sample, or whose trace was read.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) followers: Followers,
    /// Names it where it is a root and a session that samples needed that.
    pub(super) serial: Option<RootSerial>,
    /// When it was created, where a session must know that.
    pub(super) begun: Option<Instant>,
    /// The requests that it makes, one for each session that decides by outcome and has had an event in it. Dropping one
    /// ends the request: never under the lock.
    pub(super) requests: Vec<RequestMark>,
    /// Its ids in a trace.
    pub(super) trace: Option<TraceContext>,
}

/// The position of a new span in its tree, as far as it is known at its creation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    parent: u64,
    tree: u8,
    absent_in: u32,
    word: u64,
    created_at: u64,
}

/// The locked part of some span's notes.
pub(super) struct Locked<'a> {
    notes: &'a Notes,
    state: MutexGuard<'a, State>,
}

impl Notes {
    /// Whether the atomics are about this span.
    #[inline]
    pub(super) fn are_about(&self, number: u64) -> bool {
        // Acquire pairs with the Release in `start`: a thread that finds the number finds what was written before it. Fails otherwise:
        // `loom_notes_about_a_span_show_its_parent`.
        self.of.load(Ordering::Acquire) == number
    }

    /// Begins with a new span. What an earlier one left in the state is found to be another's.
    #[inline]
    pub(super) fn start(&self, number: u64, place: Placement) {
        // Relaxed: the number below publishes them.
        self.parent.store(place.parent, Ordering::Relaxed);
        self.created_at.store(place.created_at, Ordering::Relaxed);
        self.absent_in.store(place.absent_in, Ordering::Relaxed);
        self.word.store(place.word, Ordering::Relaxed);
        self.tree.store(place.tree, Ordering::Relaxed);
        self.is_decided.store(false, Ordering::Relaxed);
        self.is_timed.store(false, Ordering::Relaxed);
        self.of.store(number, Ordering::Release);
    }

    /// Begins with a span that was there before, unless another thread has.
    #[cold]
    pub(super) fn claim(&self, number: u64) {
        let _only_one = self.lock_any();
        if self.of.load(Ordering::Relaxed) < number {
            self.start(number, Placement::UNKNOWN);
        }
    }

    /// Ends with a span that closes. What it held is freed outside the lock.
    #[inline]
    pub(super) fn end(&self, number: u64) {
        if self.are_about(number) {
            // Relaxed: nothing is read by it.
            self.of.store(0, Ordering::Relaxed);
            if self.holds_memory.load(Ordering::Relaxed) {
                self.free(number);
            }
        }
    }

    /// Frees what was noted of this span or an earlier one.
    #[inline(never)]
    pub(super) fn free(&self, number: u64) {
        let mut state = self.lock_any();
        if state.of <= number {
            let left = std::mem::take(&mut *state);
            self.holds_memory.store(false, Ordering::Relaxed);
            drop(state);
            drop(left);
        }
    }

    /// Its parent's id; `None` until that is known.
    #[inline]
    pub(super) fn parent(&self) -> Option<u64> {
        // Relaxed, here and below: the answer is always the same, and orders nothing.
        Some(self.parent.load(Ordering::Relaxed)).filter(|parent| *parent != UNKNOWN)
    }

    /// Whether it is known to be this span's child.
    #[inline]
    pub(super) fn say_below(&self, parent: u64) -> bool {
        self.parent.load(Ordering::Relaxed) == parent
    }

    /// The tree whose records concern it; `None` until that is known.
    #[inline]
    pub(super) fn tree(&self) -> Option<usize> {
        Some(self.tree_number().into()).filter(|tree| *tree != 0)
    }

    /// The same as a number; 0 until it is known.
    #[inline]
    pub(super) fn tree_number(&self) -> u8 {
        self.tree.load(Ordering::Relaxed)
    }

    pub(super) fn set_parent(&self, parent: u64) {
        self.parent.store(parent, Ordering::Relaxed);
    }

    pub(super) fn set_tree(&self, tree: usize) {
        self.tree.store(as_tree(tree), Ordering::Relaxed);
    }

    /// Whether the locked part may hold anything. A session that follows the span is held there.
    #[inline]
    pub(super) fn may_hold_memory(&self) -> bool {
        // Relaxed: as `say_absent_in`.
        self.holds_memory.load(Ordering::Relaxed)
    }

    /// Whether something may have been decided for the span: spares a look under the lock.
    #[inline]
    pub(super) fn may_be_decided(&self) -> bool {
        // Relaxed: who does not see it decides.
        self.is_decided.load(Ordering::Relaxed)
    }

    /// Whether its times may be kept: spares a look for them.
    #[inline]
    pub(super) fn may_be_timed(&self) -> bool {
        // Relaxed: a thread that enters while another one begins to time the span is not counted, as if it had come before.
        self.is_timed.load(Ordering::Relaxed)
    }

    pub(super) fn note_timed(&self) {
        self.is_timed.store(true, Ordering::Relaxed);
    }

    /// Whether it was certainly created after a stack was synchronized that was given this number.
    #[inline]
    pub(super) fn are_newer_than(&self, synchronized: u64) -> bool {
        self.created_at.load(Ordering::Relaxed) >= synchronized
    }

    /// Whether the span is known to have its parent's scope under this key generation.
    #[inline]
    pub(super) fn say_absent_in(&self, generation: u32) -> bool {
        // Relaxed: adding a follower clears this, and then moves the records of the tree, which every user of this compares
        // as well.
        self.absent_in.load(Ordering::Relaxed) == generation
    }

    /// Its callsite's word when it was created; 0 if it was created earlier.
    #[inline]
    pub(super) fn word(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    /// From now on the span has a scope of its own. The caller holds the state locked, and moves the records of its tree
    /// afterwards.
    pub(super) fn stop_sharing(&self) {
        // Relaxed: the Release of those records makes it visible to a thread that sees them. Fails otherwise:
        // `loom_a_span_that_is_followed_shares_no_scope_for_good`.
        self.absent_in.store(0, Ordering::Relaxed);
    }

    /// What is kept of this span under the lock; `None` once a later one has it.
    #[inline]
    pub(super) fn lock(&self, number: u64) -> Option<Locked<'_>> {
        let mut state = self.lock_any();
        if state.of != number {
            if state.of > number {
                return None;
            }
            let left = std::mem::replace(&mut *state, State { of: number, ..State::default() });
            // What is left of a span that has closed is rare.
            if left.watched.is_some() {
                drop(state);
                drop(left);
                return self.lock(number);
            }
        }
        Some(Locked { notes: self, state })
    }

    /// Nothing panics while this lock is held, so poison cannot mean half-done work.
    #[inline]
    fn lock_any(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Locked<'_> {
    /// The sessions that follow the span.
    pub(super) fn open_followers(&self) -> Sessions {
        self.state.watched.as_ref().map_or_else(Sessions::new, |watched| watched.followers.open())
    }

    pub(super) fn watched(&mut self) -> &mut Watched {
        self.notes.hold_memory();
        self.state.watched.get_or_insert_default()
    }

    pub(super) fn watched_if_any(&self) -> Option<&Watched> {
        self.state.watched.as_deref()
    }

    #[inline]
    pub(super) fn trace(&self) -> Option<TraceContext> {
        self.watched_if_any()?.trace
    }

    pub(super) fn captured(&self) -> Option<Arc<CapturedSpan>> {
        self.state.captured.clone()
    }

    pub(super) fn keep_captured(&mut self, captured: &Arc<CapturedSpan>) {
        self.notes.hold_memory();
        self.state.captured = Some(Arc::clone(captured));
    }

    pub(super) fn surroundings(&self) -> Option<Arc<Surroundings>> {
        self.state.surroundings.clone()
    }

    /// Returns those that were kept before, to be dropped outside the lock.
    pub(super) fn keep_surroundings(&mut self, surroundings: &Arc<Surroundings>) -> Option<Arc<Surroundings>> {
        self.notes.hold_memory();
        self.state.surroundings.replace(Arc::clone(surroundings))
    }

    /// The scope decided under this very stamp.
    #[inline]
    pub(super) fn decided_under(&self, stamp: Stamp) -> Option<ScopeRef> {
        self.decided().filter(|decided| decided.stamp == stamp).map(|decided| decided.scope.clone())
    }

    pub(super) fn decided(&self) -> Option<&Decided> {
        self.state.decided.as_ref()
    }

    /// What was kept before is a scope at most: freeing it runs no code of users.
    #[inline]
    pub(super) fn keep(&mut self, stamp: Stamp, parent: &ScopeRef, scope: ScopeRef) -> ScopeRef {
        if !scope.is_outside() {
            self.notes.hold_memory();
        }
        self.state.decided = Some(Decided::new(stamp, parent, scope.clone()));
        self.notes.is_decided.store(true, Ordering::Relaxed);
        scope
    }

    /// Notes that the span has its parent's scope under this key generation.
    #[inline]
    pub(super) fn share(&self, generation: u32) {
        self.notes.absent_in.store(generation, Ordering::Relaxed);
    }

    /// Forgets what was decided, and the followers that have ended. A session that was opened meanwhile may follow it
    /// already.
    pub(super) fn clear_decided(mut self) {
        let decided = self.state.decided.take();
        let surroundings = self.state.surroundings.take();
        if let Some(watched) = &mut self.state.watched {
            watched.followers.forget_ended();
        }
        drop(self);
        drop((decided, surroundings));
    }

    /// Forgets what was captured: something was recorded.
    pub(super) fn clear_captured(mut self) {
        let captured = self.state.captured.take();
        drop(self);
        drop(captured);
    }
}

impl Notes {
    /// Relaxed: read when the span is closed, which happens after everything that was done with it. A thread that comes
    /// later keeps memory until the cell's next span is looked at.
    #[inline]
    fn hold_memory(&self) {
        self.holds_memory.store(true, Ordering::Relaxed);
    }
}

impl Placement {
    pub(super) const UNKNOWN: Self = Self { parent: UNKNOWN, tree: 0, absent_in: 0, word: 0, created_at: 0 };

    /// Below this parent, in this tree if that is known.
    pub(super) fn below(parent: u64, tree: Option<usize>) -> Self {
        Self { parent, tree: as_tree(tree.unwrap_or_default()), ..Self::UNKNOWN }
    }

    /// Its tree and its callsite's word, where it hangs below this parent and the tree is known.
    #[inline]
    pub(super) fn if_below(self, parent: u64) -> Option<(usize, u64)> {
        (self.parent == parent && self.tree != 0).then_some((self.tree.into(), self.word))
    }

    /// What else is known of a span that is created while a session is open.
    pub(super) fn while_watched(self, word: u64, synchronized: u64) -> Self {
        Self { absent_in: Callsites::absent_in(word), word, created_at: synchronized, ..self }
    }
}

/// A byte is enough for all trees, which `tree` asserts.
fn as_tree(tree: usize) -> u8 {
    tree as u8
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/notes.rs"]
mod models;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::word::Word;
    use super::*;
    use crate::event::Fields;
    use tracing_core::Level;

    const STAMP: Stamp = Stamp { version: 3, records: 4 };

    fn captured() -> Arc<CapturedSpan> {
        let (name, target) = ("span".into(), "target".into());
        Arc::new(CapturedSpan {
            name,
            level: Level::INFO,
            target,
            fields: Fields::default(),
            trace: None,
            request: None,
        })
    }

    fn lock(notes: &Notes, number: u64) -> Locked<'_> {
        notes.lock(number).expect("no later span has it")
    }

    #[test]
    fn a_new_span_has_what_is_known_at_its_creation() {
        let notes = Notes::default();
        let word = 5 << 32 | Word::ABSENT;
        notes.note_timed();
        notes.start(1, Placement::below(7, Some(9)).while_watched(word, 11));
        assert_eq!([1, 2].map(|number| notes.are_about(number)), [true, false]);
        assert_eq!((notes.parent(), notes.tree(), notes.tree_number(), notes.word()), (Some(7), Some(9), 9, word));
        assert_eq!([6, 7].map(|parent| notes.say_below(parent)), [false, true]);
        assert_eq!([4, 5].map(|generation| notes.say_absent_in(generation)), [false, true]);
        assert_eq!([11, 12].map(|synchronized| notes.are_newer_than(synchronized)), [true, false]);
        assert!(!notes.may_be_timed() && !notes.may_be_decided() && !notes.may_hold_memory());
    }

    #[test]
    fn what_is_found_out_about_a_span_is_noted() {
        let notes = Notes::default();
        notes.claim(1);
        assert_eq!((notes.parent(), notes.tree(), notes.tree_number(), notes.word()), (None, None, 0, 0));
        notes.set_parent(7);
        notes.set_tree(9);
        notes.note_timed();
        assert_eq!((notes.parent(), notes.tree(), notes.may_be_timed()), (Some(7), Some(9), true));
        lock(&notes, 1).share(5);
        assert!(notes.say_absent_in(5));
        notes.stop_sharing();
        assert!(!notes.say_absent_in(5));
    }

    #[test]
    fn only_a_later_span_claims_notes() {
        let notes = Notes::default();
        notes.claim(2);
        notes.set_tree(9);
        notes.claim(2);
        notes.claim(1);
        assert_eq!((notes.are_about(2), notes.tree()), (true, Some(9)));
        notes.claim(3);
        assert_eq!((notes.are_about(3), notes.tree()), (true, None));
    }

    #[test]
    fn a_later_span_finds_nothing_of_an_earlier_one() {
        let (notes, span) = (Notes::default(), captured());
        lock(&notes, 1).keep_captured(&span);
        assert!(notes.may_hold_memory());
        assert!(lock(&notes, 1).captured().is_some_and(|kept| Arc::ptr_eq(&kept, &span)));
        assert!(lock(&notes, 2).captured().is_none());
        assert!(notes.lock(1).is_none());
        lock(&notes, 2).watched().trace = TraceContext::new(1, 2, 0);
        assert!(lock(&notes, 2).trace().is_some());
        assert!(lock(&notes, 3).watched_if_any().is_none());
    }

    #[test]
    fn a_span_that_ends_frees_what_it_held() {
        let (notes, span) = (Notes::default(), captured());
        notes.start(1, Placement::UNKNOWN);
        lock(&notes, 1).keep_captured(&span);
        notes.end(2);
        assert_eq!((Arc::strong_count(&span), notes.are_about(1)), (2, true));
        notes.end(1);
        assert_eq!((Arc::strong_count(&span), notes.are_about(1), notes.may_hold_memory()), (1, false, false));
        lock(&notes, 3).keep_captured(&span);
        notes.free(2);
        assert_eq!(Arc::strong_count(&span), 2, "it is a later one's");
        lock(&notes, 3).clear_captured();
        assert_eq!(Arc::strong_count(&span), 1);
    }

    #[test]
    fn a_decision_is_found_under_its_own_stamp_alone() {
        let notes = Notes::default();
        let kept = lock(&notes, 1).keep(STAMP, &ScopeRef::OUTSIDE, ScopeRef::OUTSIDE.carrying(true));
        assert!(kept.carries() && notes.may_be_decided() && !notes.may_hold_memory());
        let found = |stamp| lock(&notes, 1).decided_under(stamp).map(|scope| scope.carries());
        assert_eq!(found(STAMP), Some(true));
        assert_eq!([Stamp { version: 4, ..STAMP }, Stamp { records: 5, ..STAMP }].map(found), [None, None]);
        assert_eq!(lock(&notes, 1).decided().map(|decided| decided.stamp), Some(STAMP));
        lock(&notes, 1).clear_decided();
        assert!(lock(&notes, 1).decided().is_none());
    }

    #[test]
    fn a_place_is_below_its_parent_in_a_known_tree() {
        let place = Placement::below(7, Some(9)).while_watched(3, 0);
        assert_eq!([7, 8].map(|parent| place.if_below(parent)), [Some((9, 3)), None]);
        assert_eq!(Placement::below(7, None).if_below(7), None);
    }
}
