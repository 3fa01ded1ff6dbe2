//! Strings in JSON, with every hidden character as an escape.

use super::ascii::is_plain;
use super::sink::MEMORY;
use crate::escape::is_hidden;
use crate::value::kept_part;
use std::io::Write;

/// Writes a string and its quotes. Most hold nothing to escape, and are found so eight bytes at a time.
#[inline]
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        write_escaped(out, text);
    }
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some((index, character)) = rest.char_indices().find(|(_, character)| needs_escape(*character)) {
        out.extend_from_slice(&rest.as_bytes()[..index]);
        write_escape(out, character);
        rest = &rest[index + character.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
}

/// As much of the beginning of a text as takes at most so many bytes between its quotes.
pub(super) fn escaped_part(text: &str, max_bytes: usize) -> &str {
    if is_plain(text) {
        return kept_part(text, max_bytes);
    }
    let mut length = 0;
    let past = text.char_indices().find(|(_, character)| {
        length += escaped_length(*character);
        length > max_bytes
    });
    past.map_or(text, |(end, _)| &text[..end])
}

fn escaped_length(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{C}' => 2,
        _ if is_hidden(character) => 6 * character.len_utf16(),
        _ => character.len_utf8(),
    }
}

fn needs_escape(character: char) -> bool {
    matches!(character, '"' | '\\') || is_hidden(character)
}

/// The same escapes as `serde_json`'s where JSON demands one; two of four digits for a character past U+FFFF.
fn write_escape(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(br#"\""#),
        '\\' => out.extend_from_slice(br"\\"),
        '\n' => out.extend_from_slice(br"\n"),
        '\r' => out.extend_from_slice(br"\r"),
        '\t' => out.extend_from_slice(br"\t"),
        '\u{8}' => out.extend_from_slice(br"\b"),
        '\u{C}' => out.extend_from_slice(br"\f"),
        _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
            write!(out, "\\u{unit:04x}").expect(MEMORY);
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_reads_back_and_nothing_hidden_is_written() {
        for character in '\0'..=char::MAX {
            let mut out = Vec::new();
            write_text(&mut out, &format!("a{character}"));
            let written = String::from_utf8(out).unwrap();
            assert!(!written.contains(is_hidden), "{written:?}");
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), format!("a{character}"));
            let text = format!("a{character}");
            assert_eq!(escaped_part(&text, written.len() - 2), text);
            assert_eq!(escaped_part(&text, written.len() - 3), "a");
        }
    }
}
