//! From characters to tokens.

use super::token::{Broken, Kind, Operator, Token, is_of_word, keyword};
use winnow::combinator::{alt, opt, preceded, repeat};
use winnow::error::EmptyError;
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{any, literal, one_of, take_while};

type Input<'a> = LocatingSlice<&'a str>;
type Result<T> = winnow::Result<T, EmptyError>;

/// The longer ones first, where one begins with another.
const SIGNS: [(&str, Kind<'static>); 35] = [
    ("===", Kind::Mistaken("==")),
    ("!==", Kind::Mistaken("!=")),
    ("&&", Kind::And),
    ("||", Kind::Or),
    ("==", Kind::Operator(Operator::Equal)),
    ("!=", Kind::Operator(Operator::NotEqual)),
    ("<=", Kind::Operator(Operator::LessOrEqual)),
    (">=", Kind::Operator(Operator::GreaterOrEqual)),
    ("^=", Kind::Operator(Operator::StartsWith)),
    ("$=", Kind::Operator(Operator::EndsWith)),
    ("*=", Kind::Operator(Operator::Contains)),
    ("!~", Kind::Operator(Operator::MatchesNot)),
    ("=>", Kind::Mistaken(">=")),
    ("=<", Kind::Mistaken("<=")),
    ("=!", Kind::Mistaken("!=")),
    ("<>", Kind::Mistaken("!=")),
    ("=~", Kind::Mistaken("~")),
    ("~=", Kind::Mistaken("~")),
    ("=^", Kind::Mistaken("^=")),
    ("=$", Kind::Mistaken("$=")),
    ("≤", Kind::Mistaken("<=")),
    ("≥", Kind::Mistaken(">=")),
    ("≠", Kind::Mistaken("!=")),
    ("=", Kind::Operator(Operator::Equal)),
    ("<", Kind::Operator(Operator::Less)),
    (">", Kind::Operator(Operator::Greater)),
    ("~", Kind::Operator(Operator::Matches)),
    ("!", Kind::Not),
    ("(", Kind::Open),
    (")", Kind::Close),
    (",", Kind::Comma),
    ("|", Kind::Bar),
    ("*", Kind::Star),
    ("&", Kind::Mistaken("&&")),
    ("^", Kind::Mistaken("^=")),
];

/// All tokens up to the end, or up to the first that cannot be read: the last is one or the other.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut input = LocatingSlice::new(text);
    let mut tokens = Vec::new();
    loop {
        let token = next(&mut input).unwrap_or_else(|EmptyError| end(text));
        let is_last = matches!(token.kind, Kind::End | Kind::Broken(_));
        tokens.push(token);
        if is_last {
            return tokens;
        }
    }
}

/// The end is where the last token ends, not behind the lines that follow it.
fn end(text: &str) -> Token<'_> {
    let end = text.trim_end().len();
    Token { kind: Kind::End, span: end..end }
}

fn next<'a>(input: &mut Input<'a>) -> Result<Token<'a>> {
    let spaces = take_while(0.., |character: char| is_space(character));
    preceded(spaces, alt((word, quoted, backticked, sign, unreadable))).parse_next(input)
}

fn is_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r') || (character.is_whitespace() && !character.is_control())
}

fn word<'a>(input: &mut Input<'a>) -> Result<Token<'a>> {
    let word = take_while(1.., is_of_word).map(|word| keyword(word).unwrap_or(Kind::Word(word)));
    spanned(word).parse_next(input)
}

fn sign<'a>(input: &mut Input<'a>) -> Result<Token<'a>> {
    spanned(alt(SIGNS.map(|(sign, kind)| literal(sign).value(kind)))).parse_next(input)
}

fn unreadable<'a>(input: &mut Input<'a>) -> Result<Token<'a>> {
    spanned(any.map(|character| Kind::Broken(Broken::Character(character)))).parse_next(input)
}

fn spanned<'a>(kind: impl Parser<Input<'a>, Kind<'a>, EmptyError>) -> impl Parser<Input<'a>, Token<'a>, EmptyError> {
    kind.with_span().map(|(kind, span)| Token { kind, span })
}

fn quoted<'a>(input: &mut Input<'a>) -> Result<Token<'a>> {
    within('"', Kind::Quoted, Broken::UnclosedQuote).parse_next(input)
}

fn backticked<'a>(input: &mut Input<'a>) -> Result<Token<'a>> {
    within('`', Kind::Backticked, Broken::UnclosedBacktick).parse_next(input)
}

/// What is between two `mark`s, or what keeps it from being read.
fn within<'a>(
    mark: char,
    kind: fn(&'a str) -> Kind<'a>,
    unclosed: Broken,
) -> impl Parser<Input<'a>, Token<'a>, EmptyError> {
    move |input: &mut Input<'a>| {
        let start = input.current_token_start();
        let body = preceded(mark, inside(mark)).parse_next(input)?;
        if opt(mark).parse_next(input)?.is_some() {
            return Ok(Token { kind: kind(body), span: start..input.current_token_start() });
        }
        Ok(stuck(start, input, unclosed))
    }
}

/// Characters and escapes up to what is neither: the closing mark, the end, or a mistake.
fn inside<'a>(mark: char) -> impl Parser<Input<'a>, &'a str, EmptyError> {
    let plain =
        take_while(1.., move |character: char| character != mark && character != '\\' && !character.is_control());
    let digits = take_while(4, |character: char| character.is_ascii_hexdigit());
    let code = alt((one_of(['"', '\\', '/', 'b', 'f', 'n', 'r', 't']).void(), ('u', digits).void(), mark.void()));
    repeat::<_, _, (), _, _>(0.., alt((plain.void(), ('\\', code).void()))).take()
}

fn stuck<'a>(start: usize, input: &Input<'a>, unclosed: Broken) -> Token<'a> {
    let place = input.current_token_start();
    match input.peek_token() {
        Some('\\') => Token { kind: Kind::Broken(Broken::Escape), span: place..place + escape_length(input) },
        Some(control) if !matches!(control, '\n' | '\r') => {
            Token { kind: Kind::Broken(Broken::ControlCharacter), span: place..place + control.len_utf8() }
        }
        _ => Token { kind: Kind::Broken(unclosed), span: start..start + 1 },
    }
}

/// The backslash, and what follows unless the text ends there.
fn escape_length(input: &Input<'_>) -> usize {
    input.chars().take(2).map(char::len_utf8).sum()
}
