//! Why no intervals are recorded.

use crate::session::SessionId;
use std::error::Error;
use std::fmt;

/// Why [`TapRouter::intervals`](crate::TapRouter::intervals) records nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalsError(Why);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NotOpen(SessionId),
    NoTimings(SessionId),
    InUse,
}

impl IntervalsError {
    pub(crate) fn not_open(session: SessionId) -> Self {
        Self(Why::NotOpen(session))
    }

    pub(crate) fn no_timings(session: SessionId) -> Self {
        Self(Why::NoTimings(session))
    }

    pub(crate) fn in_use() -> Self {
        Self(Why::InUse)
    }

    /// Whether the intervals of another session are being recorded: a router records those of one at a time.
    pub fn is_in_use(&self) -> bool {
        self.0 == Why::InUse
    }
}

impl fmt::Display for IntervalsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Why::NotOpen(session) => write!(f, "session {session} is not open"),
            Why::NoTimings(session) => write!(f, "session {session} has no timings, so its spans are not followed"),
            Why::InUse => {
                write!(f, "the intervals of another session are being recorded; a router records one at a time")
            }
        }
    }
}

impl Error for IntervalsError {}
