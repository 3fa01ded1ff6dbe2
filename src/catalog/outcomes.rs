//! Whether an event of a callsite can satisfy a predicate, whatever its values are.

use super::CatalogEntry;
use crate::predicate::{Node, Predicate, Test, plain_name};
use tracing_core::Level;

/// A field that every event may have without declaring it.
const MESSAGE: &str = "message";

/// The possible values of a test, or of a whole predicate.
#[derive(Clone, Copy, Debug)]
struct Outcomes {
    may_be_true: bool,
    may_be_false: bool,
}

/// Whether an event of that callsite may satisfy the predicate inside spans of these callsites alone.
pub(super) fn may_satisfy(predicate: &Predicate, event: &CatalogEntry, spans: &[&CatalogEntry]) -> bool {
    let outcomes = predicate.fold(|node: Node<'_, Outcomes>| match node {
        Node::Test(test) => outcomes_of(test, event, spans),
        Node::And(one, other) => one.and(other),
        Node::Or(one, other) => one.not().and(other.not()).not(),
        Node::Not(operand) => operand.not(),
        Node::True => Outcomes { may_be_true: true, may_be_false: false },
    });
    outcomes.may_be_true
}

fn outcomes_of(test: &Test, event: &CatalogEntry, spans: &[&CatalogEntry]) -> Outcomes {
    let may_be_true = match test {
        Test::Field(test) => {
            let declared = spans.iter().copied().chain([event]).flat_map(|entry| &entry.fields);
            declared.map(|field| &**field).chain([MESSAGE]).any(|field| test.names(field))
        }
        Test::Span(wanted) => spans.iter().any(|span| plain_name(&span.name) == &**wanted),
        _ => {
            let level = event.level.parse().unwrap_or(Level::TRACE);
            let is_true = test.of_event(level, &event.target, &event.name, event.file.as_deref()) == Some(true);
            return Outcomes { may_be_true: is_true, may_be_false: !is_true };
        }
    };
    Outcomes { may_be_true, may_be_false: true }
}

impl Outcomes {
    fn and(self, other: Self) -> Self {
        let may_be_false = self.may_be_false || other.may_be_false;
        Self { may_be_true: self.may_be_true && other.may_be_true, may_be_false }
    }

    fn not(self) -> Self {
        Self { may_be_true: self.may_be_false, may_be_false: self.may_be_true }
    }
}
