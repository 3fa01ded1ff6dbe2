//! The router: what an application creates once, and what its layers, sessions and control thread share.

use crate::config::Config;
use crate::control::{Control, Retired};
use crate::layer::guard::Guard;
use crate::layer::{Instance, TapLayer};
use crate::session::open::OpenSession;
use crate::session::registry::Registry;
use crate::session::snapshot::Snapshot;
use crate::session::{Session, SessionId, SessionInfo};
use crate::stream::budget::Budget;
use crate::stream::{EndReason, EventStream, SessionStats};
use arc_swap::ArcSwap;
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tracing_core::{LevelFilter, Subscriber, dispatcher};
use tracing_subscriber::registry::LookupSpan;

/// Routes the events of open sessions to whoever opened them.
///
/// Created once by the application; clones share everything. Its [`layer`](Self::layer) goes beside the service's
/// own layers, on the registry. With no session open, events cost nothing and spans the keeping of their fields.
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::{Item, Predicate, TapRouter};
///
/// let router = TapRouter::new();
/// tracing_subscriber::registry().with(router.layer()).init();
///
/// let mut stream = router.watch(Predicate::eq("user", 42));
/// tracing::debug!(user = 42, "hello");
/// tracing::debug!(user = 43, "not for you");
/// let seen: Vec<_> = stream.drain().filter_map(Item::into_event).collect();
/// assert_eq!(seen.len(), 1);
/// assert_eq!(seen[0].message(), "hello");
/// ```
#[derive(Clone)]
pub struct TapRouter(Arc<Shared>);

/// Sets up a [`TapRouter`]; made by [`TapRouter::builder`].
#[derive(Clone, Debug, Default)]
pub struct TapRouterBuilder(Config);

/// Why [`TapRouter::try_watch`] opened no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchError(Refusal);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    TooManySessions { max_sessions: usize },
    TestsRedactedField { field: String },
}

/// What a router has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterStats {
    /// Sessions open now.
    pub open_sessions: usize,
    /// Sessions opened so far.
    pub opened_sessions: u64,
    /// The sum over all sessions, closed ones included.
    pub events: SessionStats,
    /// Events that arrived while a value or a waker ran its own code for this router, and were not routed.
    pub suppressed: u64,
}

/// What a router, its layers and its control thread share.
pub(crate) struct Shared {
    /// Names the router within the process.
    pub(crate) id: u64,
    pub(crate) config: Config,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) control: Arc<Control>,
    #[cfg(feature = "log")]
    pub(crate) log_level: crate::layer::log_level::LogLevel,
    registry: Mutex<Registry>,
    budget: Arc<Budget>,
    last_session: AtomicU64,
    suppressed: AtomicU64,
    closed: Mutex<Closed>,
}

/// What closed sessions have counted. One that is closed may still be read, or be on its way to be freed.
#[derive(Debug, Default)]
struct Closed {
    freed: SessionStats,
    unfreed: FxHashMap<SessionId, Weak<OpenSession>>,
}

impl TapRouter {
    /// Creates a router with default settings.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Creates a builder with default settings.
    pub fn builder() -> TapRouterBuilder {
        TapRouterBuilder::default()
    }

    /// Creates a layer of this router, for one subscriber.
    pub fn layer<S>(&self) -> TapLayer<S>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        TapLayer::new(self.0.new_instance())
    }

    /// Opens a session, whatever the caps: the application's own call.
    ///
    /// Returns once every matching event from here on reaches the stream. That can take as long as other layers
    /// need to be asked for their interest, at most a second; inside a callback of `tracing` it does not wait.
    pub fn watch(&self, session: impl Into<Session>) -> EventStream {
        self.0.open(session.into())
    }

    /// Opens a session on behalf of somebody else.
    ///
    /// # Errors
    /// Refuses where `max_sessions` are open, or where the predicate tests a redacted field.
    pub fn try_watch(&self, session: impl Into<Session>) -> Result<EventStream, WatchError> {
        let session = session.into();
        let redacted = session.predicate.field_names().find(|name| self.0.config.redacts(name)).map(str::to_owned);
        if let Some(field) = redacted {
            return Err(WatchError(Refusal::TestsRedactedField { field }));
        }
        self.0
            .try_open(session)
            .ok_or(WatchError(Refusal::TooManySessions { max_sessions: self.0.config.max_sessions }))
    }

    /// The open sessions, oldest first.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let mut sessions: Vec<_> = self.0.registry().sessions().map(|session| session.info()).collect();
        sessions.sort_by_key(|session| session.id);
        sessions
    }

    /// Ends a session; its stream gives what it still holds and then `Ended(Closed)`. Returns whether it was open.
    pub fn close(&self, id: SessionId) -> bool {
        self.0.close(id, EndReason::Closed)
    }

    /// What this router has done so far. Adds up all sessions: not for a hot path.
    pub fn stats(&self) -> RouterStats {
        self.0.stats()
    }

    /// Ends every open session; their streams give what they still hold and then `Ended(Shutdown)`.
    pub fn shutdown(&self) {
        self.0.shutdown();
    }
}

