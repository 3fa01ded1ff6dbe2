//! Which tests a predicate asks for, and which it asks to fail.

use super::{Node, Predicate, Test};

/// The tests of an expression, each with whether it stands below an even number of `not`s.
struct Tests<'a>(Vec<(&'a Test, bool)>);

impl Predicate {
    /// The tests that help an event match by being true: those below no `not`, or below an even number.
    pub(crate) fn wanted_tests(&self) -> Vec<&Test> {
        let tests = self.fold(|node: Node<'_, Tests<'_>>| match node {
            Node::Test(test) => Tests(vec![(test, true)]),
            Node::True => Tests(Vec::new()),
            Node::And(left, right) | Node::Or(left, right) => left.with(right),
            Node::Not(operand) => operand.negated(),
        });
        tests.0.into_iter().filter(|(_, wanted)| *wanted).map(|(test, _)| test).collect()
    }
}

impl<'a> Tests<'a> {
    fn with(mut self, other: Tests<'a>) -> Self {
        self.0.extend(other.0);
        self
    }

    fn negated(mut self) -> Self {
        self.0.iter_mut().for_each(|(_, wanted)| *wanted = !*wanted);
        self
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn tests_below_an_even_number_of_nots_are_wanted() {
        let predicate: Predicate = "@span = a and not (@span = b or not @span = c)".parse().unwrap();
        let names: Vec<_> = predicate.wanted_tests().into_iter().map(|test| matches!(test, Test::Span(_))).collect();
        assert_eq!(names.len(), 2);
        let wanted = predicate.wanted_tests();
        assert!(wanted.iter().all(|test| !test.is_of_span("b")) && wanted.iter().any(|test| test.is_of_span("c")));
    }
}
