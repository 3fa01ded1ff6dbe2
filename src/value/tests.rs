use super::{
    Number, Text, TextRef, Value, ValueRef,
    number::{PAST_I128, PAST_U128},
};
use proptest::prelude::*;
use std::cmp::Ordering;

fn canonical(value: &Value) -> Option<String> {
    value.view().with_canonical(|text| text.map(str::to_owned))
}

fn text(value: &Value) -> Option<String> {
    value.view().with_text(|text| text.map(str::to_owned))
}

fn debug(text: &str) -> Value {
    Value::Debug(Text::whole(text))
}

fn cut(text: &str) -> Text {
    Text::kept(text, true)
}

fn bytes(bytes: &[u8], max_bytes: usize) -> Value {
    Value::Bytes(super::Bytes::limited(bytes, max_bytes))
}

#[track_caller]
fn check_canonical(value: impl Into<Value>, expected: Option<&str>) {
    assert_eq!(canonical(&value.into()).as_deref(), expected);
}

#[test]
fn canonical_text_is_what_display_prints() {
    check_canonical(-42_i64, Some("-42"));
    check_canonical(u64::MAX, Some("18446744073709551615"));
    check_canonical(i128::MIN, Some("-170141183460469231731687303715884105728"));
    check_canonical(u128::MAX, Some("340282366920938463463374607431768211455"));
    check_canonical(42.0, Some("42"));
    check_canonical(0.1, Some("0.1"));
    check_canonical(f64::INFINITY, Some("inf"));
    check_canonical(true, Some("true"));
    check_canonical(" 42 ", Some(" 42 "));
    check_canonical(Value::Error("refused: closed".into()), Some("refused: closed"));
    check_canonical(bytes(b"\xde\xad", 2), Some("[de ad]"));
}

#[test]
fn a_float_longer_than_the_stack_buffer_is_printed_whole() {
    for float in [f64::MAX, -f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1)] {
        check_canonical(float, Some(&float.to_string()));
    }
}

#[test]
fn nan_cut_and_redacted_values_have_no_canonical_text() {
    check_canonical(f64::NAN, None);
    check_canonical(Value::Str(cut("abc")), None);
    check_canonical(Value::Debug(cut("abc")), None);
    check_canonical(Value::Error(cut("abc")), None);
    check_canonical(bytes(b"\xde\xad", 1), None);
    check_canonical(Value::Redacted, None);
}

#[test]
fn text_is_the_kept_part() {
    let cases = [
        (Value::Str(cut("ab")), Some("ab")),
        (Value::Debug(cut("ab")), Some("ab")),
        (Value::Error(cut("ab")), Some("ab")),
        (bytes(b"\xde\xad\xbe", 2), Some("[de ad")),
        (Value::F64(f64::NAN), Some("NaN")),
        (Value::Redacted, None),
    ];
    for (value, expected) in cases {
        assert_eq!(text(&value).as_deref(), expected, "{value:?}");
    }
}

