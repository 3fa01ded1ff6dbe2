//! How verbose an event can be and match some session: what decides which spans are tracked.

use super::asked::Asked;
use super::callsites::LEVELS;
use super::evaluator::{Pred, verbosity};
use tracing::Level;

/// The most verbose level that some event could have and match one of these: at least, and at most.
pub(crate) fn verbosity_bounds<'a>(sessions: impl Iterator<Item = &'a Asked>) -> (u8, u8) {
    let mut bounds = (0, 0);
    for predicate in sessions.map(Asked::confined) {
        for level in LEVELS {
            let anywhere = ["app", "app::db", "apple", "elsewhere"];
            if anywhere.iter().any(|target| predicate.by_metadata(level, target) != Some(false)) {
                bounds.0 = bounds.0.max(verbosity(level));
            }
        }
        bounds.1 = bounds.1.max(predicate.most_verbose_at_first_sight());
    }
    bounds
}

impl Pred {
    /// Whether an event of this level and target could match, for all that these two tell; `None`: perhaps.
    pub(crate) fn by_metadata(&self, level: Level, target: &str) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::Level(least_severe) => Some(verbosity(level) <= verbosity(*least_severe)),
            Self::Target(prefix) => Some(target == *prefix || target.starts_with(&format!("{prefix}::"))),
            Self::Not(operand) => operand.by_metadata(level, target).map(|value| !value),
            Self::And(left, right) => match (left.by_metadata(level, target), right.by_metadata(level, target)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.by_metadata(level, target), right.by_metadata(level, target)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The most verbose level that a reader who takes every `not` and every target for anything thinks possible.
    pub(crate) fn most_verbose_at_first_sight(&self) -> u8 {
        match self {
            Self::Level(least_severe) => verbosity(*least_severe),
            Self::And(left, right) => left.most_verbose_at_first_sight().min(right.most_verbose_at_first_sight()),
            Self::Or(left, right) => left.most_verbose_at_first_sight().max(right.most_verbose_at_first_sight()),
            _ => 5,
        }
    }
}
