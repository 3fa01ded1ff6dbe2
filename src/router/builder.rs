//! The settings of a router.

use super::TapRouter;
use crate::config::Config;
use crate::past::LookBack;
use crate::predicate::plain_name;
use crate::trace::{SPAN_ID, TRACE_ID, TraceSource};
use std::sync::Arc;
use std::time::Duration;
use tracing_core::LevelFilter;

/// The settings of a [`TapRouter`]. Created by [`TapRouter::builder`].
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
    /// Sets the most verbose spans that the router enables and tracks even without a session; default INFO.
    ///
    /// More verbose spans exist only if another layer or a session ([`SessionOptions::spans`](crate::SessionOptions::spans))
    /// enables them. The router tracks them only while a session is open: one created before is not shown, and its fields
    /// are not tested. A tracked span costs a copy of its fields.
    #[must_use]
    pub fn span_level(mut self, level: impl Into<LevelFilter>) -> Self {
        self.0.span_level = level.into();
        self
    }

    /// Keeps only these fields of spans; default all. Does not enable spans: see [`span_level`](Self::span_level).
    #[must_use]
    pub fn capture_fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.capture_fields = Some(names.into_iter().map(|name| plain_name(&name.into()).into()).collect());
        self
    }

    /// Never captures events and spans of these targets and of the modules below them, whatever a session wants; default
    /// none.
    #[must_use]
    pub fn deny_targets<N: Into<String>>(mut self, prefixes: impl IntoIterator<Item = N>) -> Self {
        self.0.deny_targets = prefixes.into_iter().map(|prefix| prefix.into().into()).collect();
        self
    }

    /// Never keeps the values of these fields: they are shown as `<redacted>`, and no test is true of them; default none.
    ///
    /// Compares names only: the same value inside a message or inside a struct's `Debug` text is not found.
    #[must_use]
    pub fn redact_fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.redact_fields = names.into_iter().map(|name| plain_name(&name.into()).into()).collect();
        self
    }

    /// Limits the bytes kept of one value; default 8 KiB. A longer value is cut, and marked as cut.
    #[must_use]
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.0.max_value_bytes = bytes;
        self
    }

    /// Limits the fields kept of one event; default 64. Further fields are tested but not kept, and the event has
    /// [their number](crate::CapturedEvent::omitted_fields).
    #[must_use]
    pub fn max_event_fields(mut self, fields: usize) -> Self {
        self.0.max_event_fields = fields;
        self
    }

    /// Limits the number of open sessions at which [`TapRouter::try_watch`] refuses another; default 64.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.0.max_sessions = sessions;
        self
    }

    /// Limits the number of one opener's open sessions at which [`TapRouter::try_watch`] refuses another; default 8.
    ///
    /// The opener is [`SessionOptions::opened_by`](crate::SessionOptions::opened_by). Openers without a name count as one.
    #[must_use]
    pub fn max_sessions_per_opener(mut self, sessions: usize) -> Self {
        self.0.max_sessions_per_opener = sessions;
        self
    }

    /// Limits the number of open sessions without a required equality at which [`TapRouter::try_watch`] refuses another;
    /// default 16.
    ///
    /// A required equality is a test `field = value` that every match satisfies. The router finds such sessions by an index,
    /// so 100,000 of them cost about as much as one. Each of the others is evaluated for every scope.
    #[must_use]
    pub fn max_unindexed_sessions(mut self, sessions: usize) -> Self {
        self.0.max_unindexed_sessions = sessions;
        self
    }

    /// Limits the bytes held by the unread events of all sessions together; default 64 MiB. Beyond it events are lost and
    /// counted.
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

    /// Keeps the latest events of all threads for sessions that [look back](crate::SessionOptions::look_back); default off.
    ///
    /// **The service pays for it all the time**, session or not: for every event up to [the level](LookBack::level) the
    /// arguments are evaluated, `%value` and `?value` are formatted, and a record is written. Other layers see no more events
    /// than without, and no span is enabled. The router's thread starts with the layer and allocates
    /// [all the memory](LookBack::new) as soon as the layer is installed; what happens before is not kept.
    ///
    /// [Denied targets](Self::deny_targets) and the values of [redacted fields](Self::redact_fields) are never kept.
    #[must_use]
    pub fn look_back(mut self, past: LookBack) -> Self {
        self.0.look_back = Some(past);
        self
    }

    /// Limits the requests that all sessions together hold until their [outcome](crate::SessionOptions::only_if) is known;
    /// default 16,384. Beyond it a session gives up its oldest. The events held count in
    /// [`max_buffered_bytes`](Self::max_buffered_bytes).
    #[must_use]
    pub fn max_held_requests(mut self, requests: usize) -> Self {
        self.0.max_held_requests = requests;
        self
    }

    /// Limits the time for which a session holds a request until its [outcome](crate::SessionOptions::only_if) is known;
    /// default a minute. A request that takes longer is given up, and counted as
    /// [`Undecided`](crate::MissingReason::Undecided). [`TapRouter::try_watch`] refuses a longer
    /// [`slower_than`](crate::SessionOptions::slower_than); the application's own [`watch`](TapRouter::watch) holds requests
    /// for as long as that takes.
    #[must_use]
    pub fn max_hold_time(mut self, duration: Duration) -> Self {
        self.0.max_hold_time = duration;
        self
    }

    /// Has the router know the traces of spans; default none. See [`TraceSource`].
    ///
    /// Events then have the ids of [their trace](crate::CapturedEvent::trace), and predicates test these as the fields
    /// `trace_id` and `span_id`. The trace of a span becomes known at the first event right inside it that a session captures,
    /// or, while an open session tests one of these fields, at the first that may match by it. Nothing is read if one of
    /// these fields is [redacted](Self::redact_fields).
    #[must_use]
    pub fn trace_source(mut self, source: impl TraceSource + 'static) -> Self {
        self.0.trace_source = Some(Arc::new(source));
        self
    }

    /// Creates the router.
    pub fn build(mut self) -> TapRouter {
        let is_redacted = self.0.redacts(TRACE_ID) || self.0.redacts(SPAN_ID);
        self.0.trace_source = self.0.trace_source.filter(|_| !is_redacted);
        TapRouter::with_config(self.0)
    }
}
