//! The state shared by a router and its layers.

use crate::config::Config;
use crate::coverage::Seen;
use crate::inbox::Inbox;
use crate::intervals::Recordings;
use crate::past::Past;
use crate::session::admission::Admission;
use crate::session::governor::TooCostly;
use crate::session::kept_back::KeptBackBy;
use crate::session::open::OpenSession;
use crate::session::outcome::Notices;
use crate::session::published::Published;
use crate::session::sample::Sampled;
use crate::session::sieve::Sieve;
use crate::session::snapshot::Snapshot;
use crate::session::{EndReason, SessionId};
use crate::span_limit::SpanLimit;
use crate::sync::Numbers;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::usdt;
use std::sync::Arc;
use std::time::Instant;

/// Read by every producer, written when a session opens or closes.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Names the router within the process.
    pub(crate) router: u64,
    pub(crate) config: Config,
    pub(crate) snapshot: Published<Snapshot>,
    /// What the index of the snapshot may hold.
    pub(crate) sieve: Sieve,
    pub(crate) inbox: Inbox,
    pub(crate) span_limit: SpanLimit,
    /// What producers leave for coverage.
    pub(crate) seen: Seen,
    /// What is kept for sessions that look back; `None` if the router was built without.
    pub(crate) past: Option<Arc<Past>>,
    /// What the times of spans are counted from.
    pub(crate) clock: Instant,
    /// Whose intervals are recorded, if any session's are.
    pub(crate) recordings: Arc<Recordings>,
    suppressed: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        static ROUTERS: Numbers = Numbers::new();
        Self {
            router: ROUTERS.next(),
            past: config.look_back.clone().map(|settings| Arc::new(Past::new(settings))),
            config,
            snapshot: Published::default(),
            sieve: Sieve::default(),
            inbox: Inbox::default(),
            span_limit: SpanLimit::default(),
            seen: Seen::default(),
            clock: Instant::now(),
            recordings: Arc::default(),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Whether a matching event must be captured for this session, and held or pushed. If not, the reason is counted.
    #[inline]
    pub(crate) fn admission(&self, session: &OpenSession, sampled: Sampled) -> Admission {
        let admission = session.admit(sampled);
        probe_matched(session, admission);
        self.notify_if_first(session, admission);
        admission
    }

    /// Whether a matching event of the past must be held or pushed for this session. If not, the reason is counted.
    pub(crate) fn admission_of_past(&self, session: &OpenSession, sampled: Sampled) -> Admission {
        let admission = session.admit_past(sampled);
        probe_matched(session, admission);
        self.notify_if_first(session, admission);
        admission
    }

    /// Counts an event that matched and is kept back from this session.
    pub(crate) fn keep_back(&self, session: &OpenSession, reason: KeptBackBy) {
        if let Some(admission) = session.keep_back(reason) {
            probe_matched(session, admission);
            self.notify_if_first(session, admission);
        }
    }

    #[inline]
    fn notify_if_first(&self, session: &OpenSession, admission: Admission) {
        if admission == Admission::KeptBackUnannounced {
            self.inbox.announce_kept_back(session.id);
        }
    }

    /// Called by the producer that has pushed the last event a session may admit.
    #[cold]
    pub(crate) fn session_is_full(&self, session: &OpenSession) {
        if session.end(EndReason::MaxEvents) {
            self.inbox.close_ended(session.id);
        }
    }

    /// Counts an event that arrived while this thread ran code of the users for us.
    #[cold]
    pub(crate) fn count_suppressed(&self) {
        self.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

impl Notices for Shared {
    fn close_ended(&self, session: SessionId) {
        self.inbox.close_ended(session);
    }

    fn announce_kept_back(&self, session: SessionId) {
        self.inbox.announce_kept_back(session);
    }

    fn wake_for_due(&self) {
        self.inbox.wake();
    }
}

impl TooCostly for Shared {
    fn session_is_too_costly(&self, id: SessionId) {
        self.inbox.close_ended(id);
    }
}

/// Shows the kernel an event that counts as matched.
#[inline]
fn probe_matched(session: &OpenSession, admission: Admission) {
    if !matches!(admission, Admission::Ended | Admission::Past) {
        usdt::matched(session.id.0);
    }
}
