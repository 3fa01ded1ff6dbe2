//! What the layer keeps per thread: plain cells, so that they outlive every destructor of the thread.

use super::entered::Entered;
use super::name::{CallsiteKey, Label, NO_LABEL, NO_SPAN, SpanName};
use super::surroundings::Surroundings;
use super::tree::{NO_TREE, Trees};
use super::word::Look;
use crate::session::scope::Scope;
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    static STATE: ThreadState = const { ThreadState::new() };
    /// The surroundings of the last event that matched here. Taken while in use.
    static SURROUNDINGS: Cell<Option<Arc<Surroundings>>> = const { Cell::new(None) };
    /// The scope of the last event here that no session admitted. Taken while in use.
    static REFUSED: Cell<Option<Arc<Scope>>> = const { Cell::new(None) };
}

/// Nothing in here has a destructor: `tracing` may be used from the destructor of any other thread-local.
pub(crate) struct ThreadState {
    /// Where, among the recent decisions, the one is that holds where the thread is; [`UNDECIDED`]: none is known.
    deciding: Cell<usize>,
    /// What was decided for a few spans lately, by the lowest bits of their ids.
    recent: [Cell<Recent>; SLOTS],
    /// What was known of callsites when something was decided last.
    judged: Cell<Judged>,
    /// The spans the thread is in.
    pub(super) entered: Entered,
    /// The callsite `enabled` was asked for last and whose event has not arrived yet; 0 to 65: none, see `repair`.
    pub(super) asked: Cell<usize>,
    /// The span that is closing here, with the number of the layer instance. Other layers may still speak of it, but its
    /// id is free to recur.
    pub(super) closing: Cell<(u64, u64)>,
    /// Set if a callsite was asked for while this crate was running code of its users.
    pub(super) disturbed: Cell<bool>,
    /// The caller that asks for callsites' interest on this thread.
    pub(super) caller: Cell<Caller>,
    /// What stands for the current span where the thread is in none.
    stand: Cell<Stand>,
}

/// What stands for the current span where a thread is in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    /// The layer instance that it stands in for.
    pub(super) instance: u64,
    /// The span; [`NO_SPAN`]: none does.
    pub(super) span: u64,
    /// Whether the thread is meant to be in none.
    pub(super) detached: bool,
}

impl Stand {
    pub(super) const NONE: Self = Self { instance: 0, span: NO_SPAN, detached: false };
}

/// How many spans' decisions a thread remembers: those of the requests that it takes up in turn. A power of two, so that a
/// place is found without a comparison.
const SLOTS: usize = 32;

/// The place among the recent decisions where none ever is.
const UNDECIDED: usize = 0;

/// A generation in which nothing is judged: they are counted from 1.
const NO_GENERATION: u32 = u32::MAX;

/// What is known of the decision that holds where a thread is, apart from whether it is stale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// [`NO_LABEL`] if there is none.
    pub(super) label: Label,
    /// The key generation it was made under.
    pub(super) generation: u32,
}

/// What the latest decision knew of all callsites, wherever it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    /// The epoch in which it was made; 0: there is none.
    pub(super) epoch: u64,
    /// The word of a callsite that may be vetoed under the index keys of then.
    pub(super) vetoable: u64,
    /// The verbosity up to which some session asks for spans anywhere; 0: none does.
    pub(super) asked_spans: u8,
    /// The serial of the scope of events outside any span, where nothing can match; 0 where something can.
    pub(super) empty_outside: u64,
    /// The version of the sessions; `None` where they test traces, so that a span is not decided about before its own is known.
    pub(super) version: Option<u64>,
}

/// A scope in which nothing can match.
#[derive(Clone, Copy, Debug)]
pub(super) struct Empty {
    /// Its serial.
    pub(super) scope: u64,
    pub(super) tree: usize,
    pub(super) records: u64,
    pub(super) look: Look,
}

/// What was decided for a span when the thread was last in it.
#[derive(Clone, Copy)]
struct Recent {
    span: SpanName,
    /// The epoch in which the decision was made, which also names the layer instance; 0: there is none.
    epoch: u64,
    decision: Decision,
}

/// What the thread knows about the scope it is in: enough to veto, and nothing that needs freeing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    /// The span tree whose deciding records would make this stale, and how many there had been.
    pub(super) tree: u32,
    pub(super) records: u64,
    /// The verbosity up to which some event may match in this scope; 0: none can.
    pub(super) verbosity: u8,
    /// The verbosity up to which spans are asked for in this scope; 0: none are.
    pub(super) span_verbosity: u8,
    /// Whether no session may match in this scope, whatever an event or a span inside brings that the index has no session
    /// for.
    pub(super) is_empty: bool,
    /// The serial of the scope that this was decided by; it may be gone.
    pub(super) scope: u64,
    /// How the word of a callsite looks that may be vetoed here at once, under the current index keys.
    pub(super) look: Look,
}

/// Why callsites are being asked for their interest on this thread, and by which router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Others: a new callsite, a new subscriber, a reloaded filter.
    Others,
    /// The control thread of this router wants to know what everybody else wants of this callsite.
    Probe(u64, CallsiteKey),
    /// The control thread of this router has changed what it wants.
    Rebuild(u64),
}

