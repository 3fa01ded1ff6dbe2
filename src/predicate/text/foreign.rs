//! Tests as other tools write them, and what they are here.

use super::levels::LEVELS;
use super::quote::unescape;
use super::token::{Token, TokenKind, is_bare_name, is_of_word};
use crate::predicate::Predicate;
use crate::predicate::pattern::escape;
use crate::value::Number;

/// Words that stand for no value at all.
const NOTHING: [&str; 6] = ["null", "nil", "none", "missing", "undefined", "unset"];

/// Functions and words that are true where a field is there, and where it is not.
const THERE: [&str; 8] = ["exists", "has", "isset", "defined", "present", "isnotnull", "isnotempty", "notnull"];
const NOT_THERE: [&str; 3] = ["isnull", "missing", "isempty"];

/// A token, or the end.
fn kind<'a>(tokens: &[Token<'a>], place: usize) -> TokenKind<'a> {
    tokens.get(place).map_or(TokenKind::End, |token| token.kind)
}

/// What a token says as a value.
fn value(kind: TokenKind<'_>) -> Option<String> {
    match kind {
        TokenKind::Word(word) => Some(word.to_owned()),
        TokenKind::Quoted(body) => unescape(body),
        _ => None,
    }
}

/// A word as it is compared with those of other tools.
fn folded(word: &str) -> String {
    word.replace('_', "").to_ascii_lowercase()
}

