//! The times of watched spans: which spans are timed, and what is reported when one closes.
//!
//! A span is *watched* where its scope rules a session in that wants timings (the lowest bit of the scope's serial) and
//! that may see events as verbose as the span. It is timed from its creation on if it is watched then, or else from the
//! first enter or deciding record after which it is. Its close is routed as an event of its own callsite without a field
//! would be, right inside it.
//!
//! While no session wants timings, all this costs nothing: hooks look at [`Spans::are_unusual`](super::table::Spans) anyway,
//! and the exit of a timed span is one that its [stack](super::entered) does not follow at once.

use super::capture::capture;
use super::facts::Facts;
use super::host::Host;
use super::instance::Instance;
use super::matching::{Admitted, Incoming, Matching};
use super::name::Label;
use super::thread::{self, ThreadState};
use super::times::TimedSpan;
use crate::event::Busy;
use crate::guard::Guard;
use crate::level::verbosity_of;
use crate::past::Past;
use crate::session::scope::Scope;
use crate::session::snapshot::Snapshot;
use crate::usdt;
use smallvec::SmallVec;
use std::sync::Arc;
use tracing_core::field::{Field, Value};
use tracing_core::{Event, Metadata, span};

impl Instance {
    /// Times spans from now on, as far as sessions watch them.
    pub(crate) fn time_spans(&self) {
        self.spans.time();
    }

    /// Stops timing spans. Called where no session is open.
    pub(crate) fn stop_timing_spans(&self) {
        self.spans.stop_timing();
    }

    /// Notes when a new span was created if the past is kept, and times it if it is watched.
    #[inline(never)]
    pub(super) fn time_new_span(&self, id: u64, host: &dyn Host, epoch: u64) {
        if let Some(past) = &self.shared.past {
            self.spans.set_begun(id, past.now());
        }
        if !self.spans.are_timed() {
            return;
        }
        let is_unwatched = self.known_decision(id, epoch).is_some_and(|decision| !Scope::is_timed(decision.scope));
        if !is_unwatched && self.is_watched(id, host) {
            self.begin_timing(id, true);
        }
    }

    /// Times a span from now on if it is watched and not timed yet.
    pub(super) fn time_from_now_on(&self, id: u64, host: &dyn Host) {
        if self.spans.are_timed() && !self.is_timed(id) && self.is_watched(id, host) {
            self.begin_timing(id, false);
        }
    }

    /// Follows the thread into a span, which may be timed.
    #[inline(never)]
    pub(super) fn follow_into_timed(&self, id: u64, host: &dyn Host, epoch: u64) {
        let (is_timed, known) = thread::with(|state| {
            let is_timed = self.enter_perhaps_timed(state, epoch, id);
            (is_timed, state.decided_in(epoch, &self.trees))
        });
        // Most spans: nobody watches what is here.
        if !is_timed && known.is_some_and(|known| !Scope::is_timed(known.scope)) {
            return;
        }
        if is_timed || self.is_watched_now(id, host, epoch) && self.begin_timing(id, false) {
            thread::with(|state| state.entered.mark(self.keeper(), id));
            self.spans.with_times(id, |times, _| times.enter(|| self.now()));
            usdt::scope_enter(id);
            if self.shared.recordings.is_open() {
                self.record_enter(id, host, epoch);
            }
        }
    }

    /// Follows the thread into a span. Returns whether it is timed.
    #[inline]
    fn enter_perhaps_timed(&self, state: &ThreadState, epoch: u64, id: u64) -> bool {
        if !self.spans.has_others()
            && let Some(cell) = self.spans.find_in_table(id)
            && let Some(notes) = cell.notes().filter(|notes| !notes.may_be_timed())
        {
            self.enter::<false>(state, epoch, id, cell.number(), Some(notes));
            return false;
        }
        let is_timed = self.is_timed(id);
        match is_timed {
            true => _ = self.spans.with(id, |cell| self.enter::<true>(state, epoch, id, cell.number(), cell.notes())),
            false => self.follow_into_other(state, epoch, id),
        }
        is_timed
    }

    /// Counts an exit, if the span is timed. Returns what [`pop`](super::entered::Entered::pop) does.
    #[inline]
    pub(super) fn time_exit(&self, state: &ThreadState, id: u64) -> Option<Label> {
        let keeper = self.keeper();
        let exit = self.spans.with_times(id, |times, number| {
            let is_timed = times.are_of(TimedSpan { number, keeper });
            if is_timed {
                times.exit(|| self.now());
            }
            is_timed
        });
        if exit != Some(true) {
            return None;
        }
        usdt::scope_exit(id);
        if self.shared.recordings.is_open() {
            self.record_exit(id);
        }
        state.entered.pop_marked(keeper, id)
    }

    /// Removes a span that closes where some are timed, or kept for looking back, or in no cell.
    #[cold]
    pub(super) fn close_unusual(&self, id: u64, host: &dyn Host) {
        thread::with(|state| state.closing.set((self.number, id)));
        let epoch = self.epoch();
        // Where sampling keeps out what happens, closes are counted.
        let is_unwatched = || self.known_decision(id, epoch).is_some_and(|decision| decision.is_empty);
        if self.spans.are_timed() && epoch != 0 && !is_unwatched() {
            self.on_timed_close(id, host);
        }
        self.spans.remove(id, || self.keep_closing(id, host));
    }

