//! The audit: who watched what, logged by the service itself and never captured by a session.
//!
//! Every session that is opened, refused or ended is an INFO event of the target `tracing_tap::audit`:
//!
//! | message | fields, in addition to those of the session |
//! |---|---|
//! | `session opened` | |
//! | `session profiled` | logged when a profiler begins to [record](crate::TapRouter::intervals) its spans |
//! | `session refused` | `reason`: the name of the limit, `redacted_field`, `too_costly`, `max_hold_time` or `no_look_back`; `error`: the refusal as text; `suppressed`: refusals not logged since the last logged one |
//! | `session ended` | `reason`: `closed`, `expired`, `max_events`, `shutdown` or `too_costly`; `duration_ms`; `matched`, which is the sum of `delivered`, `buffered`, `lost`, `kept_back` (by limits) and, where it decides by outcome, `unreleased` |
//!
//! Endpoints add [events of their own](AuditEvent) through [`TapRouter::audit`](crate::TapRouter::audit). The HTTP endpoint logs:
//!
//! | message | fields |
//! |---|---|
//! | `request refused` | `opener` and `peer`, if known; `method`, `path`, `status`; `reason`: the last segment of the problem's type; `error`, `suppressed` |
//! | `reader closed` | `opener`, `session`, `reason`: `stalled` |
//!
//! An instance of a fleet logs the messages that it rejects:
//!
//! | message | fields |
//! |---|---|
//! | `message ignored` | `subject`; `reason`: `forged`, `stale`, `replayed`, `malformed`, `too_large` or `version`; `suppressed` |
//!
//! The fields of the session: `opener`, `session` (its number; absent if it was refused), `name`, `predicate`,
//! `confinement`; its limits `capacity`, `capacity_bytes`, `overflow`, `expires_in_ms`, `max_events`, `max_rate`, `sample`,
//! `max_level`; `look_back_ms`; `follow` in its text form; `spans`, the most verbose spans that it enables; `only_if` and
//! `slower_than_us`; `timings`, which is true if it shows the times of spans; and `events`, which is false if it shows no
//! events. Options that are not set are absent.

mod endpoint;
mod refusals;

pub use endpoint::{AuditEvent, RefusedRequest};
pub use refusals::AuditLimit;

use crate::config::AUDIT_TARGET;
use crate::escape::{escaped, escaped_expression};
use crate::guard::run_user_code;
use crate::queue::Overflow;
use crate::session::open::OpenSession;
use crate::session::{EndReason, Follow, SessionOptions, SessionStats};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of each text that are logged.
const MAX_TEXT_BYTES: usize = 512;

/// An event to be logged.
#[derive(Debug)]
pub(crate) enum Audit {
    Session(SessionAudit),
    Endpoint(AuditEvent),
}

/// An event of a session. It holds the session's options, and never the session.
#[derive(Debug)]
pub(crate) struct SessionAudit {
    /// `None` if the session was refused.
    id: Option<u64>,
    session: Arc<SessionOptions>,
    happened: Happened,
}

#[derive(Debug)]
enum Happened {
    Opened,
    Recorded,
    Refused { reason: &'static str, error: String, suppressed: u64 },
    Ended { end: End, stats: SessionStats },
}

/// The end of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) reason: EndReason,
    pub(crate) lasted: Duration,
    pub(crate) at: Instant,
}

impl Audit {
    pub(crate) fn opened(session: &OpenSession) -> Self {
        Self::of(session, Happened::Opened)
    }

    /// The intervals of an open session's spans are recorded, for a profile.
    pub(crate) fn recorded(session: &OpenSession) -> Self {
        Self::of(session, Happened::Recorded)
    }

    /// `suppressed` refusals before this one were not logged.
    pub(crate) fn refused(session: Arc<SessionOptions>, reason: &'static str, error: String, suppressed: u64) -> Self {
        Self::Session(SessionAudit { id: None, session, happened: Happened::Refused { reason, error, suppressed } })
    }

    /// The end of a session, with its counts at this moment.
    pub(crate) fn ended(session: &OpenSession, end: End) -> Self {
        Self::of(session, Happened::Ended { end, stats: session.stats() })
    }

    fn of(session: &OpenSession, happened: Happened) -> Self {
        Self::Session(SessionAudit { id: Some(session.id.0), session: Arc::clone(&session.limits), happened })
    }

