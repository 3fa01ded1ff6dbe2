//! Why a session was not opened on behalf of an opener: the caps, what they count, and who holds how many.

use crate::config::Config;
use crate::escape::escaped;
use crate::predicate::{Predicate, PredicateError};
use crate::session::SessionOptions;
use crate::session::holders::{Holder, Holders};
use crate::session::open::OpenSession;
use crate::session::registry::Registry;
use std::fmt;
use std::time::Duration;

/// How much of an opener's name an error shows.
const MAX_NAME_BYTES: usize = 64;

/// Why [`TapRouter::try_watch`](crate::TapRouter::try_watch) opened no session.
///
/// `Display` names the limit that was reached, and the openers with their numbers of sessions; names are escaped and cut.
/// The methods have the parts, for endpoints that answer in a form of their own.
///
/// ```
/// use tracing_tap::{Predicate, SessionOptions, TapRouter};
///
/// let router = TapRouter::builder().max_sessions(1).build();
/// let session = || SessionOptions::new(Predicate::eq("user", 42)).opened_by("ann");
/// let _open = router.try_watch(session())?;
/// let error = router.try_watch(session()).unwrap_err();
/// assert_eq!(error.to_string(), "the session was not opened: 1 are open, which is the limit `max_sessions`; `ann` holds 1");
/// assert_eq!((error.limit_name(), error.limit()), (Some("max_sessions"), Some(1)));
/// assert_eq!(error.holders()[0].opener.as_deref(), Some("ann"));
/// # Ok::<(), tracing_tap::WatchError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchError(Refusal);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    TooMany(Box<Crowd>),
    TestsRedactedField { field: String },
    TooCostly(Flaw),
    KeepsNoPast,
    HoldsTooLong { slower_than: Duration, limit: Duration },
    Unreadable(Flaw),
}

/// What is wrong with a predicate. Two are the same if they say the same.
#[derive(Clone, Debug)]
struct Flaw(PredicateError);

impl PartialEq for Flaw {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Eq for Flaw {}

/// The sessions that fill a cap.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Crowd {
    cap: Cap,
    limit: usize,
    open: usize,
    /// The openers that hold the most, the largest first.
    holders: Vec<Holder>,
}

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cap {
    All,
    OfOpener,
    Unindexed,
}

/// The reason, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    MaxSessions,
    MaxSessionsPerOpener,
    MaxUnindexedSessions,
    RedactedField,
    TooCostly,
    NoLookBack,
    MaxHoldTime,
}

impl WatchError {
    /// Refuses a text that is no predicate.
    pub(super) fn unreadable(error: PredicateError) -> Self {
        Self(Refusal::Unreadable(Flaw(error)))
    }

    /// Refuses a session whose predicate or confinement tests a redacted field.
    fn check_fields(session: &SessionOptions, config: &Config) -> Result<(), Self> {
        let predicates = [Some(&session.predicate), session.confinement.as_ref(), session.only_if.as_ref()];
        let mut tested = predicates.into_iter().flatten().flat_map(|predicate| predicate.field_names());
        match tested.find(|name| config.redacts(name)) {
            Some(field) => Err(Self(Refusal::TestsRedactedField { field: field.to_owned() })),
            None => Ok(()),
        }
    }

    /// Refuses a session that waits for slow requests longer than the router holds any.
    fn check_hold_time(session: &SessionOptions, config: &Config) -> Result<(), Self> {
        let limit = config.max_hold_time;
        match session.slower_than.filter(|slower_than| *slower_than > limit) {
            Some(slower_than) => Err(Self(Refusal::HoldsTooLong { slower_than, limit })),
            None => Ok(()),
        }
    }

    /// Refuses a session of which a predicate may cost a producer more than one that is read from a text.
    fn check_cost(session: &SessionOptions) -> Result<(), Self> {
        let mut predicates = std::iter::once(&session.predicate).chain(&session.confinement).chain(&session.only_if);
        predicates.try_for_each(Predicate::check_cost).map_err(|error| Self(Refusal::TooCostly(Flaw(error))))
    }

    /// Refuses a session for what its options ask for.
    pub(super) fn check_options(session: &SessionOptions, config: &Config) -> Result<(), Self> {
        Self::check_fields(session, config)?;
        Self::check_cost(session)?;
        Self::check_hold_time(session, config)?;
        Self::check_past(session, config)
    }

