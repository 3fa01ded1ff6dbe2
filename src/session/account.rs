//! What a session counts, and why it is over.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a session has counted.
///
/// `matched` is the sum of the others. While events come and are read, it may be off by those under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Events that matched and were admitted.
    pub matched: u64,
    /// Events that were read.
    pub delivered: u64,
    /// Events that were lost, for whatever reason.
    pub lost: u64,
    /// Of the lost, those there was no room for.
    pub lost_overflow: u64,
    /// Of the lost, those not read when the stream was dropped.
    pub lost_closed: u64,
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
}

impl SessionStats {
    pub(crate) fn new(delivered: u64, lost_overflow: u64, lost_closed: u64, buffered: u64) -> Self {
        let lost = lost_overflow + lost_closed;
        Self { matched: delivered + lost + buffered, delivered, lost, lost_overflow, lost_closed, buffered }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        *self = Self::new(
            self.delivered + other.delivered,
            self.lost_overflow + other.lost_overflow,
            self.lost_closed + other.lost_closed,
            self.buffered + other.buffered,
        );
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
        }
    }

    /// The reason as one word, for machines: as it is serialized.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::MaxEvents => "max_events",
            Self::Shutdown => "shutdown",
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Closed, Self::Expired, Self::MaxEvents, Self::Shutdown].into_iter().find(|reason| reason.code() == code)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::MaxEvents => "reached its number of events",
            Self::Shutdown => "the router was shut down",
        })
    }
}
