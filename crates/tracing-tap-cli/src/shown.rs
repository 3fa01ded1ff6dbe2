//! Escapes texts for a terminal: what it would obey or not show is written as an escape.

use std::borrow::Cow;
use std::fmt::Write;
use tracing_tap::escape::is_hidden;

/// A text on one line: line breaks are escaped too.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// A text that keeps its line breaks.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character != '\n' && is_hidden(character))
}

/// A line of JSON. Hidden characters occur in its strings only, where an escape means the same.
pub(crate) fn json(value: &serde_json::Value) -> String {
    let mut shown = String::new();
    for character in value.to_string().chars() {
        if is_hidden(character) {
            let units = &mut [0; 2];
            let units = character.encode_utf16(units).iter();
            units.for_each(|unit| write!(shown, "\\u{unit:04x}").expect("a string takes what is written to it"));
        } else {
            shown.push(character);
        }
    }
    shown.push('\n');
    shown
}

fn escaped(text: &str, needs_escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&needs_escape) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if needs_escape(character) {
            write_escape(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn write_escape(out: &mut String, character: char) {
    let code_point = u32::from(character);
    let written = match character {
        '\n' => out.write_str(r"\n"),
        '\r' => out.write_str(r"\r"),
        '\t' => out.write_str(r"\t"),
        '\0'..='\u{FF}' => write!(out, r"\x{code_point:02X}"),
        _ => write!(out, r"\u{{{code_point:X}}}"),
    };
    written.expect("a string takes what is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_or_hides_is_escaped_and_nothing_else() {
        assert_eq!(line("a\u{1b}[2J\r\n\u{202e}é \\"), r"a\x1B[2J\r\n\u{202E}é \");
        assert_eq!(lines("a\n\u{9b}b"), "a\n\\x9Bb");
        assert!(matches!(line("plain, é"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_says_the_same_with_escapes() {
        let value = serde_json::Value::from("a\u{7f}\u{e0001}\n");
        let shown = json(&value);
        assert_eq!(shown, "\"a\\u007f\\udb40\\udc01\\n\"\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
