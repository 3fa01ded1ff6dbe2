//! One layer instance: what it has learned and cached, and what it does at each hook of `tracing`.

use super::callsite::{Callsites, Registered};
use super::capture;
use super::entered::{Entering, Push};
use super::facts::Facts;
use super::host::Host;
use super::kept::NewSpan;
use super::name::{NO_SPAN, SpanName, key_of};
use super::notes::{Notes, Placement};
use super::table::Spans;
use super::thread::{self, Caller, ThreadState};
use super::tree::Trees;
use super::vetoed::VetoedSpans;
use crate::event::plain_name;
use crate::guard::Guard;
use crate::level::verbosity_of;
use crate::session::open::OpenSession;
use crate::session::published::Epoch;
use crate::shared::Shared;
use crate::sync::Numbers;
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use crate::value::PackedBytes;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::{Dispatch, Interest, LevelFilter, Metadata, span};

/// One layer in one subscriber. Nothing in it is shared with other instances, of this router or another.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Names it within the process.
    pub(super) number: u64,
    pub(crate) shared: Arc<Shared>,
    /// Changes whenever a cached decision may have become wrong, and names this instance; 0: no session open.
    pub(crate) epoch: Epoch,
    pub(super) callsites: Callsites,
    pub(super) spans: Spans,
    pub(super) trees: Trees,
    pub(super) vetoed: VetoedSpans,
    /// How often threads' stacks were synchronized inside a span.
    pub(super) synchronized: Numbers,
    /// The number of times that others had a callsite asked; moves while another router or filter rebuilds.
    asked_by_others: AtomicU64,
    /// The subscriber this layer is in. Weak: it owns us.
    dispatch: OnceLock<WeakDispatch>,
    /// Its number in the records of the past, if any are kept.
    pub(super) past_number: Option<u8>,
    /// A current span that a filter around this layer hid from it, for coverage.
    hidden_span: OnceLock<&'static Metadata<'static>>,
    /// Whether more is to be done for a new span than usual: [`BEHIND_FILTER`], [`TIMES_REQUESTS`].
    unusual: AtomicU8,
}

/// A filter around this layer was seen to keep a span from it.
const BEHIND_FILTER: u8 = 1;
/// A session must know when requests began.
const TIMES_REQUESTS: u8 = 2;