    /// Reports the times of a span that closes to the sessions that watch it.
    fn on_timed_close(&self, id: u64, host: &dyn Host) {
        // Read first: what follows is not the span's.
        let keeper = self.keeper();
        let times = self
            .spans
            .with_times(id, |times, number| times.are_of(TimedSpan { number, keeper }).then(|| times.end(self.now())));
        let Some(Some(metadata)) = self.spans.with(id, |cell| cell.shown_metadata()) else { return };
        let snapshot = self.shared.snapshot.load();
        let scope = self.scope(id, self.stamp(self.tree(id, host), &snapshot), &snapshot, host);
        let scope = scope.get(&snapshot);
        if !scope.reports_closes(verbosity_of(*metadata.level())) {
            return;
        }
        match Guard::enter() {
            Some(_guard) => {
                let times = times.flatten().unwrap_or(Busy::UNSEEN);
                self.report_close(id, metadata, times, scope, &snapshot, host);
            }
            None => self.shared.count_suppressed(),
        }
    }

    fn report_close(
        &self,
        id: u64,
        metadata: &'static Metadata<'static>,
        times: Busy,
        scope: &Arc<Scope>,
        snapshot: &Snapshot,
        host: &dyn Host,
    ) {
        if self.shared.past.is_some() {
            // In no ring, so present: what the thread has of its last event is not about this.
            Past::set_event_epoch(None);
        }
        let nothing: [(&Field, Option<&dyn Value>); 0] = [];
        let values = metadata.fields().value_set(&nothing);
        let close = Event::new_child_of(span::Id::from_u64(id), metadata, &values);
        let facts = Facts::Callsite(metadata);
        let incoming = Incoming::new(&close, &facts, true, &self.shared);
        let matching: SmallVec<[Matching; 4]> = incoming.closes_in_scope(scope).collect();
        if matching.is_empty() || scope.is_limited && incoming.is_refused_by_all(matching.iter()) {
            return;
        }
        let surroundings = self.surroundings_of(id, scope, snapshot, host);
        let admitted: Admitted = if Arc::ptr_eq(&surroundings.scope, scope) {
            matching.into_iter().filter_map(|matching| incoming.admitted(matching)).collect()
        } else {
            let matching = incoming.closes_in_scope(&surroundings.scope);
            matching.filter_map(|matching| incoming.admitted(matching)).collect()
        };
        let capture = |spare| {
            let mut captured = capture(&close, &facts, &surroundings.spans, &self.shared.config, spare);
            if let Some(unshared) = Arc::get_mut(&mut captured) {
                times.write_to(unshared, surroundings.spans.bytes);
            }
            captured
        };
        self.deliver_aside_as(&admitted, incoming.take_aside(), capture, id, host);
    }

    /// Whether a session that wants timings may see the close of this span.
    fn is_watched(&self, id: u64, host: &dyn Host) -> bool {
        let Some(Some(metadata)) = self.spans.with(id, |cell| cell.shown_metadata()) else { return false };
        let snapshot = self.shared.snapshot.load();
        let scope = self.scope(id, self.stamp(self.tree(id, host), &snapshot), &snapshot, host);
        scope.get(&snapshot).times(verbosity_of(*metadata.level()))
    }

    /// The same for the span that the thread has just entered, where that is where the thread is.
    fn is_watched_now(&self, id: u64, host: &dyn Host, epoch: u64) -> bool {
        // Entered twice, it may not be.
        self.current(epoch, host) == id && self.may_be_timed_scope(id, host, epoch) && self.is_watched(id, host)
    }

    /// Whether the scope that the thread is in, inside this span, may be one that is timed.
    fn may_be_timed_scope(&self, id: u64, host: &dyn Host, epoch: u64) -> bool {
        // Mostly known: then the span is not looked up for its callsite.
        if let Some(known) = thread::with(|state| state.decided_in(epoch, &self.trees)) {
            return Scope::is_timed(known.scope);
        }
        // Where traces are tested, a decision made before the first event would lack the trace.
        if self.tests_traces() {
            return true;
        }
        let callsite = self.spans.with(id, |cell| cell.metadata()).flatten();
        callsite.is_some_and(|callsite| Scope::is_timed(self.decide(epoch, host, callsite).scope))
    }

    /// Whether some session tests the traces of spans.
    #[inline]
    pub(super) fn tests_traces(&self) -> bool {
        self.spans.have_traces() && self.shared.snapshot.load().names.traced
    }

    #[inline]
    fn is_timed(&self, id: u64) -> bool {
        let keeper = self.keeper();
        self.spans.with_times(id, |times, number| times.are_of(TimedSpan { number, keeper })) == Some(true)
    }

    fn begin_timing(&self, id: u64, is_whole: bool) -> bool {
        let keeper = self.keeper();
        self.spans.with(id, |cell| cell.note_timed());
        let begin = self
            .spans
            .with_times_made(id, |times, number| times.begin(TimedSpan { number, keeper }, self.now(), is_whole));
        begin == Some(true)
    }

    /// Nanoseconds since the layer was made.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.shared.clock.elapsed().as_nanos() as u64
    }
}
