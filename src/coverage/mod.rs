//! Why a session sees nothing, or not all: a verdict, and the reasons with what to do about them.

mod finding;
mod note;
mod seen;
mod table;
mod verdict;
mod words;

pub use finding::Finding;
pub use note::Note;
pub(crate) use seen::{Link, Seen};
pub use verdict::Verdict;

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a session can and cannot see, at the moment it was asked for.
///
/// The *verdict* comes first: whether nothing, a part or everything can match. A *finding* is something that keeps
/// matching events from the session, with what to do about it. A *note* is worth knowing and nothing to worry about.
/// Got from [`EventStream::coverage`](crate::EventStream::coverage), [`TapRouter::coverage`](crate::TapRouter::coverage)
/// and [`TapRouter::coverage_of`](crate::TapRouter::coverage_of); `Display` is for people.
///
/// ```
/// use tracing_tap::coverage::Finding;
/// use tracing_tap::{Predicate, TapRouter, Verdict};
///
/// // Nobody has put the router's layer into a subscriber.
/// let coverage = TapRouter::new().coverage(&Predicate::eq("user", 42));
/// assert_eq!(coverage.verdict(), Verdict::Nothing);
/// assert_eq!(coverage.findings()[0], Finding::NotInstalled);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    verdict: Verdict,
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<Note>,
}

impl Coverage {
    /// Sorts the findings, the most far-reaching first.
    pub(crate) fn new(verdict: Verdict, mut findings: Vec<Finding>, notes: Vec<Note>) -> Self {
        findings.sort_by_key(Finding::rank);
        Self { verdict, findings, notes }
    }

    /// How much of what the session asks for can match.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether everything can match: something can, and nothing known hides it.
    pub fn is_clear(&self) -> bool {
        self.verdict == Verdict::Everything
    }

    /// What keeps matching events from the session, the most far-reaching first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What is worth knowing besides.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

/// The verdict, then a line for each finding and each note.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdict.fmt(f)?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))?;
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}
