//! Tests of a field's value.

use super::pattern::Pattern;
use super::{Keys, PredicateError};
use crate::value::{Number, Value, ValueRef};
use std::cmp::Ordering;

/// A test that is true of a scope where any field with one of the keys has a value that passes the check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldTest {
    keys: Keys,
    check: Check,
}

/// What a value must be like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    Exists,
    /// One of these canonical texts, which are sorted and distinct; without any, no value passes.
    Equals(Box<[Box<str>]>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<str>),
    Matches(Pattern),
    Ordered(Relation, Bound),
}

/// How a value compares with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What an ordering test compares with: a number, and the text it is written as.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    text: Box<str>,
    number: Number,
}

impl FieldTest {
    pub(super) fn new(keys: Keys, check: Check) -> Self {
        Self { keys, check }
    }

    /// Whether a field of this name is tested.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.keys.contains(name)
    }

    /// The distinct names of the tested field.
    pub(crate) fn keys(&self) -> &[Box<str>] {
        self.keys.as_slice()
    }

    /// How many bytes the table of its regular expression takes, if it has one.
    pub(super) fn table_bytes(&self) -> usize {
        match &self.check {
            Check::Matches(pattern) => pattern.held_bytes(),
            _ => 0,
        }
    }

    pub(crate) fn check(&self) -> &Check {
        &self.check
    }

    /// Whether a value of the tested field passes.
    pub(crate) fn accepts(&self, value: ValueRef<'_>) -> bool {
        self.check.accepts(value, || value.number())
    }

    /// The same where `number` gives the number that the value is, which several tests may ask for.
    pub(super) fn accepts_as(&self, value: ValueRef<'_>, number: impl FnOnce() -> Option<Number>) -> bool {
        self.check.accepts(value, number)
    }

    /// Whether the test asks for equality, which an index answers.
    pub(crate) fn is_equality(&self) -> bool {
        matches!(self.check, Check::Equals(_))
    }

    /// Every (key, canonical text) that satisfies an equality; nothing for other tests.
    pub(crate) fn index_entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keys().iter().flat_map(|key| self.equal_texts().iter().map(|text| (&**key, &**text)))
    }

    pub(super) fn index_entry_count(&self) -> usize {
        self.keys().len().saturating_mul(self.equal_texts().len())
    }

    fn equal_texts(&self) -> &[Box<str>] {
        match &self.check {
            Check::Equals(texts) => texts,
            _ => &[],
        }
    }
}

impl Check {
    /// Equality with any of `values`; those that equal nothing, like NaN, drop out.
    pub(super) fn equals_any(values: impl Iterator<Item = Value>) -> Self {
        let mut texts: Vec<Box<str>> = values.filter_map(|value| canonical(&value)).collect();
        texts.sort_unstable();
        texts.dedup();
        Self::Equals(texts.into())
    }

    /// The check `of` the canonical text of `value`; no value passes where it has none.
    pub(super) fn of_text(value: &Value, of: impl FnOnce(Box<str>) -> Self) -> Self {
        canonical(value).map_or_else(Self::never, of)
    }

    /// # Errors
    /// As [`Pattern::new`].
    pub(super) fn matches(pattern: &str) -> Result<Self, PredicateError> {
        Pattern::new(pattern).map(Self::Matches)
    }

    pub(super) fn ordered(relation: Relation, value: &Value) -> Self {
        Bound::new(value).map_or_else(Self::never, |bound| Self::Ordered(relation, bound))
    }

    fn never() -> Self {
        Self::Equals(Box::default())
    }

    fn accepts(&self, value: ValueRef<'_>, number: impl FnOnce() -> Option<Number>) -> bool {
        match self {
            Self::Exists => !matches!(value, ValueRef::Redacted),
            Self::Equals(texts) => value.with_canonical(|text| text.is_some_and(|text| is_among(texts, text))),
            Self::StartsWith(prefix) => has_text(value, |text| text.starts_with(&**prefix)),
            Self::EndsWith(suffix) => !value.is_cut() && has_text(value, |text| text.ends_with(&**suffix)),
            Self::Contains(part) => has_text(value, |text| text.contains(&**part)),
            Self::Matches(pattern) => has_text(value, |text| pattern.is_match(text)),
            Self::Ordered(relation, bound) => number().is_some_and(|number| bound.admits(*relation, number)),
        }
    }
}

impl Relation {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Bound {
    /// None for a value that is no finite number, which is in no order with anything.
    fn new(value: &Value) -> Option<Self> {
        let text = canonical(value)?;
        match *value {
            // `{}` prints 1e23 as the integer 10^23, which that float is not.
            Value::F64(float) if Number::parse(&text) != Number::from_float(float) => Self::parse(format!("{float:e}")),
            _ => Self::parse(text),
        }
    }

    fn parse(text: impl Into<Box<str>>) -> Option<Self> {
        let text = text.into();
        Number::parse(&text).map(|number| Self { text, number })
    }

    /// The number as it is written; that text makes the same bound.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    fn admits(&self, relation: Relation, number: Number) -> bool {
        relation.holds(number.cmp(&self.number))
    }
}

fn canonical(value: &Value) -> Option<Box<str>> {
    value.view().with_canonical(|text| text.map(Box::from))
}

fn is_among(texts: &[Box<str>], text: &str) -> bool {
    texts.binary_search_by(|candidate| (**candidate).cmp(text)).is_ok()
}

fn has_text(value: ValueRef<'_>, test: impl FnOnce(&str) -> bool) -> bool {
    value.with_text(|text| text.is_some_and(test))
}
