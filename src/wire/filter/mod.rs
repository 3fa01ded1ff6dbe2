//! Lines of JSON filtered by a predicate, without an item for each.
//!
//! A line that cannot match is found by the bytes that it lacks, see `needles`. The others are read once, in place, and
//! only values of tested fields are looked at, see `reader`.

mod error;
mod needles;
mod reader;
mod scalar;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use error::LineError;

use crate::predicate::{Compiled, Predicate, Test};
use needles::Needles;
use reader::Facts;

/// A predicate that tests lines of events and timings in the [wire form](crate::wire), in place.
///
/// Answers as the session would have, from what is in the line: a test of a field is true if the event or any of its spans
/// has such a value. Reads a few hundred megabytes a second, and several times that where [`may_match`](Self::may_match)
/// rules lines out.
///
/// # Where a line says less than the event
/// - A text in double quotes is taken for a string that was recorded with `?`, so `user = 42` is true of `"\"42\""`. A
///   string recorded without `?` that itself begins and ends with quotes is tested by its content too.
/// - NaN and the infinities are `null`: they exist, and satisfy nothing else.
/// - A string that ends with `…[cut]`, or is `<redacted>`, is taken for a value that was cut or redacted.
/// - Fields and spans that were left out of the line are not tested.
/// - A line has the ids of the innermost span's trace alone: those of the spans around it are not tested.
///
/// ```
/// use tracing_tap::Predicate;
/// use tracing_tap::wire::LineFilter;
///
/// let filter = LineFilter::new(&Predicate::eq("user", 42))?;
/// let line = br#"{"type":"event","session":1,"sequence":0,"timestamp":"2026-11-20T08:15:02.123456Z","level":"DEBUG",
///     "fields":{"message":"rejected"},"target":"chat::hub","spans":[{"user":"42","name":"conn"}]}"#;
/// assert!(filter.may_match(line) && filter.is_match(line)?);
/// assert!(!filter.may_match(br#"{"type":"event","level":"DEBUG","fields":{"user":43},"target":"chat::hub"}"#));
/// assert!(LineFilter::new(&"@name = x".parse()?).is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LineFilter {
    compiled: Compiled,
    needles: Needles,
}

impl LineFilter {
    /// Compiles a predicate.
    ///
    /// # Errors
    /// If it tests `@name`: lines do not have the names of callsites.
    pub fn new(predicate: &Predicate) -> Result<Self, LineError> {
        if predicate.tests().any(|test| matches!(test, Test::EventName(_))) {
            return Err(LineError::of_predicate("`@name` is not in lines of JSON: use `@file` or `@target`"));
        }
        Ok(Self { compiled: Compiled::new(predicate), needles: Needles::of(predicate) })
    }

    /// Whether a line may match: `false` only of lines that do not. Looks for bytes, and does not read the JSON.
    ///
    /// Assumes that there is no space between a key, its value and what follows, and that floats are written as
    /// [`write_item`](crate::write_item) writes them. Any character may be escaped.
    pub fn may_match(&self, line: &[u8]) -> bool {
        self.needles.may_be_in(line)
    }

    /// Whether the event or the timing of a line matches. A timing is tested by the span that it is about and those around,
    /// as a session does: the level and the target are the span's, and the times are no fields that can be tested.
    ///
    /// # Errors
    /// If the line is not JSON, or neither an event nor a timing.
    pub fn is_match(&self, line: &[u8]) -> Result<bool, LineError> {
        let facts = Facts::read(line, &self.compiled)?;
        Ok(facts.satisfy(&self.compiled))
    }
}