impl Instance {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        static INSTANCES: Numbers = Numbers::new();
        Self {
            number: INSTANCES.next(),
            past_number: shared.past.as_ref().and_then(|past| past.next_instance()),
            spans: Spans::new(&shared.config),
            shared,
            epoch: Epoch::default(),
            callsites: Callsites::default(),
            trees: Trees::default(),
            vetoed: VetoedSpans::default(),
            synchronized: Numbers::new(),
            asked_by_others: AtomicU64::new(0),
            dispatch: OnceLock::new(),
            hidden_span: OnceLock::new(),
            unusual: AtomicU8::new(0),
        }
    }

    /// The current epoch; 0: no session open.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.current()
    }

    /// The subscriber this layer is in, while it lives, and if it is known.
    pub(crate) fn dispatch(&self) -> Option<Dispatch> {
        self.dispatch.get()?.upgrade()
    }

    /// Whether this layer is in that subscriber, as far as that can be found out.
    pub(crate) fn is_in(&self, dispatch: &Dispatch) -> bool {
        dispatch.downcast_ref::<Self>().is_some_and(|found| std::ptr::eq(found, self))
    }

    /// Names a subscriber by its first layer, if it has one of any router. That layer is in no other.
    pub(super) fn first_in(dispatch: &Dispatch) -> Option<u64> {
        dispatch.downcast_ref::<Self>().map(|first| first.number)
    }

    /// Whether both are the same subscriber, of those with a layer of any router in them.
    pub(crate) fn is_same(one: &Dispatch, other: &Dispatch) -> bool {
        Self::first_in(one).is_some_and(|first| Self::first_in(other) == Some(first))
    }

    /// Learns which subscriber this layer is in where it was not given, as behind an `Option` or in a `Vec`.
    pub(crate) fn adopt_dispatch(&self, dispatch: &Dispatch) {
        if self.dispatch.get().is_none() && self.is_in(dispatch) {
            self.set_dispatch(dispatch);
        }
    }

    /// Learns which subscriber this layer is in; the first answer stays.
    pub(crate) fn set_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
        self.ask_for_past();
    }

    /// A count that moves while a rebuild runs that is not this router's.
    pub(crate) fn asked_by_others(&self) -> u64 {
        // Relaxed: a rebuild of others that is missed is made good when callsites are settled. No ordering would find each: a
        // thread that was asked before may put its answer after this router's rebuild.
        self.asked_by_others.load(Ordering::Relaxed)
    }

    pub(crate) fn callsites(&self) -> &Callsites {
        &self.callsites
    }

    /// Whether other layers want a callsite, as far as that is known, and whether it is vetoed where nothing matches.
    pub(crate) fn standing(&self, metadata: &Metadata<'_>) -> (Option<bool>, bool) {
        let (wanted, vetoable) = self.callsites.standing(metadata, self.shared.snapshot.load().names.generation);
        (wanted, vetoable && self.epoch() != 0)
    }

    /// How many callsites are known, and how many of them are vetoed where nothing matches. Takes no lock.
    pub(crate) fn count_callsites(&self) -> (usize, usize) {
        let (known, vetoable) = self.callsites.count(self.shared.snapshot.load().names.generation);
        (known, if self.epoch() == 0 { 0 } else { vetoable })
    }

    /// The names of the spans that a session follows, and since when.
    pub(crate) fn followed_by(&self, session: &Arc<OpenSession>) -> Vec<(&'static str, Instant)> {
        let mut followed = Vec::new();
        self.spans.for_each(|cell| followed.extend(cell.followed_since(session)));
        followed
    }

    /// Frees what spans remember of scopes that no session needs any more.
    pub(crate) fn clear_scopes(&self) {
        self.spans.for_each(|cell| cell.clear_decided());
    }

    /// Whether this router has any use for a callsite at present.
    pub(crate) fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let config = &self.shared.config;
        if config.denies(metadata.target()) {
            return false;
        }
        let snapshot = self.shared.snapshot.load();
        if metadata.is_span() {
            return config.always_tracks(metadata) || verbosity_of(*metadata.level()) <= snapshot.span_verbosity;
        }
        snapshot.admits(*metadata.level(), metadata.target())
    }

    /// Whether a span that another layer wants is kept because a session is open.
    #[cold]
    fn tracks_while_watched(&self, metadata: &Metadata<'_>) -> bool {
        self.shared.snapshot.load().changes.has_sessions() && !self.shared.config.denies(metadata.target())
    }

    /// Answers for a callsite. Never `always` from the first session on, so that `enabled` is asked before every event and
    /// span: `enabled!` answers yes while a session is open, and if no event follows, other layers' filters keep their answer
    /// for whatever is asked next. Before that a span needs no question.
    pub(super) fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let caller = thread::with(|state| state.caller.get());
        // Another layer that is asked may log, and reach other callsites.
        if caller == Caller::Probe(self.shared.router, key_of(metadata)) {
            return Interest::never();
        }
        let config = &self.shared.config;
        let kept = if metadata.is_span() { config.always_tracks(metadata) } else { config.keeps_past_of(metadata) };
        self.note_for_past(metadata);
        let registered = self.callsites.register(metadata, kept, self.shared.router);
        if registered == Registered::Again {
            self.shared.span_limit.lift();
        }
        if registered != Registered::Ours {
            // Relaxed: as in `asked_by_others`.
            self.asked_by_others.fetch_add(1, Ordering::Relaxed);
            if self.epoch() != 0 {
                self.shared.inbox.learn();
            }
            self.ask_for_past();
        }
        match self.wants(metadata) {
            false => Interest::never(),
            true if metadata.is_span() && self.epoch.awake_since() == 0 => Interest::always(),
            true => Interest::sometimes(),
        }
    }

    /// The most verbose level this router looks at; always some, so that it hides nothing and adds little.
    pub(crate) fn max_level_hint(&self) -> LevelFilter {
        self.shared.config.span_level.max(self.shared.snapshot.load().level())
    }

    /// Keeps a new span, and times it from now on if a session wants that.
    #[inline]
    pub(super) fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, host: &dyn Host) {
        let epoch = self.epoch();
        if epoch == 0 || !self.spans.are_unusual_when_new() && self.standing_in() == NO_SPAN {
            return self.keep_new_span(attributes, id, epoch);
        }
        self.keep_new_watched_span(attributes, id, host, epoch);
    }

    /// Keeps a new span's fields, if spans like it are tracked, and its place in its tree.
    #[inline(never)]
    pub(super) fn keep_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, epoch: u64) {
        let is_watched = epoch != 0;
        let metadata = attributes.metadata();
        let config = &self.shared.config;
        let word = self.callsites.word(key_of(metadata));
        let is_kept = word.is_some_and(Callsites::is_kept);
        let is_tracked = is_kept || config.always_tracks(metadata) || is_watched && self.tracks_while_watched(metadata);
        let keeps_fields = is_tracked && config.keeps_fields_of(metadata);
        if !keeps_fields && !is_watched {
            return;
        }
        thread::with(|state| state.closing.set((0, 0)));
        // A span made by code that formats a value for us is not kept: it may be the very value that is formatted.
        let Some(guard) = Guard::enter() else { return };
        let mut fields = PackedBytes::new();
        if keeps_fields {
            capture::pack_span_fields(&mut fields, attributes, config);
        }
        drop(guard);
        self.mend(|| Facts::Callsite(metadata));
        // There is nothing to be kept of a span without fields, so it is never incomplete.
        let visible = is_tracked || !config.keeps_fields_of(metadata) && !config.denies(metadata.target());
        let (id, span) = (id.into_u64(), NewSpan { metadata, visible, fields: &fields, place: None });
        // Relaxed: what it stands for is noted before the first span that it is about.
        if is_watched && self.unusual.load(Ordering::Relaxed) != 0 {
            return self.keep_unusually(attributes, id, span, word);
        }
        let new = NewSpan { place: is_watched.then(|| self.place(attributes, id, word)), ..span };
        let number = self.spans.insert_new(id, new);
        if let (Some(place), Some(number)) = (new.place, number)
            && let Some(root) = place.if_below(NO_SPAN)
        {
            self.foresee(epoch, SpanName { id, number }, root, &new);
        }
    }

    /// Keeps a new span behind a filter, or where a session must know when requests began.
    #[cold]
    fn keep_unusually(&self, attributes: &span::Attributes<'_>, id: u64, span: NewSpan<'_>, word: Option<&AtomicU64>) {
        let begun = Instant::now();
        let place = match self.is_behind_filter() {
            true => self.place_behind_filter(attributes, word),
            false => self.place(attributes, id, word),
        };
        self.spans.insert_new(id, NewSpan { place: Some(place), ..span });
        let is_root = self.spans.with(id, |cell| cell.parent()).flatten().is_none_or(|parent| parent == NO_SPAN);
        let name = plain_name(span.metadata.name());
        let snapshot = self.shared.snapshot.load();
        if snapshot.deciding.iter().any(|session| session.times_span(name, is_root)) {
            self.spans.with(id, |cell| cell.note_begin(begun));
        }
    }

    /// Has new spans timed or not.
    pub(crate) fn set_times_requests(&self, times: bool) {
        // Relaxed: the epoch that moves afterwards publishes it; a span that is late is taken to be older than the session.
        match times {
            true => self.unusual.fetch_or(TIMES_REQUESTS, Ordering::Relaxed),
            false => self.unusual.fetch_and(!TIMES_REQUESTS, Ordering::Relaxed),
        };
    }

    /// Where a span hangs of which a filter may keep the parent from this layer.
    fn place_behind_filter(&self, attributes: &span::Attributes<'_>, word: Option<&AtomicU64>) -> Placement {
        let place = if attributes.is_root() { Placement::below(NO_SPAN, None) } else { Placement::UNKNOWN };
        place.while_watched(word_at_creation(attributes, word), self.synchronized.last())
    }

    /// The place of a span that is being created.
    fn place(&self, attributes: &span::Attributes<'_>, id: u64, word: Option<&AtomicU64>) -> Placement {
        let word = word_at_creation(attributes, word);
        let (parent, tree) = match attributes.parent() {
            Some(parent) => (Some(parent.into_u64()), None),
            None if attributes.is_root() => (Some(NO_SPAN), None),
            None => thread::with(|state| state.entered.current_in_tree(self.keeper())).unzip(),
        };
        let place = match (parent, tree.flatten()) {
            (Some(NO_SPAN), _) => Placement::below(NO_SPAN, Some(Trees::of_root(id))),
            (Some(parent), Some(tree)) => Placement::below(parent, Some(tree.into())),
            // What is not known may have been kept from this layer.
            (Some(parent), None) => match self.spans.with(parent, |cell| cell.tree()) {
                Some(tree) => Placement::below(parent, tree),
                None => Placement::UNKNOWN,
            },
            (None, _) => Placement::UNKNOWN,
        };
        place.while_watched(word, self.synchronized.last())
    }

    /// Keeps what is recorded on a span, and marks the caches it concerns as stale.
    pub(super) fn on_record(&self, id: &span::Id, record: &span::Record<'_>, host: &dyn Host) {
        let id = id.into_u64();
        let Some(Some(metadata)) = self.spans.with(id, |cell| cell.shown_metadata()) else { return };
        // Code that formats a value for us may record, perhaps the very value that is formatted: nothing is printed then.
        let guard = Guard::enter();
        let recorded = capture::recorded_fields(record, metadata, &self.shared.config, guard.is_some());
        drop(guard);
        if let Some(past) = &self.shared.past {
            self.keep_record(past, id);
        }
        let Some(replaced) = self.spans.with(id, |cell| cell.record(&recorded)) else { return };
        // Loaded after the values are in place: a session opened later than this reads them. A thread that comes
        // late may decide by a snapshot whose epoch has not come yet.
        let snapshot = self.shared.snapshot.load();
        if self.epoch() == 0 && !snapshot.changes.has_sessions() {
            return;
        }
        let tree = self.tree(id, host);
        if snapshot.is_changed_by(&recorded, &replaced) {
            self.trees.count_deciding(tree);
            self.note_left_out(id, host);
            self.time_from_now_on(id, host);
        }
        self.trees.count(tree);
    }

    #[inline]
    pub(super) fn on_close(&self, id: &span::Id, host: &dyn Host) {
        if self.spans.are_unusual_to_close() {
            self.close_unusual(id.into_u64(), host);
        } else {
            self.close(id.into_u64());
        }
    }

    /// Apart: a hook is compiled where the layer is used, and this once.
    #[inline(never)]
    fn close(&self, id: u64) {
        thread::with(|state| state.closing.set((self.number, id)));
        self.spans.remove_from_table(id);
    }

    /// Follows the thread into a span, whose decision is mostly that of the span around or one made lately.
    #[inline]
    pub(super) fn on_enter(&self, id: &span::Id, host: &dyn Host) {
        let epoch = self.epoch();
        if epoch == 0 {
            return;
        }
        if self.spans.are_unusual() {
            self.follow_into_any(id.into_u64(), host, epoch);
        } else {
            thread::with(|state| self.follow_into(state, epoch, id.into_u64()));
        }
    }

    #[inline(never)]
    fn follow_into(&self, state: &ThreadState, epoch: u64, id: u64) {
        if let Some(cell) = self.spans.find_in_table(id)
            && let Some(notes) = cell.notes()
        {
            return self.enter::<false>(state, epoch, id, cell.number(), Some(notes));
        }
        self.follow_into_other(state, epoch, id);
    }

    #[cold]
    fn follow_into_any(&self, id: u64, host: &dyn Host, epoch: u64) {
        if self.spans.are_timed() {
            self.follow_into_timed(id, host, epoch);
        } else {
            thread::with(|state| self.follow_into_other(state, epoch, id));
        }
        self.follow_from_here(host, epoch);
    }

    /// The same for a span of which nothing was noted, or which is not known.
    #[inline(never)]
    pub(super) fn follow_into_other(&self, state: &ThreadState, epoch: u64, id: u64) {
        self.spans.with_any(id, |cell| match cell {
            Some(cell) => self.enter::<false>(state, epoch, id, cell.number(), cell.notes()),
            None => {
                self.enter::<false>(state, epoch, id, 0, None);
                state.forget_decision();
            }
        });
    }

    /// Follows the thread into a span of this number, and finds the decision that holds there if there is one. It may have
    /// been entered before as one that is timed if `TIMED`.
    #[inline(always)]
    pub(super) fn enter<const TIMED: bool>(
        &self,
        state: &ThreadState,
        epoch: u64,
        id: u64,
        number: u64,
        notes: Option<&Notes>,
    ) {
        state.closing.set((0, 0));
        let held = state.held(epoch);
        let is_newer_than = |number| notes.is_some_and(|notes| notes.are_newer_than(number));
        let task = self.compare_tasks(state);
        let entering = Entering { id, tree: notes.map_or(0, Notes::tree_number), label: held.label, task };
        let outer = match state.entered.push::<TIMED>(self.keeper(), entering, is_newer_than) {
            Push::Again => return,
            Push::Unknown => return state.forget_decision(),
            Push::Inside(outer) => outer,
        };
        let shares = |notes: &Notes| notes.say_absent_in(held.generation) && notes.say_below(outer);
        if outer != NO_SPAN && notes.is_some_and(shares) {
            return;
        }
        let span = SpanName { id, number };
        if !state.recall(epoch, span)
            && let Some(notes) = notes.filter(|notes| notes.may_be_decided())
        {
            self.adopt(state, epoch, span, notes);
        }
    }

    /// Follows the thread out of a span.
    #[inline]
    pub(super) fn on_exit(&self, id: &span::Id) {
        let epoch = self.epoch();
        if epoch != 0 {
            thread::with(|state| self.follow_out(state, epoch, id.into_u64()));
        }
    }

    #[inline(never)]
    fn follow_out(&self, state: &ThreadState, epoch: u64, id: u64) {
        match state.entered.pop(self.keeper(), id) {
            Some(label) => state.go_back(epoch, label),
            None => self.follow_out_otherwise(state, epoch, id),
        }
    }

    /// The same for a span that is timed, or was not the last one entered.
    #[inline(never)]
    fn follow_out_otherwise(&self, state: &ThreadState, epoch: u64, id: u64) {
        let label = if self.spans.are_timed() { self.time_exit(state, id) } else { None };
        match label {
            Some(label) => state.go_back(epoch, label),
            None => {
                self.note_exit_out_of_order(state, id);
                state.entered.lose_of(self.keeper());
                state.forget_decision();
            }
        }
    }

    /// Notes a current span that a filter around this layer hides from it.
    pub(super) fn note_hidden_span(&self, span: &'static Metadata<'static>) {
        let _ = self.hidden_span.set(span);
        // Relaxed: as where it is read.
        self.unusual.fetch_or(BEHIND_FILTER, Ordering::Relaxed);
    }

    /// Whether a filter around this layer was seen to hide a span from it.
    #[inline]
    pub(super) fn is_behind_filter(&self) -> bool {
        self.hidden_span.get().is_some()
    }

    /// A current span that a filter around this layer hid from it, if there was one.
    pub(crate) fn hidden_span(&self) -> Option<&'static Metadata<'static>> {
        self.hidden_span.get().copied()
    }
}

/// The word of a new span's callsite, which learns how its spans take their parent.
#[inline]
fn word_at_creation(attributes: &span::Attributes<'_>, word: Option<&AtomicU64>) -> u64 {
    word.map_or(0, |word| {
        Callsites::note_parent(word, attributes.is_contextual());
        // Relaxed: what is judged in it holds under the generation in it.
        word.load(Ordering::Relaxed)
    })
}
