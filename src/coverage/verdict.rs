//! How much of what a session asks for can match.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How much of what a session asks for can match, as far as it is known now.
///
/// What is known grows: callsites are seen when they are first reached, values when an event or span brings them. So a
/// session that starts with `Nothing` may match later; ask again while it is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// No callsite seen so far can match, or what can match is hidden from the session.
    Nothing,
    /// Something can match, and a finding says what cannot.
    Partly,
    /// Some callsite can match, and nothing known hides a matching event.
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
