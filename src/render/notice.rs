//! The tool's own lines among a session's events, in every form except JSON: losses, ends, changes of an instance.

use super::Format;
use super::github;
use super::palette::{Palette, write_styled};
use super::sink::{MEMORY, Sink};
use crate::escape::write_plain;
use std::fmt::{self, Write};

/// The severity of a notice. Only [`Format::GithubActions`] shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// Information.
    Notice,
    /// Events are missing, or an operation failed.
    Warning,
}

/// Appends a notice of the tool's own among the events, one line for each line of `text`.
///
/// In each form a notice is distinct from an event, and characters that a terminal or GitHub's runner would obey are
/// escaped. In [`Format::Json`], prefer a JSON object of your own: this function writes the notice as in
/// [`Format::Compact`].
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

/// [`write_notice`] with colours, in forms that have any.
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
