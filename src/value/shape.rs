//! The shape of a value. It may be shown where the value itself is confidential.

use super::{Number, ValueRef};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The shape of a field's value, without the value itself.
///
/// `Display` is worded to follow "which are": `a number`, `` `Some(..)` ``, `text with a unit`. Serialized in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shape {
    /// A number of any type.
    Number,
    /// Text that spells a number.
    NumericText,
    /// A boolean.
    Boolean,
    /// Text that spells a number with a unit: a duration, a size, a percentage.
    TextWithUnit,
    /// The `Debug` text of an `Option`.
    Optional,
    /// The `Debug` text of a struct, a tuple or an enum variant with fields.
    Structure,
    /// The `Debug` text of a list, a set or a map.
    Collection,
    /// Bytes.
    Bytes,
    /// Any other text.
    Text,
}

impl Shape {
    /// Every shape.
    pub(crate) const ALL: [Self; 9] = [
        Self::Number,
        Self::NumericText,
        Self::Boolean,
        Self::TextWithUnit,
        Self::Optional,
        Self::Structure,
        Self::Collection,
        Self::Bytes,
        Self::Text,
    ];

    /// The shape of a value; `None` if the value is not known.
    pub(crate) fn of(value: ValueRef<'_>) -> Option<Self> {
        Some(match value {
            ValueRef::I64(_) | ValueRef::U64(_) | ValueRef::I128(_) | ValueRef::U128(_) | ValueRef::F64(_) => {
                Self::Number
            }
            ValueRef::Bool(_) => Self::Boolean,
            ValueRef::Bytes { .. } => Self::Bytes,
            ValueRef::Redacted | ValueRef::Null => return None,
            ValueRef::Str(text) => Self::of_string(text.text),
            // A string that `{:?}` printed is in quotes.
            ValueRef::Debug(text) if text.text.starts_with('"') => {
                return value.with_text(|text| text.map(Self::of_string));
            }
            ValueRef::Debug(text) | ValueRef::Error(text) => Self::of_text(text.text),
        })
    }

    /// The shape of what `Debug` or `Display` printed.
    pub(crate) fn of_text(text: &str) -> Self {
        if text == "None" || text.starts_with("Some(") && text.ends_with(')') {
            Self::Optional
        } else if is_enclosed(text, '[', ']') || is_enclosed(text, '{', '}') {
            Self::Collection
        } else if is_structure(text) {
            Self::Structure
        } else {
            Self::of_string(text)
        }
    }

    /// One bit for each shape.
    pub(crate) fn bit(self) -> u64 {
        1 << self as u64
    }

    /// The shapes whose bits are set.
    pub(crate) fn of_bits(bits: u64) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |shape| bits & shape.bit() != 0)
    }

    fn of_string(text: &str) -> Self {
        // Most texts are no number, and their first byte says so.
        if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.')) {
            Self::Text
        } else if Number::parse(text).is_some() {
            Self::NumericText
        } else if has_unit(text) {
            Self::TextWithUnit
        } else {
            Self::Text
        }
    }
}

/// Units that durations, sizes and shares are printed with. A closed list: an id like `7f` is no number with a unit.
const UNITS: [&str; 28] = [
    "ns", "us", "µs", "μs", "ms", "s", "sec", "secs", "min", "h", "d", "B", "kB", "KB", "MB", "GB", "TB", "KiB", "MiB",
    "GiB", "TiB", "bytes", "%", "k", "Hz", "kHz", "MHz", "GHz",
];

fn has_unit(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_alphabetic() || c == '%');
    let unit = &text[number.len()..];
    UNITS.contains(&unit) && Number::parse(number.trim_end()).is_some()
}

fn is_enclosed(text: &str, open: char, close: char) -> bool {
    text.starts_with(open) && text.ends_with(close)
}

/// `Name(..)`, `Name { .. }` or `(..)`.
fn is_structure(text: &str) -> bool {
    let name_end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'))).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let is_named = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    (is_named || name.is_empty()) && is_enclosed(rest, '(', ')') || is_named && is_enclosed(rest.trim_start(), '{', '}')
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::NumericText => "a number in text",
            Self::Boolean => "a boolean",
            Self::TextWithUnit => "text with a unit",
            Self::Optional => "`Some(..)`",
            Self::Structure => "`Name(..)` or `Name { .. }`",
            Self::Collection => "`[..]` or `{..}`",
            Self::Bytes => "bytes",
            Self::Text => "text",
        })
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::value::TextRef;

    #[track_caller]
    fn check(text: &str, expected: Shape) {
        assert_eq!(Shape::of(ValueRef::Debug(TextRef { text, cut: false })), Some(expected), "{text}");
    }

    #[test]
    fn text_shows_its_shape() {
        check("42", Shape::NumericText);
        check("-1.5e3", Shape::NumericText);
        for unit in ["2 ms", "2ms", "1.5s", "100µs", "10 KiB", "7 %"] {
            check(unit, Shape::TextWithUnit);
        }
        for text in ["7f", "12ab", "4 apples", "alice", "-", "true", "2026-11-20", "ms", "f(x", "Guest", "5%3s"] {
            check(text, Shape::Text);
        }
        check("Some(42)", Shape::Optional);
        check("None", Shape::Optional);
        check("UserId(42)", Shape::Structure);
        check("auth::User { id: 42 }", Shape::Structure);
        check("(1, 2)", Shape::Structure);
        check("[1, 2]", Shape::Collection);
        check("{\"a\": 1}", Shape::Collection);
        check("\"42\"", Shape::NumericText);
        check("\"Some(42)\"", Shape::Text);
    }

    #[test]
    fn each_shape_has_a_bit_of_its_own() {
        let all = Shape::ALL.iter().fold(0, |bits, shape| bits | shape.bit());
        assert_eq!(all.count_ones() as usize, Shape::ALL.len());
        assert_eq!(Shape::of_bits(all).collect::<Vec<_>>(), Shape::ALL);
    }
}
