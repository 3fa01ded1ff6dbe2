//! Predicates as text: read, printed and serialized. `syntax.md` documents the form.

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

/// Nesting depth of parentheses and `not`s.
const MAX_DEPTH: usize = 32;

/// Tests of one text.
const MAX_TESTS: usize = 256;

/// Regular expressions of one text, each of which may take 1 MiB: more cost a producer too much.
const MAX_REGEXES: usize = 8;

/// Reads the text form of [`syntax`](super::syntax).
///
/// # Errors
/// If the text does not have that form, if a regular expression in it is invalid, or if it is over one of the
/// [limits](super::syntax#limits). The error has the position and what was expected.
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

/// Every predicate that was read can be printed and read again. Checked here: the print may be longer or deeper than the text.
fn check_print(predicate: &Predicate) -> Result<(), PredicateError> {
    let printer = Printer::new(predicate);
    predicate.check_cost()?;
    check_length(printer.to_string().len(), "the predicate in its full form")?;
    if printer.depth() <= MAX_DEPTH {
        return Ok(());
    }
    Err(PredicateError::limit(format!("the predicate in its full form is nested more than {MAX_DEPTH} deep")))
}

/// Prints a text that [`FromStr`] reads as an equal predicate: `parse(display(p)) == p`.
///
/// A predicate built by code may be over the [limits](super::syntax#limits) of texts. It is printed all the same, and
/// reading its text fails with an error that [is too large](PredicateError::is_too_large). A predicate that was read is
/// always within the limits. Control and hidden characters are escaped.
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

/// Serializes the string that `Display` prints.
impl Serialize for Predicate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Deserializes a string that `FromStr` reads.
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

    /// The error is one line: formats add their position in the file.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Predicate, E> {
        text.parse().map_err(|error: PredicateError| E::custom(error.in_one_line()))
    }
}
