//! The items of a stream.

use crate::event::{CapturedEvent, SpanTiming};
use crate::missing::Missing;
use crate::past::Horizon;
use crate::session::{EndReason, SessionId};
use std::sync::Arc;
use std::time::SystemTime;

/// One item of an [`EventStream`](crate::EventStream): an event, the times of a span, a number of missing events, how far
/// the past reaches back, or the end.
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
    /// The times of a span that has closed, for a session with [`timings`](crate::SessionOptions::timings). It counts as an
    /// event.
    #[non_exhaustive]
    Timing {
        /// The number of the session.
        session: SessionId,
        /// Its position, as that of an event.
        sequence: u64,
        /// The times, shared with the other sessions that they matched.
        timing: SpanTiming,
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

    /// Creates a timing item, for a reader at the other end of a network connection.
    pub fn timing(session: SessionId, sequence: u64, timing: SpanTiming) -> Self {
        Self::Timing { session, sequence, timing }
    }

    /// Returns the times of a span; `None` for another item.
    pub fn into_timing(self) -> Option<SpanTiming> {
        match self {
            Self::Timing { timing, .. } => Some(timing),
            _ => None,
        }
    }

    /// The time of an event, or of a span's close; `None` for another item.
    pub fn time(&self) -> Option<SystemTime> {
        self.captured().map(|(.., captured)| captured.time())
    }

    /// Whether the item stands for something that matched, and is counted as delivered: an event, or the times of a span.
    pub fn is_numbered(&self) -> bool {
        matches!(self, Self::Event { .. } | Self::Timing { .. })
    }

    /// What was captured of something that matched, and the [type](crate::wire) of its line.
    pub(crate) fn captured(&self) -> Option<(&'static str, SessionId, u64, &Arc<CapturedEvent>)> {
        match self {
            Self::Event { session, sequence, event } => Some(("event", *session, *sequence, event)),
            Self::Timing { session, sequence, timing } => Some(("timing", *session, *sequence, timing.as_event())),
            Self::Missing(_) | Self::Horizon(_) | Self::Ended(_) => None,
        }
    }

    /// The same item, with something else captured if anything was.
    pub(crate) fn with_captured(&self, captured: Arc<CapturedEvent>) -> Self {
        match self {
            Self::Event { session, sequence, .. } => Self::event(*session, *sequence, captured),
            Self::Timing { session, sequence, .. } => Self::timing(*session, *sequence, SpanTiming::of(captured)),
            Self::Missing(_) | Self::Horizon(_) | Self::Ended(_) => self.clone(),
        }
    }

    /// Returns the event; `None` for another item.
    pub fn into_event(self) -> Option<Arc<CapturedEvent>> {
        match self {
            Self::Event { event, .. } => Some(event),
            _ => None,
        }
    }
}
