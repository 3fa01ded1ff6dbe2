//! A session's counts, and the reason of its end.

use crate::missing::MissingCounts;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A session's counts of events. [`missing`](crate::missing) has the equations between them.
///
/// Serialized as an object of its fields.
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::{Predicate, SessionOptions, TapRouter};
///
/// let router = TapRouter::new();
/// tracing_subscriber::registry().with(router.layer()).init();
/// let mut stream = router.watch(SessionOptions::new(Predicate::everything()).capacity(2));
/// (0..5).for_each(|number| tracing::info!(number, "hello"));
/// let _ = stream.try_recv();
/// let stats = stream.stats();
/// assert_eq!((stats.matched, stats.lost), (5, 3));
/// assert_eq!(stats.matched, stats.delivered + stats.buffered + stats.held + stats.missing.total());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionStats {
    /// Matching events.
    pub matched: u64,
    /// Events that the reader has taken.
    pub delivered: u64,
    /// Events waiting to be read.
    pub buffered: u64,
    /// Events held until the [outcome](crate::SessionOptions::only_if) of their request is known.
    pub held: u64,
    /// Lost events: the losses in `missing`.
    pub lost: u64,
    /// Matching events that the reader does not get, by reason.
    pub missing: MissingCounts,
}

/// Why a session ended. Serialized as its [word](Self::word); `Display` is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// [`TapRouter::close`](crate::TapRouter::close) was called.
    Closed,
    /// Its [time](crate::SessionOptions::expires_in) was over.
    Expired,
    /// It has admitted its [maximum number of events](crate::SessionOptions::max_events).
    MaxEvents,
    /// The router was shut down or dropped.
    Shutdown,
    /// Evaluating its predicate took more of the service's time within a second than
    /// [`max_session_cost`](crate::TapRouterBuilder::max_session_cost) allows.
    TooCostly,
}

impl SessionStats {
    /// Computes the sums.
    pub(crate) fn summed(mut self) -> Self {
        self.lost = self.missing.lost();
        let parts = [self.delivered, self.buffered, self.held, self.missing.total()];
        self.matched = parts.into_iter().fold(0, u64::saturating_add);
        self
    }

    /// Events that were given a place in the buffer: read from it, in it, or lost.
    pub(crate) fn placed(&self) -> u64 {
        self.delivered.saturating_add(self.buffered).saturating_add(self.missing.lost())
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.delivered = self.delivered.saturating_add(other.delivered);
        self.buffered = self.buffered.saturating_add(other.buffered);
        self.held = self.held.saturating_add(other.held);
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

    /// The reason as one word for machines, its serialized form: `max_events`.
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
