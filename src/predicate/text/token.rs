//! The words and signs that the text of a predicate consists of.

use crate::escape::is_hidden;
use crate::predicate::operator::Operator;
use std::ops::Range;

/// A word or sign, and which bytes of the text it is.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TokenKind<'a> {
    /// A name, a value or a piece of metadata, as it is written.
    Word(&'a str),
    /// What is between double quotes, escapes as they are written.
    Quoted(&'a str),
    /// What is between backticks, escapes as they are written.
    Backticked(&'a str),
    Operator(Operator),
    And,
    Or,
    Not,
    In,
    Exists,
    Open,
    Close,
    Comma,
    Bar,
    Star,
    End,
    /// A sign that is none, and the one it is taken for.
    Mistaken(&'static str),
    Broken(Broken),
}

/// What cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Broken {
    UnclosedQuote,
    UnclosedBacktick,
    ControlCharacter,
    Escape,
    Character(char),
}

/// The words that are not a name or a value unless they are quoted.
const KEYWORDS: [(&str, TokenKind<'static>); 5] = [
    ("and", TokenKind::And),
    ("or", TokenKind::Or),
    ("not", TokenKind::Not),
    ("in", TokenKind::In),
    ("exists", TokenKind::Exists),
];

/// What a word is, in upper or lower case.
pub(super) fn keyword(word: &str) -> Option<TokenKind<'static>> {
    KEYWORDS.iter().find(|(keyword, _)| keyword.eq_ignore_ascii_case(word)).map(|(_, kind)| *kind)
}

/// Whether a character may be part of a word.
pub(super) fn is_of_word(character: char) -> bool {
    is_alphanumeric(character) || matches!(character, '_' | '-' | '.' | ':' | '/' | '@' | '+')
}

/// Whether a text is read as that value without quotes.
pub(super) fn is_bare_value(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_of_word) && keyword(text).is_none()
}

/// Whether a text is read as that field name without backticks.
pub(super) fn is_bare_name(text: &str) -> bool {
    let is_of_name = |character| is_alphanumeric(character) || matches!(character, '_' | '-' | '.');
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && text.chars().all(is_of_name)
        && keyword(text).is_none()
}

/// There are letters that show nothing.
fn is_alphanumeric(character: char) -> bool {
    character.is_alphanumeric() && !is_hidden(character)
}
