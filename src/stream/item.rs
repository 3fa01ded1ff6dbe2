//! What a stream gives.

use crate::event::CapturedEvent;
use crate::session::{EndReason, SessionId};
use serde::{Deserialize, Serialize};
use std::fmt;
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
    /// Events that matched and were lost: at this place, if for want of room; since they were last told of, if a limit
    /// withheld them.
    Lost(Lost),
    /// The session is over; nothing follows.
    Ended(EndReason),
}

/// Events that matched a session and were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lost {
    /// How many.
    pub count: u64,
    /// Why.
    pub reason: LossReason,
}

/// Why events that matched were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LossReason {
    /// The reader was slower than the events, and the session's room was used up.
    Overflow,
    /// They were not read when the stream was dropped.
    Closed,
    /// They were over the session's [rate](crate::SessionOptions::max_rate).
    Rate,
    /// The session's [sampling](crate::SessionOptions::sample) left them out.
    Sampling,
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

impl Lost {
    /// So many events, for that reason.
    pub fn new(count: u64, reason: LossReason) -> Self {
        Self { count, reason }
    }
}

/// `3 events lost: no room was left`
impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} event{} lost: {}", self.count, if self.count == 1 { "" } else { "s" }, self.reason)
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "no room was left",
            Self::Closed => "the stream was dropped",
            Self::Rate => "over the rate",
            Self::Sampling => "not in the sample",
        })
    }
}
