//! What an operator asks for: a predicate and its limits.

mod account;
pub(crate) mod admission;
pub(crate) mod buffer;
pub(crate) mod changes;
mod follow;
pub(crate) mod governor;
pub(crate) mod holders;
pub(crate) mod index;
pub(crate) mod open;
pub(crate) mod published;
pub(crate) mod rate;
pub(crate) mod registry;
pub(crate) mod sample;
pub(crate) mod scope;
pub(crate) mod snapshot;
pub(crate) mod withheld;

pub use crate::queue::Overflow;
pub use account::{EndReason, SessionStats};
pub use follow::{Follow, FollowError};
pub use holders::Holder;

use crate::predicate::Predicate;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};
use tracing_core::LevelFilter;

/// What to watch and how much of it to keep: handed to [`TapRouter::watch`](crate::TapRouter::watch).
///
/// ```
/// use std::time::Duration;
/// use tracing_tap::{Predicate, SessionOptions};
///
/// let session = SessionOptions::new(Predicate::eq("user", 42)).name("ticket 7").expires_in(Duration::from_secs(900));
/// # let _ = session;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Which events the session matches.
    pub predicate: Predicate,
    /// What its opener may see at all, see [`confined_to`](Self::confined_to).
    pub confinement: Option<Predicate>,
    /// What its opener calls it.
    pub name: Option<String>,
    /// Who opens it.
    pub opened_by: Option<String>,
    /// How many events may wait to be read.
    pub capacity: NonZeroUsize,
    /// How many bytes the events that wait may hold.
    pub capacity_bytes: usize,
    /// Which event is lost when the buffer is full.
    pub overflow: Overflow,
    /// How long it stays open, if that is bounded.
    pub expires_in: Option<Duration>,
    /// After how many admitted events it ends, if that is bounded.
    pub max_events: Option<u64>,
    /// How many events a second it admits, if that is bounded.
    pub max_rate: Option<u64>,
    /// It shows one request in so many; 0 and 1: all.
    pub sample: u32,
    /// What else belongs to it once an event has matched.
    pub follow: Follow,
    /// The most verbose spans that it enables; OFF if it enables none.
    pub spans: LevelFilter,
    /// The most verbose events that it shows, whatever it follows; TRACE if that is not bounded.
    pub max_level: LevelFilter,
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
    /// What its opener may see at all, see [`SessionOptions::confined_to`].
    pub confinement: Option<Predicate>,
    /// The most verbose events that it shows, see [`SessionOptions::max_level`]; TRACE where it is not bounded.
    pub max_level: LevelFilter,
    /// The most verbose spans that it enables, see [`SessionOptions::spans`]; OFF where it enables none.
    pub spans: LevelFilter,
    /// When it was opened, by the system's clock.
    pub opened_at: SystemTime,
    /// What it has counted so far.
    pub stats: SessionStats,
}

impl SessionOptions {
    /// When a [remote](Self::remote) session ends.
    pub const REMOTE_EXPIRES_IN: Duration = Duration::from_secs(15 * 60);
    /// How many events a second a [remote](Self::remote) session admits.
    pub const REMOTE_MAX_RATE: u64 = 5_000;

    const DEFAULT_CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");
    const MAX_CAPACITY: usize = 1 << 20;
    const DEFAULT_CAPACITY_BYTES: usize = 16 << 20;

    /// Creates a session without limits of time or number.
    pub fn new(predicate: Predicate) -> Self {
        Self {
            predicate,
            confinement: None,
            name: None,
            opened_by: None,
            capacity: Self::DEFAULT_CAPACITY,
            capacity_bytes: Self::DEFAULT_CAPACITY_BYTES,
            overflow: Overflow::default(),
            expires_in: None,
            max_events: None,
            max_rate: None,
            sample: 1,
            follow: Follow::Event,
            spans: LevelFilter::OFF,
            max_level: LevelFilter::TRACE,
        }
    }

    /// Creates a session as doors should that open sessions for others: it ends after
    /// [15 minutes](Self::REMOTE_EXPIRES_IN) and admits [5,000 events a second](Self::REMOTE_MAX_RATE), unless its
    /// opener says otherwise. Else it is as by [`new`](Self::new).
    pub fn remote(predicate: Predicate) -> Self {
        Self::new(predicate).expires_in(Self::REMOTE_EXPIRES_IN).max_rate(Self::REMOTE_MAX_RATE)
    }

