//! The trace of a span: read where it is certain to be the span's own, and kept like a value recorded late.
//!
//! It is read while an event of the thread is decided about or captured, right inside the span: by then another layer has
//! made the span's context the active one. Entering a span would be too early, and nothing but the active context may be asked.
//!
//! What is active need not be the span's own: a filter may keep the span from the other layer, and the span may have been
//! entered inside one of another trace. So an answer is kept only if the other spans that the thread is in cannot be what it
//! is about.

use super::host::Host;
use super::instance::Instance;
use super::name::NO_SPAN;
use super::span::SpanCell;
use super::thread;
use crate::guard::{Guard, run_user_code};
use crate::level::verbosity_of;
use crate::session::snapshot::{Judgement, Snapshot, TestedFields};
use crate::trace::{TraceContext, TraceSource};
use tracing_core::{Level, Metadata, span};

/// What came of reading a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It is kept with the span from now on.
    Kept,
    /// There is none, or none that is needed or new.
    Nothing,
    /// It must not be asked for during this event.
    NotNow,
}

impl Instance {
    /// Reads the trace of the span that the thread is in, where a session may match by it.
    #[inline(never)]
    pub(super) fn read_trace_to_decide(
        &self,
        leaf: u64,
        callsite: &Metadata<'_>,
        snapshot: &Snapshot,
        host: &dyn Host,
    ) -> Reading {
        self.read_trace(leaf, callsite, host, |trace| self.may_match_by(trace, snapshot))
    }

    /// Reads the trace of the span that the thread is in, where an event is going to show it.
    #[inline(never)]
    pub(super) fn read_trace_to_show(&self, leaf: u64, callsite: &Metadata<'_>, host: &dyn Host) -> Reading {
        self.read_trace(leaf, callsite, host, |_| true)
    }

    fn read_trace(
        &self,
        leaf: u64,
        callsite: &Metadata<'_>,
        host: &dyn Host,
        is_needed: impl FnOnce(&TraceContext) -> bool,
    ) -> Reading {
        let Some(source) = &self.shared.config.trace_source else { return Reading::Nothing };
        let lacks_trace = |cell: &SpanCell<'_>| cell.is_visible() && cell.trace().is_none();
        if leaf == NO_SPAN || self.spans.with(leaf, lacks_trace) != Some(true) {
            return Reading::Nothing;
        }
        if !source.may_be_asked_during(callsite) {
            return Reading::NotNow;
        }
        let active = active_of(&**source);
        self.shared.seen.note_trace(active.is_some());
        let own = active.filter(|trace| is_needed(trace) && self.is_own(trace, leaf, host));
        match own {
            Some(trace) if self.keep_trace(leaf, trace, host) => Reading::Kept,
            _ => Reading::Nothing,
        }
    }

    /// Follows the thread from the span that it has just entered on, if it was not followed until now and traces may be read: it
    /// is known then which spans it enters inside.
    pub(super) fn follow_from_here(&self, host: &dyn Host, epoch: u64) {
        let is_followed = || thread::with(|state| state.entered.current(self.keeper()).is_some());
        if self.spans.have_traces() && !is_followed() && !self.is_behind_filter() {
            self.look_up_current(epoch, host);
        }
    }

    /// Whether some session may match by the ids of this trace.
    fn may_match_by(&self, trace: &TraceContext, snapshot: &Snapshot) -> bool {
        let names = &snapshot.names;
        trace.fields().any(|(name, value)| {
            names.linear.contains(name)
                || names.beside_index.contains(name)
                || names.index.contains(name) && self.shared.sieve.may_hold_value(name, value)
        })
    }

