//! Predicates: the condition that selects a session's events.

mod bits;
mod compiled;
mod error;
mod cost;
mod excerpt;
mod expression;
mod field;
mod keys;
mod reach;
mod operator;
mod pattern;
mod polarity;
mod relaxed;
mod residual;
mod shape;
#[doc = include_str!("syntax.md")]
pub mod syntax {}
mod test;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod text;

pub use error::PredicateError;
pub use keys::Keys;
pub use operator::{OPERATORS, OperatorInfo};

pub(crate) use crate::event::plain_name;
pub(crate) use bits::Bits;
pub(crate) use compiled::Compiled;
pub(crate) use excerpt::{shown, visible};
pub(crate) use expression::Node;
pub(crate) use field::{Check, FieldTest, Relation};
pub(crate) use reach::{Reach, reach_admits};
pub(crate) use residual::Residual;
pub(crate) use test::{Test, target_within};

use crate::event::CapturedEvent;
use crate::value::Value;
use expression::Expression;
use std::ops;
use tracing_core::Level;

/// A boolean expression over an event's level, target, fields and spans.
///
/// A test of a field is true if the event itself or any span around it has such a field with such a value: once a span
/// satisfies a test, every event inside it does. It is false if the field is absent, so its negation is then true. No test
/// is true of a redacted value.
///
/// Two values are equal if their `Display` texts are, whatever their types: `eq("user", 42)` and `eq("user", "42")` are
/// the same predicate. It is true of `user = 42` of any integer type, of `"42"`, of `42.0`, and of a value that prints
/// `42` or `"42"` with `%` or `?`. It is false for `420`, `042`, `"42.0"` and `Some(42)`. NaN equals nothing. A value that
/// was cut equals nothing and ends with nothing; the other tests see its kept part.
///
/// Nesting uses no stack: a predicate may be as deep as memory allows. Joining two costs the length of the shorter one.
///
/// `parse` reads a predicate from text and `Display` prints it, in the form of [`syntax`]. Serialized as that text.
///
/// ```
/// use tracing_tap::Predicate;
///
/// let slow = Predicate::gt("latency_ms", 250) & !Predicate::target("hyper");
/// assert_eq!(slow, Predicate::gt("latency_ms", "250").and(Predicate::target("hyper").not()));
/// assert_eq!(slow, "latency_ms > 250 and @target != hyper".parse()?);
/// assert_eq!(Predicate::eq("user", 42), Predicate::eq("user", "42"));
/// # Ok::<(), tracing_tap::PredicateError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate(Expression);

/// Tests of fields.
impl Predicate {
    /// True if a field equals `value`: their `Display` texts are the same.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    ///
    /// assert_eq!(Predicate::eq("attempt", 3_u8), Predicate::eq("attempt", 3.0));
    /// assert_ne!(Predicate::eq("attempt", 3), Predicate::eq("attempt", "03"));
    /// ```
    pub fn eq(key: impl Into<Keys>, value: impl Into<Value>) -> Self {
        Self::any_of(key, [value])
    }

    /// True if no field of that name equals `value`. Also true if there is no such field.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    ///
    /// assert_eq!(Predicate::ne("user", 42), Predicate::eq("user", 42).not());
    /// ```
    pub fn ne(key: impl Into<Keys>, value: impl Into<Value>) -> Self {
        Self::eq(key, value).not()
    }

    /// True if a field equals one of `values`; never true if there are none. Order and repetitions do not matter.
    ///
    /// Matching costs the logarithm of the number of values.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    ///
    /// assert_eq!(Predicate::any_of("user", ["7", "42"]), Predicate::any_of("user", [42, 7, 7]));
    /// ```
    pub fn any_of<V: Into<Value>>(key: impl Into<Keys>, values: impl IntoIterator<Item = V>) -> Self {
        Self::field(key, Check::equals_any(values.into_iter().map(Into::into)))
    }

    /// True if there is such a field, with any value that is not redacted.
    pub fn exists(key: impl Into<Keys>) -> Self {
        Self::field(key, Check::Exists)
    }

    /// True if the field's `Display` text starts with `prefix` (`42` starts with `4`).
    pub fn starts_with(key: impl Into<Keys>, prefix: impl Into<Value>) -> Self {
        Self::field(key, Check::of_text(&prefix.into(), Check::StartsWith))
    }

    /// True if the field's `Display` text ends with `suffix`. Never true of a value that was cut.
    pub fn ends_with(key: impl Into<Keys>, suffix: impl Into<Value>) -> Self {
        Self::field(key, Check::of_text(&suffix.into(), Check::EndsWith))
    }

    /// True if the field's `Display` text contains `part`. Case-sensitive.
    pub fn contains(key: impl Into<Keys>, part: impl Into<Value>) -> Self {
        Self::field(key, Check::of_text(&part.into(), Check::Contains))
    }

    /// True if the field's `Display` text contains a match of a regular expression, in the syntax of the crate `regex`.
    ///
    /// Compiles the expression to a table of at most 1 MiB, which takes up to about 60 ms. Matching then takes a nanosecond
    /// or two for each byte, whatever the expression, and allocates nothing. Word boundaries must be ASCII: `(?-u:\b)`.
    ///
    /// # Errors
    /// If `pattern` is not a regular expression, if its table would be larger than 1 MiB or take too long to make, if it has a
    /// Unicode word boundary, or if the crate was built without the feature `regex`.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    ///
    /// assert!(Predicate::regex("path", "^/admin/").is_ok());
    /// assert!(Predicate::regex("path", r"\w{1000}{100}").unwrap_err().is_too_large());
    /// ```
    pub fn regex(key: impl Into<Keys>, pattern: impl AsRef<str>) -> Result<Self, PredicateError> {
        Ok(Self::field(key, Check::matches(pattern.as_ref())?))
    }

