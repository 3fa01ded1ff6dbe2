//! A predicate in the form a session evaluates, with what can be known of it beforehand.

use super::reach::{self, Reach};
use super::test::Test;
use super::{Node, Predicate};
use smallvec::SmallVec;

/// A predicate with numbered tests, made once per session and evaluated by producers.
#[derive(Debug)]
pub(crate) struct Compiled {
    tests: Box<[Test]>,
    steps: Box<[Step]>,
    index: Option<usize>,
    reach: Box<[Reach]>,
}

/// One step of a stack machine: it takes its operands off the stack and pushes its value.
#[derive(Debug)]
struct Step {
    operation: Operation,
    shortcut: Option<Shortcut>,
}

#[derive(Debug)]
enum Operation {
    Test(usize),
    True,
    And,
    Or,
    Not,
}

/// Left operands know the value that decides their operator, whose right operand is then skipped.
#[derive(Debug)]
struct Shortcut {
    decisive: bool,
    operator: usize,
}

/// An equality that every match satisfies, and what it costs to index.
#[derive(Clone, Copy)]
struct Candidate {
    test: usize,
    entries: usize,
}

impl Compiled {
    pub(crate) fn new(predicate: &Predicate) -> Self {
        Self {
            tests: predicate.tests().cloned().collect(),
            steps: steps(predicate).into(),
            index: best_equality(predicate).map(|candidate| candidate.test),
            reach: predicate.fold(reach::of_node).into(),
        }
    }

    /// The tests; their places in the slice are their numbers.
    pub(crate) fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// Whether a field of this name is tested.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.tests.iter().any(|test| test.field().is_some_and(|test| test.names(name)))
    }

    /// The number of an equality that must be true for the whole to be, the one with the fewest entries.
    pub(crate) fn index(&self) -> Option<usize> {
        self.index
    }

    /// The levels and targets that can match; empty if no event ever does.
    pub(crate) fn reach(&self) -> &[Reach] {
        &self.reach
    }

    /// Whether its form shows that it can never be true.
    pub(crate) fn is_never(&self) -> bool {
        let lacks_value =
            |test: usize| self.tests[test].field().is_some_and(|test| test.index_entries().next().is_none());
        self.reach.is_empty() || self.index.is_some_and(lacks_value) || self.evaluate(|_| None) == Some(false)
    }

    /// The predicate's value, given the values of tests by number; `None` is unknown, here and there.
    ///
    /// A test is not asked for where the others have decided. Does not allocate while at most 64 operands wait.
    pub(crate) fn evaluate(&self, mut leaf: impl FnMut(usize) -> Option<bool>) -> Option<bool> {
        let mut stack = SmallVec::<[Option<bool>; 64]>::new();
        let mut position = 0;
        while let Some(step) = self.steps.get(position) {
            let mut operand = || stack.pop().flatten();
            let value = match step.operation {
                Operation::Test(number) => leaf(number),
                Operation::True => Some(true),
                Operation::And => and(operand(), operand()),
                Operation::Or => or(operand(), operand()),
                Operation::Not => operand().map(|value| !value),
            };
            stack.push(value);
            position = self.next_position(position, value);
        }
        stack.pop().flatten()
    }

    fn next_position(&self, mut position: usize, value: Option<bool>) -> usize {
        while let Some(shortcut) = &self.steps[position].shortcut
            && value == Some(shortcut.decisive)
        {
            position = shortcut.operator;
        }
        position + 1
    }
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn steps(predicate: &Predicate) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut tests = 0..;
    predicate.fold(|node| {
        let position = steps.len();
        let mut decided_by = |left: usize, decisive| {
            steps[left].shortcut = Some(Shortcut { decisive, operator: position });
        };
        let operation = match node {
            Node::Test(_) => Operation::Test(tests.next().expect("the numbers do not end")),
            Node::True => Operation::True,
            Node::And(left, _) => {
                decided_by(left, false);
                Operation::And
            }
            Node::Or(left, _) => {
                decided_by(left, true);
                Operation::Or
            }
            Node::Not(_) => Operation::Not,
        };
        steps.push(Step { operation, shortcut: None });
        position
    });
    steps
}

/// Only what `and` joins at the top is certain; in the alternatives of an `or` and below a `not` nothing is.
fn best_equality(predicate: &Predicate) -> Option<Candidate> {
    let mut number = 0;
    predicate.fold(|node: Node<'_, Option<Candidate>>| match node {
        Node::Test(test) => {
            number += 1;
            candidate(number - 1, test)
        }
        Node::And(left, right) => left.into_iter().chain(right).min_by_key(|candidate| candidate.entries),
        Node::True | Node::Or(..) | Node::Not(_) => None,
    })
}

fn candidate(number: usize, test: &Test) -> Option<Candidate> {
    let field = test.field().filter(|field| field.is_equality())?;
    Some(Candidate { test: number, entries: field.index_entry_count() })
}
