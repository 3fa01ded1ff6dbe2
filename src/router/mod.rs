//! The router, which an application creates once.

mod across;
mod audit_log;
mod builder;
mod catalog;
mod control;
mod core;
mod coverage;
mod dispatch;
mod following;
mod health;
mod look_back;
mod into_session;
mod intervals;
#[cfg(feature = "log")]
mod log_level;
mod opening;
mod refusal;
mod unlogged;

pub use builder::TapRouterBuilder;
pub use health::{EndStats, RefusalStats, RouterStats};
pub use into_session::IntoSessionOptions;
pub use refusal::WatchError;

use crate::audit::{Audit, AuditEvent};
use crate::catalog::CatalogEntry;
use crate::config::Config;
use crate::coverage::Coverage;
use crate::intervals::{IntervalOptions, Intervals, IntervalsError};
use crate::layer::TapLayer;
use crate::predicate::Predicate;
use crate::session::{EndReason, SessionId, SessionInfo, SessionOptions};
use crate::stream::EventStream;
use core::Core;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tracing_core::Subscriber;
use tracing_subscriber::registry::LookupSpan;

/// Routes matching events to the open sessions.
///
/// The application creates one; clones share its state. Its [`layer`](Self::layer) goes on the registry, next to the
/// service's own layers. Without a session, events cost nothing, and a span costs a copy of its fields. The first session
/// starts one thread, which sleeps unless a session opens or ends.
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
pub struct TapRouter(Arc<Core>);

impl TapRouter {
    /// Creates a router with default settings.
    pub fn new() -> Self {
        Self::builder().build()
    }

    fn with_config(config: Config) -> Self {
        Self(Arc::new(Core::new(config)))
    }

    /// Creates a builder with default settings.
    pub fn builder() -> TapRouterBuilder {
        TapRouterBuilder::default()
    }

