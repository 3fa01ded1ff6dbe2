//! Looks after one session: sends a reader away that takes nothing, and closes what nobody reads.

use super::endpoint::Inner;
use super::feed::Farewell;
use super::hub::{Entry, PublicId};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::sleep;
use tracing_tap::EndReason;
use tracing_tap::audit::AuditEvent;

/// How often a session is looked at, at the least.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Removes a session whatever becomes of the task that looks after it.
struct Keeper {
    door: Weak<Inner>,
    entry: Weak<Entry>,
    id: PublicId,
}

/// Looks after a session, on a task of its own, for as long as it is there.
///
/// `shutdowns` are those that the router had seen when the session was asked for.
pub(super) fn keep(door: &Arc<Inner>, entry: &Arc<Entry>, shutdowns: u64) {
    let shortest = door.settings.grace_period.min(door.settings.stall_timeout) / 4;
    let pause = shortest.clamp(Duration::from_millis(1), LOOK_EVERY);
    let keeper = Keeper { door: Arc::downgrade(door), entry: Arc::downgrade(entry), id: entry.id };
    tokio::spawn(async move {
        loop {
            sleep(pause).await;
            let (Some(door), Some(entry)) = (keeper.door.upgrade(), keeper.entry.upgrade()) else { return };
            // The router has ended its own already.
            if door.router.shutdowns() != shutdowns {
                door.end(&entry, EndReason::Shutdown);
            }
            if !door.looks_after(&entry) {
                return;
            }
        }
    });
}

impl Inner {
    /// Whether the session is still to be looked after.
    fn looks_after(&self, entry: &Entry) -> bool {
        if entry.feed().dismiss_stalled(self.settings.stall_timeout) {
            self.tell_stalled(entry);
            return entry.about.is_kept;
        }
        !entry.about.is_kept || !entry.feed().give_up_after(self.settings.grace_period)
    }

    /// Tells that a reader was sent away, or went, having taken nothing for too long.
    pub(super) fn tell_stalled(&self, entry: &Entry) {
        self.router.audit(AuditEvent::ReaderClosed {
            opener: entry.about.owner.clone(),
            session: entry.about.session,
            reason: Farewell::Stalled.word(),
        });
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(door) = self.door.upgrade() {
            // A browser that comes back for a session that outlived it is told to stop.
            door.hub.remove(self.id, |entry| entry.about.is_kept || entry.feed().has_ended());
        }
        if let Some(entry) = self.entry.upgrade() {
            // Dropped without the lock.
            let stream = entry.feed().stop();
            drop(stream);
        }
    }
}
