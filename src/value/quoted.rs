//! String literals as `{:?}` prints them.

use std::borrow::Cow;
use std::str::Chars;

/// The string that `{:?}` printed as `text`, or `text` itself if it is not one string literal.
///
/// A cut text that opens a literal and does not close it is read as the beginning of a string: long values are usually
/// strings. Allocates only if there are escapes.
pub(super) fn content(text: &str, cut: bool) -> Cow<'_, str> {
    match body(text, cut) {
        Some(body) if !body.contains(['"', '\\']) => Cow::Borrowed(body),
        Some(body) => unescape(body, cut).map_or(Cow::Borrowed(text), Cow::Owned),
        None => Cow::Borrowed(text),
    }
}

fn body(text: &str, cut: bool) -> Option<&str> {
    let opened = text.strip_prefix('"')?;
    if cut { Some(opened) } else { opened.strip_suffix('"') }
}

/// `None` if the literal ends before the body does, or has an escape that `{:?}` never prints.
fn unescape(body: &str, cut: bool) -> Option<String> {
    let mut content = String::with_capacity(body.len());
    let mut rest = body.chars();
    while let Some(character) = rest.next() {
        match character {
            '"' => return None,
            '\\' => match escaped(&mut rest) {
                Some(character) => content.push(character),
                None if cut && rest.as_str().is_empty() => break,
                None => return None,
            },
            _ => content.push(character),
        }
    }
    Some(content)
}

fn escaped(rest: &mut Chars<'_>) -> Option<char> {
    match rest.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '0' => Some('\0'),
        character @ ('\\' | '"') => Some(character),
        'u' => escaped_code_point(rest),
        _ => None,
    }
}

fn escaped_code_point(rest: &mut Chars<'_>) -> Option<char> {
    if rest.next()? != '{' {
        return None;
    }
    let mut code_point: u32 = 0;
    loop {
        match rest.next()? {
            '}' => return char::from_u32(code_point),
            digit => code_point = code_point.checked_mul(16)? + digit.to_digit(16)?,
        }
    }
}
