use crate::event::testing::Parts;
use crate::event::{CapturedEvent, CapturedSpan, Fields};
use crate::predicate::Predicate;
use crate::value::{Bytes, Text, Value};
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::Level;

fn fields<const N: usize>(fields: [(&'static str, Value); N]) -> Fields {
    Fields::listed(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn span<const N: usize>(name: &'static str, values: [(&'static str, Value); N]) -> Arc<CapturedSpan> {
    Arc::new(CapturedSpan {
        name: name.into(),
        level: Level::INFO,
        target: "chat".into(),
        fields: fields(values),
        trace: None,
        request: None,
    })
}

fn parts<const N: usize>(values: [(&'static str, Value); N]) -> Parts {
    Parts {
        time: SystemTime::UNIX_EPOCH,
        level: Level::INFO,
        target: "chat::hub".into(),
        file: Some("src/hub.rs".into()),
        line: Some(214),
        thread: None,
        fields: fields(values),
        spans: Arc::new([]),
        omitted_fields: 0,
    }
}

fn event<const N: usize>(values: [(&'static str, Value); N]) -> CapturedEvent {
    parts(values).into()
}

fn within<const N: usize>(event: CapturedEvent, spans: [Arc<CapturedSpan>; N]) -> CapturedEvent {
    CapturedEvent { spans: Arc::new(spans), ..event }
}

#[track_caller]
fn check(predicate: &Predicate, event: &CapturedEvent, expected: bool) {
    assert_eq!(predicate.is_match(event), expected, "{predicate:?} of {event:?}");
}

/// Checks a predicate about the field `x` of an event with this value there.
#[track_caller]
fn check_value(predicate: &Predicate, value: impl Into<Value>, expected: bool) {
    check(predicate, &event([("x", value.into())]), expected);
}

fn debug(text: &str) -> Value {
    Value::Debug(text.into())
}

fn cut(text: &str) -> Value {
    Value::Str(Text::kept(text, true))
}

#[test]
fn values_are_equal_if_they_say_the_same() {
    for predicate in [Predicate::eq("x", "42"), Predicate::eq("x", 42), Predicate::eq("x", 42.0_f32)] {
        check_value(&predicate, 42_i8, true);
        check_value(&predicate, 42_u64, true);
        check_value(&predicate, 42_i128, true);
        check_value(&predicate, 42_u128, true);
        check_value(&predicate, 42.0, true);
        check_value(&predicate, "42", true);
        check_value(&predicate, debug("42"), true);
        check_value(&predicate, debug("\"42\""), true);
        check_value(&predicate, Value::Error("42".into()), true);
    }
}

#[test]
fn values_that_say_something_else_are_not_equal() {
    for predicate in [Predicate::eq("x", "42"), Predicate::eq("x", 42)] {
        for text in ["4", "420", "042", "42 ", " 42", "+42", "42.0", "\"42\"", ""] {
            check_value(&predicate, text, false);
        }
        check_value(&predicate, debug("Some(42)"), false);
        check_value(&predicate, debug("\"42.0\""), false);
        check_value(&predicate, debug("\"42\", \"42\""), false);
        check_value(&predicate, 42.5, false);
        check_value(&predicate, -42, false);
        check_value(&predicate, true, false);
    }
    check_value(&Predicate::eq("x", 1), true, false);
    check_value(&Predicate::eq("x", "true"), true, true);
}

#[test]
fn equality_is_of_every_digit() {
    let neighbours = [9_007_199_254_740_991_u64, 9_007_199_254_740_992, 9_007_199_254_740_993];
    for literal in neighbours {
        for value in neighbours {
            check_value(&Predicate::eq("x", literal), value, literal == value);
        }
    }
    check_value(&Predicate::eq("x", i128::MIN), i128::MIN, true);
    check_value(&Predicate::eq("x", u128::MAX), u128::MAX, true);
    check_value(&Predicate::eq("x", u128::MAX), u128::MAX - 1, false);
}

#[test]
fn quoted_text_is_compared_by_its_content() {
    check_value(&Predicate::eq("x", "say \"hi\"\n"), debug(r#""say \"hi\"\n""#), true);
    check_value(&Predicate::starts_with("x", "say"), debug(r#""say \"hi\"\n""#), true);
    check_value(&Predicate::ends_with("x", "\n"), debug(r#""say \"hi\"\n""#), true);
    check_value(&Predicate::contains("x", "\\"), debug(r#""say \"hi\"\n""#), false);
    check_value(&Predicate::regex("x", "^say \"hi\"$").unwrap(), debug(r#""say \"hi\"""#), true);
}

#[test]
fn nan_equals_nothing() {
    for literal in [Value::from(f64::NAN), "NaN".into(), "nan".into()] {
        check_value(&Predicate::eq("x", literal.clone()), f64::NAN, false);
        check_value(&Predicate::ne("x", literal), f64::NAN, true);
    }
    check_value(&Predicate::eq("x", f64::NAN), "NaN", false);
    check_value(&Predicate::exists("x"), f64::NAN, true);
    check_value(&Predicate::eq("x", "NaN"), "NaN", true);
}

#[test]
fn any_of_takes_each_value_and_none_of_none() {
    let predicate = Predicate::any_of("x", ["7", "acme corp", "8", "7"]);
    for value in ["7", "8", "acme corp"] {
        check_value(&predicate, value, true);
    }
    check_value(&predicate, 8, true);
    check_value(&predicate, "acme", false);
    check_value(&Predicate::any_of("x", Vec::<String>::new()), "", false);
}

#[test]
fn string_tests_see_the_text_of_every_value() {
    check_value(&Predicate::starts_with("x", "4"), 42, true);
    check_value(&Predicate::starts_with("x", 4), 42, true);
    check_value(&Predicate::starts_with("x", "2"), 42, false);
    check_value(&Predicate::ends_with("x", "2"), 42, true);
    check_value(&Predicate::ends_with("x", "4"), 42, false);
    check_value(&Predicate::contains("x", "."), 4.5, true);
    check_value(&Predicate::contains("x", "ru"), true, true);
    check_value(&Predicate::contains("x", "ad be"), Value::Bytes(Bytes::limited(b"\xde\xad\xbe", 3)), true);
    check_value(&Predicate::regex("x", "^-?[0-9]+$").unwrap(), -42, true);
    check_value(&Predicate::regex("x", "^[0-9]+$").unwrap(), "42 ", false);
    check_value(&Predicate::contains("x", "Abc"), "abc", false);
    check_value(&Predicate::contains("x", "42"), debug("Some(42)"), true);
}

#[test]
fn a_cut_value_is_known_by_its_kept_part() {
    let value = cut("abcabc");
    check_value(&Predicate::exists("x"), value.clone(), true);
    check_value(&Predicate::starts_with("x", "ab"), value.clone(), true);
    check_value(&Predicate::contains("x", "ca"), value.clone(), true);
    check_value(&Predicate::regex("x", "^a.*c").unwrap(), value.clone(), true);
    check_value(&Predicate::eq("x", "abcabc"), value.clone(), false);
    check_value(&Predicate::ends_with("x", "c"), value.clone(), false);
    check_value(&Predicate::ne("x", "abcabc"), value, true);
    check_value(&Predicate::gt("x", 1), cut("42"), false);
    check_value(&Predicate::eq("x", cut("42")), "42", false);
}

#[test]
fn a_redacted_value_satisfies_nothing() {
    let tests = [
        Predicate::exists("x"),
        Predicate::eq("x", "<redacted>"),
        Predicate::eq("x", Value::Redacted),
        Predicate::starts_with("x", ""),
        Predicate::ends_with("x", ""),
        Predicate::contains("x", ""),
        Predicate::regex("x", "").unwrap(),
        Predicate::ge("x", 0),
        Predicate::lt("x", 0),
    ];
    for test in tests {
        check_value(&test, Value::Redacted, false);
    }
}

/// Checks all four orderings against where `value` lies relative to `bound`.
#[track_caller]
fn check_order(value: impl Into<Value>, bound: impl Into<Value>, expected: Option<std::cmp::Ordering>) {
    let (value, bound) = (value.into(), bound.into());
    check_value(&Predicate::lt("x", bound.clone()), value.clone(), expected.is_some_and(|order| order.is_lt()));
    check_value(&Predicate::le("x", bound.clone()), value.clone(), expected.is_some_and(|order| order.is_le()));
    check_value(&Predicate::gt("x", bound.clone()), value.clone(), expected.is_some_and(|order| order.is_gt()));
    check_value(&Predicate::ge("x", bound), value, expected.is_some_and(|order| order.is_ge()));
}

#[test]
fn orderings_are_numeric_and_exact() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    check_order(9, 10, Some(Less));
    check_order("9", "10", Some(Less));
    check_order(debug("\"9\""), 10, Some(Less));
    check_order("42.0", 42, Some(Equal));
    check_order("042", 42, Some(Equal));
    check_order(9_007_199_254_740_993_u64, 9_007_199_254_740_992.0, Some(Greater));
    check_order(9_007_199_254_740_993_u64, "9007199254740993", Some(Equal));
    check_order(9_007_199_254_740_992.0, 9_007_199_254_740_993_u64, Some(Less));
    check_order(u128::MAX, f64::MAX, Some(Less));
    check_order(u128::MAX, i128::MIN, Some(Greater));
    check_order(1e23, 1e23, Some(Equal));
    check_order(f64::INFINITY, u128::MAX, Some(Greater));
    check_order(f64::NEG_INFINITY, i128::MIN, Some(Less));
}

#[test]
fn what_is_not_a_number_is_in_no_order() {
    for value in ["", "nan", "inf", "-inf", "infinity", "42 ", "abc"] {
        check_order(value, 0, None);
        check_order(0, value, None);
        check_order(value, value, None);
    }
    check_order(f64::NAN, 0, None);
    check_order(0, f64::NAN, None);
    check_order(0, f64::INFINITY, None);
    check_order(true, 0, None);
    check_order(debug("Some(42)"), 0, None);
}

#[test]
fn an_absent_field_satisfies_only_negations() {
    let event = event([("y", 1.into())]);
    check(&Predicate::eq("x", 1), &event, false);
    check(&Predicate::ne("x", 1), &event, true);
    check(&Predicate::exists("x"), &event, false);
    check(&Predicate::lt("x", 1), &event, false);
    check(&Predicate::contains("x", ""), &event, false);
}

#[test]
fn a_field_of_the_event_or_of_any_span_around_it_counts() {
    let inner =
        within(event([("x", 1.into())]), [span("conn", [("x", 2.into()), ("user", 7.into())]), span("flush", [])]);
    check(&Predicate::eq("x", 1), &inner, true);
    check(&Predicate::eq("x", 2), &inner, true);
    check(&Predicate::eq("x", 3), &inner, false);
    check(&Predicate::ne("x", 2), &inner, false);
    check(&Predicate::eq("user", 7).and(Predicate::eq("x", 1)), &inner, true);
    check(&Predicate::gt("x", 1).and(Predicate::lt("x", 2)), &inner, true);
}

#[test]
fn every_occurrence_of_a_repeated_field_counts() {
    let repeated = event([("x", 1.into()), ("x", 2.into())]);
    check(&Predicate::eq("x", 1), &repeated, true);
    check(&Predicate::eq("x", 2), &repeated, true);
}

#[test]
fn a_key_may_be_several_names_and_raw_ones() {
    let tenant = Predicate::eq(["tenant", "tenant_id"], 7);
    check(&tenant, &event([("tenant_id", 7.into())]), true);
    check(&tenant, &event([("tenant", "7".into())]), true);
    check(&tenant, &event([("tenants", 7.into())]), false);
    check(&Predicate::exists("r#type"), &event([("type", 1.into())]), true);
    check(&Predicate::exists("type"), &event([("r#type", 1.into())]), true);
    check(&Predicate::exists(Vec::<&str>::new()), &event([("", 1.into())]), false);
}

#[test]
fn levels_order_by_severity() {
    let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    for (wanted, least_severe) in levels.iter().enumerate() {
        for (actual, level) in levels.iter().enumerate() {
            let event = Parts { level: *level, ..parts([]) }.into();
            check(&Predicate::level(*least_severe), &event, actual <= wanted);
        }
    }
}

#[test]
fn targets_match_on_path_boundaries() {
    let cases = [
        ("a::b", "a::b", true),
        ("a::b::c", "a::b", true),
        ("a::bc", "a::b", false),
        ("a::b:c", "a::b", false),
        ("a", "a::b", false),
        ("x::a::b", "a::b", false),
    ];
    for (target, prefix, expected) in cases {
        check(&Predicate::target(prefix), &Parts { target: target.into(), ..parts([]) }.into(), expected);
    }
}

#[test]
fn files_match_whole_or_from_a_slash_on() {
    let cases = [
        (Some("src/hub.rs"), "src/hub.rs", true),
        (Some("src/hub.rs"), "hub.rs", true),
        (Some("crates/chat/src/hub.rs"), "src/hub.rs", true),
        (Some("/chat/src/hub.rs"), "/src/hub.rs", true),
        (Some("src/github.rs"), "hub.rs", false),
        (Some("src/hub.rs"), "chat/src/hub.rs", false),
        (Some("src/hub.rs"), "", false),
        (None, "hub.rs", false),
    ];
    for (file, path, expected) in cases {
        check(&Predicate::file(path), &Parts { file: file.map(Into::into), ..parts([]) }.into(), expected);
    }
}

#[test]
fn spans_and_events_match_by_name() {
    let inner = within(event([]), [span("conn", []), span("r#type", [])]);
    check(&Predicate::span("conn"), &inner, true);
    check(&Predicate::span("type"), &inner, true);
    check(&Predicate::span("r#conn"), &inner, true);
    check(&Predicate::span("con"), &inner, false);
    check(&Predicate::event_name("event src/hub.rs:214"), &inner, true);
    check(&Predicate::event_name("conn"), &inner, false);
}

#[test]
fn combinations_follow_boolean_algebra() {
    let event = event([("x", 1.into())]);
    let (yes, no) = (Predicate::eq("x", 1), Predicate::eq("x", 2));
    check(&yes.clone().and(no.clone()), &event, false);
    check(&no.clone().or(yes.clone()), &event, true);
    check(&no.clone().not().and(yes), &event, true);
    check(&Predicate::everything(), &event, true);
    check(&(!Predicate::everything() | no), &event, false);
}
