//! The sessions on several services that are open at this instance, by both their names.

use super::message::SessionKey;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing_tap::SessionId;

/// The names that the fleet and this instance's router have for the same sessions.
#[derive(Debug, Default)]
pub(super) struct LocalSessions {
    open: Mutex<Names>,
    /// How many there are: most requests need to know no more.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Names {
    ids: HashMap<SessionKey, SessionId>,
    keys: HashMap<SessionId, SessionKey>,
}

/// Keeps a session listed until it is dropped.
#[derive(Debug)]
pub(super) struct Listed {
    sessions: Arc<LocalSessions>,
    key: SessionKey,
    id: SessionId,
}

impl LocalSessions {
    /// Lists a session that has just been opened.
    pub(super) fn list(self: &Arc<Self>, key: SessionKey, id: SessionId) -> Listed {
        self.change(|names| {
            names.ids.insert(key, id);
            names.keys.insert(id, key);
        });
        Listed { sessions: Arc::clone(self), key, id }
    }

    fn change(&self, change: impl FnOnce(&mut Names)) {
        let mut names = self.names();
        change(&mut names);
        // Relaxed: a request that comes at the same moment may miss the session, as one that came earlier does.
        self.count.store(names.ids.len(), Ordering::Relaxed);
    }

    /// Nothing panics while the lock is held, so poison cannot mean half-done work.
    fn names(&self) -> MutexGuard<'_, Names> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "tower")]
impl LocalSessions {
    pub(super) fn are_none(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Those of the fleet's sessions that are open here.
    pub(super) fn ids_of(&self, keys: &[SessionKey]) -> Vec<SessionId> {
        let names = self.names();
        keys.iter().filter_map(|key| names.ids.get(key).copied()).collect()
    }

    /// Those of the router's sessions that are the fleet's.
    pub(super) fn keys_of(&self, ids: &[SessionId]) -> Vec<SessionKey> {
        let names = self.names();
        ids.iter().filter_map(|id| names.keys.get(id).copied()).collect()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sessions.change(|names| {
            names.keys.remove(&self.id);
            // The session may have been opened again.
            if names.ids.get(&self.key) == Some(&self.id) {
                names.ids.remove(&self.key);
            }
        });
    }
}

#[cfg(test)]
#[cfg(feature = "tower")]
mod tests {
    use super::*;
    use tracing_tap::{Predicate, TapRouter};

    #[test]
    fn a_session_that_was_opened_again_stays_listed() {
        let (sessions, router) = (Arc::<LocalSessions>::default(), TapRouter::new());
        let [first, second] = [42, 42].map(|user| router.watch(Predicate::eq("user", user)));
        let key = SessionKey::random().expect("there is randomness");
        assert!(sessions.are_none());
        let listed = sessions.list(key, first.id());
        let again = sessions.list(key, second.id());
        drop(listed);
        assert_eq!((sessions.ids_of(&[key]), sessions.keys_of(&[second.id()])), (vec![second.id()], vec![key]));
        assert_eq!(sessions.keys_of(&[first.id()]), []);
        drop(again);
        assert!(sessions.are_none() && sessions.ids_of(&[key]).is_empty());
    }
}
