//! What is printed is read as an equal predicate, whatever was built.

use super::{read, refused};
use proptest::prelude::*;
use tracing::Level;
use tracing_tap::{Predicate, Value};

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
const WORDS: [&str; 13] =
    ["", "and", "OR", "not", "in", "exists", "*", "042", "@level", "Null", "r#type", "r#r#x", "(a, b)"];
const PATTERNS: [&str; 5] = ["^/admin/", r"\d+", "", "`\"\n\u{1b}", "and"];
const BOUNDS: [f64; 6] = [0.1, -0.0, 1e23, f64::MAX, f64::NAN, f64::NEG_INFINITY];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z_][a-z0-9_.-]{0,8}",
        2 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
        1 => any::<String>().prop_map(|text| text.chars().take(6).collect()),
        1 => "[`\"\\\\\u{0}-\u{1f}\u{7f}-\u{9f}\u{200b}\u{202e} |=()]{1,6}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u128>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => prop::sample::select(&BOUNDS[..]).prop_map(Value::from),
    ]
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 0..4)
}

fn field_test() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        (names(), value()).prop_map(|(names, value)| Predicate::eq(names, value)),
        (names(), value()).prop_map(|(names, value)| Predicate::ne(names, value)),
        (names(), prop::collection::vec(value(), 0..4)).prop_map(|(names, values)| Predicate::any_of(names, values)),
        names().prop_map(Predicate::exists),
        (names(), value()).prop_map(|(names, value)| Predicate::starts_with(names, value)),
        (names(), value()).prop_map(|(names, value)| Predicate::ends_with(names, value)),
        (names(), value()).prop_map(|(names, value)| Predicate::contains(names, value)),
        (names(), prop::sample::select(&PATTERNS[..]))
            .prop_map(|(names, pattern)| Predicate::regex(names, pattern).expect("it is valid")),
        (names(), value()).prop_map(|(names, bound)| Predicate::lt(names, bound)),
        (names(), value()).prop_map(|(names, bound)| Predicate::le(names, bound)),
        (names(), value()).prop_map(|(names, bound)| Predicate::gt(names, bound)),
        (names(), value()).prop_map(|(names, bound)| Predicate::ge(names, bound)),
    ]
}

fn test() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        6 => field_test(),
        3 => prop::sample::select(&LEVELS[..]).prop_map(Predicate::level),
        1 => text().prop_map(Predicate::target),
        1 => text().prop_map(Predicate::span),
        1 => text().prop_map(Predicate::event_name),
        1 => text().prop_map(Predicate::file),
        1 => Just(Predicate::everything()),
    ]
}

/// A level alone, between two that the printer knows a word for and many that it does not.
fn level_range() -> impl Strategy<Value = Predicate> {
    let level = || prop::sample::select(&LEVELS[..]).prop_map(Predicate::level);
    (level(), level()).prop_map(|(low, high)| low.and(high.not()))
}

fn predicate() -> impl Strategy<Value = Predicate> {
    prop_oneof![4 => test(), 1 => level_range()].prop_recursive(6, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.and(right)),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.or(right)),
            inner.prop_map(Predicate::not),
        ]
    })
}

/// Text that looks like a predicate.
fn nearly() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "b.c",
        "and",
        "or",
        "not",
        "in",
        "exists",
        "(",
        ")",
        ",",
        "|",
        "||",
        "&",
        "&&",
        "!",
        "=",
        "!=",
        "<",
        "<=",
        ">",
        "=>",
        "^=",
        "$=",
        "*=",
        "*",
        "~",
        "!~",
        "@level",
        "@target",
        "@lvl",
        "debug",
        "info",
        "42",
        "1e3",
        "\"x\"",
        "\"",
        "`",
        "`n`",
        "\\",
        "\n",
        "'",
        "[",
        "\u{1b}",
        "é",
        "\"\\u00e9\"",
        "\"\\q\"",
        "()",
        "\u{a0}",
    ];
    prop::collection::vec((prop::sample::select(pieces.to_vec()), "[ ]?"), 0..12)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, space)| [piece.to_owned(), space]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_predicate_is_read_as_it_was_printed(predicate in predicate()) {
        let printed = predicate.to_string();
        prop_assert!(!printed.chars().any(char::is_control), "{printed:?}");
        match printed.parse::<Predicate>() {
            Ok(read) => prop_assert_eq!(read, predicate),
            Err(error) => prop_assert!(error.is_too_large() && printed.len() > 4096, "{error}"),
        }
    }

    #[test]
    fn near_predicates_are_read_or_refused_with_a_place(text in nearly()) {
        match text.parse::<Predicate>() {
            Ok(predicate) => prop_assert_eq!(read(&predicate.to_string()), predicate),
            Err(error) => {
                prop_assert!(!error.is_too_large() && error.line().is_some() && error.column().is_some(), "{error}");
            }
        }
    }
}

fn chain(length: usize) -> Predicate {
    (0..length).map(|number| Predicate::eq("n", number)).reduce(Predicate::or).expect("it is not empty")
}

fn deep(depth: usize) -> Predicate {
    (0..depth).fold(Predicate::exists("a"), |inner, _| Predicate::exists("b").and(inner)).not()
}

#[test]
fn a_predicate_at_the_limits_is_read_as_it_was_printed() {
    for predicate in [chain(256), deep(31)] {
        assert_eq!(read(&predicate.to_string()), predicate);
    }
}

#[test]
fn a_larger_one_is_printed_and_refused_as_too_large() {
    let text = "x".repeat(4096);
    for predicate in [chain(257), deep(32), Predicate::eq("user", text), deep(100_000)] {
        assert!(refused(&predicate.to_string()).is_too_large());
    }
}
