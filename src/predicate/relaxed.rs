//! What is left of a predicate once one event has matched it, and what happens around that event belongs to it too.

use super::expression::{Expression, Node};
use super::{Predicate, Test};

/// What a part of a predicate comes to where only some tests are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    True,
    False,
    Of(Expression),
}

/// The parts of a predicate under which it may be true, and under which it must be, whatever the tests say that are
/// not known.
#[derive(Clone)]
struct Bounds {
    may: Known,
    must: Known,
}

impl Predicate {
    /// What holds for every event that is followed: the predicate, with all tests that could have picked out the
    /// event it began with (fields, levels, spans, names, files) unknown, is not false.
    ///
    /// For `user = 42 and @level = error and not @target = hyper` that is `not @target = hyper`.
    pub(crate) fn relaxed(&self) -> Self {
        self.relaxed_but_for(|test| matches!(test, Test::Target(_)))
    }

    /// The same where only what the spans of a request could say is unknown: fields and the names of spans.
    ///
    /// For `user = 42 and @level = error` that is `@level = error`.
    pub(crate) fn relaxed_of_scope(&self) -> Self {
        self.relaxed_but_for(|test| !matches!(test, Test::Field(_) | Test::Span(_)))
    }

    fn relaxed_but_for(&self, keeps: impl Fn(&Test) -> bool) -> Self {
        let bounds = self.fold(|node: Node<'_, Bounds>| match node {
            Node::Test(test) if keeps(test) => {
                let known = Known::of(test);
                Bounds { may: known.clone(), must: known }
            }
            Node::Test(_) => Bounds { may: Known::True, must: Known::False },
            Node::True => Bounds { may: Known::True, must: Known::True },
            Node::And(left, right) => Bounds { may: left.may.and(right.may), must: left.must.and(right.must) },
            Node::Or(left, right) => Bounds { may: left.may.or(right.may), must: left.must.or(right.must) },
            Node::Not(operand) => Bounds { may: operand.must.not(), must: operand.may.not() },
        });
        Self(match bounds.may {
            Known::True => Expression::truth(),
            Known::False => Expression::truth().not(),
            Known::Of(expression) => expression,
        })
    }
}

impl Known {
    pub(super) fn of(test: &Test) -> Self {
        Self::Of(Expression::of_test(test.clone()))
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, known) | (known, Self::True) => known,
            (Self::Of(left), Self::Of(right)) => Self::Of(left.and(right)),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::False, known) | (known, Self::False) => known,
            (Self::Of(left), Self::Of(right)) => Self::Of(left.or(right)),
        }
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Of(expression) => Self::Of(expression.not()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(predicate: &str, expected: &str) {
        let relaxed = predicate.parse::<Predicate>().unwrap().relaxed();
        assert_eq!(relaxed, expected.parse().unwrap(), "{relaxed}");
    }

    #[test]
    fn targets_at_the_top_hold_and_all_else_is_relaxed() {
        check("status >= 500", "*");
        check("user = 42 and @level >= debug", "*");
        check("@level = error", "*");
        check("not @level >= info", "*");
        check("@level >= debug and not @target = hyper and user = 42", "not @target = hyper");
        check("@span = request and @name = x and @file = a.rs and @target = a", "@target = a");
        check("*", "*");
    }

    #[test]
    fn what_an_event_says_of_itself_holds_in_another_service() {
        let relaxed = |predicate: &str| predicate.parse::<Predicate>().unwrap().relaxed_of_scope();
        for (predicate, expected) in [
            ("user = 42", "*"),
            ("user = 42 and @level = error and @target = a", "@level = error and @target = a"),
            ("@span = request and @name = x and @file = a.rs", "@name = x and @file = a.rs"),
            ("not (user = 42 or @level = error)", "not @level = error"),
        ] {
            assert_eq!(relaxed(predicate), expected.parse().unwrap(), "{predicate}");
        }
    }

    #[test]
    fn what_a_relaxed_test_may_still_decide_stays_open() {
        check("user = 42 or @target = a", "*");
        check("not (user = 42 and @target = a)", "*");
        check("not (user = 42 or @target = a)", "not @target = a");
        check("(user = 42 or not *) and @target = a", "@target = a");
        check("(@level = error or @target = a) and @target = b", "@target = b");
        check("not *", "not *");
    }
}
