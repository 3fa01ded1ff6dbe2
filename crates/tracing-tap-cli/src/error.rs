//! Why a subcommand failed.

use std::error::Error as StdError;
use std::fmt;

/// A failed attempt, worded to follow "failed to", and its cause.
#[derive(Debug)]
pub(crate) struct Error {
    class: FailureClass,
    attempt: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    advice: Option<String>,
    status: Option<u16>,
}

/// What kind of failure it is, as the exit code shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureClass {
    Failed,
    Usage,
    Refused,
}

impl Error {
    /// An attempt whose text includes the cause.
    pub(crate) fn new(attempt: impl Into<String>) -> Self {
        Self { class: FailureClass::Failed, attempt: attempt.into(), cause: None, advice: None, status: None }
    }

    /// An attempt that failed with another error.
    pub(crate) fn caused_by(cause: impl Into<Box<dyn StdError + Send + Sync>>, attempt: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(attempt) }
    }

    /// An attempt with an invalid argument, variable or file.
    pub(crate) fn usage(attempt: impl Into<String>) -> Self {
        Self { class: FailureClass::Usage, ..Self::new(attempt) }
    }

    /// An attempt that the server refused.
    pub(crate) fn refused(attempt: impl Into<String>) -> Self {
        Self { class: FailureClass::Refused, ..Self::new(attempt) }
    }

    /// The same error as one of usage.
    pub(crate) fn into_usage(mut self) -> Self {
        self.class = FailureClass::Usage;
        self
    }

    /// Adds advice, which is printed on a line of its own.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds the HTTP status.
    pub(crate) fn of_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The HTTP status, if a server answered.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.class {
            FailureClass::Failed => 1,
            FailureClass::Usage => 2,
            FailureClass::Refused => 3,
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
