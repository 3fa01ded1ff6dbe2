//! Repairing other filters' bits: an argument that logs must not change what other layers see.
//!
//! Per-layer filters answer `enabled` into thread-local bits that the event consumes when it is dispatched. In
//! between its arguments are evaluated; one that logs consumes or overwrites the bits, and an event that only we
//! wanted shows up in everybody's output. Without us it would not have been evaluated, so it is ours to repair:
//! the layer remembers which callsite was asked for last, and where an event is not that callsite's, asks again.
//! It does so too where a value logs while this layer formats it, before the layers that come after it get the event.

use super::facts::{Facts, is_log_bridge};
use super::instance::Instance;
use super::name::key_of;
use super::thread;
use crate::guard::AskingAgain;
use tracing_core::{Event, Metadata};

/// How many more events of a thread are asked for again once one was that came after the last session: as many as an
/// event may log while its arguments are evaluated and still be mended. No callsite has so low an address.
const ASKED_AGAIN_AT_REST: usize = 64;

/// In place of the callsite asked for last, once its event has arrived or was vetoed: it may have been logged by the
/// arguments of another event, which arrives later, perhaps when no session is open any more.
pub(super) const PERHAPS_INSIDE_ANOTHER: usize = ASKED_AGAIN_AT_REST + 1;

impl Instance {
    /// The layer's `event_enabled`: true, unless the repair finds that the event must not happen.
    #[inline]
    pub(super) fn event_enabled(&self, event: &Event<'_>) -> bool {
        let key = key_of(event.metadata());
        if self.epoch() == 0 {
            return thread::with(|state| state.asked.get() == 0) || self.ask_again_at_rest(event);
        }
        let undisturbed =
            AskingAgain::is_held() || thread::with(|state| state.asked.replace(PERHAPS_INSIDE_ANOTHER) == key);
        undisturbed || self.ask_again(event)
    }

    /// This thread was last asked while a session was open that has gone since: for this event, for one whose arguments
    /// have logged it, or for something long past. What was asked for meanwhile was not noted, so this one and the next
    /// few are asked for again.
    #[cold]
    fn ask_again_at_rest(&self, event: &Event<'_>) -> bool {
        if AskingAgain::is_held() {
            return true;
        }
        thread::with(|state| state.asked.set(state.asked.get().min(PERHAPS_INSIDE_ANOTHER) - 1));
        self.ask_again(event)
    }

    #[cold]
    fn ask_again(&self, event: &Event<'_>) -> bool {
        // Between the question for a log record and its event no code of the users runs, and the static metadata
        // that the event bears would be another question.
        if is_log_bridge(event.metadata()) {
            return true;
        }
        self.ask_everyone(event.metadata())
    }

    /// Asks again where a value that this layer has formatted inside a hook has logged: the layers that are yet to
    /// get the same event or span find their bits as that left them.
    #[inline]
    pub(super) fn mend<'a>(&self, metadata: impl FnOnce() -> Facts<'a>) {
        if thread::with(|state| state.disturbed.replace(false)) {
            self.ask_everyone(metadata().metadata());
        }
    }

    /// Has every filter set its bit for this callsite; whether anybody hides it altogether.
    #[cold]
    fn ask_everyone(&self, metadata: &Metadata<'_>) -> bool {
        let Some(dispatch) = self.dispatch() else { return true };
        let _asking = AskingAgain::enter();
        dispatch.enabled(metadata)
    }
}