    /// Creates a layer of this router for one subscriber.
    ///
    /// Add it with `.with(router.layer())`, without a filter: a filter around it would hide events from sessions. A process
    /// with several subscribers adds a layer to each.
    pub fn layer<S>(&self) -> TapLayer<S>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        if self.0.shared.past.is_some() {
            self.0.ensure_control_thread();
        }
        TapLayer::new(self.0.new_instance(), Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>)
    }

    /// Opens a session. For the application itself: the router's limits on sessions do not apply.
    ///
    /// Takes a [`SessionOptions`], a [`Predicate`] or a predicate's text. Returns an [`EventStream`], or for a text a
    /// `Result` of one.
    ///
    /// Returns once every later matching event reaches the stream. That takes until the router's thread has rebuilt the
    /// interest of all callsites, at most a second. Inside a callback of `tracing` it does not wait. If the wait is cut short, [`coverage`](EventStream::coverage) reports it.
    ///
    /// # Errors
    /// For a text that is not a predicate.
    ///
    /// ```
    /// use tracing_tap::{Predicate, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// let built = router.watch(Predicate::eq("user", 42));
    /// let read = router.watch("user = 42")?;
    /// assert_eq!(router.sessions().len(), 2);
    /// # drop((built, read));
    /// # Ok::<(), tracing_tap::PredicateError>(())
    /// ```
    pub fn watch<S: IntoSessionOptions>(&self, session: S) -> S::Watched {
        session.watched_by(|session| self.0.open(session))
    }

    /// Opens a session on behalf of a client, within the router's limits. Otherwise the same as [`watch`](Self::watch).
    ///
    /// Refusals are counted, and logged by the [audit](crate::audit). The limits hold for concurrent callers too.
    ///
    /// It ends by itself once evaluating it takes more than
    /// [`max_session_cost`](TapRouterBuilder::max_session_cost) of the service's time: its opener, remote or not, is not
    /// the one who bears it. Sessions of [`watch`](Self::watch) do not.
    ///
    /// # Errors
    /// - If a limit is reached: `max_sessions`, `max_sessions_per_opener`, or `max_unindexed_sessions` for a predicate
    ///   without a required equality. Sessions opened by [`watch`](Self::watch) count.
    /// - If the predicate or the confinement tests a redacted field.
    /// - If the predicate and the confinement may cost a producer more than 50 µs for an event of 1 KiB.
    /// - If a text is not a predicate.
    ///
    /// ```
    /// use tracing_tap::{Predicate, TapRouter};
    ///
    /// let router = TapRouter::builder().max_sessions(1).build();
    /// let first = router.try_watch(Predicate::eq("user", 42))?;
    /// assert!(router.try_watch(Predicate::eq("user", 43)).unwrap_err().is_too_many_sessions());
    /// drop(first);
    /// assert!(router.try_watch("user = 43").is_ok());
    /// # Ok::<(), tracing_tap::WatchError>(())
    /// ```
    pub fn try_watch(&self, session: impl IntoSessionOptions) -> Result<EventStream, WatchError> {
        self.0.try_open(session.try_into_options().map_err(WatchError::unreadable)?)
    }

    /// The open sessions, the oldest first. Copies each one's options and counts.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let mut sessions = self.0.sessions();
        sessions.sort_by_key(|session| session.id);
        sessions
    }

    /// Ends a session. Returns whether it was open. Its stream yields the buffered events, then `Ended(Closed)`.
    pub fn close(&self, id: SessionId) -> bool {
        self.0.close(id, EndReason::Closed)
    }

    /// Ends a session like [`close`](Self::close), with another reason: its stream's last item is `Ended(reason)`.
    pub fn close_with(&self, id: SessionId, reason: EndReason) -> bool {
        self.0.close(id, reason)
    }

    /// What a session on this predicate can see now, and what keeps it from seeing more.
    ///
    /// Not for a hot path: asks every layer whether it enables certain levels and targets, and reads the open spans. If
    /// levels seem to be hidden, it first rebuilds the interest of all callsites and waits for that, at most a second, since
    /// a concurrent rebuild may have hidden them for a moment.
    pub fn coverage(&self, predicate: &Predicate) -> Coverage {
        self.coverage_of(&predicate.clone().into())
    }

    /// What a session with these options would see if it were opened now; see [`coverage`](Self::coverage).
    ///
    /// ```
    /// use tracing_subscriber::filter::LevelFilter;
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Predicate, SessionOptions, TapRouter, Verdict};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// tracing::info!(user = 42, "hello");
    /// let session = SessionOptions::new(Predicate::eq("user", 42)).spans(LevelFilter::DEBUG);
    /// assert_eq!(router.coverage_of(&session).verdict(), Verdict::Everything);
    /// ```
    pub fn coverage_of(&self, session: &SessionOptions) -> Coverage {
        self.0.coverage_of(session, coverage::Matched::Nothing)
    }

    /// The callsites of the [catalog](Self::catalog) that can emit events or spans within `confinement`, by level and
    /// target. Spans count by their target alone, since a span may be more verbose than the events inside it.
    pub fn catalog_within(&self, confinement: &Predicate) -> Vec<CatalogEntry> {
        self.0.catalog_within(confinement)
    }

    /// Every callsite that has been reached so far, by file and line. Not for a hot path: lists all callsites.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::TapRouter;
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// tracing::info!(target: "chat::hub", user = 42, "subscribed");
    /// let catalog = router.catalog();
    /// let event = catalog.iter().find(|entry| entry.target == "chat::hub").expect("it has been reached");
    /// assert_eq!((&*event.level, event.fields.len()), ("INFO", 2));
    /// ```
    pub fn catalog(&self) -> Vec<CatalogEntry> {
        self.0.catalog()
    }

    /// The router's counts so far. Not for a hot path: sums over all sessions.
    pub fn stats(&self) -> RouterStats {
        self.0.stats()
    }

    /// The builder's setting of [`max_sessions_per_opener`](TapRouterBuilder::max_sessions_per_opener).
    pub fn max_sessions_per_opener(&self) -> usize {
        self.0.shared.config.max_sessions_per_opener
    }

    /// The number of calls of [`shutdown`](Self::shutdown) so far.
    ///
    /// For an endpoint that opens a session in several steps: it reads this number before and after. If the number has
    /// changed, the shutdown may have missed the new session, and the endpoint must end it.
    pub fn shutdowns(&self) -> u64 {
        self.0.shutdowns()
    }

    /// Adds an endpoint's event to the [audit](crate::audit). The router's own thread logs it, in order. Never blocks.
    pub fn audit(&self, event: AuditEvent) {
        self.0.log_later(Audit::Endpoint(event));
    }

    /// Records when each thread is in a span whose [timings](SessionOptions::timings) the session gets, from now on until the
    /// returned [`Intervals`] are dropped. For profilers: they know the spans of a sample without asking the thread. The
    /// [audit](crate::audit) has it.
    ///
    /// Costs an enter and an exit of such a span a look at the clock each, and a record in the thread's queue; other spans
    /// nothing.
    ///
    /// # Errors
    /// If no session of that number is open here, if it has no timings, or if the intervals of another one are being recorded.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::intervals::{IntervalOptions, IntervalRecord};
    /// use tracing_tap::{Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let session = router.watch(SessionOptions::new(Predicate::eq("user", 42)).timings().without_events());
    /// let mut intervals = router.intervals(session.id(), IntervalOptions::default())?;
    /// tracing::info_span!("request", user = 43).in_scope(|| ());
    /// tracing::info_span!("request", user = 42).in_scope(|| ());
    /// let mut thread = intervals.new_threads().next().expect("this one is in a watched span");
    /// let records: Vec<_> = std::iter::from_fn(|| thread.pop()).collect();
    /// let [IntervalRecord::Watched { path, .. }, IntervalRecord::Entered { .. }, IntervalRecord::Exited { .. }] = &records[..]
    /// else { panic!("one span is watched") };
    /// assert_eq!(path[0].name(), "request");
    /// # Ok::<(), tracing_tap::intervals::IntervalsError>(())
    /// ```
    pub fn intervals(&self, session: SessionId, options: IntervalOptions) -> Result<Intervals, IntervalsError> {
        self.0.record_intervals(session, options)
    }

    /// Ends every open session. Their streams yield the buffered events, then `Ended(Shutdown)`.
    ///
    /// Call it before the process exits: it blocks, at most a second, until the [audit](crate::audit) has logged the ends. A
    /// router in the global subscriber is never dropped, so nothing else waits for that.
    pub fn shutdown(&self) {
        self.0.shutdown();
    }
}

#[cfg(test)]
impl TapRouter {
    /// Its first layer.
    pub(crate) fn instance(&self) -> Arc<crate::layer::Instance> {
        self.0.live_instances().remove(0)
    }
}

impl Default for TapRouter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TapRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapRouter").field("open_sessions", &self.0.sessions().len()).finish_non_exhaustive()
    }
}