/// Behind `names`, where no operator is: `is null`, `between 1 and 2`, `ilike x`, and `has(x)`, where the name is none.
pub(super) fn behind_names(names: &[String], rest: &[Token<'_>]) -> Option<Predicate> {
    if let ([function], TokenKind::Open) = (names, kind(rest, 0)) {
        return call(function, rest);
    }
    let is_negated = kind(rest, 0) == TokenKind::Not;
    let rest = &rest[usize::from(is_negated)..];
    if is_negated && kind(rest, 0) == TokenKind::In {
        return Some(Predicate::any_of(names.to_vec(), list(&rest[1..])?).not());
    }
    let TokenKind::Word(word) = kind(rest, 0) else { return None };
    let test = match &*folded(word) {
        "is" if !is_negated => return is(names, &rest[1..]),
        "between" => between(names, rest)?,
        "like" => {
            let pattern = value(kind(rest, 1))?;
            let contained = || is_negated.then(|| Predicate::contains(names.to_vec(), &pattern));
            like(names, &pattern).or_else(contained)?
        }
        "ilike" => ilike(names, &value(kind(rest, 1))?)?,
        _ if value(kind(rest, 1)).is_some() => return None,
        word if THERE.contains(&word) => Predicate::exists(names.to_vec()),
        word if NOT_THERE.contains(&word) => Predicate::exists(names.to_vec()).not(),
        _ => return None,
    };
    Some(if is_negated { test.not() } else { test })
}

fn is(names: &[String], rest: &[Token<'_>]) -> Option<Predicate> {
    let is_negated = kind(rest, 0) == TokenKind::Not;
    let exists = Predicate::exists(names.to_vec());
    match kind(rest, usize::from(is_negated)) {
        TokenKind::Word(word) if NOTHING.contains(&&*folded(word)) => {
            Some(if is_negated { exists } else { exists.not() })
        }
        other if is_negated => Some(Predicate::ne(names.to_vec(), value(other)?)),
        // The sign that is meant says enough.
        _ => None,
    }
}

/// The values of a list, whose parenthesis `rest` begins with.
fn list(rest: &[Token<'_>]) -> Option<Vec<String>> {
    let (open, inside) = rest.split_first()?;
    let end =
        inside.iter().position(|token| token.kind == TokenKind::Close).filter(|_| open.kind == TokenKind::Open)?;
    let values = inside[..end].iter().filter(|token| token.kind != TokenKind::Comma);
    values.map(|token| value(token.kind)).collect()
}

fn between(names: &[String], rest: &[Token<'_>]) -> Option<Predicate> {
    let (low, high) = (value(kind(rest, 1))?, value(kind(rest, 3))?);
    let is_range = kind(rest, 2) == TokenKind::And && Number::parse(&low).is_some() && Number::parse(&high).is_some();
    is_range.then(|| Predicate::ge(names.to_vec(), low).and(Predicate::le(names.to_vec(), high)))
}

/// A pattern of SQL; for one without `%` there is none, since the sign that is meant says enough.
fn like(names: &[String], pattern: &str) -> Option<Predicate> {
    let names = names.to_vec();
    match ends(pattern, '%') {
        (_, part, _) if part.contains('%') => None,
        (true, part, true) => Some(Predicate::contains(names, part)),
        (true, part, false) => Some(Predicate::ends_with(names, part)),
        (false, part, true) => Some(Predicate::starts_with(names, part)),
        (false, _, false) => None,
    }
}

/// The same in upper or lower case, for which there is a regular expression; without `%` what is contained.
fn ilike(names: &[String], pattern: &str) -> Option<Predicate> {
    let (is_open_before, part, is_open_behind) = ends(pattern, '%');
    let is_plain = !is_open_before && !is_open_behind;
    let start = if is_open_before || is_plain { "" } else { "^" };
    let end = if is_open_behind || is_plain { "" } else { "$" };
    let parts: Vec<_> = part.split('%').map(escape).collect();
    Predicate::regex(names.to_vec(), format!("(?i){start}{}{end}", parts.join(".*"))).ok()
}

/// What is between wildcards, and whether there is one on each side.
fn ends(pattern: &str, wildcard: char) -> (bool, &str, bool) {
    let behind = pattern.strip_prefix(wildcard);
    let rest = behind.unwrap_or(pattern);
    let before = rest.strip_suffix(wildcard);
    (behind.is_some(), before.unwrap_or(rest), before.is_some())
}

/// `exists(user)`, `contains(path, "x")`: `rest` begins with the parenthesis.
pub(super) fn call(function: &str, rest: &[Token<'_>]) -> Option<Predicate> {
    let name = match kind(rest, 1) {
        TokenKind::Word(name) if is_bare_name(name) => name.to_owned(),
        TokenKind::Backticked(body) | TokenKind::Quoted(body) => unescape(body)?,
        _ => return None,
    };
    let function = &*folded(function);
    if kind(rest, 2) == TokenKind::Close {
        let exists = Predicate::exists(name);
        let is_there = THERE.contains(&function);
        return (is_there || NOT_THERE.contains(&function)).then(|| if is_there { exists } else { exists.not() });
    }
    if (kind(rest, 2), kind(rest, 4)) != (TokenKind::Comma, TokenKind::Close) {
        return None;
    }
    let value = value(kind(rest, 3))?;
    match function {
        "contains" | "includes" => Some(Predicate::contains(name, value)),
        "startswith" | "hasprefix" => Some(Predicate::starts_with(name, value)),
        "endswith" | "hassuffix" => Some(Predicate::ends_with(name, value)),
        "equals" | "eq" => Some(Predicate::eq(name, value)),
        "matches" | "regex" => Predicate::regex(name, value).ok(),
        _ => None,
    }
}

/// `msg:"a b"`, `user: 42`, `status:>=500`, `level:error`, `_exists_:user`: `rest` begins with the word that has the colon.
pub(super) fn colon(text: &str, rest: &[Token<'_>]) -> Option<Predicate> {
    let TokenKind::Word(word) = kind(rest, 0) else { return None };
    let (name, written) = word.split_once(':').filter(|(name, _)| is_bare_name(name))?;
    if let ("", TokenKind::Operator(_), Some(last)) = (written, kind(rest, 1), rest.get(2)) {
        return format!("{name} {}", &text[rest[1].span.start..last.span.end]).parse().ok();
    }
    if name == "_exists_" && is_bare_name(written) {
        return Some(Predicate::exists(written));
    }
    if let Some(level) = level(written).filter(|_| name.eq_ignore_ascii_case("level")) {
        return format!("@level = {level}").parse().ok();
    }
    if written.is_empty() { Some(Predicate::eq(name, value(kind(rest, 1))?)) } else { None }
}

/// A test with a value in which `*` stands for anything: `path = /admin/*`, `@target = hyper::*`.
pub(super) fn glob(name: &str, is_equal: bool, pattern: &str) -> Option<Predicate> {
    let (is_open_before, part, is_open_behind) = ends(pattern, '*');
    if part.contains('*') {
        return None;
    }
    let test = match (name.to_ascii_lowercase().as_str(), is_open_before, is_open_behind) {
        ("@target", false, true) => Predicate::target(part.trim_end_matches([':', '.'])),
        ("@file", true, false) => Predicate::file(part.trim_start_matches('/')),
        (metadata, ..) if metadata.starts_with('@') => return None,
        (_, true, false | true) if part.is_empty() => Predicate::exists(name),
        (_, true, true) => Predicate::contains(name, part),
        (_, true, false) => Predicate::ends_with(name, part),
        (_, false, true) => Predicate::starts_with(name, part),
        (_, false, false) => return None,
    };
    Some(if is_equal { test } else { test.not() })
}

/// A directive of `EnvFilter`, `hyper[conn{user=42}]=debug`, or spans as a line shows them, `conn{user=42}:message`.
pub(super) fn directive(text: &str) -> Option<Predicate> {
    let (place, level) = match text.rsplit_once('=').map(|(place, word)| (place, level(word))) {
        Some((place, Some(level))) => (place, Some(Predicate::level(level))),
        _ => (text, None),
    };
    let (target, spans) = match place.split_once('[') {
        Some((target, spans)) => (target, spans.strip_suffix(']')?),
        None if place.contains('{') => ("", place),
        None if level.is_some() => (place, ""),
        None => return None,
    };
    if !target.chars().all(is_of_word) {
        return None;
    }
    let target = (!target.is_empty()).then(|| Predicate::target(target));
    let tests = target.into_iter().chain(of_spans(spans)?).chain(level);
    tests.reduce(Predicate::and)
}

/// The level of a directive.
fn level(word: &str) -> Option<tracing_core::Level> {
    LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, level)| *level)
}

/// `conn{user=42,id}:message`: a test for each name of a span and each field.
fn of_spans(text: &str) -> Option<Vec<Predicate>> {
    let mut tests = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['{', ':']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        if !name.is_empty() && !is_bare_name(name) {
            return None;
        }
        tests.extend((!name.is_empty()).then(|| Predicate::span(name)));
        rest = behind;
        if let Some(inside) = behind.strip_prefix('{') {
            let (fields, behind) = inside.split_at(unquoted(inside, |character| character == '}')?);
            tests.extend(of_fields(fields)?);
            rest = &behind[1..];
        }
        rest = match rest.strip_prefix(':') {
            Some(next) => next,
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(tests)
}

fn of_fields(text: &str) -> Option<Vec<Predicate>> {
    let mut tests = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = unquoted(rest, |character| matches!(character, ',' | ' ')).unwrap_or(rest.len());
        let (field, behind) = rest.split_at(end);
        tests.push(match field.split_once('=') {
            Some((name, quoted)) if quoted.starts_with('"') => {
                Predicate::eq(name, unescape(quoted.strip_prefix('"')?.strip_suffix('"')?)?)
            }
            Some((name, value)) => Predicate::eq(name, value),
            None => Predicate::exists(field),
        });
        rest = behind.trim_start_matches([',', ' ']);
    }
    Some(tests)
}

/// Where the first such character outside of double quotes is.
pub(super) fn unquoted(text: &str, mut is_wanted: impl FnMut(char) -> bool) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let found = text.char_indices().find(|(_, character)| {
        let is_quote = *character == '"' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        is_quoted ^= is_quote;
        !is_quoted && !is_quote && is_wanted(*character)
    });
    found.map(|(place, _)| place)
}