    /// Logs to this thread's subscriber. Other layers handle the event, so no lock may be held. A panic of theirs is
    /// swallowed: the code that opens or ends a session did not cause it.
    pub(crate) fn emit(&self) {
        run_user_code(|| self.log());
    }

    fn log(&self) {
        match self {
            Self::Session(audit) => audit.log(),
            Self::Endpoint(event) => event.log(),
        }
    }
}

/// Logs an event with the session's fields, followed by those of the event itself.
macro_rules! log_session {
    ($audit:expr, $message:literal $(, $field:ident = $value:expr)*) => {
        tracing::info!(
            target: AUDIT_TARGET,
            opener = $audit.opener(),
            session = $audit.id,
            name = $audit.name(),
            predicate = $audit.predicate(),
            confinement = $audit.confinement(),
            capacity = $audit.session.capacity.get(),
            capacity_bytes = $audit.session.capacity_bytes,
            overflow = $audit.overflow(),
            expires_in_ms = $audit.session.expires_in.map(milliseconds),
            max_events = $audit.session.max_events,
            max_rate = $audit.session.max_rate,
            look_back_ms = $audit.session.look_back.map(milliseconds),
            sample = $audit.sample(),
            max_level = $audit.max_level(),
            follow = $audit.follow(),
            spans = $audit.spans(),
            only_if = $audit.only_if(),
            slower_than_us = $audit.session.slower_than.map(microseconds),
            timings = $audit.timings(),
            events = $audit.events(),
            $($field = $value,)*
            $message
        )
    };
}

/// The arguments of an event are evaluated only if some layer wants it.
impl SessionAudit {
    fn log(&self) {
        match &self.happened {
            Happened::Opened => log_session!(self, "session opened"),
            Happened::Recorded => log_session!(self, "session profiled"),
            Happened::Refused { reason, error, suppressed } => {
                log_session!(self, "session refused", reason = reason, error = error, suppressed = suppressed);
            }
            Happened::Ended { end, stats } => log_session!(
                self,
                "session ended",
                reason = end.reason.word(),
                duration_ms = milliseconds(end.lasted),
                matched = stats.matched,
                delivered = stats.delivered,
                buffered = stats.buffered,
                lost = stats.lost,
                kept_back = stats.missing.kept_back(),
                unreleased = self.session.decides_by_outcome().then(|| stats.missing.unreleased())
            ),
        }
    }

    fn overflow(&self) -> &'static str {
        match self.session.overflow {
            Overflow::DropOldest => "drop_oldest",
            Overflow::DropNewest => "drop_newest",
        }
    }

    /// The sampling of one in so many; `None` if every request is shown.
    fn sample(&self) -> Option<u32> {
        Some(self.session.sample).filter(|sample| *sample > 1)
    }

    /// The most verbose events that it shows; `None` if that is not bounded.
    fn max_level(&self) -> Option<String> {
        self.session.level_limit().map(|level| level.to_string())
    }

    /// The most verbose spans that it enables; `None` if it enables none.
    fn spans(&self) -> Option<String> {
        self.session.enabled_spans().map(|level| level.to_string())
    }

    /// `None` if it shows no times of spans.
    fn timings(&self) -> Option<bool> {
        self.session.timings.then_some(true)
    }

    /// `None` if it shows events.
    fn events(&self) -> Option<bool> {
        (!self.session.events).then_some(false)
    }

    /// What it follows; `None` if it follows nothing.
    fn follow(&self) -> Option<String> {
        let follow = Some(&self.session.follow).filter(|follow| **follow != Follow::Event)?;
        Some(escaped(&follow.to_string(), MAX_TEXT_BYTES))
    }

    fn opener(&self) -> Option<String> {
        self.session.opened_by.as_deref().map(|opener| escaped(opener, MAX_TEXT_BYTES))
    }

    fn name(&self) -> Option<String> {
        self.session.name.as_deref().map(|name| escaped(name, MAX_TEXT_BYTES))
    }

    fn predicate(&self) -> String {
        escaped_expression(&self.session.predicate, MAX_TEXT_BYTES)
    }

    fn only_if(&self) -> Option<String> {
        self.session.only_if.as_ref().map(|outcome| escaped_expression(outcome, MAX_TEXT_BYTES))
    }

    fn confinement(&self) -> Option<String> {
        self.session.confinement.as_ref().map(|confinement| escaped_expression(confinement, MAX_TEXT_BYTES))
    }
}

/// Saturates after 584 million years.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Saturates after 584 thousand years.
fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
