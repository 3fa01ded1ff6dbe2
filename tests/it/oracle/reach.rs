//! What an event's target alone says of a predicate: all that counts of it where a span is followed.

use super::evaluator::{Pred, Val};

impl Pred {
    /// Whether some test in it is true of no value at all.
    pub(crate) fn has_impossible_test(&self) -> bool {
        match self {
            Self::AnyOf(_, wanted) => wanted.iter().all(Val::is_nan),
            Self::Text(_, _, wanted) => wanted.is_nan(),
            Self::Order(_, _, bound) => !bound.is_finite_number(),
            Self::And(left, right) | Self::Or(left, right) => left.has_impossible_test() || right.has_impossible_test(),
            Self::Not(operand) => operand.has_impossible_test(),
            _ => false,
        }
    }

    /// Whether an event of this target could match, for all that this tells; `None`: perhaps.
    pub(crate) fn by_target(&self, target: &str) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::Target(prefix) => Some(target == *prefix || target.starts_with(&format!("{prefix}::"))),
            Self::Not(operand) => operand.by_target(target).map(|value| !value),
            Self::And(left, right) => match (left.by_target(target), right.by_target(target)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.by_target(target), right.by_target(target)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            _ => None,
        }
    }
}
