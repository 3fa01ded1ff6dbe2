//! What was probably meant, where something else was written.

use super::quote::{write_quoted, write_value};
use super::token::{Broken, TokenKind};
use crate::predicate::Predicate;
use crate::predicate::excerpt::shown;
use crate::predicate::operator::{OPERATORS, OperatorInfo};

/// A hint from the token before what was not expected, and from that itself.
pub(super) type Hint = fn(TokenKind<'_>, TokenKind<'_>) -> Option<String>;

pub(super) fn did_you_mean(meant: &str) -> String {
    format!("did you mean `{meant}`?")
}

/// Longer ones are not suggested: they would not be read.
const MAX_SUGGESTED_BYTES: usize = 200;

/// A text that was meant, in the quotes that it goes into here.
pub(super) fn did_you_mean_quoted(text: &str) -> String {
    short_quoted(text).unwrap_or_else(|| "a text goes into double quotes".to_owned())
}

/// The same; `None` where it is too long.
pub(super) fn short_quoted(text: &str) -> Option<String> {
    let mut quoted = String::new();
    write_quoted(&mut quoted, text).expect("writing to a string does not fail");
    (quoted.len() <= MAX_SUGGESTED_BYTES).then(|| did_you_mean(&quoted))
}

/// What was meant, as it is written here.
pub(super) fn did_you_mean_test(meant: &Predicate, is_negated: bool) -> Option<String> {
    let printed = meant.to_string();
    // `not` before it would be of its first part alone.
    let parts = is_negated && (printed.contains(" and ") || printed.contains(" or "));
    let printed = if parts { format!("({printed})") } else { printed };
    (printed.len() <= MAX_SUGGESTED_BYTES).then(|| did_you_mean(&printed))
}

/// The known word that another is most likely a slip of: at most one letter in three is another.
pub(super) fn nearest<const N: usize>(word: &str, known: [&'static str; N]) -> Option<&'static str> {
    let word = word.to_lowercase();
    let limit = word.chars().count().div_ceil(3);
    let distances = known.into_iter().map(|known| (strsim::osa_distance(&word, known), known));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, known)| known)
}

/// Several words, one of which was expected.
pub(super) fn list<const N: usize>(words: [&str; N]) -> String {
    let words = words.map(|word| format!("`{word}`"));
    words.split_last().map_or_else(String::new, |(last, others)| format!("{} or {last}", others.join(", ")))
}

/// What cannot be read, and what to write instead.
pub(super) fn of_broken(broken: Broken, written: &str) -> (String, Option<String>) {
    let written = shown(written);
    match broken {
        Broken::UnclosedQuote => ("the quote `\"` is not closed on its line".to_owned(), None),
        Broken::UnclosedBacktick => ("the backtick is not closed on its line".to_owned(), None),
        Broken::ControlCharacter => (format!("the control character `{written}` within quotes"), Some(as_escape())),
        Broken::Escape => {
            let hint = "a backslash is written `\\\\`; there are `\\\"`, `\\n`, `\\t`, `\\u00e9` and the like";
            (format!("no escape begins with `{written}`"), Some(hint.to_owned()))
        }
        Broken::Character(character) => (format!("unexpected character `{written}`"), of_character(character)),
    }
}

fn as_escape() -> String {
    "it is written as an escape, like `\\n` or `\\u001b`".to_owned()
}

fn of_character(character: char) -> Option<String> {
    let hint = match character {
        '\'' | '“' | '”' | '„' | '‘' | '’' | '«' | '»' => {
            "values with odd characters go into double quotes, `\"`"
        }
        '[' | ']' | '{' | '}' => "groups and lists are in parentheses: `(` and `)`",
        ';' => "did you mean `and`?",
        '%' => "`*=` tests what a value contains, `^=` how it starts, `$=` how it ends",
        '$' => "did you mean `$=`?",
        _ if character.is_control() => return None,
        _ => "a value with such a character goes into double quotes, a name into backticks",
    };
    Some(hint.to_owned())
}

/// Signs that are only ever written for another one.
pub(super) fn of_sign(kind: TokenKind<'_>) -> Option<String> {
    match kind {
        TokenKind::Mistaken(meant) => Some(did_you_mean(meant)),
        _ => None,
    }
}

/// Where a test begins, and something else does.
pub(super) fn instead_of_test(kind: TokenKind<'_>, following: TokenKind<'_>) -> Option<String> {
    let is_compared = matches!(following, TokenKind::Operator(_) | TokenKind::In | TokenKind::Exists);
    match kind {
        TokenKind::Quoted(_) | TokenKind::And | TokenKind::Or | TokenKind::In | TokenKind::Exists if is_compared => {
            Some("an odd name of a field goes into backticks".to_owned())
        }
        TokenKind::Quoted(body) => Some(format!("did you mean `message *= \"{}\"`?", shown(body))),
        _ => None,
    }
}

