//! Bytes that every line of a matching event has.
//!
//! What a test needs is one of a few texts. `and` needs what both its operands need, `or` what one of them does, `not`
//! what its operand needs to be false. A text is used only if each of its characters stands for itself in a string of JSON
//! and nothing that equals it is written otherwise. A line that has none of the texts may still have one in escapes; then
//! it may match.

use crate::escape::is_hidden;
use crate::predicate::{Check, FieldTest, Node, Predicate, Test};
use crate::value::Number;
use memchr::memchr_iter;
use memchr::memmem::Finder;
use tracing_core::Level;

/// More texts than this are not looked for: reading the line takes as long.
const MAX_TEXTS: usize = 16;
/// No more than this are looked for one after the other.
const MAX_NEEDS: usize = 8;
/// A float with more digits than this before the point may be written with an exponent.
const MAX_PLAIN_DIGITS: usize = 15;
/// No float is printed with more digits than this that are not zeros at its end.
const MAX_FLOAT_DIGITS: usize = 17;
/// What numbers, and bytes in hexadecimal, are printed with: in a line they may be written otherwise.
const OF_NUMBERS_AND_BYTES: &str = "0123456789abcdef []-.";
const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// Texts of which one must be in the line; without any, no line matches.
type Need = Vec<String>;

/// What a part of a predicate needs for each of its values.
#[derive(Clone, Debug, Default)]
struct Needs {
    if_true: Vec<Need>,
    if_false: Vec<Need>,
}

