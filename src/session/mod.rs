//! The options of a session, and the information about an open one.

mod account;
pub(crate) mod across;
pub(crate) mod admission;
pub(crate) mod buffer;
mod by_outcome;
pub(crate) mod changes;
mod deciding;
mod follow;
pub(crate) mod governor;
pub(crate) mod holders;
pub(crate) mod index;
pub(crate) mod kept_back;
pub(crate) mod lookup;
pub(crate) mod open;
pub(crate) mod outcome;
pub(crate) mod past;
pub(crate) mod past_requests;
pub(crate) mod published;
pub(crate) mod rate;
pub(crate) mod registry;
pub(crate) mod sample;
pub(crate) mod scope;
pub(crate) mod sieve;
pub(crate) mod snapshot;
mod timings;

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

/// The options of a session to be opened by [`TapRouter::watch`](crate::TapRouter::watch): a predicate and limits.
///
/// ```
/// use std::time::Duration;
/// use tracing_tap::{Predicate, SessionOptions};
///
/// let session = SessionOptions::new(Predicate::eq("user", 42)).name("ticket 7").expires_in(Duration::from_secs(900));
/// assert_eq!(session.name.as_deref(), Some("ticket 7"));
/// assert_eq!((session.capacity.get(), session.capacity_bytes), (4096, 16 << 20));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionOptions {
    /// The condition that events must satisfy.
    pub predicate: Predicate,
    /// The limit of what its opener may see; `None`: everything. See [`confined_to`](Self::confined_to).
    pub confinement: Option<Predicate>,
    /// Its name in lists and in the audit.
    pub name: Option<String>,
    /// Its opener, for lists, the audit, and the limit of sessions per opener.
    pub opened_by: Option<String>,
    /// The maximum number of unread events. See [`capacity`](Self::capacity).
    pub capacity: NonZeroUsize,
    /// The maximum number of bytes that its unread events hold.
    pub capacity_bytes: usize,
    /// The event to lose when the buffer is full.
    pub overflow: Overflow,
    /// The time after which it ends; `None`: never.
    pub expires_in: Option<Duration>,
    /// The number of admitted events after which it ends; `None`: never.
    pub max_events: Option<u64>,
    /// The maximum number of events a second; `None`: unlimited. See [`max_rate`](Self::max_rate).
    pub max_rate: Option<u64>,
    /// Shows one request in so many; 0 and 1 show all. See [`sample`](Self::sample).
    pub sample: u32,
    /// The span around a matching event whose later events also belong to the session.
    pub follow: Follow,
    /// The most verbose spans that it enables; OFF: none. See [`spans`](Self::spans).
    pub spans: LevelFilter,
    /// The most verbose events that it shows, matching or followed. See [`max_level`](Self::max_level).
    pub max_level: LevelFilter,
    /// Whether it also shows the times of spans. See [`timings`](Self::timings).
    pub timings: bool,
    /// Whether it shows events. See [`without_events`](Self::without_events).
    pub events: bool,
    /// How far it looks back; `None`: not at all. See [`look_back`](Self::look_back).
    pub look_back: Option<Duration>,
    /// The event for which a request is shown; `None`: requests are shown whatever becomes of them. See
    /// [`only_if`](Self::only_if).
    pub only_if: Option<Predicate>,
    /// The duration from which on a request is shown; `None`: none. See [`slower_than`](Self::slower_than).
    pub slower_than: Option<Duration>,
    /// Whether requests may be followed into other services. See [`across_services`](Self::across_services).
    pub across_services: bool,
}

/// The number of a session, unique within its router: from 1, never reused. Serialized as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub(crate) u64);

/// Information about an open session. Returned by [`TapRouter::sessions`](crate::TapRouter::sessions).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session's number.
    pub id: SessionId,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its opener, as passed to [`SessionOptions::opened_by`].
    pub opened_by: Option<String>,
    /// The condition that events must satisfy.
    pub predicate: Predicate,
    /// The limit of what its opener may see; `None`: everything. See [`SessionOptions::confined_to`].
    pub confinement: Option<Predicate>,
    /// The most verbose events that it shows; TRACE if unlimited. See [`SessionOptions::max_level`].
    pub max_level: LevelFilter,
    /// The most verbose spans that it enables; OFF if none. See [`SessionOptions::spans`].
    pub spans: LevelFilter,
    /// Whether it also shows the times of spans. See [`SessionOptions::timings`].
    pub timings: bool,
    /// The event for which a request is shown. See [`SessionOptions::only_if`].
    pub only_if: Option<Predicate>,
    /// The duration from which on a request is shown. See [`SessionOptions::slower_than`].
    pub slower_than: Option<Duration>,
    /// The time of its opening, by the system's clock.
    pub opened_at: SystemTime,
    /// Its counts so far.
    pub stats: SessionStats,
}