impl ThreadState {
    const fn new() -> Self {
        Self {
            deciding: Cell::new(UNDECIDED),
            recent: [const { Cell::new(Recent::NONE) }; SLOTS],
            judged: Cell::new(Judged::NONE),
            entered: Entered::new(),
            asked: Cell::new(0),
            closing: Cell::new((0, 0)),
            disturbed: Cell::new(false),
            caller: Cell::new(Caller::Others),
            stand: Cell::new(Stand::NONE),
        }
    }

    /// What was decided under this epoch, where nothing has been recorded since that may have changed it.
    #[inline]
    pub(super) fn decided_in(&self, epoch: u64, trees: &Trees) -> Option<Decision> {
        let Recent { epoch: decided_in, decision, .. } = self.recent[self.deciding.get() % SLOTS].get();
        (decided_in == epoch && trees.deciding(decision.tree as usize) == decision.records).then_some(decision)
    }

    /// The verbosity up to which some event may match where the thread is, if it was decided under this epoch, nothing has
    /// been recorded since that may have changed it, and `word` is that of a callsite that may be vetoed at once.
    #[inline]
    pub(super) fn verbosity_in(&self, epoch: u64, trees: &Trees, word: u64) -> Option<u8> {
        let recent = self.recent[self.deciding.get() % SLOTS].get();
        (recent.decision.look.fits(word) && recent.holds(epoch, trees)).then_some(recent.decision.verbosity)
    }

    /// The same of spans that are asked for, of a callsite that may be vetoed.
    #[inline]
    pub(super) fn span_verbosity_in(&self, epoch: u64, trees: &Trees, word: u64) -> Option<u8> {
        let recent = self.recent[self.deciding.get() % SLOTS].get();
        let is_vetoable = recent.decision.look.fits_anywhere(word);
        (is_vetoable && recent.holds(epoch, trees)).then_some(recent.decision.span_verbosity)
    }

    /// What was decided for this span under this epoch, where nothing has been recorded since that may have changed it, and
    /// the thread has not forgotten it. Stays where it is.
    #[inline]
    pub(super) fn decided_for(&self, epoch: u64, span: SpanName, trees: &Trees) -> Option<Decision> {
        let Recent { span: of, epoch: decided_in, decision } = self.recent[place_of(span.id)].get();
        let holds = decided_in == epoch && of == span && trees.deciding(decision.tree as usize) == decision.records;
        holds.then_some(decision)
    }

    /// Goes back to what was decided under this epoch when the thread was last in this span. Returns whether it was lately.
    #[inline]
    pub(super) fn recall(&self, epoch: u64, span: SpanName) -> bool {
        let place = place_of(span.id);
        let recent = self.recent[place].get();
        let is_it = recent.epoch == epoch && recent.span == span;
        self.deciding.set(if is_it { place } else { UNDECIDED });
        is_it
    }

    /// Keeps what is decided for the span that the thread is in.
    pub(super) fn remember(&self, epoch: u64, span: SpanName, decision: Decision) {
        let place = place_of(span.id);
        self.recent[place].set(Recent { span, epoch, decision });
        self.deciding.set(place);
    }

    /// Keeps what is decided for a span that the thread has not entered yet.
    #[inline]
    pub(super) fn foresee(&self, epoch: u64, span: SpanName, decision: Decision) {
        let place = place_of(span.id);
        // What holds where the thread is stays there.
        if place != self.deciding.get() {
            self.recent[place].set(Recent { span, epoch, decision });
        }
    }

    /// Keeps what a decision knows of all callsites.
    #[inline]
    pub(super) fn judge(&self, judged: Judged) {
        self.judged.set(judged);
    }

    /// What the latest decision of this epoch knew of all callsites.
    #[inline]
    pub(super) fn judged_in(&self, epoch: u64) -> Option<Judged> {
        Some(self.judged.get()).filter(|judged| judged.epoch == epoch)
    }

    /// The decision that holds where the thread is, if it was made under this epoch: its name and key generation.
    #[inline]
    pub(super) fn held(&self, epoch: u64) -> Held {
        let recent = self.recent[self.deciding.get() % SLOTS].get();
        let is_made = recent.epoch == epoch;
        let label = if is_made { recent.span.id } else { NO_LABEL };
        Held { label, generation: if is_made { recent.decision.generation() } else { NO_GENERATION } }
    }

    /// Goes back to the decision of that name, if it was made under this epoch and is still there.
    ///
    /// The span that it names has been open since it was named: it is one that the thread has been in all the while, so
    /// none with its id came after it. What holds outside any span is looked up again, so that coverage counts the first
    /// event there.
    #[inline]
    pub(super) fn go_back(&self, epoch: u64, label: Label) {
        let place = place_of(label);
        let recent = self.recent[place].get();
        let is_its_own = recent.span.id == label && recent.epoch == epoch && !recent.decision.is_outside();
        self.deciding.set(if is_its_own { place } else { UNDECIDED });
    }