    /// Refuses a session that looks back in a router that keeps no past.
    fn check_past(session: &SessionOptions, config: &Config) -> Result<(), Self> {
        match session.look_back {
            Some(_) if config.look_back.is_none() => Err(Self(Refusal::KeepsNoPast)),
            _ => Ok(()),
        }
    }

    /// Refuses a session if the open ones leave no room for it. Those opened without a cap count as well.
    pub(super) fn check_caps(session: &OpenSession, open: &Registry, config: &Config) -> Result<(), Self> {
        let own = open.holders().held_by(session.opener());
        let holder = || Holder { opener: session.opener().map(str::to_owned), sessions: own };
        let of_unindexed = || open.unindexed().iter().map(|session| session.opener()).collect::<Holders>().largest();
        Self::check(Cap::OfOpener, own, config.max_sessions_per_opener, || vec![holder()])?;
        Self::check(Cap::All, open.sessions().len(), config.max_sessions, || open.holders().largest())?;
        if session.is_indexed() {
            return Ok(());
        }
        Self::check(Cap::Unindexed, open.unindexed().len(), config.max_unindexed_sessions, of_unindexed)
    }

    fn check(cap: Cap, open: usize, limit: usize, holders: impl FnOnce() -> Vec<Holder>) -> Result<(), Self> {
        if open < limit {
            return Ok(());
        }
        Err(Self(Refusal::TooMany(Box::new(Crowd { cap, limit, open, holders: holders() }))))
    }

    /// The reason of the refusal; `None` if no session was requested.
    pub(super) fn reason(&self) -> Option<Reason> {
        Some(match &self.0 {
            Refusal::TestsRedactedField { .. } => Reason::RedactedField,
            Refusal::TooMany(crowd) => match crowd.cap {
                Cap::All => Reason::MaxSessions,
                Cap::OfOpener => Reason::MaxSessionsPerOpener,
                Cap::Unindexed => Reason::MaxUnindexedSessions,
            },
            Refusal::TooCostly(_) => Reason::TooCostly,
            Refusal::KeepsNoPast => Reason::NoLookBack,
            Refusal::HoldsTooLong { .. } => Reason::MaxHoldTime,
            Refusal::Unreadable(_) => return None,
        })
    }
}

impl WatchError {
    /// Whether `max_sessions` are open.
    pub fn is_too_many_sessions(&self) -> bool {
        self.reason() == Some(Reason::MaxSessions)
    }

    /// Whether the opener has `max_sessions_per_opener` open.
    pub fn is_too_many_of_opener(&self) -> bool {
        self.reason() == Some(Reason::MaxSessionsPerOpener)
    }

    /// Whether the predicate requires no field to equal a value, and `max_unindexed_sessions` like it are open.
    pub fn is_too_many_unindexed(&self) -> bool {
        self.reason() == Some(Reason::MaxUnindexedSessions)
    }

    /// Whether the predicate, the confinement or the outcome tests a redacted field.
    pub fn is_redacted_field(&self) -> bool {
        self.reason() == Some(Reason::RedactedField)
    }

    /// Whether the predicate or the confinement may cost the service more than one that is
    /// [read from a text](crate::predicate::syntax#limits) may: more than 50 microseconds for an event of 1 KiB, or more than
    /// 2 MiB for tables of regular expressions.
    pub fn is_too_costly(&self) -> bool {
        self.reason() == Some(Reason::TooCostly)
    }

    /// Whether the session looks back and the router was built without
    /// [`look_back`](crate::TapRouterBuilder::look_back).
    pub fn is_without_past(&self) -> bool {
        self.reason() == Some(Reason::NoLookBack)
    }

    /// Whether [`slower_than`](crate::SessionOptions::slower_than) is longer than the router holds a request,
    /// [`max_hold_time`](crate::TapRouterBuilder::max_hold_time).
    pub fn is_hold_too_long(&self) -> bool {
        self.reason() == Some(Reason::MaxHoldTime)
    }

    /// Whether the given text is no predicate. It is neither counted nor audited: no session was requested.
    pub fn is_invalid_predicate(&self) -> bool {
        self.predicate_error().is_some()
    }

    /// The error of the text, with its place; `None` if it is a predicate.
    pub fn predicate_error(&self) -> Option<&PredicateError> {
        match &self.0 {
            Refusal::Unreadable(Flaw(error)) => Some(error),
            _ => None,
        }
    }

