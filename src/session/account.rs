//! What a session counts, and why it is over.

use crate::missing::MissingCounts;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a session has counted; [`missing`](crate::missing) has the equations.
///
/// Serialized as an object of its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionStats {
    /// Events that matched.
    pub matched: u64,
    /// Events that were read.
    pub delivered: u64,
    /// Events that wait to be read.
    pub buffered: u64,
    /// Events that were lost: the losses in `missing`.
    pub lost: u64,
    /// Events that matched and that the reader does not get, by reason.
    pub missing: MissingCounts,
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
        self.lost = self.missing.lost();
        self.matched = self.delivered + self.buffered + self.missing.total();
        self
    }

    /// Events that were entitled to a place: those that matched and that no limit kept back.
    pub(crate) fn admitted(&self) -> u64 {
        self.matched - self.missing.kept_back()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.buffered += other.buffered;
        self.missing.add(&other.missing);
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
