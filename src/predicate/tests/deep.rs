use crate::predicate::{Compiled, Predicate};

const DEPTH: usize = 100_000;

/// Clones, prints, compares, compiles, evaluates and drops.
fn check(predicate: &Predicate, expected: bool) {
    assert_eq!(&predicate.clone(), predicate);
    assert!(!format!("{predicate:?}").is_empty());
    let compiled = Compiled::new(predicate);
    assert_eq!(compiled.evaluate(|_| Some(true)), Some(expected));
    assert_eq!(compiled.evaluate(|_| None), None);
}

#[test]
fn negations_nest_without_end() {
    check(&(0..DEPTH).fold(Predicate::exists("a"), |inner, _| inner.not()), true);
    check(&(0..=DEPTH).fold(Predicate::exists("a"), |inner, _| inner.not()), false);
}

#[test]
fn chains_grow_to_the_right_without_end() {
    check(&(0..DEPTH).fold(Predicate::exists("a"), |all, _| all.and(Predicate::eq("b", 1))), true);
    check(&(0..DEPTH).fold(Predicate::exists("a"), |any, _| any.or(Predicate::target("b"))), true);
}

#[test]
fn chains_grow_to_the_left_without_end() {
    check(&(0..DEPTH).fold(Predicate::exists("a"), |all, _| Predicate::eq("b", 1).and(all)), true);
    check(&(0..DEPTH).fold(Predicate::exists("a"), |any, _| Predicate::target("b").or(any)), true);
}

#[test]
fn many_targets_are_joined_in_reasonable_time() {
    let targets = (0..DEPTH).map(|number| Predicate::target(format!("target_{number}")));
    let any = targets.reduce(Predicate::or).unwrap();
    assert_eq!(Compiled::new(&any).reach().len(), 1);
}
