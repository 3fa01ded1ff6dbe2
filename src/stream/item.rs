//! What a stream gives.

use crate::event::CapturedEvent;
use crate::missing::Missing;
use crate::session::{EndReason, SessionId};
use std::sync::Arc;

/// One thing a stream gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item {
    /// An event that matched.
    #[non_exhaustive]
    Event {
        /// The session it matched.
        session: SessionId,
        /// Its place among what the session was to deliver, from 0.
        sequence: u64,
        /// What was captured of it, shared with other sessions it matched.
        event: Arc<CapturedEvent>,
    },
    /// Events that matched and are missing: lost at this place, or kept back by a limit since the last such item of that
    /// reason.
    Missing(Missing),
    /// The session is over; nothing follows.
    Ended(EndReason),
}

impl Item {
    /// An event of a session, as a reader at the other end of a wire makes it.
    pub fn event(session: SessionId, sequence: u64, event: Arc<CapturedEvent>) -> Self {
        Self::Event { session, sequence, event }
    }

    /// The event, if this is one.
    pub fn into_event(self) -> Option<Arc<CapturedEvent>> {
        match self {
            Self::Event { event, .. } => Some(event),
            _ => None,
        }
    }
}
