//! Opening and closing: the router's own state, and what follows for producers.

use super::control;
use super::health::{Health, RouterStats};
use super::refusal::WatchError;
use super::tell::tell_rest;
use crate::audit::{Audit, AuditLimit, End};
use crate::config::Config;
use crate::coverage::Coverage;
use crate::guard::Guard;
use crate::inbox::Retired;
use crate::layer::Instance;
use crate::level::verbosity_of_filter;
use crate::queue::budget::Budget;
use crate::session::governor::{Governor, TooCostly};
use crate::session::open::OpenSession;
use crate::session::published::Epoch;
use crate::session::registry::Registry;
use crate::session::{EndReason, SessionId, SessionInfo, SessionOptions, SessionStats};
use crate::shared::Shared;
use crate::stream::{EventStream, Home};
use crate::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tracing_core::{LevelFilter, dispatcher};

/// Where more audits than this are left to be told, opening another session waits, for a bounded time.
const MAX_UNTOLD_AUDITS: usize = 1024;

/// How many more layers are noted before those that are gone are looked for.
const MIN_SPARE_INSTANCES: usize = 4;

/// What the clones of a router, its layers' lives and its control thread have in common.
#[derive(Debug)]
pub(crate) struct Core {
    pub(super) shared: Arc<Shared>,
    /// Held for as long as it takes to replace the snapshot; never while anybody else's code runs.
    state: Mutex<State>,
    /// Held while the control thread is started, so that there is one.
    starting: Mutex<()>,
    budget: Arc<Budget>,
    last_session: AtomicU64,
    pub(super) health: Health,
    pub(super) refusals: AuditLimit,
}

#[derive(Debug, Default)]
struct State {
    registry: Registry,
    instances: Vec<Weak<Instance>>,
    /// How many sessions have been opened so far.
    opened: u64,
    /// How often all sessions have been ended so far.
    shutdowns: u64,
    /// Whether spans may remember scopes of a session that is closed, in a router that never rests.
    remembers_closed: bool,
    /// Sessions that are closed and not freed yet: somebody may still be reading them.
    closed: Vec<Weak<OpenSession>>,
    /// The sum over sessions that have been freed.
    freed: SessionStats,
}

impl Core {
    pub(super) fn new(config: Config) -> Self {
        Self {
            budget: Arc::new(Budget::new(config.max_buffered_bytes)),
            shared: Arc::new(Shared::new(config)),
            state: Mutex::default(),
            starting: Mutex::default(),
            last_session: AtomicU64::new(0),
            health: Health::default(),
            refusals: AuditLimit::default(),
        }
    }

    pub(super) fn new_instance(&self) -> Arc<Instance> {
        let instance = Arc::new(Instance::new(Arc::clone(&self.shared)));
        let mut state = self.state();
        state.add_instance(&instance);
        if state.registry.is_awake() {
            instance.epoch.move_on();
        }
        drop(state);
        instance
    }

    pub(super) fn live_instances(&self) -> Vec<Arc<Instance>> {
        self.state().live_instances()
    }

    /// Opens a session, whatever else is open.
    pub(super) fn open(self: &Arc<Self>, session: SessionOptions) -> EventStream {
        let session = Arc::new(self.new_session(session));
        let mut state = self.state();
        self.add(&mut state, &session);
        drop(state);
        self.hand_out(session)
    }

    /// Opens a session, unless the router's policy is against it.
    pub(super) fn try_open(self: &Arc<Self>, session: SessionOptions) -> Result<EventStream, WatchError> {
        let config = &self.shared.config;
        if let Err(error) = WatchError::check_fields(&session, config)
            .and_then(|()| WatchError::check_cost(&session))
            .and_then(|()| WatchError::check_past(&session, config))
         {
            self.tell_refusal(Arc::new(session), &error);
            return Err(error);
        }
        let session = self.new_governed_session(session);
        let mut state = self.state();
        // One step with the opening: of two who come at once the second is counted with the first.
        let checked = WatchError::check_caps(&session, &state.registry, config);
        if checked.is_ok() {
            self.add(&mut state, &session);
        }
        drop(state);
        if let Err(error) = checked {
            self.tell_refusal(Arc::clone(&session.limits), &error);
            return Err(error);
        }
        Ok(self.hand_out(session))
    }