impl SessionOptions {
    /// The default duration of a [remote](Self::remote) session: 15 minutes.
    pub const REMOTE_EXPIRES_IN: Duration = Duration::from_secs(15 * 60);
    /// The default rate of a [remote](Self::remote) session, in events a second.
    pub const REMOTE_MAX_RATE: u64 = 5_000;

    const DEFAULT_CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");
    const MAX_CAPACITY: usize = 1 << 20;
    const DEFAULT_CAPACITY_BYTES: usize = 16 << 20;

    /// Creates options without limits of time, number or rate.
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
            timings: false,
            events: true,
            look_back: None,
            only_if: None,
            slower_than: None,
            across_services: false,
        }
    }

    /// Creates options for an endpoint that opens sessions for its clients.
    ///
    /// The defaults are those of [`new`](Self::new), except that the session ends after
    /// [15 minutes](Self::REMOTE_EXPIRES_IN) and admits [5,000 events a second](Self::REMOTE_MAX_RATE).
    pub fn remote(predicate: Predicate) -> Self {
        Self::new(predicate).expires_in(Self::REMOTE_EXPIRES_IN).max_rate(Self::REMOTE_MAX_RATE)
    }

    /// Confines the session to the events that its opener may see: every event must satisfy `confinement` too, followed
    /// events included. Several calls add up: all confinements must be satisfied. Coverage names nothing outside of it.
    ///
    /// For endpoints that open sessions on behalf of clients. Lists and the audit show it apart from the predicate.
    ///
    /// State what the opener may see, not what it may not: a test of a field is false if the field is unknown, for example
    /// in a span that was not [tracked](crate::TapRouterBuilder::span_level) when it was created. `tenant != 8` is then
    /// true inside tenant 8. To hide something from everybody, use
    /// [`deny_targets`](crate::TapRouterBuilder::deny_targets) and
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

    /// The whole condition of a matching event: the predicate, the confinement and the maximum level.
    pub fn confined_predicate(&self) -> Predicate {
        self.confined(self.predicate.clone())
    }

    /// The condition of a followed event; `None` if no event is ever followed.
    pub(crate) fn followed_predicate(&self) -> Option<Predicate> {
        let relaxed = match self.follow {
            Follow::Event if self.across_services => self.predicate.relaxed_of_scope(),
            Follow::Event => return None,
            _ => self.predicate.relaxed(),
        };
        Some(self.confined(relaxed))
    }

    /// The [maximum level](Self::max_level); `None` if it is TRACE, which limits nothing.
    pub fn level_limit(&self) -> Option<LevelFilter> {
        Some(self.max_level).filter(|level| *level != LevelFilter::TRACE)
    }

    /// The level of the [spans](Self::spans) that it enables; `None` if it is OFF.
    pub fn enabled_spans(&self) -> Option<LevelFilter> {
        Some(self.spans).filter(|level| *level != LevelFilter::OFF)
    }

    /// The predicate, the confinement and the maximum level together.
    fn confined(&self, predicate: Predicate) -> Predicate {
        let level = self.level_limit().map(|limit| match limit.into_level() {
            Some(level) => Predicate::level(level),
            None => !Predicate::everything(),
        });
        self.confinement.iter().cloned().chain(level).fold(predicate, Predicate::and)
    }

    /// Widens the session to the later events of a span around a matching one; default [`Follow::Event`], which follows
    /// nothing.
    #[must_use]
    pub fn follow(mut self, follow: Follow) -> Self {
        self.follow = follow;
        self
    }

    /// Shows no event more verbose than this, matching or followed; default TRACE, which limits nothing.
    ///
    /// A test of levels in the predicate selects the matching events only: [following](Self::follow) relaxes it. The maximum
    /// level also limits followed events. With `@level = error`, [`Follow::Root`] and a maximum of INFO, a failing request
    /// is shown from the error on, without its DEBUG and TRACE events.
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

    /// Enables spans up to this level that no other layer wants; default OFF, which enables none.
    ///
    /// Without it, a session sees only the spans that exist anyway: those up to the router's
    /// [`span_level`](crate::TapRouterBuilder::span_level), and those that other layers want. With it, spans up to `level`
    /// also exist wherever this session may match, and the events inside show their fields.
    ///
    /// This changes the host while the session is open. In the requests that may match, and for every callsite that
    /// declares a tested field, such a span becomes `Span::current()`, the parent of the spans inside it, and part of traces
    /// and of `SpanTrace`: `Span::current().record(..)` then records on it instead of on the span around it. The first span
    /// of each callsite is created in any request, since the callsite is unknown until then. A root span created before the
    /// tested field is known, for example around the span that has the user, is left out. To have spans always, raise
    /// `span_level` instead.
    ///
    /// ```
    /// use tracing_subscriber::{filter::LevelFilter, prelude::*};
    /// use tracing_tap::{Item, Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).spans(LevelFilter::DEBUG));
    /// tracing::debug_span!("request", user = 42).in_scope(|| tracing::debug!("accepted"));
    /// let event = stream.drain().find_map(Item::into_event).expect("the span exists, so the event matches");
    /// assert_eq!(event.spans().len(), 1);
    /// ```
    #[must_use]
    pub fn spans(mut self, level: LevelFilter) -> Self {
        self.spans = level;
        self
    }

    /// Whether requests are held until their outcome is known.
    pub(crate) fn decides_by_outcome(&self) -> bool {
        self.only_if.is_some() || self.slower_than.is_some()
    }

    /// Sets the session's name for lists and the audit.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the opener for lists, the audit and the limit of sessions per opener. An empty name is no name. Names are
    /// compared exactly.
    #[must_use]
    pub fn opened_by(mut self, opener: impl Into<String>) -> Self {
        self.opened_by = Some(opener.into()).filter(|opener| !opener.is_empty());
        self
    }

    /// Limits the number of unread events; default 4096, at least 1, at most 1,048,576. The ring is allocated whole at the
    /// first match.
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = NonZeroUsize::new(events.min(Self::MAX_CAPACITY)).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Limits the bytes held by unread events; default 16 MiB. An event larger than that is lost.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// Sets which event is lost when the buffer is full; default the oldest.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Ends the session after this time; default never. A time past the end of the clock never comes.
    #[must_use]
    pub fn expires_in(mut self, duration: Duration) -> Self {
        self.expires_in = Some(duration);
        self
    }

    /// Ends the session after this many admitted events; default never. Admitted are the events that
    /// [sampling](Self::sample) and the [rate](Self::max_rate) let through, including those lost because the buffer was full.
    #[must_use]
    pub fn max_events(mut self, events: u64) -> Self {
        self.max_events = Some(events);
        self
    }

    /// Limits the admitted events per second; default unlimited. Events beyond it are counted but never captured.
    ///
    /// A token bucket that holds one second's events: this many at once, then as many a second. `t` seconds after the opening
    /// at most `rate × t`, rounded down, plus `rate` events were admitted. 0 admits nothing; values above 10,000,000,000
    /// count as that. Costs each matching event a look at the clock.
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

    /// Shows one request in `one_in`, whole; default 1, which shows all.
    ///
    /// The decision is made once for each root span: every event under it, on all threads and for its whole life, is either
    /// shown or counted as sampled out. Events outside any span are decided one by one. The choice is pseudo-random and
    /// differs between sessions. Sampling is applied before the [rate](Self::max_rate).
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
    fn a_session_prints_as_its_number() {
        assert_eq!((SessionId(7).to_string(), format!("{:3}|", SessionId(7))), ("7".to_owned(), "  7|".to_owned()));
    }

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

    #[test]
    fn what_is_followed_has_a_predicate_and_spans_have_a_level() {
        let options = SessionOptions::new(Predicate::eq("user", 42));
        assert_eq!((options.followed_predicate(), options.enabled_spans()), (None, None));
        let options = options.follow(Follow::Span).spans(LevelFilter::DEBUG);
        assert_eq!(options.enabled_spans(), Some(LevelFilter::DEBUG));
        assert_eq!(options.followed_predicate(), Some(Predicate::everything()));
    }
}
