//! Why a predicate could not be made.

use std::error::Error;
use std::fmt;

/// A regular expression that is not valid or would take too much memory.
///
/// ```
/// use std::error::Error;
/// use tracing_tap::Predicate;
///
/// let error = Predicate::regex("path", "(").unwrap_err();
/// assert_eq!(error.to_string(), "compile the regular expression `(`");
/// assert!(error.source().is_some());
/// ```
#[derive(Clone, Debug)]
pub struct PredicateError {
    pattern: Box<str>,
    source: regex::Error,
}

impl PredicateError {
    pub(super) fn new(pattern: &str, source: regex::Error) -> Self {
        Self { pattern: pattern.into(), source }
    }

    /// Whether the expression is valid, but takes more memory than one session may.
    pub fn is_too_large(&self) -> bool {
        matches!(self.source, regex::Error::CompiledTooBig(_))
    }
}

impl fmt::Display for PredicateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compile the regular expression `{}`", self.pattern)
    }
}

impl Error for PredicateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
