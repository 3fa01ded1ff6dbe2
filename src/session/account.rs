//! What a session counts, and why it is over.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a session has counted.
///
/// `matched` is the sum of the others. While events come and are read, it may be off by those under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Events that matched.
    pub matched: u64,
    /// Events that were read.
    pub delivered: u64,
    /// Events that were lost, for whatever reason.
    pub lost: u64,
    /// Of the lost, those there was no room for.
    pub lost_overflow: u64,
    /// Of the lost, those not read when the stream was dropped.
    pub lost_closed: u64,
    /// Of the lost, those that were over the session's [rate](crate::SessionOptions::max_rate).
    pub lost_rate: u64,
    /// Of the lost, those that the session's [sampling](crate::SessionOptions::sample) left out.
    pub lost_sampling: u64,
    /// Events that wait to be read.
    pub buffered: u64,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// It was closed by [`TapRouter::close`](crate::TapRouter::close).
    Closed,
    /// Its time was over.
    Expired,
    /// It has admitted as many events as it may.
    MaxEvents,
    /// The router was shut down or dropped.
    Shutdown,
    /// Evaluating its predicate took more of the service's time within a second than
    /// [`max_session_cost`](crate::TapRouterBuilder::max_session_cost) allows.
    TooCostly,
}

impl SessionStats {
    /// With the sums of its parts.
    pub(crate) fn summed(mut self) -> Self {
        self.lost = self.lost_overflow + self.lost_closed + self.lost_rate + self.lost_sampling;
        self.matched = self.delivered + self.lost + self.buffered;
        self
    }

    /// Events that were entitled to a place: those that matched and no limit withheld.
    pub(crate) fn admitted(&self) -> u64 {
        self.matched - self.lost_rate - self.lost_sampling
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.lost_overflow += other.lost_overflow;
        self.lost_closed += other.lost_closed;
        self.lost_rate += other.lost_rate;
        self.lost_sampling += other.lost_sampling;
        self.buffered += other.buffered;
        *self = self.summed();
    }
}

impl EndReason {
    /// The reason as a number other than 0.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Closed => 1,
            Self::Expired => 2,
            Self::MaxEvents => 3,
            Self::Shutdown => 4,
            Self::TooCostly => 5,
        }
    }

    /// The reason as one word, for machines: as it is serialized.
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::MaxEvents => "max_events",
            Self::Shutdown => "shutdown",
            Self::TooCostly => "too_costly",
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        let all = [Self::Closed, Self::Expired, Self::MaxEvents, Self::Shutdown, Self::TooCostly];
        all.into_iter().find(|reason| reason.code() == code)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::MaxEvents => "reached its number of events",
            Self::Shutdown => "the router was shut down",
            Self::TooCostly => "its predicate took too much of the service's time",
        })
    }
}
