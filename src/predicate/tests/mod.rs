mod compiled;
mod deep;
mod matching;
mod reach;

use super::*;

#[test]
fn operators_are_the_methods() {
    let (left, right) = (Predicate::exists("a"), Predicate::exists("b"));
    assert_eq!(left.clone() & right.clone(), left.clone().and(right.clone()));
    assert_eq!(left.clone() | right.clone(), left.clone().or(right.clone()));
    assert_eq!(!left.clone(), left.not());
}

#[test]
fn joining_keeps_the_order_whichever_side_is_longer() {
    let [a, b, c] = ["a", "b", "c"].map(Predicate::exists);
    let names = |predicate: &Predicate| -> Vec<String> {
        predicate.tests().map(|test| test.field().unwrap().keys()[0].to_string()).collect()
    };
    let left = a.clone().and(b.clone()).or(c.clone());
    let right = a.or(b.and(c));
    assert_eq!(names(&left), ["a", "b", "c"]);
    assert_eq!(names(&right), ["a", "b", "c"]);
    assert_ne!(left, right);
}

#[test]
fn literals_that_say_the_same_make_equal_predicates() {
    assert_eq!(Predicate::eq("n", 42_u8), Predicate::eq("n", 42_i128));
    assert_eq!(Predicate::eq("n", 42.0), Predicate::eq("n", "42"));
    assert_eq!(Predicate::lt("n", 42.0), Predicate::lt("n", String::from("42")));
    let borrowed: &String = &"42".into();
    assert_eq!(Predicate::eq("n", borrowed), Predicate::eq("n", Value::Debug("\"42\"".into())));
    assert_ne!(Predicate::lt("n", "42.0"), Predicate::lt("n", "42"));
    assert_ne!(Predicate::lt("n", 1), Predicate::le("n", 1));
}

#[test]
fn regexes_are_equal_if_they_are_written_the_same() {
    assert_eq!(Predicate::regex("a", "x+").unwrap(), Predicate::regex("a", "x+").unwrap());
    assert_ne!(Predicate::regex("a", "x+").unwrap(), Predicate::regex("a", "xx*").unwrap());
}

#[test]
fn an_invalid_regex_names_itself_and_its_cause() {
    let error = Predicate::regex("path", "a(").unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to build the predicate: the regular expression `a(` is not valid: unclosed group"
    );
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("unclosed group"));
    assert!(!error.is_too_large());
}

#[test]
fn a_pattern_is_shown_short_and_without_what_a_terminal_obeys() {
    let error = Predicate::regex("path", format!("\u{1b}[2J({}", "x".repeat(10_000))).unwrap_err();
    let shown = format!(
        "failed to build the predicate: the regular expression `\\u{{1b}}[2J({}…` is not valid: unclosed character class",
        "x".repeat(35)
    );
    assert_eq!(error.to_string(), shown);
    assert_eq!((error.line(), error.column(), error.hint()), (None, None, None));
}

#[test]
fn an_ordering_with_no_number_is_known_to_be_never_true() {
    for bound in [Value::from("debug"), f64::NAN.into(), f64::INFINITY.into(), true.into(), "nan".into(), "".into()] {
        assert_eq!(Predicate::lt("n", bound.clone()), Predicate::any_of("n", [""; 0]), "{bound:?}");
        assert!(Compiled::new(&Predicate::ge("n", bound)).is_never());
    }
}

#[test]
fn a_regex_that_takes_too_much_memory_is_refused() {
    assert!(Predicate::regex("path", r"\w{1000}{100}").unwrap_err().is_too_large());
}

#[test]
fn the_text_of_a_bound_makes_the_same_bound() {
    let floats = [0.1, -0.0, 1e23, -1e300, f64::MAX, f64::from_bits(1), 9_007_199_254_740_993.0];
    for float in floats {
        let predicate = Predicate::lt("n", float);
        let Some(Check::Ordered(Relation::Less, bound)) = field_check(&predicate) else { panic!("{predicate:?}") };
        assert_eq!(Predicate::lt("n", bound.as_str()), predicate);
        assert_eq!(Value::from(bound.as_str()).view().number(), crate::value::Number::from_float(float));
    }
}

fn field_check(predicate: &Predicate) -> Option<&Check> {
    predicate.tests().next()?.field().map(FieldTest::check)
}

#[test]
fn keys_come_from_every_kind_of_list_without_repetitions() {
    let expected = Predicate::exists(["a", "b"]);
    let cases = [
        Keys::from(["a", "b", "a", "r#b"]),
        Keys::from(["a", "b"].as_slice()),
        Keys::from(vec!["a", "b"]),
        Keys::from(vec![String::from("a"), String::from("r#b")]),
    ];
    for keys in cases {
        assert_eq!(Predicate::exists(keys), expected);
    }
    assert_eq!(Predicate::exists("a"), Predicate::exists(String::from("r#a")));
}