impl TapRouterBuilder {
    /// Sets which spans are tracked while no session is open; default INFO and more severe.
    #[must_use]
    pub fn span_level(mut self, level: impl Into<LevelFilter>) -> Self {
        self.0.span_level = level.into();
        self
    }

    /// Keeps only these fields of spans, and then at any level; default: all fields of tracked spans.
    #[must_use]
    pub fn capture_fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.capture_fields = Some(names.into_iter().map(|name| name.into().into()).collect());
        self
    }

    /// Never captures events and spans of these targets and of the modules below them, whatever a session asks.
    #[must_use]
    pub fn deny_targets<N: Into<String>>(mut self, prefixes: impl IntoIterator<Item = N>) -> Self {
        self.0.deny_targets = prefixes.into_iter().map(|prefix| prefix.into().into()).collect();
        self
    }

    /// Never keeps the values of these fields: they are shown as `<redacted>`, and no test is true of them.
    ///
    /// Text inside messages and inside what a struct's `Debug` prints is not searched.
    #[must_use]
    pub fn redact_fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.redact_fields = names.into_iter().map(|name| name.into().into()).collect();
        self
    }

    /// Bounds the bytes kept of one value; default 8 KiB. Longer ones are cut and marked.
    #[must_use]
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.0.max_value_bytes = bytes;
        self
    }

    /// Bounds the sessions that [`TapRouter::try_watch`] opens; default 64.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.0.max_sessions = sessions;
        self
    }

    /// Bounds the bytes held by unread events of all sessions together; default 64 MiB.
    #[must_use]
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.0.max_buffered_bytes = bytes;
        self
    }

    /// Creates the router.
    pub fn build(self) -> TapRouter {
        TapRouter(Arc::new(Shared::new(self.0)))
    }
}

