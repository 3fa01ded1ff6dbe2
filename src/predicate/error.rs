//! The error of an invalid predicate.

#[cfg(feature = "regex")]
use super::excerpt::visible;
use super::excerpt::{Excerpt, shown};
use std::error::Error;
use std::fmt;
use std::ops::Range;

/// The error of a text that is not a predicate, or of a pattern that is not a regular expression.
///
/// `Display` is for people: the position, what was expected and found, a suggestion, and the line with a caret below it.
/// Its first line is complete by itself. The methods return the parts, for programs. Control and hidden characters of the
/// text are escaped.
///
/// ```
/// use tracing_tap::Predicate;
///
/// let error = "user = 42 and latency_ms => 250".parse::<Predicate>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "failed to parse the predicate: line 1, column 26: expected an operator after `latency_ms`, found `=>`; \
///      did you mean `>=`?\n\
///      \x20 user = 42 and latency_ms => 250\n\
///      \x20                          ^^"
/// );
/// assert_eq!((error.line(), error.column()), (Some(1), Some(26)));
/// assert_eq!(error.message(), "expected an operator after `latency_ms`, found `=>`");
/// assert_eq!(error.hint(), Some("did you mean `>=`?"));
/// ```
#[derive(Clone, Debug)]
pub struct PredicateError(Box<ErrorParts>);

#[derive(Clone, Debug)]
struct ErrorParts {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    place: Option<Excerpt>,
}

#[derive(Clone, Debug)]
enum ErrorKind {
    Syntax,
    Limit,
    Regex { is_too_large: bool, reason: Reason },
}

/// The parser's text on an invalid regular expression, escaped except for line breaks.
#[derive(Clone, Debug)]
struct Reason(String);

#[cfg(feature = "regex")]
impl Reason {
    /// The text after the excerpt.
    fn last_line(&self) -> &str {
        self.0.lines().last().unwrap_or_default().trim_start_matches("error: ")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Reason {}

impl PredicateError {
    /// The text does not have the form of [`syntax`](super::syntax).
    pub(super) fn syntax(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Syntax, message.into())
    }

    /// The text is over a limit.
    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message.into())
    }

    /// The pattern is not a regular expression, for the parser's `reason`.
    #[cfg(feature = "regex")]
    pub(super) fn invalid_regex(pattern: &str, reason: &str) -> Self {
        let reason = Reason(reason.split('\n').map(visible).collect::<Vec<_>>().join("\n"));
        let message = format!("the regular expression `{}` is not valid: {}", shown(pattern), reason.last_line());
        Self::new(ErrorKind::Regex { is_too_large: false, reason }, message)
    }

    /// The pattern's table would be larger than 1 MiB, or take too long to make.
    #[cfg(feature = "regex")]
    pub(super) fn large_regex(pattern: &str) -> Self {
        let reason = "its table would be larger than 1 MiB, or take too long to make";
        let message = format!("the regular expression `{}` costs too much: {reason}", shown(pattern));
        let error = Self::new(ErrorKind::Regex { is_too_large: true, reason: Reason(reason.to_owned()) }, message);
        error.with_hint(Some("repeat less, and write classes of ASCII such as `[0-9]` for `\\d`"))
    }

    /// A table cannot match Unicode word boundaries.
    #[cfg(feature = "regex")]
    pub(super) fn word_boundary(pattern: &str) -> Self {
        let reason = "the Unicode word boundaries `\\b` and `\\B` are not supported";
        let message = format!("the regular expression `{}` cannot be used: {reason}", shown(pattern));
        let error = Self::new(ErrorKind::Regex { is_too_large: false, reason: Reason(reason.to_owned()) }, message);
        error.with_hint(Some(r"for words in ASCII write `(?-u:\b)`"))
    }

    /// This build has no regular expressions.
    #[cfg(not(feature = "regex"))]
    pub(super) fn no_regex(pattern: &str) -> Self {
        let reason = "tracing-tap was built without its feature `regex`";
        let message = format!("the regular expression `{}` cannot be used: {reason}", shown(pattern));
        let error = Self::new(ErrorKind::Regex { is_too_large: false, reason: Reason(reason.to_owned()) }, message);
        error.with_hint(Some("`*=` tests what a value contains, `^=` and `$=` how it begins and ends"))
    }

    fn new(kind: ErrorKind, message: String) -> Self {
        Self(Box::new(ErrorParts { kind, message, hint: None, place: None }))
    }

    /// Adds what was probably meant, or what to do.
    pub(super) fn with_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.0.hint = hint.map(Into::into);
        self
    }

    /// Adds the position: these bytes of `text`.
    pub(super) fn at(mut self, text: &str, span: Range<usize>) -> Self {
        self.0.place = Some(Excerpt::new(text, span));
        self
    }

    /// Whether the text does not have the form of a predicate.
    pub fn is_syntax(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Syntax)
    }

    /// Whether a regular expression is invalid or too large. Its [`source`](Error::source) has the position in it.
    pub fn is_regex(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Regex { .. })
    }

    /// Whether the predicate is over a limit: one of those in [`syntax`](super::syntax#limits), or the size of a valid
    /// regular expression's table.
    pub fn is_too_large(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Limit | ErrorKind::Regex { is_too_large: true, .. })
    }

    /// The line of the error in the text, from 1; `None` if the error concerns the whole text, or there is no text.
    pub fn line(&self) -> Option<usize> {
        Some(self.0.place.as_ref()?.line)
    }

    /// The column of the error in characters, from 1; `None` if there is no [`line`](Self::line).
    pub fn column(&self) -> Option<usize> {
        Some(self.0.place.as_ref()?.column)
    }

    /// The problem in one line, without position and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What was probably meant, or what to do, in one line; `None` if there is no suggestion.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The first line of `Display`.
    pub(super) fn in_one_line(&self) -> String {
        Headline(&self.0).to_string()
    }
}

struct Headline<'a>(&'a ErrorParts);

impl fmt::Display for Headline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(problem) = self;
        match (&problem.kind, &problem.place) {
            (_, Some(Excerpt { line, column, .. })) => {
                write!(f, "failed to parse the predicate: line {line}, column {column}: ")
            }
            (ErrorKind::Regex { .. }, None) => f.write_str("failed to build the predicate: "),
            _ => f.write_str("failed to parse the predicate: "),
        }?;
        f.write_str(&problem.message)?;
        problem.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl fmt::Display for PredicateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Headline(&self.0).fmt(f)?;
        self.0.place.as_ref().map_or(Ok(()), |place| write!(f, "\n{place}"))
    }
}

impl Error for PredicateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Regex { reason, .. } => Some(reason),
            ErrorKind::Syntax | ErrorKind::Limit => None,
        }
    }
}