    /// Whether what is active is about this span, or one around it that no id is known of: not about another one that the
    /// thread is in.
    fn is_own(&self, trace: &TraceContext, leaf: u64, host: &dyn Host) -> bool {
        if !is_current(leaf, host) {
            return false;
        }
        let verbosity =
            |cell: &SpanCell<'_>| cell.metadata().map_or(u8::MAX, |metadata| verbosity_of(*metadata.level()));
        let own_verbosity = self.spans.with(leaf, verbosity).unwrap_or(u8::MAX);
        let (outer, is_all) = thread::with(|state| state.entered.outer(self.keeper()));
        let mut least_verbose = own_verbosity;
        let is_other = outer.into_iter().any(|outer| {
            let Some((known, verbosity)) = self.spans.with(outer, |cell| (cell.trace(), verbosity(cell))) else {
                return false;
            };
            let is_around = self.is_inside(leaf, outer, host);
            least_verbose = if is_around { least_verbose.min(verbosity) } else { least_verbose };
            match known {
                Some(known) => known == *trace,
                // What lets the outer one pass lets this one pass as well, unless it goes by more than levels.
                None => own_verbosity > verbosity && !is_around,
            }
        });
        // Below the spans that are known the thread may be in others. It is taken for granted that the other layer knows spans
        // at INFO.
        !is_other && (is_all || least_verbose <= verbosity_of(Level::INFO))
    }

    /// Whether a span is below another one.
    fn is_inside(&self, id: u64, outer: u64, host: &dyn Host) -> bool {
        let mut next = self.parent(id, host);
        while next != NO_SPAN && next != outer {
            next = self.parent(next, host);
        }
        next == outer
    }

    /// Keeps a trace with its span, and marks the caches it concerns as stale. Returns whether it is new.
    #[cold]
    fn keep_trace(&self, id: u64, trace: TraceContext, host: &dyn Host) -> bool {
        if self.spans.with(id, |cell| cell.keep_trace(id, trace)) != Some(true) {
            return false;
        }
        // Loaded after the trace is in place: a session opened later than this reads it.
        let snapshot = self.shared.snapshot.load();
        let names = &snapshot.names;
        let decides = trace.fields().any(|(name, value)| {
            names.linear.contains(name) || names.beside_index.contains(name) || snapshot.index_holds(name, value)
        });
        let tree = self.tree(id, host);
        if decides {
            self.trees.count_deciding(tree);
            self.note_left_out(id, host);
            self.time_from_now_on(id, host);
        }
        self.trees.count(tree);
        true
    }
}

/// Whether the thread is in this span, by the registry's account.
fn is_current(id: u64, host: &dyn Host) -> bool {
    host.current_span().id().map(span::Id::into_u64) == Some(id)
}

/// What the source says, unless it is asked by its own events or panics.
fn active_of(source: &dyn TraceSource) -> Option<TraceContext> {
    if Guard::is_held() {
        return run_user_code(|| source.active()).flatten();
    }
    let _guard = Guard::enter()?;
    run_user_code(|| source.active()).flatten()
}

impl SpanCell<'_> {
    /// Its ids in a trace, where they are known.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        let notes = self.notes().filter(|notes| notes.may_hold_memory())?;
        notes.lock(self.number())?.trace()
    }

    /// Keeps its ids in a trace. Returns whether they were not known.
    fn keep_trace(&self, id: u64, trace: TraceContext) -> bool {
        let Some(mut locked) = self.lock_notes() else { return false };
        // It may have closed on another thread, and another be in here.
        if !self.is_of(id) || locked.trace().is_some() {
            return false;
        }
        locked.watched().trace = Some(trace);
        locked.clear_captured();
        true
    }

    /// Whether a span of this callsite adds nothing to the scope of its parent but a trace, if it is in one.
    pub(super) fn adds_at_most_a_trace(&self, judgement: Judgement, snapshot: &Snapshot) -> bool {
        let has_few_fields =
            || self.metadata().is_some_and(|metadata| metadata.fields().len() <= TestedFields::TOLD_APART);
        snapshot.names.traced && judgement.clear && judgement.tested == TestedFields::TRACE && has_few_fields()
    }
}
