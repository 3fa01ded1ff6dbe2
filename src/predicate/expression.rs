//! Boolean expressions without recursion.

use super::Test;
use std::collections::VecDeque;

/// A boolean expression in postfix order: operators follow their operands.
///
/// Flat, so that no depth overflows a stack; open at both ends, so that joining two costs what the shorter one is
/// long.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expression(VecDeque<Op>);

#[derive(Clone, Debug, PartialEq)]
enum Op {
    Test(Test),
    And,
    Or,
    Not,
    True,
}

/// One element of an expression with what its operands came to.
#[derive(Clone, Debug)]
pub(crate) enum Node<'a, T> {
    Test(&'a Test),
    And(T, T),
    Or(T, T),
    Not(T),
    True,
}

impl Expression {
    pub(super) fn truth() -> Self {
        Self([Op::True].into())
    }

    pub(super) fn of_test(test: Test) -> Self {
        Self([Op::Test(test)].into())
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.joined(other, Op::And)
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.joined(other, Op::Or)
    }

    pub(super) fn not(mut self) -> Self {
        self.0.push_back(Op::Not);
        self
    }

    pub(super) fn tests(&self) -> impl Iterator<Item = &Test> {
        self.0.iter().filter_map(|operation| match operation {
            Op::Test(test) => Some(test),
            _ => None,
        })
    }

    pub(super) fn fold<'a, T>(&'a self, mut combine: impl FnMut(Node<'a, T>) -> T) -> T {
        let mut stack: Vec<T> = Vec::new();
        for operation in &self.0 {
            let node = operation.with_operands(&mut stack);
            stack.push(combine(node));
        }
        last(&mut stack)
    }

    fn joined(mut self, mut other: Self, operator: Op) -> Self {
        let mut both = if self.0.len() < other.0.len() {
            while let Some(operation) = self.0.pop_back() {
                other.0.push_front(operation);
            }
            other
        } else {
            self.0.append(&mut other.0);
            self
        };
        both.0.push_back(operator);
        both
    }
}

impl Op {
    fn with_operands<T>(&self, stack: &mut Vec<T>) -> Node<'_, T> {
        match self {
            Self::Test(test) => Node::Test(test),
            Self::True => Node::True,
            Self::Not => Node::Not(last(stack)),
            Self::And => {
                let (right, left) = (last(stack), last(stack));
                Node::And(left, right)
            }
            Self::Or => {
                let (right, left) = (last(stack), last(stack));
                Node::Or(left, right)
            }
        }
    }
}

fn last<T>(stack: &mut Vec<T>) -> T {
    stack.pop().expect("an expression is not empty, and its operators follow their operands")
}
