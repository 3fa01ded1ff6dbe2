//! What else belongs to a session once an event has matched it.

use crate::predicate::shown;
use std::fmt;
use std::str::FromStr;

/// What belongs to a session besides the events that match: once one does, everything later around it, on every
/// thread.
///
/// The tests that picked out that event are relaxed for what is followed: of fields, levels, spans, names and files. What
/// the predicate says of targets still holds, and so do the opener's [scope](crate::SessionOptions::scope) and the
/// [maximum level](crate::SessionOptions::max_level) in full; denied targets stay denied. Others pay nothing for it.
///
/// Its text form, for command lines and URLs, is `event`, `span`, `root` or `named:request`.
///
/// ```
/// use tracing_tap::{Follow, Predicate, SessionOptions};
///
/// // A request that fails: the rest of it, from the failure on, down to TRACE.
/// let failing = SessionOptions::new(Predicate::ge("status", 500)).follow(Follow::Named("request".to_owned()));
/// // The same where an error tells: its DEBUG events as well.
/// let errors = SessionOptions::new("@level = error".parse()?).follow(Follow::Named("request".to_owned()));
/// assert_eq!("named:request".parse(), Ok(Follow::Named("request".to_owned())));
/// # let _ = (failing, errors);
/// # Ok::<(), tracing_tap::PredicateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Follow {
    /// Nothing: the matching events alone.
    #[default]
    Event,
    /// The innermost span around the event, and all below it.
    Span,
    /// The outermost span around the event, and all below it: usually a request or a connection; all of the service
    /// if its `main` is instrumented.
    Root,
    /// The nearest span of this name around the event, and all below it; nothing if there is none.
    Named(String),
}

/// A text that names nothing to follow. `Display` shows it escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowError(String);

impl fmt::Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event => f.write_str("event"),
            Self::Span => f.write_str("span"),
            Self::Root => f.write_str("root"),
            Self::Named(name) => write!(f, "named:{name}"),
        }
    }
}

impl FromStr for Follow {
    type Err = FollowError;

    fn from_str(text: &str) -> Result<Self, FollowError> {
        match text {
            "event" => Ok(Self::Event),
            "span" => Ok(Self::Span),
            "root" => Ok(Self::Root),
            _ => match text.strip_prefix("named:") {
                Some(name) if !name.is_empty() => Ok(Self::Named(name.to_owned())),
                _ => Err(FollowError(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for FollowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = shown(&self.0);
        write!(f, "follow `{found}`: expected `event`, `span`, `root` or `named:` and the name of a span")
    }
}

impl std::error::Error for FollowError {}
