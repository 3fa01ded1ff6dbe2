//! What a subcommand failed to do, and why.

use std::error::Error as StdError;
use std::fmt;

/// What was attempted, worded to follow "failed to", and what stood in the way.
#[derive(Debug)]
pub(crate) struct Error {
    kind: Kind,
    attempt: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    advice: Option<String>,
    status: Option<u16>,
}

/// Whose fault it is, which is what the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
    Refused,
}

impl Error {
    /// An attempt that explains itself.
    pub(crate) fn new(attempt: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, attempt: attempt.into(), cause: None, advice: None, status: None }
    }

    /// An attempt that somebody else's error put an end to.
    pub(crate) fn caused_by(cause: impl Into<Box<dyn StdError + Send + Sync>>, attempt: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(attempt) }
    }

    /// An attempt that cannot be made as it was asked for.
    pub(crate) fn usage(attempt: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::new(attempt) }
    }

    /// An attempt that the server has refused.
    pub(crate) fn refused(attempt: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, ..Self::new(attempt) }
    }

    /// The same as a mistake in what was asked for.
    pub(crate) fn into_usage(mut self) -> Self {
        self.kind = Kind::Usage;
        self
    }

    /// Says what to do about it.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Says which status of HTTP it was.
    pub(crate) fn of_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The status of HTTP, where a server has answered.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    /// What to do about it, where that is not said already.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
        }
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
