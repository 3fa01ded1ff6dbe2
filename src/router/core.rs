//! The router's own state: its sessions, how they end and are freed, and what follows for producers.

use super::health::{Health, RouterStats};
use super::unlogged::log_unlogged;
use crate::audit::{Audit, AuditLimit, End};
use crate::config::Config;
use crate::coverage::Coverage;
use crate::guard::Guard;
use crate::inbox::Retired;
use crate::layer::Instance;
use crate::queue::budget::Budget;
use crate::session::open::OpenSession;
use crate::session::outcome::HoldBounds;
use crate::session::published::Epoch;
use crate::session::registry::Registry;
use crate::session::{EndReason, SessionId, SessionInfo, SessionStats};
use crate::shared::Shared;
use crate::span_limit::AskedSpans;
use crate::stream::Home;
use crate::sync::atomic::AtomicU64;
use crate::usdt;
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tracing_core::{LevelFilter, dispatcher};

/// The number of further layers that are noted before those that are gone are dropped.
const MIN_SPARE_INSTANCES: usize = 4;

/// The state that the clones of a router and its control thread share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(super) shared: Arc<Shared>,
    /// Held for as long as it takes to replace the snapshot; never while other code runs.
    state: Mutex<State>,
    /// Held while the control thread is started, so that there is one.
    pub(super) starting: Mutex<()>,
    pub(super) budget: Arc<Budget>,
    pub(super) holds: Arc<HoldBounds>,
    pub(super) last_session: AtomicU64,
    pub(super) health: Health,
    pub(super) refusals: AuditLimit,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) registry: Registry,
    instances: Vec<Weak<Instance>>,
    /// The number of sessions opened so far.
    pub(super) opened: u64,
    /// The number of times that all sessions were ended.
    shutdowns: u64,
    /// Whether spans may remember scopes of a session that is closed, in a router that never rests.
    remembers_closed: bool,
    asked_spans: AskedSpans,
    /// Sessions that are closed and not freed yet: a producer may still be reading them.
    closed: FxHashMap<SessionId, Weak<OpenSession>>,
    /// The sum over sessions that have been freed.
    freed: SessionStats,
}

impl State {
    fn new(config: &Config) -> Self {
        Self { registry: Registry::new(config.trace_source.is_some()), ..Self::default() }
    }
}

impl Core {
    pub(super) fn new(config: Config) -> Self {
        Self {
            budget: Arc::new(Budget::new(config.max_buffered_bytes)),
            holds: Arc::new(HoldBounds::new(&config)),
            state: Mutex::new(State::new(&config)),
            shared: Arc::new(Shared::new(config)),
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
            let snapshot = self.shared.snapshot.load();
            instance.set_times_requests(snapshot.times_requests());
            instance.epoch.set_has_sessions(state.registry.sessions().len() > 0);
            instance.epoch.move_on();
        }
        if state.registry.wants_timings() {
            instance.time_spans();
        }
        drop(state);
        instance
    }

    pub(super) fn live_instances(&self) -> Vec<Arc<Instance>> {
        self.state().live_instances()
    }

    /// Notes that callsites have been asked since it was started, if it was.
    pub(super) fn note_looking_back(&self) {
        if let Some(past) = self.shared.past.as_ref().filter(|_| self.state().registry.stays_awake()) {
            past.set_on();
        }
    }

    /// Whether `tracing` hides levels that this router looks at.
    ///
    /// A rebuild of others asks for the levels first and sets the most verbose one last. If it began before a session
    /// opened and ends after this router's own rebuild, what it sets is from before the session.
    pub(super) fn hides_levels(&self) -> bool {
        self.live_instances().iter().any(|instance| LevelFilter::current() < instance.max_level_hint())
    }

    /// Applies a change of sessions: first the snapshot, then the epochs, so that a thread that sees the new epoch reads
    /// the new snapshot; then, if it may concern a callsite, the interests.
    pub(super) fn publish(&self, state: &mut State, change: impl FnOnce(&mut Registry)) {
        change(&mut state.registry);
        let (snapshot, reach_changed) = state.registry.snapshot();
        let instances = state.live_instances();
        if state.registry.wants_timings() {
            instances.iter().for_each(|instance| instance.time_spans());
        }
        for instance in &instances {
            instance.set_times_requests(snapshot.times_requests());
            instance.epoch.set_has_sessions(state.registry.sessions().len() > 0);
        }
        state.asked_spans.set(snapshot.span_verbosity);
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

    /// Takes a session from those that producers see, and ends it. Of concurrent callers, exactly one gets `Some`.
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
        usdt::session_close(id.0);
        state.remembers_closed = true;
        state.closed.insert(id, Arc::downgrade(&session));
        drop(state);
        session.give_up_held();
        session.wake_reader();
        // Its last event may have ended it before.
        let reason = session.ended().unwrap_or(reason);
        self.health.count_end(reason);
        self.shared.inbox.wake();
        let end = End { reason, lasted: session.age(), at: Instant::now() };
        Some((session, end))
    }

    /// Ends the sessions whose time is over, and returns when that of the next one is.
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

    /// Looks at the requests that are due, and says when the next one is.
    pub(super) fn look_at_due(&self) -> Option<Instant> {
        let deciding = Arc::clone(&self.shared.snapshot.load().deciding);
        deciding.iter().filter_map(|session| session.look_at_due(Instant::now())).min()
    }

