//! The items of a stream.

use crate::event::CapturedEvent;
use crate::missing::Missing;
use crate::past::Horizon;
use crate::session::{EndReason, SessionId};
use std::sync::Arc;

/// One item of an [`EventStream`](crate::EventStream): an event, a number of missing events, how far the past reaches
/// back, or the end.
///
/// Serialized as one [line](crate::wire) of JSON. A clone shares the event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item {
    /// A matching or followed event.
    #[non_exhaustive]
    Event {
        /// The number of the session.
        session: SessionId,
        /// Its position among the session's delivered and overflowed events, from 0.
        sequence: u64,
        /// The captured event, shared with the other sessions that it matched.
        event: Arc<CapturedEvent>,
    },
    /// Missing events: lost at this position, or kept back by a limit since the last such item of that reason.
    Missing(Missing),
    /// How far the past events reach back that follow. The first item of a session that
    /// [looks back](crate::SessionOptions::look_back).
    Horizon(Horizon),
    /// The end of the session. No item follows.
    Ended(EndReason),
}

impl Item {
    /// Creates an event item, for a reader at the other end of a network connection.
    pub fn event(session: SessionId, sequence: u64, event: Arc<CapturedEvent>) -> Self {
        Self::Event { session, sequence, event }
    }

    /// Returns the event; `None` for another item.
    pub fn into_event(self) -> Option<Arc<CapturedEvent>> {
        match self {
            Self::Event { event, .. } => Some(event),
            _ => None,
        }
    }
}
