//! Which callsites a predicate can match, by level and target alone.

use super::Node;
use super::test::{Test, target_within};
use std::sync::Arc;
use tracing_core::{Level, LevelFilter};

/// More pairs than this are not worth telling apart.
const MAX_PAIRS: usize = 64;

/// Events of at least this severity, from this target or below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reach {
    pub(crate) level: LevelFilter,
    /// None is any target.
    pub(crate) target: Option<Arc<str>>,
}

/// Whether an event of this level and target can match a predicate that reaches `pairs`.
pub(crate) fn reach_admits(pairs: &[Reach], level: Level, target: &str) -> bool {
    pairs.iter().any(|pair| pair.admits(level, target))
}

/// What an expression reaches: too much rather than too little.
pub(super) fn of_node(node: Node<'_, Vec<Reach>>) -> Vec<Reach> {
    match node {
        Node::Test(Test::Level(level)) => vec![Reach { level: (*level).into(), target: None }],
        Node::Test(Test::Target(prefix)) => vec![Reach { level: LevelFilter::TRACE, target: Some((**prefix).into()) }],
        Node::Test(_) | Node::True | Node::Not(_) => vec![Reach::anything()],
        Node::And(left, right) => intersection(&left, &right),
        Node::Or(left, right) => union(left, right),
    }
}

impl Reach {
    fn anything() -> Self {
        Self { level: LevelFilter::TRACE, target: None }
    }

    fn admits(&self, level: Level, target: &str) -> bool {
        self.level >= level && self.target.as_deref().is_none_or(|prefix| target_within(target, prefix))
    }

    fn covers(&self, other: &Self) -> bool {
        self.level >= other.level
            && match (&self.target, &other.target) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(prefix), Some(target)) => target_within(target, prefix),
            }
    }

    /// What both admit; None if nothing.
    fn intersection(&self, other: &Self) -> Option<Self> {
        let target = match (&self.target, &other.target) {
            (None, target) | (target, None) => target,
            (target @ Some(left), Some(right)) if target_within(left, right) => target,
            (Some(left), target @ Some(right)) if target_within(right, left) => target,
            _ => return None,
        };
        Some(Self { level: self.level.min(other.level), target: target.clone() })
    }
}

fn intersection(left: &[Reach], right: &[Reach]) -> Vec<Reach> {
    let both = left.iter().flat_map(|left| right.iter().filter_map(|right| left.intersection(right)));
    union(Vec::new(), both)
}

/// Adds what is not covered yet, and drops what becomes so.
fn union(mut pairs: Vec<Reach>, others: impl IntoIterator<Item = Reach>) -> Vec<Reach> {
    for other in others {
        if !pairs.iter().any(|pair| pair.covers(&other)) {
            pairs.retain(|pair| !other.covers(pair));
            pairs.push(other);
        }
    }
    if pairs.len() > MAX_PAIRS { collapse(&pairs) } else { pairs }
}

fn collapse(pairs: &[Reach]) -> Vec<Reach> {
    let level = pairs.iter().map(|pair| pair.level).max();
    level.map(|level| Reach { level, target: None }).into_iter().collect()
}
