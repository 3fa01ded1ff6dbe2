//! Escapes of characters that must not reach a terminal.

use super::hidden::is_hidden;

use std::fmt;

/// Writes a character as the escape of a YAML double-quoted text, which is also what message lines use.
pub(crate) fn write_escape(out: &mut impl fmt::Write, character: char) -> fmt::Result {
    let code_point = u32::from(character);
    match character {
        '\n' => out.write_str(r"\n"),
        '\r' => out.write_str(r"\r"),
        '\t' => out.write_str(r"\t"),
        '"' | '\\' => write!(out, r"\{character}"),
        '\0'..='\u{FF}' => write!(out, r"\x{code_point:02X}"),
        '\u{100}'..='\u{FFFF}' => write!(out, r"\u{code_point:04X}"),
        _ => write!(out, r"\U{code_point:08X}"),
    }
}

/// Writes a text for between double quotes.
pub(crate) fn write_escaped(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some((index, character)) = rest.char_indices().find(|(_, character)| needs_escape(*character)) {
        out.write_str(&rest[..index])?;
        write_escape(out, character)?;
        rest = &rest[index + character.len_utf8()..];
    }
    out.write_str(rest)
}

/// Writes a text on one line, with what is hidden escaped.
pub(crate) fn write_plain(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| match is_hidden(character) {
        true => write_escape(out, character),
        false => out.write_char(character),
    })
}

fn needs_escape(character: char) -> bool {
    is_hidden(character) || matches!(character, '"' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_as_short_as_its_character_allows() {
        let mut out = String::new();
        for character in "\n\r\t\"\\\0\u{7F}\u{9F}\u{202E}\u{E0001}".chars() {
            write_escape(&mut out, character).unwrap();
        }
        assert_eq!(out, r#"\n\r\t\"\\\x00\x7F\x9F\u202E\U000E0001"#);
    }
}
