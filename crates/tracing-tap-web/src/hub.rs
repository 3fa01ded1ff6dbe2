//! The endpoint's sessions, with their owners, under ids that cannot be guessed.

use super::auth::Caller;
use super::feed::{Attached, Feed, Position};
use super::problem::{Problem, ProblemKind};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tracing_tap::SessionId;
use tracing_tap::wire::TimeText;

/// Ended sessions to remember, so that a browser that reconnects to one is answered that it has ended.
const MAX_REMEMBERED: usize = 1024;

/// Names a session to the outside: 128 random bits, as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PublicId(u128);

/// A session of the endpoint.
#[derive(Debug)]
pub(super) struct HubSession {
    pub(super) id: PublicId,
    pub(super) about: About,
    feed: Mutex<Feed>,
}

/// The constant facts of a session.
#[derive(Debug)]
pub(super) struct About {
    /// Its number in this process; one of the fleet has none.
    pub(super) session: Option<SessionId>,
    pub(super) owner: String,
    pub(super) name: Option<String>,
    pub(super) predicate: String,
    pub(super) confinement: Option<String>,
    pub(super) opened_at: SystemTime,
    pub(super) expires_in: Option<Duration>,
    pub(super) follow: String,
    /// The most verbose events it shows; `None` if unlimited.
    pub(super) level: Option<String>,
    /// The most verbose spans it enables; `None` if none.
    pub(super) spans: Option<String>,
    /// Whether it shows the times of spans.
    pub(super) timings: bool,
    /// The outcome for which a request is shown; `None` if any is.
    pub(super) only_if: Option<String>,
    pub(super) slower_than: Option<Duration>,
    /// Whether it outlives its connection.
    pub(super) is_kept: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Hub(Mutex<Sessions>);

#[derive(Debug, Default)]
struct Sessions {
    open: HashMap<PublicId, Arc<HubSession>>,
    /// The last that are over, with their owners.
    over: VecDeque<(PublicId, String)>,
    is_closed: bool,
}

/// The session of an id.
#[derive(Debug)]
pub(super) enum Found {
    Open(Arc<HubSession>),
    Over,
}

/// The header `Last-Event-ID`: the position at which a browser lost its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastEventId {
    pub(super) session: PublicId,
    pub(super) position: Position,
}

impl PublicId {
    /// # Errors
    /// The system's, where it has no randomness to give.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_le_bytes(bytes)))
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let is_digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_digits.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl LastEventId {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (session, position) = text.split_once(':')?;
        Some(Self { session: PublicId::read(session)?, position: Position::read(position)? })
    }
}

impl HubSession {
    pub(super) fn new(id: PublicId, about: About, feed: Feed) -> Self {
        Self { id, about, feed: Mutex::new(feed) }
    }

    /// Held for as long as it takes to make a batch.
    pub(super) fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches a reader and wakes the previous one; `None` if nothing remains to read.
    pub(super) fn attach(&self, after: Option<Position>) -> Option<Attached> {
        let mut attached = self.feed().attach(after)?;
        if let Some(superseded) = attached.superseded.take() {
            superseded.wake();
        }
        Some(attached)
    }

    /// The session as it is shown to its owner.
    pub(super) fn to_json(&self) -> Value {
        let About {
            session,
            owner,
            name,
            predicate,
            confinement,
            opened_at,
            expires_in,
            follow,
            level,
            spans,
            timings,
            only_if,
            slower_than,
            is_kept,
        } = &self.about;
        let feed = self.feed();
        json!({
            "id": self.id.to_string(),
            "session": session,
            "name": name,
            "opened_by": owner,
            "predicate": predicate,
            "confinement": confinement,
            "follow": follow,
            "level": level,
            "spans": spans,
            "timings": timings,
            "only_if": only_if,
            "slower_than_ms": slower_than.map(|duration| duration.as_micros() as f64 / 1e3),
            "opened_at": TimeText::new(*opened_at).as_str(),
            "expires_at": expires_in.and_then(|duration| opened_at.checked_add(duration)).map(|at| TimeText::new(at).as_str().to_owned()),
            "outlives_connection": is_kept,
            "is_read": feed.is_read(),
            "has_ended": feed.has_ended(),
            "stats": feed.stats(),
        })
    }
}

impl Sessions {
    fn check_room(&self, owner: &str, limit: usize) -> Result<(), Problem> {
        let here = self.open.values().filter(|entry| entry.about.owner == owner).count();
        if here < limit {
            return Ok(());
        }
        let detail = format!("{here} sessions of yours are open or not yet read to their end");
        Err(Problem::new(ProblemKind::TooManySessions, detail)
            .with("limit", limit)
            .with("limit_name", "max_sessions_per_opener"))
    }
}

impl Hub {
    /// # Errors
    /// If the endpoint is shutting down, or the owner has `limit` sessions.
    pub(super) fn add(&self, entry: &Arc<HubSession>, limit: usize) -> Result<(), Problem> {
        let mut sessions = self.sessions();
        if sessions.is_closed {
            return Err(Problem::shutting_down());
        }
        sessions.check_room(&entry.about.owner, limit)?;
        sessions.open.insert(entry.id, Arc::clone(entry));
        Ok(())
    }

    /// # Errors
    /// If the opener has `limit` sessions. Ended ones that may still be read count: they hold memory, and the router's own
    /// limits do not count them.
    pub(super) fn check_room(&self, opener: &Caller, limit: usize) -> Result<(), Problem> {
        self.sessions().check_room(opener.name(), limit)
    }

    /// Removes a session. A reader that still holds it may read on.
    ///
    /// A remembered session is answered as ended later, any other as unknown.
    pub(super) fn remove(
        &self,
        id: PublicId,
        is_remembered: impl FnOnce(&HubSession) -> bool,
    ) -> Option<Arc<HubSession>> {
        let removed = self.sessions().open.remove(&id)?;
        // Asked without the lock: the two locks are never held together.
        if is_remembered(&removed) {
            let mut sessions = self.sessions();
            sessions.over.push_back((id, removed.about.owner.clone()));
            let excess = sessions.over.len().saturating_sub(MAX_REMEMBERED);
            sessions.over.drain(..excess);
        }
        Some(removed)
    }

    /// The caller's session of this id; `None` if it is unknown or another owner's.
    pub(super) fn find(&self, id: PublicId, caller: &Caller) -> Option<Found> {
        let sessions = self.sessions();
        let open = sessions.open.get(&id).filter(|entry| caller.may_use(&entry.about.owner));
        if let Some(entry) = open {
            return Some(Found::Open(Arc::clone(entry)));
        }
        let mut over = sessions.over.iter();
        over.any(|(known, owner)| *known == id && caller.may_use(owner)).then_some(Found::Over)
    }

    /// The caller's sessions, or all for an admin, oldest first.
    pub(super) fn list(&self, caller: &Caller) -> Vec<Arc<HubSession>> {
        let sessions = self.sessions();
        let own = sessions.open.values().filter(|entry| caller.may_use(&entry.about.owner));
        let mut own: Vec<_> = own.map(Arc::clone).collect();
        own.sort_by_key(|entry| (entry.about.opened_at, entry.about.session));
        own
    }

    /// Rejects new sessions; returns the open ones, to be ended.
    pub(super) fn close(&self) -> Vec<Arc<HubSession>> {
        let mut sessions = self.sessions();
        sessions.is_closed = true;
        sessions.open.values().map(Arc::clone).collect()
    }

    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        self.sessions().is_closed
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
