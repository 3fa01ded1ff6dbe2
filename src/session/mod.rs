//! What an operator asks for: a predicate and its limits.

mod account;
pub(crate) mod buffer;
pub(crate) mod holders;
pub(crate) mod open;
pub(crate) mod registry;
pub(crate) mod scope;
pub(crate) mod snapshot;

pub use account::{EndReason, SessionStats};
pub use holders::Holder;

use crate::predicate::Predicate;
use crate::queue::Overflow;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

/// What to watch and how much of it to keep: handed to [`TapRouter::watch`](crate::TapRouter::watch).
///
/// ```
/// use std::time::Duration;
/// use tracing_tap::{Predicate, Session};
///
/// let session = Session::new(Predicate::eq("user", 42)).name("ticket 7").expires_in(Duration::from_secs(900));
/// # let _ = session;
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) predicate: Predicate,
    /// What the opener may see at all.
    pub(crate) scope: Option<Predicate>,
    pub(crate) name: Option<String>,
    pub(crate) opened_by: Option<String>,
    pub(crate) capacity: NonZeroUsize,
    pub(crate) capacity_bytes: usize,
    pub(crate) overflow: Overflow,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) max_events: Option<u64>,
}

/// Names a session of one router; never given twice by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub(crate) u64);

/// An open session as others see it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Names the session.
    pub id: SessionId,
    /// What its opener called it.
    pub name: Option<String>,
    /// Who opened it, as its opener said.
    pub opened_by: Option<String>,
    /// What it watches.
    pub predicate: Predicate,
    /// What its opener may see at all, see [`Session::scope`].
    pub scope: Option<Predicate>,
    /// When it was opened, by the system's clock.
    pub opened_at: SystemTime,
    /// What it has counted so far.
    pub stats: SessionStats,
}

impl Session {
    const DEFAULT_CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");
    const MAX_CAPACITY: usize = 1 << 20;
    const DEFAULT_CAPACITY_BYTES: usize = 16 << 20;

    /// Creates a session without limits of time or number.
    pub fn new(predicate: Predicate) -> Self {
        Self {
            predicate,
            scope: None,
            name: None,
            opened_by: None,
            capacity: Self::DEFAULT_CAPACITY,
            capacity_bytes: Self::DEFAULT_CAPACITY_BYTES,
            overflow: Overflow::default(),
            expires_in: None,
            max_events: None,
        }
    }

    /// Confines the session to what its opener may see: an event must satisfy `scope` as well, and nothing relaxes
    /// that. Where it is called again, all scopes must be satisfied.
    ///
    /// It is for whoever opens sessions on behalf of others, and is shown and audited apart from their predicate.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Item, Predicate, Session, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let mut stream = router.watch(Session::new(Predicate::everything()).scope(Predicate::eq("tenant", 7)));
    /// tracing::info!(tenant = 7, "ours");
    /// tracing::info!(tenant = 8, "theirs");
    /// let seen: Vec<_> = stream.drain().filter_map(Item::into_event).collect();
    /// assert_eq!(seen.len(), 1);
    /// assert_eq!(seen[0].message(), "ours");
    /// ```
    #[must_use]
    pub fn scope(mut self, scope: Predicate) -> Self {
        self.scope = Some(match self.scope.take() {
            Some(outer) => outer.and(scope),
            None => scope,
        });
        self
    }

    /// What an event must satisfy: the predicate, and the scope where there is one.
    pub(crate) fn confined_predicate(&self) -> Predicate {
        match &self.scope {
            Some(scope) => self.predicate.clone().and(scope.clone()),
            None => self.predicate.clone(),
        }
    }

    /// Names the session for whoever lists it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says who opens the session.
    #[must_use]
    pub fn opened_by(mut self, opener: impl Into<String>) -> Self {
        self.opened_by = Some(opener.into());
        self
    }

    /// Bounds the events that wait to be read; default 4096, at least 1, at most 1,048,576. Their places are allocated
    /// together, at the first match.
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = NonZeroUsize::new(events.min(Self::MAX_CAPACITY)).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Bounds the bytes held by events that wait to be read; default 16 MiB. A larger event is lost.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// Says which event to lose where there is no room; default the oldest.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Ends the session after this long; a time past the end of the clock never comes.
    #[must_use]
    pub fn expires_in(mut self, duration: Duration) -> Self {
        self.expires_in = Some(duration);
        self
    }

    /// Ends the session once this many events were admitted, lost ones included.
    #[must_use]
    pub fn max_events(mut self, events: u64) -> Self {
        self.max_events = Some(events);
        self
    }
}

impl From<Predicate> for Session {
    fn from(predicate: Predicate) -> Self {
        Self::new(predicate)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
