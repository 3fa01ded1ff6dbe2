//! Setting up a router.

use super::TapRouter;
use crate::config::Config;
use crate::predicate::plain_name;
use std::time::Duration;
use tracing_core::LevelFilter;

/// Sets up a [`TapRouter`]; made by [`TapRouter::builder`].
///
/// ```
/// use tracing::level_filters::LevelFilter;
/// use tracing_tap::TapRouter;
///
/// let router = TapRouter::builder().span_level(LevelFilter::DEBUG).redact_fields(["password"]).build();
/// # let _ = router;
/// ```
#[derive(Clone, Debug, Default)]
pub struct TapRouterBuilder(Config);

impl TapRouterBuilder {
    /// Sets which spans exist and keep their fields, session or not; default INFO and more severe.
    ///
    /// Spans more verbose than this exist only where another layer wants them, or where a session asks for them
    /// ([`SessionOptions::spans`](crate::SessionOptions::spans)). Those of other layers are seen from the first session on: one that was
    /// created while no session was open is not shown, and its fields are not tested.
    #[must_use]
    pub fn span_level(mut self, level: impl Into<LevelFilter>) -> Self {
        self.0.span_level = level.into();
        self
    }

    /// Keeps only these fields of spans; default all. It enables no span: see [`span_level`](Self::span_level).
    #[must_use]
    pub fn capture_fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.capture_fields = Some(names.into_iter().map(|name| plain_name(&name.into()).into()).collect());
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
        self.0.redact_fields = names.into_iter().map(|name| plain_name(&name.into()).into()).collect();
        self
    }

    /// Bounds the bytes kept of one value; default 8 KiB. Longer ones are cut and marked.
    #[must_use]
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.0.max_value_bytes = bytes;
        self
    }

    /// Bounds the fields kept of one event; default 64. Further ones are tested all the same, but not kept: the event
    /// says [how many](crate::CapturedEvent::omitted_fields).
    #[must_use]
    pub fn max_event_fields(mut self, fields: usize) -> Self {
        self.0.max_event_fields = fields;
        self
    }

    /// Bounds the sessions that [`TapRouter::try_watch`] opens; default 64.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.0.max_sessions = sessions;
        self
    }

    /// Bounds the sessions that one opener may have where [`TapRouter::try_watch`] opens another; default 8.
    ///
    /// Openers are told apart by [`SessionOptions::opened_by`](crate::SessionOptions::opened_by); those without a name share one.
    #[must_use]
    pub fn max_sessions_per_opener(mut self, sessions: usize) -> Self {
        self.0.max_sessions_per_opener = sessions;
        self
    }

    /// Bounds the sessions whose predicate requires no field to equal a value, where [`TapRouter::try_watch`] opens
    /// another; default 16. Every scope is held against each of these; of the others there may be 100,000.
    #[must_use]
    pub fn max_unindexed_sessions(mut self, sessions: usize) -> Self {
        self.0.max_unindexed_sessions = sessions;
        self
    }

    /// Bounds the bytes held by unread events of all sessions together; default 64 MiB.
    #[must_use]
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.0.max_buffered_bytes = bytes;
        self
    }

    /// Bounds what evaluating the predicate of a session that [`TapRouter::try_watch`] opened may take of the service's time
    /// within a second; default 10 ms, about 1 % of one core. A session that takes more ends with
    /// [`EndReason::TooCostly`](crate::EndReason::TooCostly).
    ///
    /// The time is not measured, but added up by the prices of [`Predicate::cost`](crate::Predicate::cost). Eight tests of
    /// short values cost nothing, nor do events that the index or the spans around them decide. `Duration::MAX` bounds
    /// nothing.
    #[must_use]
    pub fn max_session_cost(mut self, per_second: Duration) -> Self {
        self.0.max_session_cost = per_second;
        self
    }

    /// Creates the router.
    pub fn build(self) -> TapRouter {
        TapRouter::with_config(self.0)
    }
}
