//! Predicates as text: read, printed, and sent as a string. The form is told in `syntax.md`.

mod field;
mod foreign;
mod hint;
mod levels;
mod lexer;
mod meant;
mod metadata;
mod parse;
mod print;
mod quote;
mod token;

use super::{Predicate, PredicateError};
use parse::Parser;
use print::Printer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Bytes of a text.
const MAX_BYTES: usize = 4096;

/// Parentheses and `not`s within each other.
const MAX_DEPTH: usize = 32;

/// Tests of one text.
const MAX_TESTS: usize = 256;

/// Regular expressions of one text, each of which may take 1 MiB: more cost a producer too much.
const MAX_REGEXES: usize = 8;

/// Reads the text form that [`syntax`](super::syntax) tells.
///
/// # Errors
/// If the text is not of that form, if a regular expression in it is not valid, or if it is past one of the
/// [limits](super::syntax#limits). The error says where and what was expected.
///
/// ```
/// use tracing_tap::Predicate;
///
/// let predicate: Predicate = r#"user = 42 and not @target = hyper"#.parse()?;
/// assert_eq!(predicate, Predicate::eq("user", 42) & !Predicate::target("hyper"));
/// assert!("user 42".parse::<Predicate>().is_err());
/// # Ok::<(), tracing_tap::PredicateError>(())
/// ```
impl FromStr for Predicate {
    type Err = PredicateError;

    fn from_str(text: &str) -> Result<Self, PredicateError> {
        check_length(text.len(), "the text")?;
        let predicate = Parser::new(text).parse()?;
        check_print(&predicate)?;
        Ok(predicate)
    }
}

fn check_length(bytes: usize, what: &str) -> Result<(), PredicateError> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(PredicateError::limit(format!("{what} is {bytes} bytes long, more than the {MAX_BYTES} allowed")))
}

/// What was read can be printed and read again: the print may be longer or deeper than the text was.
fn check_print(predicate: &Predicate) -> Result<(), PredicateError> {
    let printer = Printer::new(predicate);
    predicate.check_cost()?;
    check_length(printer.to_string().len(), "what the text stands for")?;
    if printer.depth() <= MAX_DEPTH {
        return Ok(());
    }
    Err(PredicateError::limit(format!("what the text stands for is nested more than {MAX_DEPTH} deep")))
}

/// Prints what [`FromStr`] reads as an equal predicate: `parse(display(p)) == p`.
///
/// A predicate that was built by code may be past the [limits](super::syntax#limits) of what is read. It is printed
/// all the same, and reading that is refused with an error that [is too large](PredicateError::is_too_large). What was
/// read is always within them. Nothing that a terminal would obey or not show is printed raw.
///
/// ```
/// use tracing_tap::Predicate;
///
/// let slow = Predicate::gt("latency_ms", 250).and(Predicate::eq("tenant", "acme corp").or(Predicate::exists("user")));
/// assert_eq!(slow.to_string(), r#"latency_ms > 250 and (tenant = "acme corp" or user exists)"#);
/// assert_eq!(slow.to_string().parse::<Predicate>()?, slow);
/// # Ok::<(), tracing_tap::PredicateError>(())
/// ```
impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printer::new(self).fmt(f)
    }
}

/// As the string that `Display` prints.
impl Serialize for Predicate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From a string that `FromStr` reads.
impl<'de> Deserialize<'de> for Predicate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = Predicate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text of a predicate")
    }

    /// The error is one line: formats add where in the file they are.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Predicate, E> {
        text.parse().map_err(|error: PredicateError| E::custom(format_args!("failed to {}", error.in_one_line())))
    }
}
