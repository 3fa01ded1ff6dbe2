//! How much of what a session wants can match.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How much of what a session wants can match, as far as the router knows now.
///
/// The router learns of a callsite when it is first reached, and of a value when an event or span has it. So a session
/// that starts with `Nothing` may match later: ask again while it is silent. Serialized as `nothing`, `partly` or
/// `everything`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// No callsite seen so far can match, or every one that can is hidden from the session.
    Nothing,
    /// Some events can match. The findings say which cannot.
    Partly,
    /// Some callsite can match, and no known cause hides a matching event.
    Everything,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing can match",
            Self::Partly => "not everything can match",
            Self::Everything => "everything can match",
        })
    }
}
