//! Characters that must not reach a terminal unescaped.

/// Whether a character is invisible, or changes the look of its neighbours.
///
/// These are Unicode's control and format characters, line and paragraph separators, default-ignorable code points and
/// noncharacters: those that a terminal obeys, that reorder a line, or that make two different texts look the same. Emoji
/// that are joined by joiners or variation selectors therefore fall apart. A space of any width is not hidden.
pub fn is_hidden(character: char) -> bool {
    match character {
        ' '..='~' => false,
        '\0'..='\u{9F}' => true,
        _ => is_invisible(character) || is_noncharacter(character),
    }
}

/// Format characters, separators of lines and paragraphs, and default-ignorable code points above U+009F.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}'
            | '\u{34F}'
            | '\u{600}'..='\u{605}'
            | '\u{61C}'
            | '\u{6DD}'
            | '\u{70F}'
            | '\u{890}'..='\u{891}'
            | '\u{8E2}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{110BD}'
            | '\u{110CD}'
            | '\u{13430}'..='\u{1343F}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Code points that Unicode promises never to assign: a block of 32, and the last two of each plane.
fn is_noncharacter(character: char) -> bool {
    matches!(character, '\u{FDD0}'..='\u{FDEF}') || u32::from(character) & 0xFFFE == 0xFFFE
}

/// Whether bytes are UTF-8 without [hidden](is_hidden) characters. ASCII is checked 64 bytes at a time.
pub fn is_plain(bytes: &[u8]) -> bool {
    is_printable_ascii(bytes) || str::from_utf8(bytes).is_ok_and(|text| !text.contains(is_hidden))
}

/// Most lines are. The inner loop has no early exit, so that it can be vectorized.
fn is_printable_ascii(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|chunk| chunk.iter().fold(true, |plain, byte| plain & (b' '..=b'~').contains(byte)))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn hidden_are_exactly_the_characters_unicode_says_so_of() {
        let hidden = regex::Regex::new(r"^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}\p{NChar}]$").unwrap();
        for character in '\0'..=char::MAX {
            let expected = hidden.is_match(character.encode_utf8(&mut [0; 4]));
            assert_eq!(is_hidden(character), expected, "{}", character.escape_unicode());
        }
    }

    #[test]
    fn bytes_are_plain_only_if_none_is_hidden() {
        assert!(is_plain("{\"a\":\"é\"}".as_bytes()) && is_plain(b"") && is_plain(&[b'~'; 200]));
        for bytes in [&b"\x1b"[..], b"a\x7f", "\u{9b}".as_bytes(), "\u{202e}".as_bytes(), b"\xff"] {
            assert!(!is_plain(bytes), "{bytes:?}");
            assert!(!is_plain(&[&[b'a'; 130][..], bytes].concat()));
        }
    }
}
