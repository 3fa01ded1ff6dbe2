//! What a predicate leaves for an event to decide, once the spans around it have.

use super::expression::Node;
use super::relaxed::Known;
use super::{Predicate, Test};

/// What is left of a predicate. Two are the same if they have the same form.
#[derive(Debug, PartialEq)]
pub(crate) struct Residual(Known);

impl Predicate {
    /// The predicate with its tests of fields and of spans' names decided, by their numbers among all tests.
    ///
    /// Two predicates that leave the same are true of the same events inside such spans, as far as these bring no tested
    /// field themselves. The converse need not hold: the forms are compared, not what they mean.
    pub(crate) fn residual(&self, is_satisfied: impl Fn(usize) -> bool) -> Residual {
        let mut number = 0;
        Residual(self.fold(|node: Node<'_, Known>| match node {
            Node::Test(test) => {
                number += 1;
                match test {
                    Test::Field(_) | Test::Span(_) if is_satisfied(number - 1) => Known::True,
                    Test::Field(_) | Test::Span(_) => Known::False,
                    _ => Known::of(test),
                }
            }
            Node::True => Known::True,
            Node::And(left, right) => left.and(right),
            Node::Or(left, right) => left.or(right),
            Node::Not(operand) => operand.not(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The predicate with these tests satisfied leaves what the other one does.
    #[track_caller]
    fn check(predicate: &str, satisfied: &[usize], expected: &str) {
        let residual = |text: &str, satisfied: &[usize]| {
            text.parse::<Predicate>().unwrap().residual(|number| satisfied.contains(&number))
        };
        assert_eq!(residual(predicate, satisfied), residual(expected, &[]), "{predicate}");
    }

    #[test]
    fn what_spans_decide_is_gone_and_the_rest_stays() {
        check("user = 42", &[0], "*");
        check("user = 42", &[], "not *");
        check("user = 42 and @level = error", &[0], "@level = error");
        check("user = 42 or @level = error", &[], "@level = error");
        check(
            "@level = error and (user = 42 or tenant = 7) and not @target = a",
            &[2],
            "@level = error and not @target = a",
        );
        check("not user = 42 and @span = request", &[1], "*");
    }
}
