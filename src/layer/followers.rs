//! The sessions that follow a span, and since when.

use crate::session::SessionId;
use crate::session::open::OpenSession;
use crate::session::scope::Sessions;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// The followers of one span, in the order of their sessions' numbers: there may be thousands.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Follower>);

/// A session that follows a span. Weak: spans live for hours and must not keep a closed session.
#[derive(Debug)]
struct Follower {
    id: SessionId,
    session: Weak<OpenSession>,
    since: Instant,
}

impl Followers {
    /// Adds sessions that begin to follow, all those of one event at once. Returns whether any did not before.
    ///
    /// Each is searched for once, and the list is gone through twice, however many there are.
    pub(super) fn add<'a>(&mut self, sessions: impl IntoIterator<Item = &'a Arc<OpenSession>>) -> bool {
        let known = self.0.len();
        for session in sessions {
            if find(&self.0[..known], session.id).is_none() {
                self.0.push(Follower::new(session));
            }
        }
        let has_grown = self.0.len() > known;
        if has_grown {
            self.forget_ended();
            // Stable: it merges two runs, of which the first is in order, in one pass.
            self.0.sort_by_key(Follower::id);
            self.0.dedup_by_key(|follower| follower.id());
        }
        has_grown
    }

    /// Forgets the sessions that have ended.
    pub(super) fn forget_ended(&mut self) {
        self.0.retain(|follower| follower.open().is_some());
    }

    /// The sessions that have not ended.
    pub(super) fn open(&self) -> Sessions {
        self.0.iter().filter_map(Follower::open).collect()
    }

    /// Since when a session has followed; `None` if it does not.
    pub(super) fn since(&self, session: &Arc<OpenSession>) -> Option<Instant> {
        find(&self.0, session.id).map(|place| self.0[place].since)
    }
}

impl Follower {
    fn new(session: &Arc<OpenSession>) -> Self {
        Self { id: session.id, session: Arc::downgrade(session), since: Instant::now() }
    }

    fn id(&self) -> SessionId {
        #[cfg(all(test, not(loom)))]
        tests::count_look();
        self.id
    }

    /// The session, unless it has ended.
    fn open(&self) -> Option<Arc<OpenSession>> {
        #[cfg(all(test, not(loom)))]
        tests::count_look();
        self.session.upgrade().filter(|session| session.ended().is_none())
    }
}

fn find(followers: &[Follower], id: SessionId) -> Option<usize> {
    followers.binary_search_by_key(&id, Follower::id).ok()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::{EndReason, SessionOptions};
    use std::cell::Cell;

    thread_local! {
        static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count_look() {
        LOOKS.set(LOOKS.get() + 1);
    }

    fn sessions(count: u64) -> Vec<Arc<OpenSession>> {
        let budget = Arc::new(Budget::new(0));
        let open = |number| {
            let options = SessionOptions::new(Predicate::eq("user", 42));
            Arc::new(OpenSession::new(SessionId(number), options, Arc::clone(&budget)))
        };
        (0..count).map(open).collect()
    }

    /// How often followers are looked at while `sessions` begin to follow, then all of them once more.
    fn looks(sessions: u64) -> usize {
        let sessions = self::sessions(sessions);
        let mut followers = Followers::default();
        LOOKS.set(0);
        assert!(followers.add(sessions.iter().rev()));
        assert!(!followers.add(&sessions));
        let looks = LOOKS.get();
        assert_eq!(followers.open().len(), sessions.len());
        assert!(sessions.iter().all(|session| followers.since(session).is_some()));
        looks
    }

    #[test]
    fn looks_at_followers_grow_with_their_number() {
        let (some, many) = (looks(500), looks(4_000));
        assert!(many < 12 * some, "{some} for 500 sessions, {many} for 4,000");
    }

    #[test]
    fn one_more_follower_costs_a_few_looks_at_each() {
        let sessions = sessions(4_001);
        let mut followers = Followers::default();
        followers.add(&sessions[1..]);
        LOOKS.set(0);
        assert!(followers.add([&sessions[0]]));
        assert!(LOOKS.get() < 8 * 4_001, "{}", LOOKS.get());
    }

    #[test]
    fn a_session_follows_once_and_until_it_ends() {
        let sessions = sessions(3);
        let mut followers = Followers::default();
        assert!(followers.add([&sessions[2], &sessions[0], &sessions[2]]));
        let since = followers.since(&sessions[2]);
        assert!(since.is_some() && followers.since(&sessions[1]).is_none());
        sessions[0].end(EndReason::Closed);
        let ids = |followers: &Followers| followers.open().iter().map(|session| session.id.0).collect::<Vec<_>>();
        assert_eq!(ids(&followers), [2]);
        assert!(followers.add([&sessions[1]]));
        assert_eq!((ids(&followers), followers.0.len()), (vec![1, 2], 2));
        assert_eq!(followers.since(&sessions[2]), since);
        assert!(!followers.add(&sessions[1..]));
    }
}
