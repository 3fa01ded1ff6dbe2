//! The single tests a predicate is made of.

use super::field::FieldTest;
use crate::event::plain_name;
use tracing_core::Level;

/// One test of an event and its scope.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// True of a scope with such a field.
    Field(FieldTest),
    /// True of events of this level and of more severe ones.
    Level(Level),
    /// True of events with this target or one below it.
    Target(Box<str>),
    /// True of a scope with a span of this name.
    Span(Box<str>),
    /// True of events whose callsite has this name.
    EventName(Box<str>),
    /// True of events from this file.
    File(Box<str>),
}

impl Test {
    /// The field test, if it is one.
    pub(crate) fn field(&self) -> Option<&FieldTest> {
        match self {
            Self::Field(test) => Some(test),
            _ => None,
        }
    }

    /// Whether it is satisfied by a span of this name.
    pub(crate) fn is_of_span(&self, name: &str) -> bool {
        matches!(self, Self::Span(wanted) if **wanted == *plain_name(name))
    }

    /// The answer where the event's metadata alone gives it, which it does unless a field or a span is tested.
    pub(crate) fn of_event(&self, level: Level, target: &str, name: &str, file: Option<&str>) -> Option<bool> {
        match self {
            // `Level` orders by verbosity: ERROR is its smallest.
            Self::Level(least_severe) => Some(level <= *least_severe),
            Self::Target(prefix) => Some(target_within(target, prefix)),
            Self::EventName(wanted) => Some(**wanted == *name),
            Self::File(path) => Some(file.is_some_and(|file| file_within(file, path))),
            Self::Field(_) | Self::Span(_) => None,
        }
    }
}

/// Whether `target` is `prefix` or a path below it: `a::b` and `a::b::c` are within `a::b`, `a::bc` is not.
pub(crate) fn target_within(target: &str, prefix: &str) -> bool {
    target.strip_prefix(prefix).is_some_and(|below| below.is_empty() || below.starts_with("::"))
}

fn file_within(file: &str, path: &str) -> bool {
    file.strip_suffix(path).is_some_and(|above| above.is_empty() || above.ends_with('/') || path.starts_with('/'))
}
