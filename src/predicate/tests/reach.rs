use crate::predicate::{Compiled, Predicate, Reach, Test, reach_admits};
use proptest::prelude::*;
use tracing_core::{Level, LevelFilter};

type Pair<'a> = (LevelFilter, Option<&'a str>);

const ANYTHING: Pair<'_> = (LevelFilter::TRACE, None);

fn level(level: Level) -> Predicate {
    Predicate::level(level)
}

fn target(prefix: &str) -> Predicate {
    Predicate::target(prefix)
}

#[track_caller]
fn check(predicate: &Predicate, expected: &[Pair<'_>]) {
    let compiled = Compiled::new(predicate);
    let pairs: Vec<_> = compiled.reach().iter().map(|Reach { level, target }| (*level, target.as_deref())).collect();
    assert_eq!(pairs, expected, "{predicate:?}");
}

#[test]
fn single_tests_reach_their_level_or_target_or_everything() {
    check(&level(Level::DEBUG), &[(LevelFilter::DEBUG, None)]);
    check(&target("a"), &[(LevelFilter::TRACE, Some("a"))]);
    check(&Predicate::everything(), &[ANYTHING]);
    check(&Predicate::eq("user", 42), &[ANYTHING]);
    check(&Predicate::span("conn"), &[ANYTHING]);
    check(&Predicate::file("hub.rs"), &[ANYTHING]);
    check(&level(Level::DEBUG).not(), &[ANYTHING]);
    check(&target("a").not(), &[ANYTHING]);
}

#[test]
fn both_reach_what_each_does() {
    check(&level(Level::DEBUG).and(level(Level::WARN)), &[(LevelFilter::WARN, None)]);
    check(&level(Level::DEBUG).and(target("a")), &[(LevelFilter::DEBUG, Some("a"))]);
    check(&target("a").and(target("a::b")), &[(LevelFilter::TRACE, Some("a::b"))]);
    check(&target("a::b").and(target("a")), &[(LevelFilter::TRACE, Some("a::b"))]);
    check(&target("a").and(target("a")), &[(LevelFilter::TRACE, Some("a"))]);
    check(&level(Level::INFO).and(Predicate::eq("user", 42)), &[(LevelFilter::INFO, None)]);
}

#[test]
fn incompatible_targets_reach_nothing() {
    check(&target("a").and(target("b")), &[]);
    check(&target("a::b").and(target("a::bc")), &[]);
    check(&target("a").and(target("b")).or(level(Level::WARN)), &[(LevelFilter::WARN, None)]);
    check(&target("a").and(target("b")).and(Predicate::everything()), &[]);
    check(&target("a").and(target("b")).not(), &[ANYTHING]);
}

#[test]
fn either_reaches_what_one_does_once() {
    let (a, b) = (target("a"), target("b"));
    check(&a.clone().or(b.clone()), &[(LevelFilter::TRACE, Some("a")), (LevelFilter::TRACE, Some("b"))]);
    check(&a.clone().or(a.clone()), &[(LevelFilter::TRACE, Some("a"))]);
    check(&a.clone().or(target("a::b")), &[(LevelFilter::TRACE, Some("a"))]);
    check(&target("a::b").or(a.clone()), &[(LevelFilter::TRACE, Some("a"))]);
    check(&level(Level::INFO).or(level(Level::DEBUG)), &[(LevelFilter::DEBUG, None)]);
    check(&level(Level::INFO).or(a.clone()), &[(LevelFilter::INFO, None), (LevelFilter::TRACE, Some("a"))]);
    check(&a.clone().or(Predicate::exists("user")), &[ANYTHING]);
    check(
        &a.or(b).and(level(Level::WARN).or(target("a::c"))),
        &[(LevelFilter::WARN, Some("a")), (LevelFilter::TRACE, Some("a::c")), (LevelFilter::WARN, Some("b"))],
    );
}

#[test]
fn more_than_64_pairs_become_one() {
    let of = |count: usize| {
        let targets = (0..count).map(|number| target(&format!("target_{number}")));
        targets.reduce(Predicate::or).unwrap().and(level(Level::DEBUG))
    };
    assert_eq!(Compiled::new(&of(64)).reach().len(), 64);
    check(&of(65), &[(LevelFilter::DEBUG, None)]);
}

#[test]
fn only_what_is_reached_is_admitted() {
    let compiled = Compiled::new(&level(Level::DEBUG).and(target("a")).or(level(Level::ERROR)));
    let cases = [
        (Level::DEBUG, "a", true),
        (Level::INFO, "a::b", true),
        (Level::TRACE, "a", false),
        (Level::DEBUG, "ab", false),
        (Level::ERROR, "b", true),
        (Level::WARN, "b", false),
    ];
    for (level, target, expected) in cases {
        assert_eq!(reach_admits(compiled.reach(), level, target), expected, "{level} {target}");
    }
    assert!(!reach_admits(&[], Level::ERROR, "a"));
}

#[test]
fn what_the_metadata_tells_is_told_for_all_but_fields_and_spans() {
    let answer = |predicate: Predicate| {
        let test: &Test = predicate.tests().next().unwrap();
        test.of_event(Level::INFO, "a::b", "named", Some("src/a/b.rs"))
    };
    assert_eq!(answer(level(Level::INFO)), Some(true));
    assert_eq!(answer(level(Level::WARN)), Some(false));
    assert_eq!(answer(target("a")), Some(true));
    assert_eq!(answer(Predicate::event_name("other")), Some(false));
    assert_eq!(answer(Predicate::file("a/b.rs")), Some(true));
    assert_eq!(answer(Predicate::exists("x")), None);
    assert_eq!(answer(Predicate::span("x")), None);
}

fn predicates() -> impl Strategy<Value = Predicate> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["a", "a::b", "a::bc", "a::b::c", "b"]).prop_map(target),
        prop::sample::select(LEVELS.to_vec()).prop_map(level),
        Just(Predicate::exists("x")),
    ];
    leaf.prop_recursive(6, 32, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.and(right)),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.or(right)),
            inner.prop_map(Predicate::not),
        ]
    })
}

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

proptest! {
    #[test]
    fn whatever_may_match_is_reached(predicate in predicates()) {
        let compiled = Compiled::new(&predicate);
        for level in LEVELS {
            for target in ["a", "a::b", "a::b::d", "a::bc", "b", "c"] {
                let of_event = |test: usize| compiled.tests()[test].of_event(level, target, "", None);
                let may_match = compiled.evaluate(of_event) != Some(false);
                prop_assert!(!may_match || reach_admits(compiled.reach(), level, target), "{level} {target}");
            }
        }
    }
}
