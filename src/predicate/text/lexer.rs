//! From characters to tokens.

use super::token::{Broken, Token, TokenKind, is_of_word, keyword};
use crate::predicate::operator::OPERATORS;
use std::ops::Range;

/// Signs that are no operators between a field and a value.
const SIGNS: [(&str, TokenKind<'static>); 9] = [
    ("&&", TokenKind::And),
    ("||", TokenKind::Or),
    ("!", TokenKind::Not),
    ("(", TokenKind::Open),
    (")", TokenKind::Close),
    (",", TokenKind::Comma),
    ("|", TokenKind::Bar),
    ("*", TokenKind::Star),
    ("&", TokenKind::Mistaken("&&")),
];

/// All tokens up to the end, or up to the first that cannot be read: the last is one or the other.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    loop {
        start += text[start..].len() - text[start..].trim_start_matches(is_space).len();
        let (kind, span) = next(text, start);
        start = span.end;
        let is_last = matches!(kind, TokenKind::End | TokenKind::Broken(_));
        tokens.push(Token { kind, span });
        if is_last {
            return tokens;
        }
    }
}

fn is_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r') || (character.is_whitespace() && !character.is_control())
}

/// The token that begins at `start`, where no space is.
fn next(text: &str, start: usize) -> (TokenKind<'_>, Range<usize>) {
    let rest = &text[start..];
    let Some(first) = rest.chars().next() else {
        // The end is where the last token ends, not behind the lines that follow it.
        let end = text.trim_end().len();
        return (TokenKind::End, end..end);
    };
    let word = &rest[..rest.find(|character| !is_of_word(character)).unwrap_or(rest.len())];
    if !word.is_empty() {
        return (keyword(word).unwrap_or(TokenKind::Word(word)), start..start + word.len());
    }
    match first {
        '"' => within('"', text, start, TokenKind::Quoted, Broken::UnclosedQuote),
        '`' => within('`', text, start, TokenKind::Backticked, Broken::UnclosedBacktick),
        _ => match sign(rest) {
            Some((sign, kind)) => (kind, start..start + sign.len()),
            None => (TokenKind::Broken(Broken::Character(first)), start..start + first.len_utf8()),
        },
    }
}

/// The longest sign that `rest` begins with, and what it is.
fn sign(rest: &str) -> Option<(&'static str, TokenKind<'static>)> {
    let operators = OPERATORS.iter().flat_map(|entry| {
        let mistaken = entry.mistaken.iter().map(|mistaken| (*mistaken, TokenKind::Mistaken(entry.sign)));
        let own = entry.also.iter().chain([&entry.sign]);
        mistaken.chain(own.map(|sign| (*sign, TokenKind::Operator(entry.operator))))
    });
    let signs = operators.chain(SIGNS).filter(|(sign, _)| rest.starts_with(sign));
    signs.max_by_key(|(sign, _)| sign.len())
}

/// The text between two `mark`s, the first of which is at `start`, or what keeps it from being read.
fn within<'a>(
    mark: char,
    text: &'a str,
    start: usize,
    kind: fn(&'a str) -> TokenKind<'a>,
    unclosed: Broken,
) -> (TokenKind<'a>, Range<usize>) {
    let body = start + mark.len_utf8();
    let mut place = body;
    loop {
        let rest = &text[place..];
        match rest.chars().next() {
            Some(character) if character == mark => {
                return (kind(&text[body..place]), start..place + mark.len_utf8());
            }
            Some('\\') => match escape_length(rest, mark) {
                Some(length) => place += length,
                None => {
                    let shown: usize = rest.chars().take(2).map(char::len_utf8).sum();
                    return (TokenKind::Broken(Broken::Escape), place..place + shown);
                }
            },
            None | Some('\n' | '\r') => return (TokenKind::Broken(unclosed), start..body),
            Some(control) if control.is_control() => {
                return (TokenKind::Broken(Broken::ControlCharacter), place..place + control.len_utf8());
            }
            Some(character) => place += character.len_utf8(),
        }
    }
}

/// How long the escape is that `rest` begins with, if it is one.
fn escape_length(rest: &str, mark: char) -> Option<usize> {
    match rest[1..].chars().next()? {
        '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => Some(2),
        'u' => rest.as_bytes().get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        character => (character == mark).then_some(2),
    }
}
