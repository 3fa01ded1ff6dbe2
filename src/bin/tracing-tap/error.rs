//! What a subcommand failed to do, and why.

use std::error::Error as StdError;
use std::fmt;

/// What was attempted, worded to follow "failed to", and what stood in the way.
#[derive(Debug)]
pub(crate) struct Error {
    attempt: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An attempt that explains itself.
    pub(crate) fn new(attempt: impl Into<String>) -> Self {
        Self { attempt: attempt.into(), cause: None }
    }

    /// An attempt that somebody else's error put an end to.
    pub(crate) fn caused_by(cause: impl Into<Box<dyn StdError + Send + Sync>>, attempt: impl Into<String>) -> Self {
        Self { attempt: attempt.into(), cause: Some(cause.into()) }
    }

    /// The attempt and all its causes in one line.
    pub(crate) fn with_causes(&self) -> String {
        let first: &dyn StdError = self;
        let errors = std::iter::successors(Some(first), |&error| error.source());
        errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attempt)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}
