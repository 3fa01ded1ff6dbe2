use crate::predicate::{Compiled, Predicate};
use proptest::prelude::*;

/// The tree a predicate was built from, with the number of each test.
#[derive(Clone, Debug)]
enum Tree {
    Test(usize),
    True,
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
}

impl Tree {
    fn predicate(&self) -> Predicate {
        match self {
            Self::Test(number) => Predicate::exists(number.to_string()),
            Self::True => Predicate::everything(),
            Self::And(left, right) => left.predicate().and(right.predicate()),
            Self::Or(left, right) => left.predicate().or(right.predicate()),
            Self::Not(operand) => operand.predicate().not(),
        }
    }

    /// As three numbers: false, unknown and true are -1, 0 and 1, of which `and` is the least and `or` the greatest.
    fn naive(&self, answers: &[i8]) -> i8 {
        match self {
            Self::Test(number) => answers[*number],
            Self::True => 1,
            Self::And(left, right) => left.naive(answers).min(right.naive(answers)),
            Self::Or(left, right) => left.naive(answers).max(right.naive(answers)),
            Self::Not(operand) => -operand.naive(answers),
        }
    }
}

const NAMES: usize = 6;

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![8 => (0..NAMES).prop_map(Tree::Test), 1 => Just(Tree::True)];
    leaf.prop_recursive(8, 64, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Tree::And(left.into(), right.into())),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Tree::Or(left.into(), right.into())),
            inner.prop_map(|operand| Tree::Not(operand.into())),
        ]
    })
}

fn known(answer: i8) -> Option<bool> {
    (answer != 0).then_some(answer > 0)
}

/// The number of the name that a test of [`Tree::predicate`] asks for.
fn name_of(compiled: &Compiled, test: usize) -> usize {
    compiled.tests()[test].field().unwrap().keys()[0].parse().unwrap()
}

proptest! {
    #[test]
    fn evaluation_agrees_with_a_naive_recursive_one(
        tree in trees(),
        answers in prop::collection::vec(-1..=1_i8, NAMES),
    ) {
        let compiled = Compiled::new(&tree.predicate());
        let value = compiled.evaluate(|test| known(answers[name_of(&compiled, test)]));
        prop_assert_eq!(value, known(tree.naive(&answers)));
    }
}

#[test]
fn a_decided_operator_does_not_ask_its_right_operand() {
    let [a, b, c] = ["a", "b", "c"].map(Predicate::exists);
    let cases = [
        (a.clone().and(b.clone()).and(c.clone()), [Some(false), None, None], Some(false), vec![0]),
        (a.clone().or(b.clone()).or(c.clone()), [Some(true), None, None], Some(true), vec![0]),
        (a.clone().and(b.clone()).or(c.clone()), [Some(false), None, Some(true)], Some(true), vec![0, 2]),
        (a.clone().and(b.clone()).not().and(c.clone()), [Some(false), None, None], None, vec![0, 2]),
        (a.and(b.or(c)), [None, Some(true), None], None, vec![0, 1]),
    ];
    for (predicate, answers, expected, expected_asked) in cases {
        let mut asked = Vec::new();
        let value = Compiled::new(&predicate).evaluate(|test| {
            asked.push(test);
            answers[test]
        });
        assert_eq!((value, asked), (expected, expected_asked), "{predicate:?}");
    }
}

#[track_caller]
fn check_index(predicate: &Predicate, expected: Option<&[(&str, &str)]>) {
    let compiled = Compiled::new(predicate);
    let indexed = compiled.index().map(|test| compiled.tests()[test].field().unwrap());
    let entries: Option<Vec<_>> = indexed.map(|field| field.index_entries().collect());
    assert_eq!(entries.as_deref(), expected, "{predicate:?}");
}

#[test]
fn the_index_is_an_equality_that_every_match_satisfies() {
    let (user, other) = (Predicate::eq("user", 42), Predicate::exists("other"));
    check_index(&user, Some(&[("user", "42")]));
    check_index(&other.clone().and(user.clone()), Some(&[("user", "42")]));
    check_index(&user.clone().or(other.clone()).and(user.clone()), Some(&[("user", "42")]));
    check_index(&other.clone().or(other.clone()).not().and(other.clone().and(user.clone())), Some(&[("user", "42")]));
    check_index(&user.clone().or(other.clone()), None);
    check_index(&user.clone().or(user.clone()), None);
    check_index(&user.clone().not(), None);
    check_index(&user.clone().not().not(), None);
    check_index(&Predicate::everything(), None);
    check_index(&Predicate::level(tracing_core::Level::INFO).and(other), None);
    check_index(&Predicate::starts_with("user", 4).and(Predicate::ge("user", 4)), None);
}

#[test]
fn the_index_is_the_equality_with_the_fewest_entries() {
    let wide = Predicate::any_of(["a", "b"], [1, 2]);
    let narrow = Predicate::any_of("c", [1, 2, 3]);
    check_index(&wide, Some(&[("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]));
    check_index(&wide.clone().and(narrow.clone()), Some(&[("c", "1"), ("c", "2"), ("c", "3")]));
    check_index(&narrow.clone().and(wide), Some(&[("c", "1"), ("c", "2"), ("c", "3")]));
    check_index(&narrow.and(Predicate::eq("d", f64::NAN)), Some(&[]));
}
