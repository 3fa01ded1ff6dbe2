//! Watches over one session: cuts off a stalled reader, and closes a session without a reader.

use super::feed::Farewell;
use super::hub::{HubSession, PublicId};
use super::state::EndpointState;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::sleep;
use tracing_tap::EndReason;
use tracing_tap::audit::AuditEvent;

/// How often a session is looked at, at the least.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Removes a session whatever becomes of the task that looks after it.
struct Keeper {
    endpoint: Weak<EndpointState>,
    entry: Weak<HubSession>,
    id: PublicId,
}

/// Looks after a session, on a task of its own, for as long as it is there.
///
/// `shutdowns` are those that the router had seen when the session was asked for.
pub(super) fn keep(endpoint: &Arc<EndpointState>, entry: &Arc<HubSession>, shutdowns: u64) {
    let shortest = endpoint.settings.grace_period.min(endpoint.settings.stall_timeout) / 4;
    let pause = shortest.clamp(Duration::from_millis(1), LOOK_EVERY);
    let keeper = Keeper { endpoint: Arc::downgrade(endpoint), entry: Arc::downgrade(entry), id: entry.id };
    tokio::spawn(async move {
        loop {
            sleep(pause).await;
            let (Some(endpoint), Some(entry)) = (keeper.endpoint.upgrade(), keeper.entry.upgrade()) else { return };
            // The router has ended its own already.
            if endpoint.router.shutdowns() != shutdowns {
                endpoint.end(&entry, EndReason::Shutdown);
            }
            if !endpoint.looks_after(&entry) {
                return;
            }
        }
    });
}

impl EndpointState {
    /// Whether the session is still to be looked after.
    fn looks_after(&self, entry: &HubSession) -> bool {
        if entry.feed().dismiss_stalled(self.settings.stall_timeout) {
            self.tell_stalled(entry);
            return entry.about.is_kept;
        }
        !entry.about.is_kept || !entry.feed().give_up_after(self.settings.grace_period)
    }

    /// Audits that a stalled reader was cut off, or left.
    pub(super) fn tell_stalled(&self, entry: &HubSession) {
        self.router.audit(AuditEvent::ReaderClosed {
            opener: entry.about.owner.clone(),
            session: entry.about.session,
            reason: Farewell::Stalled.word(),
        });
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoint.upgrade() {
            // A browser that reconnects to an ended session is answered so that it stops.
            endpoint.hub.remove(self.id, |entry| entry.about.is_kept || entry.feed().has_ended());
        }
        if let Some(entry) = self.entry.upgrade() {
            // Dropped without the lock.
            let stream = entry.feed().stop();
            drop(stream);
        }
    }
}
