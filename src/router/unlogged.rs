//! The audits that are left when the router is dropped.

use crate::audit::Audit;
use crate::inbox::{Inbox, Retired};

/// Logs all queued audits when the router is dropped.
pub(super) fn log_unlogged(inbox: &Inbox, retired: Vec<Retired>) {
    for audit in inbox.take_audits() {
        audit.emit();
        inbox.set_logged(1);
    }
    for retired in retired.into_iter().chain(inbox.take_retired()) {
        if let Retired::Session(session, Some(end)) = retired {
            session.discard_unread();
            Audit::ended(&session, end).emit();
            inbox.set_logged(1);
        }
    }
}
