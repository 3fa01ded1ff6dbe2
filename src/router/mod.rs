//! The router: what an application creates once.

mod builder;
mod catalog;
mod control;
mod core;
mod coverage;
mod following;
mod health;
mod into_session;
#[cfg(feature = "log")]
mod log_level;
mod refusal;
mod tell;

pub use builder::TapRouterBuilder;
pub use health::{EndStats, RefusalStats, RouterStats};
pub use into_session::IntoSessionOptions;
pub use refusal::WatchError;

use crate::audit::{Audit, AuditEvent};
use crate::catalog::CatalogEntry;
use crate::config::Config;
use crate::coverage::Coverage;
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

    /// Creates a layer of this router, for one subscriber.
    pub fn layer<S>(&self) -> TapLayer<S>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        TapLayer::new(self.0.new_instance(), Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>)
    }

    /// Opens a session, whatever the caps: the application's own call.
    ///
    /// It takes a [`SessionOptions`], a [`Predicate`] or a predicate's text, and returns an [`EventStream`]; for a
    /// text, which may be wrong, a `Result` of one.
    ///
    /// Returns once every matching event from here on reaches the stream. That can take as long as other layers
    /// need to be asked for their interest, at most a second; inside a callback of `tracing` it does not wait.
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

    /// Opens a session on behalf of somebody else.
    ///
    /// It ends by itself once evaluating it takes more than
    /// [`max_session_cost`](TapRouterBuilder::max_session_cost) of the service's time: its opener, remote or not, is not
    /// the one who bears it. Sessions of [`watch`](Self::watch) do not.
    ///
    /// # Errors
    /// Refuses where as many sessions are open as `max_sessions`, `max_sessions_per_opener` or (without an equality that
    /// must hold) `max_unindexed_sessions` allow, those of [`watch`](Self::watch) included; and where the predicate or
    /// the scope tests a redacted field or [may cost too much](WatchError::is_too_costly). Of callers that come at once no more get in than there is room for. Refuses a text
    /// that is no predicate as well.
    pub fn try_watch(&self, session: impl IntoSessionOptions) -> Result<EventStream, WatchError> {
        self.0.try_open(session.try_into_options().map_err(WatchError::unreadable)?)
    }

    /// The open sessions, oldest first.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let mut sessions = self.0.sessions();
        sessions.sort_by_key(|session| session.id);
        sessions
    }

    /// Ends a session; its stream gives what it still holds and then `Ended(Closed)`. Returns whether it was open.
    pub fn close(&self, id: SessionId) -> bool {
        self.0.close(id, EndReason::Closed)
    }

    /// Ends a session as [`close`](Self::close) does, with another reason: `Ended(reason)` is its stream's last item.
    pub fn close_with(&self, id: SessionId, reason: EndReason) -> bool {
        self.0.close(id, reason)
    }

    /// What a session on this predicate can see now, and what keeps it from seeing more.
    ///
    /// Asks every layer a few questions, as `enabled!` does, and looks at the open spans: not for a hot path. Where levels
    /// seem to be hidden it has all callsites asked once more and waits for that, at most a second: it may have been
    /// another rebuild's doing.
    pub fn coverage(&self, predicate: &Predicate) -> Coverage {
        self.coverage_of(&predicate.clone().into())
    }

    /// What a session with these options could see if it were opened now; see [`coverage`](Self::coverage).
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

    /// The callsites of the [catalog](Self::catalog) that can emit something within `confinement`; spans by their target
    /// alone, since a span may be more verbose than the events in it.
    pub fn catalog_within(&self, confinement: &Predicate) -> Vec<CatalogEntry> {
        self.0.catalog_within(confinement)
    }

    /// Every callsite that has been reached so far, by file and line.
    pub fn catalog(&self) -> Vec<CatalogEntry> {
        self.0.catalog()
    }

    /// What this router has done so far. Adds up all sessions: not for a hot path.
    pub fn stats(&self) -> RouterStats {
        self.0.stats()
    }

    /// How many sessions one opener may have, as the builder was told.
    pub fn max_sessions_per_opener(&self) -> usize {
        self.0.shared.config.max_sessions_per_opener
    }

    /// How often [`shutdown`](Self::shutdown) was called so far.
    ///
    /// An endpoint that opens a session in several steps reads this first and again at the end: if the number moved, the
    /// shutdown may not have ended the new session, and the endpoint must.
    pub fn shutdowns(&self) -> u64 {
        self.0.shutdowns()
    }

    /// Adds an endpoint's event to the [audit](crate::audit). Logged by the router's own thread, in order; never blocks.
    pub fn audit(&self, event: AuditEvent) {
        self.0.tell_other(Audit::Endpoint(event));
    }

    /// Ends every open session; their streams give what they still hold and then `Ended(Shutdown)`.
    ///
    /// Call it before the process exits: it waits, at most a second, until the [audit](crate::audit) of what has ended is
    /// logged. A router in the global subscriber is never dropped, so nothing else waits for that.
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