    /// The name of the limit that was reached, as in the builder; `None` if it was no limit.
    pub fn limit_name(&self) -> Option<&'static str> {
        self.crowd().map(|crowd| crowd.cap.name())
    }

    /// The limit that was reached, in sessions.
    pub fn limit(&self) -> Option<usize> {
        self.crowd().map(|crowd| crowd.limit)
    }

    /// The number of sessions that count for that limit; past it if the application itself opened more.
    pub fn open_sessions(&self) -> Option<usize> {
        self.crowd().map(|crowd| crowd.open)
    }

    /// The openers with the most of these sessions, at most four, the largest first. Their names are neither escaped nor
    /// cut.
    pub fn holders(&self) -> &[Holder] {
        self.crowd().map_or(&[], |crowd| &crowd.holders)
    }

    /// The redacted field that is tested.
    pub fn field(&self) -> Option<&str> {
        match &self.0 {
            Refusal::TestsRedactedField { field } => Some(field),
            _ => None,
        }
    }

    fn crowd(&self) -> Option<&Crowd> {
        match &self.0 {
            Refusal::TooMany(crowd) => Some(crowd),
            _ => None,
        }
    }
}

impl Reason {
    /// The reason as one word, for machines.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::MaxSessions => Cap::All.name(),
            Self::MaxSessionsPerOpener => Cap::OfOpener.name(),
            Self::MaxUnindexedSessions => Cap::Unindexed.name(),
            Self::RedactedField => "redacted_field",
            Self::TooCostly => "too_costly",
            Self::NoLookBack => "no_look_back",
            Self::MaxHoldTime => "max_hold_time",
        }
    }
}

impl Cap {
    fn name(self) -> &'static str {
        match self {
            Self::All => "max_sessions",
            Self::OfOpener => "max_sessions_per_opener",
            Self::Unindexed => "max_unindexed_sessions",
        }
    }
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session was not opened: ")?;
        match &self.0 {
            Refusal::TestsRedactedField { field } => {
                let field = escaped(field, MAX_NAME_BYTES);
                write!(f, "the field `{field}` is redacted and cannot be tested")
            }
            Refusal::TooMany(crowd) => crowd.fmt(f),
            Refusal::TooCostly(Flaw(error)) => {
                f.write_str(error.message())?;
                error.hint().map_or(Ok(()), |hint| write!(f, "; {hint}"))
            }
            Refusal::KeepsNoPast => {
                f.write_str("the router keeps no past; switch it on with `TapRouterBuilder::look_back`")
            }
            Refusal::HoldsTooLong { slower_than, limit } => {
                write!(
                    f,
                    "`slower_than` is {slower_than:?}, and a request is held for at most {limit:?}, `max_hold_time`"
                )
            }
            Refusal::Unreadable(Flaw(error)) => error.fmt(f),
        }
    }
}

impl std::error::Error for WatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.predicate_error().map(|error| error as _)
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cap, limit, open, holders } = self;
        write!(f, "{open}")?;
        match (cap, holders.first().and_then(|holder| holder.opener.as_deref())) {
            (Cap::All, _) => {}
            (Cap::Unindexed, _) => f.write_str(" that require no field to equal a value")?,
            (Cap::OfOpener, Some(opener)) => write!(f, " of `{}`", escaped(opener, MAX_NAME_BYTES))?,
            (Cap::OfOpener, None) => f.write_str(" without a name")?,
        }
        if open == limit {
            write!(f, " are open, which is the limit `{}`", cap.name())?;
        } else {
            write!(f, " are open, past the limit `{}` of {limit}", cap.name())?;
        }
        if *cap == Cap::OfOpener { Ok(()) } else { self.write_holders(f) }
    }
}

impl Crowd {
    /// Writes ``; `ann` holds 40, `ben` 23, 1 without a name``.
    fn write_holders(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut separator, mut holds) = ("; ", " holds");
        for Holder { opener, sessions } in &self.holders {
            match opener {
                Some(opener) => {
                    let opener = escaped(opener, MAX_NAME_BYTES);
                    write!(f, "{separator}`{opener}`{} {sessions}", std::mem::take(&mut holds))?;
                }
                None => write!(f, "{separator}{sessions} without a name")?,
            }
            separator = ", ";
        }
        let named: usize = self.holders.iter().map(|holder| holder.sessions).sum();
        if named < self.open { write!(f, "{separator}{} of others", self.open - named) } else { Ok(()) }
    }
}