    fn new_session(&self, session: SessionOptions) -> OpenSession {
        // Relaxed: only its being new matters.
        let id = SessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        OpenSession::new(id, session, Arc::clone(&self.budget))
    }

    fn new_governed_session(&self, session: SessionOptions) -> Arc<OpenSession> {
        let report: Arc<dyn TooCostly> = Arc::clone(&self.shared) as _;
        let governor = Governor::new(self.shared.config.max_session_cost, Arc::downgrade(&report));
        Arc::new(self.new_session(session).governed(governor))
    }

    fn add(&self, state: &mut State, session: &Arc<OpenSession>) {
        state.opened += 1;
        if !state.registry.is_awake() {
            self.note_span_limit(state);
        }
        self.begin_past(session);
        self.publish(state, |registry| registry.open(session));
        // Before anybody can end it, so that its end is told after it.
        self.shared.inbox.audit(Audit::opened(session));
    }

    /// Keeps the past from now on, session or not. Takes memory for it.
    pub(super) fn start_looking_back(&self) {
        let Some(past) = &self.shared.past else { return };
        past.make_rings();
        let mut state = self.state();
        if state.registry.stays_awake() {
            return;
        }
        if !state.registry.is_awake() {
            self.note_span_limit(&mut state);
        }
        self.publish(&mut state, |registry| registry.stay_awake(past.reach()));
    }

    /// Notes that callsites have been asked since it was started, if it was.
    pub(super) fn note_looking_back(&self) {
        if let Some(past) = self.shared.past.as_ref().filter(|_| self.state().registry.stays_awake()) {
            past.set_on();
        }
    }

    /// Notes how verbose spans are without a session, before the first one is opened.
    ///
    /// Where the last one's levels are not taken back yet, what was noted before it still holds.
    fn note_span_limit(&self, state: &mut State) {
        let instances = state.live_instances();
        if instances.iter().any(|instance| instance.epoch() != 0) {
            return;
        }
        let level = LevelFilter::current();
        let is_told = level >= self.shared.config.span_level && instances.iter().all(|one| one.dispatch().is_some());
        match is_told {
            true => self.shared.span_limit.set(verbosity_of_filter(level)),
            false => self.shared.span_limit.lift(),
        }
    }

    /// Hands out a session that has just been opened.
    fn hand_out(self: &Arc<Self>, session: Arc<OpenSession>) -> EventStream {
        // Before it waits for callsites, since what is to be read is being overwritten.
        let horizon = self.look_back(&session);
        self.make_known(&session);
        EventStream::new(session, Arc::new(Arc::downgrade(self))).with_horizon(horizon)
    }

    /// Returns once all callsites know of a session that has just been opened, as far as can be waited for.
    fn make_known(self: &Arc<Self>, session: &OpenSession) {
        self.ensure_control_thread();
        dispatcher::get_default(|default| {
            self.live_instances().iter().for_each(|instance| instance.adopt_dispatch(default));
        });
        if session.is_exhausted() {
            self.close(session.id, EndReason::MaxEvents);
        }
        if session.deadline.is_some() {
            self.shared.inbox.wake();
        }
        if !inside_callback() {
            self.shared.inbox.wait_for_rebuild();
            // Logs that are slower than their sessions come must not let what is to be told pile up.
            self.shared.inbox.wait_until_told(MAX_UNTOLD_AUDITS);
        }
    }

    /// Has callsites asked anew where `tracing` hides levels that this router looks at.
    ///
    /// A rebuild by somebody else may have put back a level from before; what is still hidden after one of ours, no
    /// rebuild will show.
    pub(super) fn ask_for_hidden_levels(&self) {
        if self.shared.inbox.has_thread() && self.shared.inbox.is_settled() && control::hides_levels(self) {
            self.shared.inbox.ask_for_rebuild();
            if !inside_callback() {
                self.shared.inbox.wait_for_rebuild();
            }
        }
    }

    pub(super) fn ensure_control_thread(self: &Arc<Self>) {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.shared.inbox.has_thread() {
            control::start(self);
        }
    }

