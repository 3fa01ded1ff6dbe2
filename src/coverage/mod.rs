//! Why a session sees nothing, or not everything: a verdict, the reasons, and the remedies.

mod finding;
mod marks;
mod note;
mod remembered;
mod seen;
#[cfg(all(feature = "tokio", tokio_unstable))]
mod spawns;
mod table;
mod verdict;
mod words;

pub use finding::Finding;
pub(crate) use marks::NameMarks;
pub use note::Note;
pub(crate) use seen::{Link, Seen};
#[cfg(all(feature = "tokio", tokio_unstable))]
pub(crate) use spawns::Spawn;
pub use verdict::Verdict;

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a session can and cannot see at the moment of the question.
///
/// The *verdict* says whether nothing, a part or everything can match. A *finding* is a cause that keeps matching events
/// from the session, with its remedy. A *note* is information that needs no action. Returned by
/// [`EventStream::coverage`](crate::EventStream::coverage), [`TapRouter::coverage`](crate::TapRouter::coverage) and
/// [`TapRouter::coverage_of`](crate::TapRouter::coverage_of). `Display` prints it for people, one line each, escaped.
///
/// ```
/// use tracing_tap::coverage::Finding;
/// use tracing_tap::{Predicate, TapRouter, Verdict};
///
/// // The router's layer is in no subscriber.
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
    /// The coverage of a session that shows nothing unless something else is seen as well: nothing of it if nothing of that.
    pub(crate) fn narrowed(self, needed: Self) -> Self {
        if self.verdict == Verdict::Nothing || needed.verdict != Verdict::Nothing {
            return self;
        }
        let mut findings = self.findings;
        findings.extend(needed.findings.into_iter().filter(|finding| !findings.contains(finding)).collect::<Vec<_>>());
        Self::new(Verdict::Nothing, findings, self.notes)
    }

    /// Sorts the findings, the most far-reaching first.
    pub(crate) fn new(verdict: Verdict, mut findings: Vec<Finding>, notes: Vec<Note>) -> Self {
        findings.sort_by_key(Finding::rank);
        Self { verdict, findings, notes }
    }

    /// How much of what the session wants can match.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether the verdict is [`Verdict::Everything`].
    pub fn is_clear(&self) -> bool {
        self.verdict == Verdict::Everything
    }

    /// The causes that keep matching events from the session, the most far-reaching first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Further information that needs no action.
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
