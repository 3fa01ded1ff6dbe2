//! Why a line or a predicate cannot be used.

use std::error::Error;
use std::fmt;

/// The error of a line that is not an event, or of a predicate that lines cannot be tested by.
#[derive(Debug)]
pub struct LineError(Cause);

#[derive(Debug)]
enum Cause {
    Predicate(&'static str),
    NoText,
    NoEvent(serde_json::Error),
}

impl LineError {
    pub(super) fn of_predicate(why: &'static str) -> Self {
        Self(Cause::Predicate(why))
    }

    pub(super) fn no_text() -> Self {
        Self(Cause::NoText)
    }

    pub(super) fn no_event(cause: serde_json::Error) -> Self {
        Self(Cause::NoEvent(cause))
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Predicate(why) => write!(f, "failed to filter lines by the predicate: {why}"),
            Cause::NoText => f.write_str("failed to read the line: it is not UTF-8"),
            Cause::NoEvent(cause) => write!(f, "failed to read the line: {cause}"),
        }
    }
}

impl Error for LineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::NoEvent(cause) => Some(cause),
            Cause::Predicate(_) | Cause::NoText => None,
        }
    }
}
