//! The tool's own lines among a session's events, in every form but JSON: losses, ends, what became of an instance.

use super::Format;
use super::github;
use super::palette::{Palette, write_styled};
use super::sink::{MEMORY, Sink};
use crate::escape::write_plain;
use std::fmt::{self, Write};

/// How much a notice matters, for forms that show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Something is missing, or went wrong.
    Warning,
}

/// Appends a line of the tool's own, or several, with their terminators.
///
/// For what an endpoint has to say among the events: in each form it can be told from an event, and what a terminal
/// would obey, or GitHub's runner, is escaped. In [`Format::Json`] a notice is an object of the caller's own; if one is
/// written in words all the same, it is written as in [`Format::Compact`].
///
/// ```
/// use tracing_tap::render::{Format, Severity, write_notice};
///
/// let mut out = Vec::new();
/// write_notice(&mut out, Severity::Warning, "disk 95 % full\u{7}", Format::GithubActions);
/// assert_eq!(str::from_utf8(&out)?, "::warning title=tracing-tap::disk 95 %25 full\\x07\n");
/// # Ok::<_, std::str::Utf8Error>(())
/// ```
pub fn write_notice(out: &mut Vec<u8>, severity: Severity, text: impl fmt::Display, format: Format) {
    write(out, severity, &text, format, &Palette::PLAIN);
}

/// The same with colours, where the form has any.
pub(super) fn write(out: &mut Vec<u8>, severity: Severity, text: &dyn fmt::Display, format: Format, palette: &Palette) {
    let text = text.to_string();
    for line in text.lines() {
        let mut sink = Sink(out);
        let written = match format {
            Format::Json | Format::Compact => write_styled(&mut sink, palette.notice, |out| {
                out.write_str("-- ")?;
                write_plain(out, line)
            }),
            Format::Human => sink.write_str("  -- ").and_then(|()| write_plain(&mut sink, line)),
            Format::GithubActions => github::write_notice(&mut sink, severity.command(), line),
        };
        written.expect(MEMORY);
        out.push(b'\n');
    }
    if format == Format::Human {
        out.push(b'\n');
    }
}

impl Severity {
    /// The command of GitHub Actions.
    fn command(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: Format, expected: &str) {
        let mut out = Vec::new();
        write_notice(&mut out, Severity::Notice, "100 % \u{1b}[2J\nof two", format);
        assert_eq!(String::from_utf8(out).expect("it is text"), expected, "{format}");
    }

    #[test]
    fn a_notice_is_escaped_in_every_form() {
        check(Format::Compact, "-- 100 % \\x1B[2J\n-- of two\n");
        check(Format::Human, "  -- 100 % \\x1B[2J\n  -- of two\n\n");
        let github = "::notice title=tracing-tap::100 %25 \\x1B[2J\n::notice title=tracing-tap::of two\n";
        check(Format::GithubActions, github);
    }
}