    /// Confines the session to what its opener may see: an event must satisfy `confinement` as well, and nothing relaxes
    /// that. If it is called again, all of them must be satisfied. Coverage then names nothing outside of it.
    ///
    /// For endpoints that open sessions on behalf of others: it is listed and audited apart from the predicate.
    ///
    /// Say what may be seen, not what may not: a test of a field is false where the field is not known, as of a span that
    /// was not [tracked](crate::TapRouterBuilder::span_level) when it was created, and `tenant != 8` is then true of
    /// tenant 8. What nobody may see is for [`deny_targets`](crate::TapRouterBuilder::deny_targets) and
    /// [`redact_fields`](crate::TapRouterBuilder::redact_fields).
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Item, Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let mut stream = router.watch(SessionOptions::new(Predicate::everything()).confined_to(Predicate::eq("tenant", 7)));
    /// tracing::info!(tenant = 7, "ours");
    /// tracing::info!(tenant = 8, "theirs");
    /// let seen: Vec<_> = stream.drain().filter_map(Item::into_event).collect();
    /// assert_eq!(seen.len(), 1);
    /// assert_eq!(seen[0].message(), "ours");
    /// ```
    #[must_use]
    pub fn confined_to(mut self, confinement: Predicate) -> Self {
        self.confinement = Some(confinement.within(self.confinement.take()));
        self
    }

    /// What an event must satisfy: the predicate, the confinement and the maximum level.
    pub fn confined_predicate(&self) -> Predicate {
        self.confined(self.predicate.clone())
    }

    /// What an event must satisfy that is followed; nothing where none is.
    pub(crate) fn followed_predicate(&self) -> Option<Predicate> {
        (self.follow != Follow::Event).then(|| self.confined(self.predicate.relaxed()))
    }

    /// The most verbose events that it shows, where that is bounded.
    pub fn level_limit(&self) -> Option<LevelFilter> {
        Some(self.max_level).filter(|level| *level != LevelFilter::TRACE)
    }

    /// The most verbose spans that it enables, where it enables any.
    pub fn enabled_spans(&self) -> Option<LevelFilter> {
        Some(self.spans).filter(|level| *level != LevelFilter::OFF)
    }

    /// The predicate within the scope and the maximum level, which nothing relaxes.
    fn confined(&self, predicate: Predicate) -> Predicate {
        let level = self.level_limit().map(|limit| match limit.into_level() {
            Some(level) => Predicate::level(level),
            None => !Predicate::everything(),
        });
        self.confinement.iter().cloned().chain(level).fold(predicate, Predicate::and)
    }

    /// Says what else belongs to the session once an event has matched; default nothing.
    #[must_use]
    pub fn follow(mut self, follow: Follow) -> Self {
        self.follow = follow;
        self
    }

    /// Shows no event more verbose than this, be it followed or not; default TRACE, which bounds nothing.
    ///
    /// A test of levels in the predicate says which events the session begins with, and [following](Self::follow) relaxes
    /// it as it relaxes tests of fields. This bounds both: with `@level = error`, a root that is followed and a maximum of
    /// INFO, a request that fails is shown from the error on, without its DEBUG and TRACE events.
    ///
    /// ```
    /// use tracing_subscriber::{filter::LevelFilter, prelude::*};
    /// use tracing_tap::{Follow, Item, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let errors = SessionOptions::new("@level = error".parse()?).follow(Follow::Root);
    /// let mut stream = router.watch(errors.max_level(LevelFilter::INFO));
    /// tracing::info_span!("request").in_scope(|| {
    ///     tracing::error!("failed");
    ///     tracing::info!("answered");
    ///     tracing::debug!("cleaned up");
    /// });
    /// let seen: Vec<_> = stream.drain().filter_map(Item::into_event).map(|event| event.message().to_owned()).collect();
    /// assert_eq!(seen, ["failed", "answered"]);
    /// # Ok::<(), tracing_tap::PredicateError>(())
    /// ```
    #[must_use]
    pub fn max_level(mut self, level: LevelFilter) -> Self {
        self.max_level = level;
        self
    }