    /// Applies a change of sessions: first the snapshot, then the epochs, so that whoever sees the new epoch reads
    /// the new snapshot; then, where a callsite may be concerned, the interests.
    fn publish(&self, state: &mut State, change: impl FnOnce(&mut Registry)) {
        change(&mut state.registry);
        let (snapshot, reach_changed) = state.registry.snapshot();
        let instances = state.live_instances();
        let replaced = self.shared.snapshot.replace(snapshot, instances.iter().map(|instance| &instance.epoch));
        if let Err(read) = Arc::try_unwrap(replaced) {
            self.shared.inbox.retire(Retired::Snapshot(read));
        }
        if reach_changed {
            self.shared.inbox.ask_for_rebuild();
        }
    }

    /// Begins the present of a session that was published without one.
    pub(super) fn begin_present(&self, session: &OpenSession) {
        let mut state = self.state();
        session.set_since(Epoch::between());
        state.live_instances().iter().for_each(|instance| instance.epoch.move_on());
    }

    /// Ends a session. Returns whether it was open.
    pub(super) fn close(&self, id: SessionId, reason: EndReason) -> bool {
        let ended = self.end(id, reason);
        ended.map(|(session, end)| self.shared.inbox.audit(Audit::ended(&session, end))).is_some()
    }

    /// Takes a session from those that producers see, and ends it. Of all who try, one is told that it was open.
    fn end(&self, id: SessionId, reason: EndReason) -> Option<(Arc<OpenSession>, End)> {
        let mut state = self.state();
        if !state.registry.contains(id) {
            return None;
        }
        let mut closed = None;
        self.publish(&mut state, |registry| {
            closed = registry.close(id);
            // Before the epoch moves: a scope that is decided in the new one must not go on following for it.
            if let Some(session) = &closed {
                session.mark_ended(reason);
            }
        });
        let session = closed?;
        state.remembers_closed = true;
        state.closed.push(Arc::downgrade(&session));
        drop(state);
        session.wake_reader();
        // Its last event may have ended it before.
        let reason = session.ended().unwrap_or(reason);
        self.health.count_end(reason);
        self.shared.inbox.wake();
        let end = End { reason, lasted: session.age(), at: Instant::now() };
        Some((session, end))
    }

    /// Ends the sessions whose time is over, and says when the next one's is.
    pub(super) fn close_expired(&self) -> Option<Instant> {
        let now = Instant::now();
        loop {
            let (deadline, id) = self.state().registry.next_deadline()?;
            if deadline > now {
                return Some(deadline);
            }
            self.close(id, EndReason::Expired);
        }
    }

    /// Has a session's reader told what was withheld from it, if the session is still open.
    pub(super) fn announce_withheld(&self, id: SessionId) {
        let session = self.state().registry.get(id).cloned();
        if let Some(session) = session {
            session.announce_withheld();
        }
    }

    /// Ends every session, and waits until that is told, at most a second.
    pub(super) fn shutdown(&self) {
        self.end_all();
        self.wait_until_told();
    }

    fn end_all(&self) {
        let mut state = self.state();
        // One step with the listing: of a session that is not listed, whoever opened it finds the count moved.
        state.shutdowns += 1;
        let ids: Vec<_> = state.registry.sessions().map(|session| session.id).collect();
        drop(state);
        for id in ids {
            self.close(id, EndReason::Shutdown);
        }
    }

    /// How often all sessions have been ended so far.
    ///
    /// Where it is the same after an opening as at a moment before, every shutdown since that moment ends that session.
    pub(super) fn shutdowns(&self) -> u64 {
        self.state().shutdowns
    }

    fn wait_until_told(&self) {
        if !inside_callback() {
            self.shared.inbox.wait_until_told(0);
        }
    }

    /// Goes back to costing nothing, if no session is open and all callsites know.
    pub(super) fn rest_if_idle(&self) {
        let mut state = self.state();
        if !self.shared.inbox.is_settled() {
            return;
        }
        if state.registry.is_awake() {
            return self.forget_closed(state);
        }
        let awake: Vec<_> = state.live_instances().into_iter().filter(|instance| instance.epoch() != 0).collect();
        awake.iter().for_each(|instance| instance.epoch.rest());
        drop(state);
        awake.iter().for_each(|instance| instance.clear_scopes());
    }

    /// Frees what spans remember of closed sessions, once none is left, though the router does not rest.
    fn forget_closed(&self, mut state: MutexGuard<'_, State>) {
        if state.registry.sessions().len() == 0 && std::mem::take(&mut state.remembers_closed) {
            let instances = state.live_instances();
            drop(state);
            instances.iter().for_each(|instance| instance.clear_scopes());
        }
    }