    /// Announces to a session's reader the events that its limits kept back, if the session is still open.
    pub(super) fn announce_kept_back(&self, id: SessionId) {
        let session = self.state().registry.get(id).cloned();
        if let Some(session) = session {
            session.announce_kept_back();
        }
    }

    /// Ends every session, and waits until that is logged, at most a second.
    pub(super) fn shutdown(&self) {
        self.end_all();
        self.wait_until_logged();
    }

    fn end_all(&self) {
        let mut state = self.state();
        // One step with the listing: the opener of a session that is not listed finds the count moved.
        state.shutdowns += 1;
        let ids: Vec<_> = state.registry.sessions().map(|session| session.id).collect();
        drop(state);
        for id in ids {
            self.close(id, EndReason::Shutdown);
        }
    }

    /// The number of times that all sessions were ended.
    ///
    /// If it is the same after an opening as at a moment before, every shutdown since that moment ends that session.
    pub(super) fn shutdowns(&self) -> u64 {
        self.state().shutdowns
    }

    fn wait_until_logged(&self) {
        if !inside_callback() {
            self.shared.inbox.wait_until_logged(0);
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
        awake.iter().for_each(|instance| {
            instance.epoch.rest();
            instance.stop_timing_spans();
        });
        drop(state);
        awake.iter().for_each(|instance| instance.clear_scopes());
    }

    /// Frees what spans remember of closed sessions and times no span, once none is left, though the router does not rest.
    fn forget_closed(&self, mut state: MutexGuard<'_, State>) {
        if state.registry.sessions().len() == 0 && std::mem::take(&mut state.remembers_closed) {
            let instances = state.live_instances();
            instances.iter().for_each(|instance| instance.stop_timing_spans());
            drop(state);
            instances.iter().for_each(|instance| instance.clear_scopes());
        }
    }

    /// Frees a value, or hands it back while a producer still holds it.
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
                let end = self.still_unlogged(&session, end);
                return Some(Retired::Session(session, end));
            }
        };
        session.give_up_held();
        session.discard_unread();
        state.freed.add(&session.stats());
        state.closed.remove(&session.id);
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
        let closed: Vec<_> = state.closed.values().filter_map(Weak::upgrade).collect();
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home for Weak<Core> {
    fn close(&self, session: Arc<OpenSession>) {
        let Some(core) = self.upgrade() else { return };
        let end = core.end(session.id, EndReason::Closed).map(|(_, end)| end);
        session.give_up_held();
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
        // The thread logs what is queued before it ends.
        self.shared.inbox.stop();
        if !self.shared.inbox.has_thread() {
            log_unlogged(&self.shared.inbox, Vec::new());
        }
        self.wait_until_logged();
        #[cfg(feature = "log")]
        super::log_level::follow(self.shared.router, tracing_core::LevelFilter::OFF);
    }
}

impl State {
    /// Notes an instance. A weak reference keeps an instance's memory, so those of instances that are gone are dropped here
    /// as well, each time the list has doubled: without a session nothing else looks at them.
    fn add_instance(&mut self, instance: &Arc<Instance>) {
        if self.instances.len() == self.instances.capacity() {
            self.instances.retain(|instance| {
                #[cfg(test)]
                tests::LOOKS.set(tests::LOOKS.get() + 1);
                instance.strong_count() > 0
            });
            self.instances.reserve(self.instances.len().max(MIN_SPARE_INSTANCES));
        }
        self.instances.push(Arc::downgrade(instance));
    }

    pub(super) fn live_instances(&mut self) -> Vec<Arc<Instance>> {
        self.instances.retain(|instance| instance.strong_count() > 0);
        self.instances.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Whether this thread is known to be inside a callback of `tracing`, where waiting could wait for itself.
pub(super) fn inside_callback() -> bool {
    Guard::is_held() || dispatcher::get_current(|_| ()).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predicate::Predicate;
    use crate::session::SessionOptions;
    use std::cell::Cell;

    thread_local! {
        pub(super) static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    /// How often layers are looked at while so many are made.
    fn looks(layers: usize) -> usize {
        let core = Core::new(Config::default());
        LOOKS.set(0);
        let made: Vec<_> = (0..layers).map(|_| core.new_instance()).collect();
        assert_eq!(core.live_instances().len(), made.len());
        LOOKS.get()
    }

    #[test]
    fn looks_at_layers_grow_with_their_number() {
        let (some, many) = (looks(500), looks(4_000));
        assert!(many < 12 * some.max(500), "{some} for 500 layers, {many} for 4,000");
    }

    #[test]
    fn a_freed_session_is_in_the_sums_and_nowhere_else() {
        let core = Arc::new(Core::new(Config::default()));
        let streams: Vec<_> = (0..3).map(|_| core.open(SessionOptions::new(Predicate::eq("user", 42)))).collect();
        let weak: Vec<_> = core.state().registry.sessions().map(Arc::downgrade).collect();
        drop(streams);
        let is_freed = || weak.iter().all(|session| session.strong_count() == 0);
        let until = Instant::now() + std::time::Duration::from_secs(30);
        while !is_freed() || !core.state().closed.is_empty() {
            assert!(Instant::now() < until, "the control thread frees closed sessions");
            std::thread::yield_now();
        }
        assert_eq!((core.stats().open_sessions, core.stats().opened_sessions), (0, 3));
    }
}