    /// True if the field is a number less than `bound`.
    ///
    /// All integers and floats compare by their exact values, also past 2^53. A text counts as the number it is
    /// written as, in the field and as `bound`, but `"inf"` and `"nan"` are written as none, and a text of more than 40
    /// significant digits or 400 bytes is none. Where either is not a number the test is false, as it is where `bound` is
    /// infinite or NaN.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    ///
    /// assert_eq!(Predicate::lt("attempt", 3), Predicate::lt("attempt", "3"));
    /// ```
    pub fn lt(key: impl Into<Keys>, bound: impl Into<Value>) -> Self {
        Self::field(key, Check::ordered(Relation::Less, &bound.into()))
    }

    /// True if the field is a number less than or equal to `bound`; see [`lt`](Self::lt).
    pub fn le(key: impl Into<Keys>, bound: impl Into<Value>) -> Self {
        Self::field(key, Check::ordered(Relation::LessOrEqual, &bound.into()))
    }

    /// True if the field is a number greater than `bound`; see [`lt`](Self::lt).
    pub fn gt(key: impl Into<Keys>, bound: impl Into<Value>) -> Self {
        Self::field(key, Check::ordered(Relation::Greater, &bound.into()))
    }

    /// True if the field is a number greater than or equal to `bound`; see [`lt`](Self::lt).
    pub fn ge(key: impl Into<Keys>, bound: impl Into<Value>) -> Self {
        Self::field(key, Check::ordered(Relation::GreaterOrEqual, &bound.into()))
    }

    fn field(key: impl Into<Keys>, check: Check) -> Self {
        Self::test(Test::Field(FieldTest::new(key.into(), check)))
    }
}

/// Tests of the event's metadata and of its spans.
impl Predicate {
    /// True if the event has this level or a more severe one: `level(Level::DEBUG)` is false for TRACE alone.
    pub fn level(level: Level) -> Self {
        Self::test(Test::Level(level))
    }

    /// True if the event's target is `prefix` or below it: `a::b` includes `a::b::c`, but not `a::bc`.
    pub fn target(prefix: impl AsRef<str>) -> Self {
        Self::test(Test::Target(prefix.as_ref().into()))
    }

    /// True if the event is inside a span of this name. A leading `r#` is ignored.
    pub fn span(name: impl AsRef<str>) -> Self {
        Self::test(Test::Span(plain_name(name.as_ref()).into()))
    }

    /// True if the event's callsite has this name: `event src/hub.rs:214` unless the code names it.
    pub fn event_name(name: impl AsRef<str>) -> Self {
        Self::test(Test::EventName(name.as_ref().into()))
    }

    /// True if the event is from this source file. `path` is the whole path, or its last components.
    ///
    /// `file("hub.rs")` includes `src/hub.rs` and `crates/chat/src/hub.rs`, but not `src/github.rs`.
    pub fn file(path: impl AsRef<str>) -> Self {
        Self::test(Test::File(path.as_ref().into()))
    }

    /// True of every event.
    pub fn everything() -> Self {
        Self(Expression::truth())
    }

    fn test(test: Test) -> Self {
        Self(Expression::of_test(test))
    }
}

/// Combinations, and the answer.
impl Predicate {
    /// True if both are true.
    pub fn and(self, other: Self) -> Self {
        Self(self.0.and(other.0))
    }

    /// The conjunction with `outer`, if there is one.
    pub(crate) fn within(self, outer: Option<Self>) -> Self {
        match outer {
            Some(outer) => outer.and(self),
            None => self,
        }
    }

    /// True if at least one is true.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    /// True if the predicate is false.
    #[expect(clippy::should_implement_trait, reason = "the operator is implemented too; this reads better in a chain")]
    pub fn not(self) -> Self {
        Self(self.0.not())
    }

    /// Whether a captured event satisfies the predicate.
    ///
    /// For tests and for readers that filter further. Evaluates every test over all values: slower than a session's own
    /// evaluation.
    pub fn is_match(&self, event: &CapturedEvent) -> bool {
        self.fold(|node| match node {
            Node::Test(test) => is_satisfied(test, event),
            Node::And(left, right) => left && right,
            Node::Or(left, right) => left || right,
            Node::Not(operand) => !operand,
            Node::True => true,
        })
    }

    /// The names of all tested fields in the order of the text, with repetitions.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    ///
    /// let predicate: Predicate = "user = 42 and (status >= 500 or @level = error)".parse()?;
    /// assert_eq!(predicate.field_names().collect::<Vec<_>>(), ["user", "status"]);
    /// # Ok::<_, tracing_tap::PredicateError>(())
    /// ```
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.tests().filter_map(Test::field).flat_map(|test| test.keys().iter().map(|key| &**key))
    }

    /// The tests in the order of the text.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &Test> {
        self.0.tests()
    }

    /// Computes a value of the whole from those of its parts, operands first and without recursion.
    pub(crate) fn fold<'a, T>(&'a self, combine: impl FnMut(Node<'a, T>) -> T) -> T {
        self.0.fold(combine)
    }
}

fn is_satisfied(test: &Test, event: &CapturedEvent) -> bool {
    match test {
        Test::Field(test) => event.all_values().any(|(name, value)| test.names(name) && test.accepts(value)),
        Test::Span(_) => event.spans().any(|span| test.is_of_span(span.name())),
        _ => test.of_event(event.level(), event.target(), event.name(), event.file()) == Some(true),
    }
}

impl ops::BitAnd for Predicate {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.and(other)
    }
}

impl ops::BitOr for Predicate {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl ops::Not for Predicate {
    type Output = Self;

    fn not(self) -> Self {
        Self::not(self)
    }
}
