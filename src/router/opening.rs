//! Opening a session: its checks, its publication, and the wait until all callsites know.

use super::control;
use super::core::{Core, State, inside_callback};
use super::refusal::WatchError;
use crate::audit::Audit;
use crate::level::verbosity_of_filter;
use crate::session::governor::{Governor, TooCostly};
use crate::session::open::OpenSession;
use crate::session::outcome::Notices;
use crate::session::{EndReason, SessionId, SessionOptions};
use crate::stream::EventStream;
use crate::sync::atomic::Ordering;
use crate::usdt;
use std::sync::{Arc, PoisonError};
use tracing_core::{LevelFilter, dispatcher};

/// With more audits than this still to be logged, opening another session waits, for a bounded time.
const MAX_UNLOGGED_AUDITS: usize = 1024;

impl Core {
    /// Opens a session, without a limit.
    pub(super) fn open(self: &Arc<Self>, session: SessionOptions) -> EventStream {
        let session = Arc::new(self.new_session(session));
        let mut state = self.state();
        self.add(&mut state, &session);
        drop(state);
        self.hand_out(session)
    }

    /// Opens a session, unless the router's policy rejects it.
    pub(super) fn try_open(self: &Arc<Self>, session: SessionOptions) -> Result<EventStream, WatchError> {
        let config = &self.shared.config;
        if let Err(error) = WatchError::check_options(&session, config) {
            self.count_refusal(Arc::new(session), &error);
            return Err(error);
        }
        let session = self.new_governed_session(session);
        let mut state = self.state();
        // One step with the opening: of two concurrent openings, the second counts the first.
        let checked = WatchError::check_caps(&session, &state.registry, config);
        if checked.is_ok() {
            self.add(&mut state, &session);
        }
        drop(state);
        if let Err(error) = checked {
            self.count_refusal(Arc::clone(&session.limits), &error);
            return Err(error);
        }
        Ok(self.hand_out(session))
    }

    fn new_session(&self, session: SessionOptions) -> OpenSession {
        // Relaxed: only its being new matters.
        let id = SessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        let notices: Arc<dyn Notices> = Arc::clone(&self.shared) as _;
        OpenSession::new(id, session, Arc::clone(&self.budget)).holding(&self.holds, Arc::downgrade(&notices))
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
        if state.registry.sessions().len() == 0 {
            self.shared.sieve.clear();
        }
        self.begin_past(session);
        self.shared.sieve.add(session);
        self.publish(state, |registry| registry.open(session));
        usdt::session_open(session.id.0);
        // Before it can be ended, so that its end is logged after it.
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

    /// Notes how verbose spans are without a session, before the first one is opened.
    ///
    /// While the last session's levels are still set, the note from before it holds.
    fn note_span_limit(&self, state: &mut State) {
        let instances = state.live_instances();
        if instances.iter().any(|instance| instance.epoch() != 0) {
            return;
        }
        let level = LevelFilter::current();
        let is_known = level >= self.shared.config.span_level && instances.iter().all(|one| one.dispatch().is_some());
        match is_known {
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

    /// Returns once all callsites know of a session that has just been opened, as far as this thread may wait.
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
            // A log that is slower than sessions are opened must not let the queue grow.
            self.shared.inbox.wait_until_logged(MAX_UNLOGGED_AUDITS);
        }
    }

    /// Requests a rebuild if `tracing` hides levels that this router looks at.
    ///
    /// A rebuild of others may have restored a level from before a session; what is still hidden after this router's own
    /// rebuild, no rebuild will show.
    pub(super) fn ask_for_hidden_levels(&self) {
        if self.shared.inbox.has_thread() && self.shared.inbox.is_settled() && self.hides_levels() {
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
}