    /// Changes what stands for the current span. Returns what did before.
    pub(super) fn change_stand(&self, stand: Stand) -> Stand {
        let before = self.stand.replace(stand);
        // Ids of two subscribers may be the same.
        if (before.instance, before.span) != (stand.instance, stand.span) {
            self.entered.lose();
        }
        if before != stand {
            self.forget_decision();
            // Made where something else stood.
            self.recent[place_of(NO_SPAN)].set(Recent::NONE);
        }
        before
    }

    /// The span that stands for the current one of this layer instance where the thread is in none.
    #[inline]
    pub(super) fn standing_in_for(&self, instance: u64) -> u64 {
        let stand = self.stand.get();
        if stand.instance == instance { stand.span } else { NO_SPAN }
    }

    /// Whether the thread is meant to be outside any span.
    #[inline]
    pub(super) fn is_detached(&self) -> bool {
        self.stand.get().detached
    }

    /// Forgets what was decided for the span that the thread is in.
    #[cold]
    pub(super) fn forget_decided(&self, id: u64) {
        self.recent[place_of(id)].set(Recent::NONE);
        self.deciding.set(UNDECIDED);
    }

    /// Marks the decision stale.
    #[inline]
    pub(super) fn forget_decision(&self) {
        self.deciding.set(UNDECIDED);
    }
}

fn place_of(id: u64) -> usize {
    (id as usize % SLOTS).max(UNDECIDED + 1)
}

impl Judged {
    const NONE: Self = Self { epoch: 0, vetoable: 0, asked_spans: 0, empty_outside: 0, version: None };

    /// The key generation.
    #[inline]
    pub(super) fn generation(self) -> u32 {
        (self.vetoable >> 32) as u32
    }

    /// The serial of the scope of events outside any span, where nothing can match in it.
    #[inline]
    pub(super) fn empty_outside(self) -> Option<u64> {
        Some(self.empty_outside).filter(|scope| *scope != 0)
    }
}

impl Recent {
    const NONE: Self = Self { span: SpanName { id: 0, number: 0 }, epoch: 0, decision: Decision::NONE };

    /// Whether it was made under this epoch, and nothing has been recorded since that may have changed it.
    #[inline]
    fn holds(&self, epoch: u64, trees: &Trees) -> bool {
        let Decision { tree, records, .. } = self.decision;
        self.epoch == epoch && trees.deciding(tree as usize) == records
    }
}

impl Decision {
    const NONE: Self =
        Self { tree: 0, records: 0, verbosity: 0, span_verbosity: 0, is_empty: false, scope: 0, look: Look::NONE };

    /// What a thread needs to know of this scope.
    pub(super) fn of(scope: &Scope, tree: usize, records: u64, look: Look) -> Self {
        Self {
            tree: tree as u32,
            records,
            verbosity: scope.verbosity,
            span_verbosity: scope.span_verbosity,
            is_empty: scope.candidates.is_empty(),
            scope: scope.serial,
            look,
        }
    }

    /// The same of one in which nothing can match.
    #[inline]
    pub(super) fn of_empty(empty: Empty) -> Self {
        let Empty { scope, tree, records, look } = empty;
        Self { tree: tree as u32, records, verbosity: 0, span_verbosity: 0, is_empty: true, scope, look }
    }

    /// Whether it is about events outside any span.
    #[inline]
    pub(super) fn is_outside(self) -> bool {
        self.tree as usize == NO_TREE
    }

    /// The key generation it was made under.
    #[inline]
    pub(super) fn generation(self) -> u32 {
        (self.look.vetoable() >> 32) as u32
    }
}

/// The thread's state. It has no destructor, so it is there even while the thread ends.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&ThreadState) -> R) -> R {
    STATE.with(f)
}

/// Takes the surroundings that were kept; none while the thread ends.
#[inline]
pub(super) fn take_surroundings() -> Option<Arc<Surroundings>> {
    SURROUNDINGS.try_with(Cell::take).ok().flatten()
}

/// Keeps surroundings for the next event that matches here. They hold no session, and run no code of users when they
/// are dropped.
#[inline]
pub(super) fn keep_surroundings(surroundings: Arc<Surroundings>) {
    let _ = SURROUNDINGS.try_with(|kept| kept.set(Some(surroundings)));
}

/// Takes the scope that was kept in which an event was refused; `None` while the thread ends.
#[inline]
pub(super) fn take_refused() -> Option<Arc<Scope>> {
    REFUSED.try_with(Cell::take).ok().flatten()
}

/// Keeps a scope in which an event was refused for the next one there. It holds no session.
#[inline]
pub(super) fn keep_refused(refused: Arc<Scope>) {
    let _ = REFUSED.try_with(|kept| kept.set(Some(refused)));
}

/// Runs `f` with the thread marked as asking for interest on behalf of `caller`, panics included.
pub(crate) fn asking<R>(caller: Caller, f: impl FnOnce() -> R) -> R {
    struct Reset(Caller);
    impl Drop for Reset {
        fn drop(&mut self) {
            with(|state| state.caller.set(self.0));
        }
    }
    let _reset = Reset(with(|state| state.caller.replace(caller)));
    f()
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/thread.rs"]
mod models;
