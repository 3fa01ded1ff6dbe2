//! The output formats and their names.

use std::fmt;
use std::str::FromStr;

/// An output format of [`write_item`](crate::write_item). `FromStr` reads its name and `Display` prints it.
///
/// ```
/// use tracing_tap::Format;
///
/// assert_eq!("github".parse::<Format>()?, Format::GithubActions);
/// assert_eq!(Format::GithubActions.to_string(), "github");
/// let error = "yaml".parse::<Format>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown format `yaml`, expected `json`, `human`, `compact` or `github`");
/// # Ok::<_, tracing_tap::render::FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `json`: one line of JSON for programs, see [`wire`](crate::wire).
    Json,
    /// `human`: the message on a line, then everything else as YAML; the same as the `Display` of
    /// [`CapturedEvent`](crate::CapturedEvent). A loss or the end is a line that begins with two spaces; no message does.
    ///
    /// ```text
    ///   -- 3 events lost: the buffer was full
    /// ```
    Human,
    /// `compact`: one line for terminals: time of day, level, target, spans from the root, message, fields.
    ///
    /// ```text
    /// 08:15:02.123Z DEBUG chat::hub conn{conn_id=9137 user=42}:message{kind=subscribe}: rejected attempt=3
    /// -- 3 events lost: the buffer was full
    /// ```
    ///
    /// - The time is in UTC, without the date.
    /// - Spans of more than 100 characters are shortened from the root inwards, `request{…}:auth{user=42}`; see
    ///   [`FormatOptions::max_path_chars`](super::FormatOptions::max_path_chars).
    /// - A name or value is quoted if it would be ambiguous, and so is a message with a `=`.
    /// - Not shown: file, line, thread. Of a repeated field name, the last value is shown.
    Compact,
    /// `github`: workflow commands of GitHub Actions, for services under test there.
    ///
    /// ```text
    /// ::error file=src/hub.rs,line=214,title=chat%3A%3Ahub::rejected attempt=3 in conn{conn_id=9137 user=42}
    /// ::debug::chat::hub: subscribed in conn{conn_id=9137 user=42}
    /// ::warning title=tracing-tap::3 events lost: the buffer was full
    /// ```
    ///
    /// - ERROR is an error, WARN a warning, INFO a notice; these become annotations of the source line. DEBUG and TRACE
    ///   are debug lines, which GitHub shows if step debug logging is on.
    /// - Missing events are warnings, except that sampled-out events and the end are notices.
    /// - Line breaks of a message are kept, in GitHub's escapes: an annotation may have several lines.
    ///
    /// The rules are [GitHub's](https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands), the
    /// escapes those of its [toolkit](https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts).
    GithubActions,
}

const ALL: [Format; 4] = [Format::Json, Format::Human, Format::Compact, Format::GithubActions];

/// The error of a text that is not the name of a [`Format`]. `Display` lists the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    name: String,
}

impl FromStr for Format {
    type Err = FormatError;

    /// # Errors
    /// If the text is not exactly the name that `Display` prints.
    fn from_str(name: &str) -> Result<Self, FormatError> {
        let found = ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| FormatError { name: name.to_owned() })
    }
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Human => "human",
            Self::Compact => "compact",
            Self::GithubActions => "github",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown format `{}`, expected `json`, `human`, `compact` or `github`", self.name.escape_debug())
    }
}

impl std::error::Error for FormatError {}
