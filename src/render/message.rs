//! The message as a line of its own, from which the message can be recovered exactly.

use super::ascii::is_plain;
use crate::escape::{is_hidden, write_escape};
use crate::event::{CapturedEvent, Fields};
use crate::value::{REDACTED, ValueRef};
use std::fmt;

/// Stands for a message that is absent or empty.
pub(super) const NO_MESSAGE: &str = "(no message)";

/// Writes the message as one line that is never empty and never begins or ends with a space.
///
/// Hidden characters are shown as in YAML's double quotes (`\n`, `\u202E`), and so is white space at either end.
/// A backslash stays as it is, so that paths and patterns can be read, except where it could be taken for the
/// beginning of such an escape: there it is doubled. An absent or empty message is `(no message)`; one that really
/// says so is `\x28no message)`.
pub(super) fn write_message(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    let (text, mark) = message_text(event);
    write_message_text(out, text, mark)
}

/// Writes the two parts of a message's text as [`write_message`] does.
pub(super) fn write_message_text(out: &mut impl fmt::Write, text: &str, mark: &str) -> fmt::Result {
    if is_shown_as_is(text) && mark.is_empty() {
        return out.write_str(text);
    }
    let mut characters = text.chars().chain(mark.chars()).peekable();
    let Some(&first) = characters.peek() else {
        return out.write_str(NO_MESSAGE);
    };
    if first.is_whitespace() || (text == NO_MESSAGE && mark.is_empty()) {
        write_escape(out, first)?;
        characters.next();
    }
    while let Some(character) = characters.next() {
        write_character(out, character, characters.peek().copied())?;
    }
    Ok(())
}

/// The message's text, and the mark that says where it was cut.
pub(super) fn message_text(event: &CapturedEvent) -> (&str, &'static str) {
    match event.own.last(Fields::MESSAGE) {
        Some(ValueRef::Redacted) => (REDACTED, ""),
        Some(ValueRef::Str(text) | ValueRef::Debug(text) | ValueRef::Error(text)) => text.parts(),
        _ => (event.message(), ""),
    }
}

/// Whether nothing in the text, nor at either end of it, needs an escape; no need to look closely at most messages.
fn is_shown_as_is(text: &str) -> bool {
    is_plain(text) && !text.starts_with(' ') && !text.ends_with(' ') && !matches!(text, "" | NO_MESSAGE)
}

fn write_character(out: &mut impl fmt::Write, character: char, next: Option<char>) -> fmt::Result {
    let escaped = match character {
        '\\' => next.is_some_and(continues_escape),
        _ => is_hidden(character) || (next.is_none() && character.is_whitespace()),
    };
    if escaped { write_escape(out, character) } else { out.write_char(character) }
}

/// Whether a backslash before this character could be read as the beginning of an escape, or this character is
/// itself shown as one: white space is at the end.
fn continues_escape(next: char) -> bool {
    matches!(next, '\\' | 'n' | 'r' | 't' | 'x' | 'u' | 'U') || next.is_whitespace() || is_hidden(next)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::render::testing::{any_text, bare_event, fields};
    use crate::value::{Text, Value};
    use proptest::prelude::*;

    fn written(message: Value) -> String {
        let mut out = String::new();
        write_message(&mut out, &bare_event(fields([("message", message)]))).unwrap();
        out
    }

    /// Undoes the escapes, as a careful reader would.
    fn read_back(line: &str) -> String {
        if line == NO_MESSAGE {
            return String::new();
        }
        let escape = regex::Regex::new(r"\\(?:([\\nrt])|x(..)|u(....)|U(........))").unwrap();
        let unescape = |found: &regex::Captures<'_>| match &found[0] {
            r"\\" => '\\',
            r"\n" => '\n',
            r"\r" => '\r',
            r"\t" => '\t',
            digits => char::from_u32(u32::from_str_radix(&digits[2..], 16).unwrap()).unwrap(),
        };
        escape.replace_all(line, |found: &regex::Captures<'_>| unescape(found).to_string()).into_owned()
    }

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(written(message.into()), expected);
    }

    #[test]
    fn a_message_is_one_line_whatever_it_holds() {
        check("subscription rejected: \"x\" # é 漢 😀", "subscription rejected: \"x\" # é 漢 😀");
        check("a\r\n\tb\0\u{1B}[31m\u{7F}\u{9B}", r"a\r\n\tb\x00\x1B[31m\x7F\x9B");
        check("\u{202E}txt.exe\u{2066}\u{2028}\u{FEFF}\u{E0041}", r"\u202Etxt.exe\u2066\u2028\uFEFF\U000E0041");
    }

    #[test]
    fn a_message_that_shows_nothing_is_shown() {
        check("", "(no message)");
        check("(no message)", r"\x28no message)");
        check(" ", r"\x20");
        check("  time: now ", r"\x20 time: now\x20");
        check("\u{3000}a\n", r"\u3000a\n");
    }

    #[test]
    fn a_backslash_is_doubled_only_where_it_would_mislead() {
        check(r"C:\dir\file \d+ \", r"C:\dir\file \d+ \");
        check(r"C:\new\\x", r"C:\\new\\\\x");
        check("\\\n", r"\\\n");
        check("\\ ", r"\\\x20");
    }

    #[test]
    fn a_message_that_is_no_text_or_not_whole_says_so() {
        let number = bare_event(fields([("message", 42_i64.into())]));
        let mut out = String::new();
        write_message(&mut out, &number).unwrap();
        assert_eq!(out, "42");
        assert_eq!(written(Value::Redacted), "<redacted>");
        assert_eq!(written(Value::Str(Text::limited("abc ", 4))), r"abc\x20");
        assert_eq!(written(Value::Str(Text::limited("abc d", 4))), "abc …[cut]");
        assert_eq!(written(Value::Str(Text::limited("abc", 0))), "…[cut]");
    }

    proptest! {
        #[test]
        fn a_message_can_be_told_from_its_line(message in any_text()) {
            let line = written(message.as_str().into());
            prop_assert!(!line.is_empty() && line.trim() == line && !line.contains(is_hidden), "{:?}", line);
            prop_assert_eq!(read_back(&line), message, "{:?}", line);
        }
    }
}
