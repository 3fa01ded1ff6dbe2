//! Logging the audit: by the control thread, to a subscriber that the router is in.
//!
//! The thread that opens or ends a session cannot log: it may be inside a callback of `tracing`, where events are
//! discarded, or hold a lock that a layer needs to handle the event. Queued audits are logged in order, last in a pass of
//! the control thread: a log that blocks delays nothing else of that pass.

use super::core::Core;
use super::dispatch::with_dispatch;
use super::refusal::WatchError;
use crate::audit::{Audit, End};
use crate::session::SessionOptions;
use crate::session::open::OpenSession;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time after which the end of a dropped stream's session is logged although a producer still holds the session.
const LOG_END_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// Counts a refusal, and queues it for the log unless the rate limit rejects it.
    pub(super) fn count_refusal(self: &Arc<Self>, session: Arc<SessionOptions>, error: &WatchError) {
        let Some(reason) = error.reason() else { return };
        self.health.count_refusal(reason);
        if let Some(suppressed) = self.refusals.admit(Instant::now()) {
            self.ensure_control_thread();
            self.shared.inbox.audit(Audit::refused(session, reason.word(), error.to_string(), suppressed));
        }
    }

    /// Queues an endpoint's event for the log.
    pub(super) fn log_later(self: &Arc<Self>, audit: Audit) {
        self.ensure_control_thread();
        self.shared.inbox.audit(audit);
    }

    /// The end of a dropped stream's session while it waits to be logged. The counts are final once no producer holds the
    /// session. If that takes long, the end is logged with the current counts.
    pub(super) fn still_unlogged(&self, session: &OpenSession, end: Option<End>) -> Option<End> {
        end.filter(|end| {
            let waits = end.at.elapsed() < LOG_END_AFTER;
            if !waits {
                self.shared.inbox.audit_owed(Audit::ended(session, *end));
            }
            waits
        })
    }

    /// Logs the audits queued so far. Those queued meanwhile, perhaps by a layer that handles these, are left for later.
    pub(super) fn log_audits(&self) {
        let inbox = &self.shared.inbox;
        let left: Vec<_> = inbox.take_audits().take(inbox.audits_left()).collect();
        if left.is_empty() {
            return;
        }
        let log = || left.iter().for_each(Audit::emit);
        match self.installed().next() {
            Some((instance, _)) => {
                with_dispatch(&instance, |_| log());
            }
            None => log(),
        }
        inbox.set_logged(left.len());
    }
}
