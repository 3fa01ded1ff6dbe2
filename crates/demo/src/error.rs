//! Why the demo failed.

use std::error::Error as StdError;
use std::fmt;

/// A failed attempt, worded to follow "failed to", and its cause.
#[derive(Debug)]
pub(crate) struct Error {
    attempt: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An attempt whose text includes the cause.
    pub(crate) fn new(attempt: impl Into<String>) -> Self {
        Self { attempt: attempt.into(), cause: None }
    }

    /// An attempt that failed with another error.
    pub(crate) fn caused_by(cause: impl Into<Box<dyn StdError + Send + Sync>>, attempt: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(attempt) }
    }
}

/// The attempt and all its causes in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attempt)?;
        let first = self.cause.as_deref().map(|cause| cause as &dyn StdError);
        let mut causes = std::iter::successors(first, |&cause| cause.source());
        causes.try_for_each(|cause| write!(f, ": {cause}"))
    }
}