    /// Frees something, or hands it back while somebody still holds it.
    ///
    /// It is taken apart rather than counted: a scope may hold a weak reference, and must not get a strong one in
    /// between.
    pub(super) fn free(&self, retired: Retired) -> Option<Retired> {
        match retired {
            Retired::Snapshot(snapshot) => Arc::try_unwrap(snapshot).err().map(Retired::Snapshot),
            Retired::Session(session, end) => self.free_session(session, end),
        }
    }

    fn free_session(&self, session: Arc<OpenSession>, end: Option<End>) -> Option<Retired> {
        // Under the lock, so that the session is at every moment in exactly one of the sums.
        let mut state = self.state();
        let session = match Arc::try_unwrap(session) {
            Ok(session) => session,
            Err(session) => {
                drop(state);
                let end = self.still_untold(&session, end);
                return Some(Retired::Session(session, end));
            }
        };
        session.discard_unread();
        state.freed.add(&session.stats());
        state.closed.retain(|closed| closed.strong_count() > 0);
        drop(state);
        if let Some(end) = end {
            self.shared.inbox.audit_owed(Audit::ended(&session, end));
        }
        drop(session);
        None
    }

    pub(super) fn sessions(&self) -> Vec<SessionInfo> {
        self.state().registry.sessions().map(|session| session.info()).collect()
    }

    pub(super) fn stats(&self) -> RouterStats {
        let state = self.state();
        let mut events = state.freed;
        let closed: Vec<_> = state.closed.iter().filter_map(Weak::upgrade).collect();
        let sessions = || state.registry.sessions().chain(&closed);
        sessions().for_each(|session| events.add(&session.stats()));
        let buffered_bytes = sessions().map(|session| session.buffered_bytes()).sum();
        let predicate_bytes = sessions().map(|session| session.predicate_bytes()).sum();
        let mut stats = RouterStats {
            open_sessions: state.registry.sessions().len(),
            opened_sessions: state.opened,
            events,
            buffered_bytes,
            predicate_bytes,
            suppressed: self.shared.suppressed(),
            look_back_bytes: self.shared.past.as_ref().map_or(0, |past| past.bytes()),
            ..RouterStats::default()
        };
        drop(state);
        self.health.fill(&mut stats);
        for instance in self.live_instances() {
            let (known, vetoed) = instance.count_callsites();
            stats.callsites += known;
            stats.vetoed_callsites += vetoed;
        }
        stats
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home for Weak<Core> {
    fn close(&self, session: Arc<OpenSession>) {
        let Some(core) = self.upgrade() else { return };
        let end = core.end(session.id, EndReason::Closed).map(|(_, end)| end);
        session.discard_unread();
        core.shared.inbox.retire(Retired::Session(session, end));
    }

    fn coverage(&self, session: &Arc<OpenSession>) -> Option<Coverage> {
        Some(self.upgrade()?.coverage_of_session(session))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.end_all();
        // The thread tells what is left before it ends.
        self.shared.inbox.stop();
        if !self.shared.inbox.has_thread() {
            tell_rest(&self.shared.inbox, Vec::new());
        }
        self.wait_until_told();
        #[cfg(feature = "log")]
        super::log_level::follow(self.shared.router, tracing_core::LevelFilter::OFF);
    }
}

impl State {
    /// Notes an instance. A weak reference keeps an instance's memory, so those of instances that are gone are let go of
    /// here as well, each time as many may have gone as there are: without a session nobody else looks at them.
    fn add_instance(&mut self, instance: &Arc<Instance>) {
        if self.instances.len() == self.instances.capacity() {
            self.instances.retain(|instance| instance.strong_count() > 0);
            self.instances.reserve(self.instances.len().max(MIN_SPARE_INSTANCES));
        }
        self.instances.push(Arc::downgrade(instance));
    }

    fn live_instances(&mut self) -> Vec<Arc<Instance>> {
        self.instances.retain(|instance| instance.strong_count() > 0);
        self.instances.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Whether this thread is known to be inside a callback of `tracing`, where waiting could wait for itself.
fn inside_callback() -> bool {
    Guard::is_held() || dispatcher::get_current(|_| ()).is_none()
}