impl Shared {
    fn new(config: Config) -> Self {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        Self {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed) + 1,
            budget: Arc::new(Budget::new(config.max_buffered_bytes)),
            config,
            snapshot: ArcSwap::default(),
            control: Arc::default(),
            #[cfg(feature = "log")]
            log_level: Default::default(),
            registry: Mutex::default(),
            last_session: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
            closed: Mutex::default(),
        }
    }

    /// Held for as long as it takes to replace the snapshot; never while anybody else's code runs.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_instance(self: &Arc<Self>) -> Arc<Instance> {
        let instance = Arc::new(Instance::new(Arc::clone(self)));
        let mut registry = self.registry();
        registry.instances.push(Arc::downgrade(&instance));
        if registry.sessions().len() > 0 {
            instance.set_epoch(next_epoch());
        }
        drop(registry);
        instance
    }

    pub(crate) fn live_instances(&self) -> Vec<Arc<Instance>> {
        self.registry().live_instances()
    }

    fn open(self: &Arc<Self>, session: Session) -> EventStream {
        let session = self.new_session(session);
        self.publish(&mut self.registry(), |registry| registry.open(&session));
        self.stream(session)
    }

    fn try_open(self: &Arc<Self>, session: Session) -> Option<EventStream> {
        let session = self.new_session(session);
        let mut registry = self.registry();
        if registry.sessions().len() >= self.config.max_sessions {
            return None;
        }
        self.publish(&mut registry, |registry| registry.open(&session));
        drop(registry);
        Some(self.stream(session))
    }

    fn new_session(&self, session: Session) -> Arc<OpenSession> {
        let id = SessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        Arc::new(OpenSession::new(id, session, Arc::clone(&self.budget)))
    }

    /// Makes the stream of a session that has just been opened, once all callsites know of it.
    fn stream(self: &Arc<Self>, session: Arc<OpenSession>) -> EventStream {
        self.control.ensure_started(self);
        dispatcher::get_default(|default| {
            self.live_instances().iter().for_each(|instance| instance.adopt_dispatch(default));
        });
        if session.is_exhausted() {
            self.close(session.id, EndReason::MaxEvents);
        }
        if session.deadline.is_some() {
            self.control.wake();
        }
        if !inside_callback() {
            self.control.wait_for_rebuild();
        }
        EventStream::new(session, Arc::downgrade(self))
    }

    /// Applies a change of sessions: first the snapshot, then the epochs, so that whoever sees the new epoch reads
    /// the new snapshot; then, where a callsite may be concerned, the interests.
    fn publish(&self, registry: &mut Registry, change: impl FnOnce(&mut Registry)) {
        change(registry);
        let (snapshot, reach_changed) = registry.snapshot();
        let retired = self.snapshot.swap(Arc::new(snapshot));
        for instance in registry.live_instances() {
            instance.set_epoch(next_epoch());
        }
        if let Err(retired) = Arc::try_unwrap(retired) {
            self.control.retire(Retired::Snapshot(retired));
        }
        if reach_changed {
            self.control.ask_for_rebuild();
        }
    }

    /// Ends a session. Returns whether it was open.
    pub(crate) fn close(&self, id: SessionId, reason: EndReason) -> bool {
        let mut registry = self.registry();
        if registry.get(id).is_none() {
            return false;
        }
        let mut closed = None;
        self.publish(&mut registry, |registry| closed = registry.close(id));
        // Before the registry is let go: `stats` finds the session here or there.
        closed.iter().for_each(|session| self.closed().note(session));
        drop(registry);
        if let Some(session) = closed {
            session.end(reason);
        }
        self.control.wake();
        true
    }

    /// Ends the sessions whose time is over, and says when the next one's is.
    pub(crate) fn close_expired(&self) -> Option<Instant> {
        let now = Instant::now();
        let deadlines: Vec<_> = self.registry().deadlines().take_while(|(deadline, _)| *deadline <= now).collect();
        for (_, id) in deadlines {
            self.close(id, EndReason::Expired);
        }
        self.registry().deadlines().next().map(|(deadline, _)| deadline)
    }

    /// Called by a producer: the session has admitted its last event.
    #[cold]
    pub(crate) fn session_is_full(&self, session: &OpenSession) {
        session.end(EndReason::MaxEvents);
        self.control.close_full(session.id);
    }

    /// Goes back to costing nothing, if no session is open and all callsites know.
    pub(crate) fn rest_if_idle(&self) {
        let mut registry = self.registry();
        if registry.sessions().len() > 0 || !self.control.is_settled() {
            return;
        }
        let instances = registry.live_instances();
        let busy: Vec<_> = instances.into_iter().filter(|instance| instance.epoch() != 0).collect();
        busy.iter().for_each(|instance| instance.set_epoch(0));
        drop(registry);
        busy.iter().for_each(|instance| instance.clear_scopes());
    }

    /// Frees something, or hands it back while somebody still holds it.
    pub(crate) fn free(&self, retired: Retired) -> Option<Retired> {
        match retired {
            Retired::Snapshot(snapshot) => Arc::try_unwrap(snapshot).err().map(Retired::Snapshot),
            Retired::Session(session) => self.free_session(session).err().map(Retired::Session),
        }
    }

    fn free_session(&self, session: Arc<OpenSession>) -> Result<(), Arc<OpenSession>> {
        // Locked before the session is taken apart, so that `stats` finds what it has counted at any moment.
        let mut closed = self.closed();
        let session = Arc::try_unwrap(session)?;
        session.discard_unread();
        closed.freed.add(&session.stats());
        closed.unfreed.remove(&session.id);
        // The session goes last: with it goes its reader's waker, which is others' code.
        drop(closed);
        Ok(())
    }

    fn closed(&self) -> MutexGuard<'_, Closed> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count_suppressed(&self) {
        self.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    fn stats(&self) -> RouterStats {
        let registry = self.registry();
        let mut events = self.closed().sum();
        registry.sessions().for_each(|session| events.add(&session.stats()));
        RouterStats {
            open_sessions: registry.sessions().len(),
            opened_sessions: self.last_session.load(Ordering::Relaxed),
            events,
            suppressed: self.suppressed.load(Ordering::Relaxed),
        }
    }

    fn shutdown(&self) {
        let ids: Vec<_> = self.registry().sessions().map(|session| session.id).collect();
        for id in ids {
            self.close(id, EndReason::Shutdown);
        }
    }
}

impl Closed {
    fn note(&mut self, session: &Arc<OpenSession>) {
        self.unfreed.insert(session.id, Arc::downgrade(session));
    }

    fn sum(&self) -> SessionStats {
        let mut sum = self.freed;
        self.unfreed.values().filter_map(Weak::upgrade).for_each(|session| sum.add(&session.stats()));
        sum
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.shutdown();
        self.control.stop();
    }
}

/// A number no layer of the process has had as its epoch.
fn next_epoch() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only its being new matters; `Instance::set_epoch` orders it.
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Whether this thread is known to be inside a callback of `tracing`, where waiting could wait for itself.
fn inside_callback() -> bool {
    Guard::is_held() || dispatcher::get_current(|_| ()).is_none()
}

impl Default for TapRouter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TapRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapRouter").field("open_sessions", &self.0.registry().sessions().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Refusal::TooManySessions { max_sessions } => {
                write!(f, "open a session: {max_sessions} are open, which is the limit `max_sessions`")
            }
            Refusal::TestsRedactedField { field } => {
                write!(f, "open a session: the field `{field}` is redacted and cannot be tested")
            }
        }
    }
}

impl std::error::Error for WatchError {}
