//! Telling the audit: by the control thread, in the name of a subscriber that the router is in.
//!
//! Not by whoever opens or ends a session: that may be inside a callback of `tracing`, where an event reaches nobody,
//! or hold a lock that a layer wants which handles the event. What is left here is told in the order in which it was
//! left, last in a pass of the thread: a log that blocks holds up nothing else of that pass.

use super::control::with_dispatch;
use super::core::Core;
use super::refusal::WatchError;
use crate::audit::{Audit, End};
use crate::inbox::{Inbox, Retired};
use crate::session::SessionOptions;
use crate::session::open::OpenSession;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When the end of a dropped stream's session is told with the numbers there are, though a producer still holds it.
const TELL_END_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// Counts a refusal, and leaves it to be told unless too many were.
    pub(super) fn tell_refusal(self: &Arc<Self>, session: Arc<SessionOptions>, error: &WatchError) {
        let Some(reason) = error.reason() else { return };
        self.health.count_refusal(reason);
        if let Some(suppressed) = self.refusals.admit(Instant::now()) {
            self.ensure_control_thread();
            self.shared.inbox.audit(Audit::refused(session, reason.word(), error.to_string(), suppressed));
        }
    }

    /// Leaves what happened at a door to be told.
    pub(super) fn tell_other(self: &Arc<Self>, audit: Audit) {
        self.ensure_control_thread();
        self.shared.inbox.audit(audit);
    }

    /// The end of a dropped stream's session, as long as it is to be told later: once nobody holds the session, its
    /// numbers are final. Where that takes long it is told with those there are.
    pub(super) fn still_untold(&self, session: &OpenSession, end: Option<End>) -> Option<End> {
        end.filter(|end| {
            let waits = end.at.elapsed() < TELL_END_AFTER;
            if !waits {
                self.shared.inbox.audit_owed(Audit::ended(session, *end));
            }
            waits
        })
    }

    /// Tells what has been left so far; what is left meanwhile, perhaps by a layer that handles this, is for later.
    pub(super) fn tell_left(&self) {
        let inbox = &self.shared.inbox;
        let left: Vec<_> = inbox.take_audits().take(inbox.audits_left()).collect();
        if left.is_empty() {
            return;
        }
        let tell = || left.iter().for_each(Audit::tell);
        match self.installed().next() {
            Some((instance, _)) => with_dispatch(&instance, |_| tell()),
            None => tell(),
        }
        inbox.set_told(left.len());
    }
}

/// Tells all that is left, when the router goes.
pub(super) fn tell_rest(inbox: &Inbox, retired: Vec<Retired>) {
    for audit in inbox.take_audits() {
        audit.tell();
        inbox.set_told(1);
    }
    for retired in retired.into_iter().chain(inbox.take_retired()) {
        if let Retired::Session(session, Some(end)) = retired {
            session.discard_unread();
            Audit::ended(&session, end).tell();
            inbox.set_told(1);
        }
    }
}