/// What the whole predicate needs, ready to be looked for.
#[derive(Debug)]
pub(super) struct Needles(Box<[Box<[Finder<'static>]>]>);

impl Needles {
    pub(super) fn of(predicate: &Predicate) -> Self {
        let needs = predicate.fold(|node: Node<'_, Needs>| match node {
            Node::Test(test) => Needs::of_test(test),
            Node::True => Needs { if_true: Vec::new(), if_false: vec![Need::new()] },
            Node::And(left, right) => {
                Needs { if_true: both(left.if_true, right.if_true), if_false: either(&left.if_false, &right.if_false) }
            }
            Node::Or(left, right) => {
                Needs { if_true: either(&left.if_true, &right.if_true), if_false: both(left.if_false, right.if_false) }
            }
            Node::Not(operand) => Needs { if_true: operand.if_false, if_false: operand.if_true },
        });
        let finder = |text: &String| Finder::new(text.as_bytes()).into_owned();
        Self(needs.if_true.iter().map(|need| need.iter().map(finder).collect()).collect())
    }

    /// Whether a line may have all that the predicate needs.
    pub(super) fn may_be_in(&self, line: &[u8]) -> bool {
        let has_one = |need: &[Finder<'static>]| need.iter().any(|finder| finder.find(line).is_some());
        self.0.iter().all(|need| has_one(need)) || has_escaped_text(line)
    }
}

/// Whether a plain character may be written as an escape. The other escapes are of characters that no needle has.
fn has_escaped_text(line: &[u8]) -> bool {
    memchr_iter(b'\\', line).any(|place| matches!(line.get(place + 1), Some(b'u' | b'/')))
}

fn both(mut left: Vec<Need>, right: Vec<Need>) -> Vec<Need> {
    left.extend(right);
    left.truncate(MAX_NEEDS);
    left
}

/// What is needed where one of two is: a text of either.
fn either(left: &[Need], right: &[Need]) -> Vec<Need> {
    let best = |needs: &[Need]| needs.iter().min_by_key(|need| need.len()).cloned();
    match (best(left), best(right)) {
        (Some(left), Some(right)) if left.len() + right.len() <= MAX_TEXTS => vec![[left, right].concat()],
        _ => Vec::new(),
    }
}

impl Needs {
    fn of_test(test: &Test) -> Self {
        let if_true = match test {
            Test::Field(test) => needs_of_field(test),
            Test::Level(least) => return Self::of_level(*least),
            Test::Target(prefix) => plain(prefix, |prefix| format!("\"{prefix}")),
            Test::Span(name) => plain(name, |name| format!("{name}\"")),
            Test::File(path) => plain(path, |path| format!("{path}\"")),
            Test::EventName(_) => Vec::new(),
        };
        Self { if_true, if_false: Vec::new() }
    }

    fn of_level(least: Level) -> Self {
        let words = |is_true: bool| {
            let levels = LEVELS.into_iter().filter(|level| (*level <= least) == is_true);
            vec![levels.map(|level| format!("\"{level}\"")).collect()]
        };
        Self { if_true: words(true), if_false: words(false) }
    }
}

/// The need of one text, if it is written as it is.
fn plain(text: &str, written: impl FnOnce(&str) -> String) -> Vec<Need> {
    if is_plain(text) { vec![vec![written(text)]] } else { Vec::new() }
}

/// Whether each character of a text stands for itself in a string.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|character| matches!(character, '"' | '\\') || is_hidden(character))
}

fn needs_of_field(test: &FieldTest) -> Vec<Need> {
    let of_value = match test.check() {
        Check::Equals(texts) => needs_of_equality(test.keys(), texts),
        Check::StartsWith(part) | Check::EndsWith(part) | Check::Contains(part)
            if part.contains(|character| !OF_NUMBERS_AND_BYTES.contains(character)) =>
        {
            plain(part, str::to_owned)
        }
        _ => Vec::new(),
    };
    if !of_value.is_empty() {
        return of_value;
    }
    let are_plain = test.keys().iter().all(|key| is_plain(key)) && 2 * test.keys().len() <= MAX_TEXTS;
    let texts = test.keys().iter().flat_map(|key| [format!("{key}\""), format!("{key}#")]);
    if are_plain { vec![texts.collect()] } else { Vec::new() }
}

/// One of the texts, and where they are few, the key in front of it.
fn needs_of_equality(keys: &[Box<str>], texts: &[Box<str>]) -> Vec<Need> {
    if texts.len() > MAX_TEXTS || !texts.iter().all(|text| is_plain(text) && is_written_so(text)) {
        return Vec::new();
    }
    let mut needs = vec![texts.iter().map(|text| text.to_string()).collect()];
    let with_keys: Need = keys.iter().flat_map(|key| with_key(key, texts)).take(MAX_TEXTS + 1).collect();
    if keys.iter().all(|key| is_plain(key)) && with_keys.len() <= MAX_TEXTS {
        needs.push(with_keys);
    }
    needs
}

/// The text as a string, as a string that `?` printed, or as a number or boolean up to its end; or any value of a field
/// whose name was recorded twice. There may be an `r#` before the key.
fn with_key(key: &str, texts: &[Box<str>]) -> impl Iterator<Item = String> {
    let values = texts.iter().flat_map(move |text| {
        let ends: &[&str] = if is_bare(text) { &[",", "}", "."] } else { &[] };
        let bare = ends.iter().map(move |end| format!("{key}\":{text}{end}"));
        bare.chain([format!("{key}\":\"{text}\""), format!("{key}\":\"\\\"{text}\\\"\"")])
    });
    values.chain([format!("{key}#")])
}

/// Whether a value that is printed so may be in a line without quotes.
fn is_bare(text: &str) -> bool {
    Number::parse(text).is_some() || matches!(text, "true" | "false")
}

/// Whether every value that is printed so has the same characters in a line: not bytes, nor a float with an exponent.
fn is_written_so(text: &str) -> bool {
    if text.starts_with('[') {
        return false;
    }
    if Number::parse(text).is_none() {
        return true;
    }
    let number = text.trim_start_matches('-');
    let whole = number.split('.').next().unwrap_or_default();
    let is_float = number.trim_end_matches('0').len() <= MAX_FLOAT_DIGITS;
    !number.starts_with("0.0000") && (whole.len() <= MAX_PLAIN_DIGITS || !is_float)
}