    /// Enables spans up to this level that nobody else wants; default none.
    ///
    /// A session enables no span by itself: what it sees are the spans that exist anyway, up to the router's
    /// [`span_level`](crate::TapRouterBuilder::span_level) and up to what other layers want. With this, spans up to
    /// `level` exist as well wherever this session may match, and the events inside show their fields.
    ///
    /// This changes the host while the session is open. In the requests it may match, and for every callsite that
    /// declares a tested field, such a span becomes `Span::current()`, the parent of spans inside it, and part of
    /// traces and of `SpanTrace`: `Span::current().record(..)` then records on it and not on the span around it. The first
    /// span of each callsite is made wherever it is reached, since nothing is known of the callsite before. A root span
    /// that is made before the tested field is known, as one around the span that names the user, is not made.
    /// Widen `span_level` instead where spans should always be there.
    ///
    /// ```
    /// use tracing_subscriber::filter::LevelFilter;
    /// use tracing_tap::{Predicate, SessionOptions};
    ///
    /// let session = SessionOptions::new(Predicate::eq("user", 42)).spans(LevelFilter::DEBUG);
    /// # let _ = session;
    /// ```
    #[must_use]
    pub fn spans(mut self, level: LevelFilter) -> Self {
        self.spans = level;
        self
    }

    /// Names the session for whoever lists it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says who opens the session. An empty name is none; names that differ at all, be it by a space, are two.
    #[must_use]
    pub fn opened_by(mut self, opener: impl Into<String>) -> Self {
        self.opened_by = Some(opener.into()).filter(|opener| !opener.is_empty());
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

    /// Ends the session once this many events were admitted: those that [sampling](Self::sample) and the
    /// [rate](Self::max_rate) let through, lost for want of room or not.
    #[must_use]
    pub fn max_events(mut self, events: u64) -> Self {
        self.max_events = Some(events);
        self
    }

    /// Bounds the events admitted per second; default none. What is over it is never captured, but counted.
    ///
    /// It is a token bucket of one second: this many events at once, and then as many a second. By any time since the
    /// opening, at most so many were admitted as this rate gives in that time, rounded down, and one second's more. 0
    /// admits nothing; more than 10,000,000,000 count as that many. Costs each matching event a look at the clock.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{MissingReason, Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).max_rate(0));
    /// tracing::info!(user = 42, "over the rate");
    /// assert_eq!((stream.drain().count(), stream.stats().missing[MissingReason::RateLimited]), (0, 1));
    /// ```
    #[must_use]
    pub fn max_rate(mut self, events_per_second: u64) -> Self {
        self.max_rate = Some(events_per_second);
        self
    }

    /// Shows one request in so many, whole; default and least is 1, which shows all.
    ///
    /// It is decided once for each root span: all that happens under it, on all threads and for as long as it lives, is
    /// shown or counted as left out. Events outside any span are decided one by one. Which ones are shown looks like
    /// chance and differs from session to session. Sampling goes before the [rate](Self::max_rate).
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{MissingReason, Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let mut stream = router.watch(SessionOptions::new(Predicate::everything()).sample(3));
    /// tracing::info_span!("request").in_scope(|| {
    ///     tracing::debug!("begins");
    ///     tracing::debug!("ends");
    /// });
    /// let shown = stream.drain().count() as u64;
    /// assert!(shown == 0 || shown == 2);
    /// assert_eq!(stream.stats().missing[MissingReason::SampledOut], 2 - shown);
    /// ```
    #[must_use]
    pub fn sample(mut self, one_in: u32) -> Self {
        self.sample = one_in;
        self
    }
}

impl From<Predicate> for SessionOptions {
    fn from(predicate: Predicate) -> Self {
        Self::new(predicate)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_session_has_limits_that_its_opener_may_change() {
        let session = SessionOptions::remote(Predicate::everything());
        assert_eq!((session.expires_in, session.max_rate), (Some(Duration::from_secs(900)), Some(5_000)));
        assert_eq!((session.max_events, session.sample), (None, 1));
        let session = session.max_rate(7).expires_in(Duration::from_secs(1));
        assert_eq!((session.expires_in, session.max_rate), (Some(Duration::from_secs(1)), Some(7)));
        let local = SessionOptions::new(Predicate::everything());
        assert_eq!((local.expires_in, local.max_rate), (None, None));
    }
}