#[test]
fn only_debug_text_that_is_one_string_literal_is_unquoted() {
    check_canonical(debug(r#""42""#), Some("42"));
    check_canonical(debug(r#""""#), Some(""));
    check_canonical(
        debug(r#""tab\t quote\" backslash\\ bell\u{7} nul\0""#),
        Some("tab\t quote\" backslash\\ bell\u{7} nul\0"),
    );
    check_canonical(debug(r#""a" and "b""#), Some(r#""a" and "b""#));
    check_canonical(debug(r#"Some("42")"#), Some(r#"Some("42")"#));
    check_canonical(Value::from(r#""42""#), Some(r#""42""#));
    check_canonical(Value::Error(r#""42""#.into()), Some(r#""42""#));
    for not_a_literal in
        [r#"""#, r#""\""#, r#""a"#, r#"a""#, r#""\q""#, r#""\u{110000}""#, r#""\u{fffffffff}""#, r#""\u""#]
    {
        check_canonical(debug(not_a_literal), Some(not_a_literal));
    }
}

#[test]
fn a_cut_literal_is_known_by_its_content() {
    let cases = [
        (r#""/admin/us"#, "/admin/us"),
        (r#""line\nline"#, "line\nline"),
        (r#""whole escape\"#, "whole escape"),
        (r#""whole escape\u{1f"#, "whole escape"),
        (r#""closed" and more"#, r#""closed" and more"#),
        (r#""closed""#, r#""closed""#),
        (r#""bad \q escape"#, r#""bad \q escape"#),
    ];
    for (kept, expected) in cases {
        assert_eq!(text(&Value::Debug(cut(kept))).as_deref(), Some(expected), "{kept}");
    }
}

#[test]
fn numbers_and_texts_that_are_written_as_numbers_are_numbers() {
    for text in
        ["42", "-42", "+42", "042", "42.0", "4.2e1", ".5", "5.", "-0", "340282366920938463463374607431768211456"]
    {
        assert!(Value::from(text).view().number().is_some(), "{text}");
    }
    assert_eq!(debug(r#""42""#).view().number(), Some(Number::from(42_i64)));
    assert_eq!(Value::Error("42".into()).view().number(), Some(Number::from(42_i64)));
    assert_eq!(Value::F64(f64::INFINITY).view().number(), Number::from_float(f64::INFINITY));
}

#[test]
fn other_values_are_not_numbers() {
    for text in
        ["", " ", "42 ", " 42", "nan", "NaN", "inf", "-inf", "+Infinity", "1e400", "1_000", "0x10", "4 2", "-", "e5"]
    {
        assert_eq!(Value::from(text).view().number(), None, "{text}");
    }
    for value in
        [true.into(), f64::NAN.into(), Value::Str(cut("42")), Value::Redacted, bytes(b"4", 1), debug("Some(42)")]
    {
        assert_eq!(value.view().number(), None, "{value:?}");
    }
}

#[test]
fn a_text_ref_is_tested_without_a_value() {
    assert!(ValueRef::Str(TextRef { text: "42", cut: false }).with_canonical(|text| text == Some("42")));
}

#[track_caller]
fn check_order(left: impl Into<Value>, expected: Ordering, right: impl Into<Value>) {
    let (left, right) = (left.into(), right.into());
    let (left, right) = (left.view().number().unwrap(), right.view().number().unwrap());
    assert_eq!(left.cmp(&right), expected);
    assert_eq!(right.cmp(&left), expected.reverse());
}

#[test]
fn numbers_compare_exactly_across_types() {
    use Ordering::{Equal, Greater, Less};
    check_order(9_007_199_254_740_993_i64, Greater, 9_007_199_254_740_992.0);
    check_order(9_007_199_254_740_993_u64, Greater, "9007199254740992");
    check_order(9_007_199_254_740_991_i64, Less, 9_007_199_254_740_992.0);
    check_order(9_007_199_254_740_992_u64, Equal, 9_007_199_254_740_992.0);
    check_order(i64::MAX, Less, 9_223_372_036_854_775_808.0);
    check_order(u64::MAX, Less, 18_446_744_073_709_551_616.0);
    check_order(i128::MAX, Less, PAST_I128);
    check_order(i128::MIN, Equal, -PAST_I128);
    check_order(i128::MIN, Greater, (-PAST_I128).next_down());
    check_order(1_u128 << 127, Equal, PAST_I128);
    check_order(u128::MAX, Less, PAST_U128);
    check_order(u128::MAX, Greater, PAST_U128.next_down());
    check_order(u128::MAX, Greater, i128::MAX);
    check_order(u128::MAX, Greater, -1.5);
    check_order(u128::MAX, Less, f64::INFINITY);
    check_order(i128::MIN, Greater, f64::NEG_INFINITY);
    check_order(u128::MAX, Less, "340282366920938463463374607431768211456");
    check_order(0, Equal, -0.0);
    check_order(0.0, Equal, -0.0);
    check_order(-1, Greater, -1.5);
    check_order(1, Less, 1.5);
    check_order(-2, Less, -1.5);
    check_order(1e23, Less, "100000000000000000000000");
}

/// A number in decimal, every digit of it: whether it is negative, its integer part and its fraction.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    integer: String,
    fraction: String,
}

impl Decimal {
    fn new(printed: &str) -> Self {
        let (negative, digits) = printed.strip_prefix('-').map_or((false, printed), |digits| (true, digits));
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let integer = integer.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let is_zero = integer.is_empty() && fraction.is_empty();
        Self { negative: negative && !is_zero, integer, fraction }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let size = |decimal: &Self| (decimal.integer.len(), decimal.integer.clone(), decimal.fraction.clone());
        match (self.negative, other.negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// Finite numbers, many of them close to where a type or its precision ends.
fn any_number() -> impl Strategy<Value = (Number, Decimal)> {
    let float = prop_oneof![
        any::<f64>(),
        (any::<i128>(), -2..=2_i32).prop_map(|(integer, steps)| step(integer as f64, steps)),
        (0..=130_i32, -2..=2_i32, any::<bool>())
            .prop_map(|(power, steps, negative)| step(2_f64.powi(power) * if negative { -1.0 } else { 1.0 }, steps)),
    ];
    let power = (0..127_u32, -2..=2_i128).prop_map(|(power, offset)| (1_i128 << power) + offset);
    prop_oneof![
        float.prop_filter("finite", |float| float.is_finite()).prop_map(|float| {
            // 1,074 digits after the point are enough for every `f64`.
            (Number::from_float(float).unwrap(), Decimal::new(&format!("{float:.1074}")))
        }),
        prop_oneof![any::<i128>(), power.clone(), power.prop_map(|integer| -integer)]
            .prop_map(|integer| (Number::from(integer), Decimal::new(&integer.to_string()))),
        prop_oneof![any::<u128>(), Just(u128::MAX), Just(1 << 127)]
            .prop_map(|integer| (Number::from(integer), Decimal::new(&integer.to_string()))),
    ]
}

fn step(float: f64, steps: i32) -> f64 {
    let next = if steps < 0 { f64::next_down } else { f64::next_up };
    (0..steps.abs()).fold(float, |float, _| next(float))
}

proptest! {
    #[test]
    fn numbers_compare_like_their_decimals(left in any_number(), right in any_number()) {
        prop_assert_eq!(left.0.cmp(&right.0), left.1.compare(&right.1));
    }

    #[test]
    fn an_integer_compares_with_the_floats_around_it(integer in any::<i128>(), steps in -1..=1_i32) {
        let float = step(integer as f64, steps);
        let expected = Decimal::new(&integer.to_string()).compare(&Decimal::new(&format!("{float:.1074}")));
        prop_assert_eq!(Number::from(integer).cmp(&Number::from_float(float).unwrap()), expected);
    }

    #[test]
    fn every_string_that_debug_printed_is_read_back(content in any::<String>()) {
        prop_assert_eq!(canonical(&debug(&format!("{content:?}"))), Some(content));
    }

    #[test]
    fn a_cut_literal_is_a_prefix_of_its_content(content in any::<String>(), kept_bytes in 1..64_usize) {
        let literal = format!("{content:?}");
        let limited = Text::limited(&literal, kept_bytes.min(literal.len() - 1));
        let kept = text(&Value::Debug(limited)).unwrap();
        prop_assert!(content.starts_with(&kept), "{} of {}", kept, content);
    }
}
