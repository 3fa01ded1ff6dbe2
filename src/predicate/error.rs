//! Why a predicate could not be made.

#[cfg(feature = "regex")]
use super::excerpt::visible;
use super::excerpt::{Excerpt, shown};
use std::error::Error;
use std::fmt;
use std::ops::Range;

/// Why a text is no predicate, or a pattern no regular expression.
///
/// `Display` says all of it, for people: what was found, where, what was expected, what was probably meant, and the
/// line with a caret under it. Its first line says everything by itself. The pieces are there for programs. No
/// character of the text that a terminal would obey or not show gets through raw.
///
/// ```
/// use tracing_tap::Predicate;
///
/// let error = "user = 42 and latency_ms => 250".parse::<Predicate>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "parse the predicate: line 1, column 26: expected an operator after `latency_ms`, found `=>`; \
///      did you mean `>=`?\n\
///      \x20 user = 42 and latency_ms => 250\n\
///      \x20                          ^^"
/// );
/// assert_eq!((error.line(), error.column()), (Some(1), Some(26)));
/// assert_eq!(error.message(), "expected an operator after `latency_ms`, found `=>`");
/// assert_eq!(error.hint(), Some("did you mean `>=`?"));
/// ```
#[derive(Clone, Debug)]
pub struct PredicateError(Box<Problem>);

#[derive(Clone, Debug)]
struct Problem {
    kind: Kind,
    message: String,
    hint: Option<String>,
    place: Option<Excerpt>,
}

#[derive(Clone, Debug)]
enum Kind {
    Syntax,
    Limit,
    Regex { is_too_large: bool, reason: Reason },
}

/// What is wrong with a regular expression: what its error says, with nothing of the pattern raw but line breaks.
#[derive(Clone, Debug)]
struct Reason(String);

#[cfg(feature = "regex")]
impl Reason {
    /// What is said behind the excerpt.
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
    /// The text is not of the form that [`syntax`](super::syntax) tells.
    pub(super) fn syntax(message: impl Into<String>) -> Self {
        Self::new(Kind::Syntax, message.into())
    }

    /// The text says more than one session may ask for.
    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message.into())
    }

    /// The pattern is no regular expression, by the reason that its parser gives.
    #[cfg(feature = "regex")]
    pub(super) fn invalid_regex(pattern: &str, reason: &str) -> Self {
        let reason = Reason(reason.split('\n').map(visible).collect::<Vec<_>>().join("\n"));
        let message = format!("the regular expression `{}` is not valid: {}", shown(pattern), reason.last_line());
        Self::new(Kind::Regex { is_too_large: false, reason }, message)
    }

    /// The pattern's table would be larger than 1 MiB.
    #[cfg(feature = "regex")]
    pub(super) fn large_regex(pattern: &str) -> Self {
        let reason = "its table would be larger than 1 MiB";
        let message = format!("the regular expression `{}` takes too much memory: {reason}", shown(pattern));
        let error = Self::new(Kind::Regex { is_too_large: true, reason: Reason(reason.to_owned()) }, message);
        error.with_hint(Some("repeat less, and write classes of ASCII such as `[0-9]` for `\\d`"))
    }

    /// A table knows no word boundaries of Unicode.
    #[cfg(feature = "regex")]
    pub(super) fn word_boundary(pattern: &str) -> Self {
        let reason = "`\\b` and `\\B` are not supported, since they need more than one look at each character";
        let message = format!("the regular expression `{}` cannot be used: {reason}", shown(pattern));
        let error = Self::new(Kind::Regex { is_too_large: false, reason: Reason(reason.to_owned()) }, message);
        error.with_hint(Some(r"for words in ASCII write `(?-u:\b)`"))
    }

    /// This build has no regular expressions.
    #[cfg(not(feature = "regex"))]
    pub(super) fn no_regex(pattern: &str) -> Self {
        let reason = "tracing-tap was built without its feature `regex`";
        let message = format!("the regular expression `{}` cannot be used: {reason}", shown(pattern));
        let error = Self::new(Kind::Regex { is_too_large: false, reason: Reason(reason.to_owned()) }, message);
        error.with_hint(Some("`*=` tests what a value contains, `^=` and `$=` how it begins and ends"))
    }

    fn new(kind: Kind, message: String) -> Self {
        Self(Box::new(Problem { kind, message, hint: None, place: None }))
    }

    /// What was probably meant, or what to do.
    pub(super) fn with_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.0.hint = hint.map(Into::into);
        self
    }

    /// It is about these bytes of `text`.
    pub(super) fn at(mut self, text: &str, span: Range<usize>) -> Self {
        self.0.place = Some(Excerpt::new(text, span));
        self
    }

    /// Whether the text is not written as a predicate is.
    pub fn is_syntax(&self) -> bool {
        matches!(self.0.kind, Kind::Syntax)
    }

    /// Whether it is about a regular expression; [`source`](Error::source) shows where in it something is wrong.
    pub fn is_regex(&self) -> bool {
        matches!(self.0.kind, Kind::Regex { .. })
    }

    /// Whether the predicate is more than one session may ask for: a text past the limits that
    /// [`syntax`](super::syntax#limits) tells, or a regular expression that is valid, but takes too much memory.
    pub fn is_too_large(&self) -> bool {
        matches!(self.0.kind, Kind::Limit | Kind::Regex { is_too_large: true, .. })
    }

    /// The line of the text it is about, from 1; none where it is about the whole, or where there is no text.
    pub fn line(&self) -> Option<usize> {
        Some(self.0.place.as_ref()?.line)
    }

    /// The column it is about, in characters from 1, if there is a [`line`](Self::line).
    pub fn column(&self) -> Option<usize> {
        Some(self.0.place.as_ref()?.column)
    }

    /// What is wrong, in one line, without the place and without the hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What was probably meant, or what to do, in one line.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The first line of `Display`.
    pub(super) fn in_one_line(&self) -> String {
        Headline(&self.0).to_string()
    }
}

struct Headline<'a>(&'a Problem);

impl fmt::Display for Headline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(problem) = self;
        match (&problem.kind, &problem.place) {
            (_, Some(Excerpt { line, column, .. })) => {
                write!(f, "parse the predicate: line {line}, column {column}: ")
            }
            (Kind::Regex { .. }, None) => f.write_str("make the predicate: "),
            _ => f.write_str("parse the predicate: "),
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
            Kind::Regex { reason, .. } => Some(reason),
            Kind::Syntax | Kind::Limit => None,
        }
    }
}
