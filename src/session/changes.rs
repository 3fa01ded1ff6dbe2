//! What was opened and closed lately.
//!
//! A span's decision says which sessions may match inside it. Opening one session more changes that for the spans that
//! supply its key, and for no other: these changes name them, so that all others keep what was decided for them.

use super::SessionId;
use super::open::OpenSession;
use crate::predicate::FieldTest;
use std::sync::Arc;

/// How many changes are remembered. What was decided before the oldest of them is decided again from scratch.
const REMEMBERED: usize = 16;

/// A session that was opened or closed.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) session: SessionId,
    /// Whether it was opened.
    pub(crate) opened: bool,
    /// The equality that a span must satisfy for the session to match inside; `None` concerns every scope.
    pub(crate) key: Option<FieldTest>,
}

/// The latest changes, and how many there have been.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    version: u64,
    /// How many sessions are open.
    open: usize,
    /// The first version since which there has been a session at every moment. While there is none, records are not
    /// counted, so nothing that was decided before can be brought up to date.
    unbroken_since: u64,
    recent: Arc<[Arc<Change>]>,
}

impl Changes {
    /// How many changes there have been: it names the set of sessions. 0 before the first.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether any session is open, be it one that nothing can match.
    pub(crate) fn has_sessions(&self) -> bool {
        self.open > 0
    }

    /// Notes that a session is opened or closed, and that so many are open now.
    pub(crate) fn note(&mut self, session: &OpenSession, opened: bool, open: usize) {
        self.version += 1;
        self.open = open;
        if opened && open == 1 {
            self.unbroken_since = self.version;
        }
        let key = session.compiled.index().and_then(|index| session.compiled.tests()[index].field()).cloned();
        let change = Arc::new(Change { session: session.id, opened, key });
        let kept = self.recent.len().saturating_sub(REMEMBERED - 1);
        self.recent = self.recent[kept..].iter().cloned().chain([change]).collect();
    }

    /// Notes that producers look from now on, beside so many sessions.
    pub(crate) fn note_waking(&mut self, open: usize) {
        self.version += 1;
        self.open = open + 1;
        self.unbroken_since = self.version;
        self.recent = Arc::default();
    }

    /// What changed after a version; `None` if that is not known any more, or no session was open in between.
    pub(crate) fn since(&self, version: u64) -> Option<&[Arc<Change>]> {
        let missed = usize::try_from(self.version.checked_sub(version)?).ok()?;
        let is_known = version >= self.unbroken_since && missed <= self.recent.len();
        is_known.then(|| &self.recent[self.recent.len() - missed..])
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::SessionOptions;

    fn session(number: u64) -> OpenSession {
        let options = SessionOptions::new(Predicate::eq("user", number));
        OpenSession::new(SessionId(number), options, Arc::new(Budget::new(0)))
    }

    /// The numbers of the sessions that changed since a version.
    fn since(changes: &Changes, version: u64) -> Option<Vec<u64>> {
        Some(changes.since(version)?.iter().map(|change| change.session.0).collect())
    }

    #[test]
    fn the_changes_since_a_version_are_those_after_it() {
        let mut changes = Changes::default();
        assert!(!changes.has_sessions());
        changes.note(&session(1), true, 1);
        assert!(changes.has_sessions());
        changes.note(&session(2), true, 2);
        changes.note(&session(1), false, 1);
        assert_eq!(changes.version(), 3);
        assert_eq!(since(&changes, 3), Some(vec![]));
        assert_eq!(since(&changes, 2), Some(vec![1]));
        assert_eq!(since(&changes, 1), Some(vec![2, 1]));
        assert_eq!(since(&changes, 4), None, "it is still to come");
    }

    #[test]
    fn nothing_is_kept_current_across_a_moment_without_sessions() {
        let mut changes = Changes::default();
        changes.note(&session(1), true, 1);
        assert_eq!(since(&changes, 0), None);
        changes.note(&session(1), false, 0);
        assert!(!changes.has_sessions());
        changes.note(&session(2), true, 1);
        assert_eq!(since(&changes, 2), None);
        assert_eq!(since(&changes, 3), Some(vec![]));
    }

    #[test]
    fn as_many_changes_as_promised_are_remembered() {
        let mut changes = Changes::default();
        (1..=20).for_each(|number| changes.note(&session(number), true, number as usize));
        assert_eq!(since(&changes, 4), Some((5..=20).collect()));
        assert_eq!(since(&changes, 3), None);
    }

    #[test]
    fn nothing_is_kept_current_across_a_waking() {
        for open in [0, 1] {
            let mut changes = Changes::default();
            changes.note(&session(1), true, 1);
            changes.note_waking(open);
            assert!(changes.has_sessions(), "as far as producers are concerned");
            assert_eq!((since(&changes, 1), since(&changes, 2)), (None, Some(vec![])));
        }
    }
}
