//! The events that belong to a session after one has matched.

use crate::predicate::shown;
use std::fmt;
use std::str::FromStr;

/// Widens a session: once an event has matched, all later events in a span around it belong to the session, on every
/// thread.
///
/// For followed events, the predicate's tests of fields, levels, spans, names and files are relaxed: they no longer exclude
/// an event. Its tests of targets still apply, and so do the [confinement](crate::SessionOptions::confined_to) and the
/// [maximum level](crate::SessionOptions::max_level) in full. Denied targets stay denied. Sessions that do not follow pay
/// nothing for it.
///
/// The text form, for command lines and URLs, is `event`, `span`, `root` or `named:request`.
///
/// ```
/// use tracing_tap::{Follow, Predicate, SessionOptions};
///
/// // A request that fails: the rest of it, from the failure on, down to TRACE.
/// let failing = SessionOptions::new(Predicate::ge("status", 500)).follow(Follow::Named("request".to_owned()));
/// // A request that logs an error: its DEBUG events as well.
/// let errors = SessionOptions::new("@level = error".parse()?).follow(Follow::Named("request".to_owned()));
/// assert_eq!("named:request".parse(), Ok(Follow::Named("request".to_owned())));
/// # let _ = (failing, errors);
/// # Ok::<(), tracing_tap::PredicateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Follow {
    /// Follows nothing: only matching events belong to the session.
    #[default]
    Event,
    /// Follows the innermost span around the event, with all spans inside it.
    Span,
    /// Follows the outermost span around the event, with all spans inside it: usually a request or a connection. If `main`
    /// is instrumented, that is the whole service.
    Root,
    /// Follows the nearest span of this name around the event, with all spans inside it; nothing if there is no such span.
    Named(String),
}

/// The error of a text that is not a [`Follow`]. `Display` shows the text escaped and cut.
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

    /// # Errors
    /// If the text is not one of the four forms, or names no span after `named:`.
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
        write!(f, "unknown follow mode `{found}`, expected `event`, `span`, `root` or `named:` and the name of a span")
    }
}

impl std::error::Error for FollowError {}