/// Where the name of a field is expected, and a word is none.
pub(super) fn instead_of_name(word: &str) -> Option<String> {
    let in_backticks = || Some("an odd name of a field goes into backticks".to_owned());
    match word.split_once(':') {
        _ if word.starts_with('@') => Some("`|` joins names of fields".to_owned()),
        Some((name, value)) if super::token::is_bare_name(name) && !value.is_empty() && !value.starts_with(':') => {
            Some(format!(
                "did you mean `{} = {}`? {}",
                shown(name),
                shown(&as_value(value)),
                "otherwise it goes into backticks"
            ))
        }
        _ => in_backticks(),
    }
}

/// Behind `names`, where no operator is.
pub(super) fn instead_of_operator(names: &str, kind: TokenKind<'_>, written: &str) -> Option<String> {
    let names = shown(names);
    match kind {
        TokenKind::Word(word) => {
            let word = word.replace('_', "");
            let stands_for = |entry: &&OperatorInfo| entry.words.iter().any(|known| word.eq_ignore_ascii_case(known));
            let own = OPERATORS.iter().find(stands_for).map(|entry| did_you_mean(entry.sign));
            Some(own.unwrap_or_else(|| did_you_mean(&format!("{names} = {}", shown(written)))))
        }
        TokenKind::Quoted(_) => Some(did_you_mean(&format!("{names} = {}", shown(written)))),
        TokenKind::Not => Some(format!("`not` goes before the name: `not {names} ..`")),
        TokenKind::End | TokenKind::And | TokenKind::Or | TokenKind::Close if !names.starts_with('@') => {
            Some(format!("did you mean `{names} exists`?"))
        }
        TokenKind::Star => Some(did_you_mean("*=")),
        _ => None,
    }
}

/// Where a value is expected.
pub(super) fn instead_of_value(kind: TokenKind<'_>, written: &str) -> Option<String> {
    match kind {
        TokenKind::Backticked(_) => Some("a value goes into double quotes".to_owned()),
        TokenKind::Open => Some("one of several values is `in (..)`".to_owned()),
        TokenKind::And | TokenKind::Or | TokenKind::Not | TokenKind::In | TokenKind::Exists if is_word(written) => {
            Some(format!("as a value it goes into double quotes: `\"{written}\"`"))
        }
        _ => None,
    }
}

/// Behind `in`, where no list is.
pub(super) fn instead_of_list(kind: TokenKind<'_>, written: &str) -> Option<String> {
    matches!(kind, TokenKind::Word(_) | TokenKind::Quoted(_))
        .then(|| format!("did you mean `in ({})`?", shown(written)))
}

/// Where an ordering's bound is not a number.
pub(super) fn instead_of_number(names: &[String], sign: &str, bound: &str) -> Option<String> {
    if names.iter().any(|name| name.eq_ignore_ascii_case("level")) {
        let test = format!("@level {sign} {bound}");
        return Some(did_you_mean(if test.parse::<Predicate>().is_ok() { &test } else { "@level" }));
    }
    let digits = bound.trim_end_matches(|character: char| character.is_alphabetic() || character == '%');
    let is_with_unit = digits.len() < bound.len() && digits.parse::<f64>().is_ok();
    is_with_unit.then(|| format!("a number has no unit: did you mean `{}`?", shown(digits)))
}

/// Behind a whole test.
pub(super) fn after_test(before: TokenKind<'_>, kind: TokenKind<'_>) -> Option<String> {
    match kind {
        TokenKind::Bar => Some(did_you_mean("||")),
        TokenKind::Comma => Some("one of several values is `in (..)`".to_owned()),
        TokenKind::Star => Some("`^=` tests how a value starts, `*=` what it contains".to_owned()),
        _ => within_list(before, kind),
    }
}

/// Behind a value of a list.
pub(super) fn within_list(before: TokenKind<'_>, kind: TokenKind<'_>) -> Option<String> {
    let is_broken_value = matches!((before, kind), (TokenKind::Word(_), TokenKind::Word(_)));
    is_broken_value.then(|| "a value with spaces goes into double quotes".to_owned())
}

fn is_word(written: &str) -> bool {
    written.starts_with(char::is_alphabetic)
}

fn as_value(text: &str) -> String {
    let mut value = String::new();
    write_value(&mut value, text).expect("writing to a string does not fail");
    value
}
