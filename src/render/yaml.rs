//! Keys and scalars of a YAML block, written so that YAML 1.1 and YAML 1.2 parsers read back the same values.
//!
//! The argument for texts left plain: every number, date and special float of either version begins with a digit, a
//! sign or a dot, and every indicator is punctuation. So a text that begins with a letter (or with `_ $ / ( <`, which
//! mean nothing in YAML) can only be mistaken for one of the [`RESERVED_WORDS`], and it can only be broken off by
//! `: `, ` #`, a line break, or a space or colon at its end. Every other text is double-quoted, needed or not: an
//! unneeded quote costs two characters, a missing one changes a value.

use super::ascii::is_plain_word;
use crate::escape::{is_hidden, write_escaped};
use crate::time::TimeText;
use crate::value::{TextRef, ValueRef};
use std::fmt;

/// Words that some parser reads as a boolean, null, a float or a merge key, in whatever case.
const RESERVED_WORDS: [&str; 13] =
    ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "infinity", "<<"];

/// YAML wants a key to end within 1,024 characters, or to be announced by `?`; an escape takes at most four
/// characters for each byte of what it stands for.
const MAX_UNANNOUNCED_KEY_BYTES: usize = 255;

/// Writes a key and its colon; `line` is a line break and the spaces up to the column where the key begins.
pub(super) fn write_key(out: &mut impl fmt::Write, line: &str, key: &str) -> fmt::Result {
    if key.len() <= MAX_UNANNOUNCED_KEY_BYTES {
        write_text(out, key)?;
        return out.write_str(":");
    }
    out.write_str("? ")?;
    write_text(out, key)?;
    out.write_str(line)?;
    out.write_str(":")
}

/// Writes a field's value: numbers and booleans plain, everything else as a text.
///
/// A 128-bit integer that fits into 64 bits is a number like any other. A larger one is quoted, since most parsers
/// would make it a float and lose its last digits.
pub(super) fn write_value(out: &mut impl fmt::Write, value: ValueRef<'_>) -> fmt::Result {
    match value {
        ValueRef::F64(float) => write_float(out, float),
        ValueRef::Str(text) | ValueRef::Debug(text) | ValueRef::Error(text) => write_kept_text(out, text),
        ValueRef::I64(_) | ValueRef::U64(_) | ValueRef::Bool(_) | ValueRef::Redacted | ValueRef::Null => {
            write!(out, "{value}")
        }
        ValueRef::I128(integer) if fits_64_bits(integer) => write!(out, "{integer}"),
        ValueRef::U128(integer) if u64::try_from(integer).is_ok() => write!(out, "{integer}"),
        ValueRef::I128(_) | ValueRef::U128(_) | ValueRef::Bytes { .. } => write!(out, "\"{value}\""),
    }
}

/// Writes a time, quoted where it is not of the calendar: YAML reserves the `@`.
pub(super) fn write_time(out: &mut impl fmt::Write, time: &TimeText) -> fmt::Result {
    if time.is_of_calendar() { out.write_str(time.as_str()) } else { write!(out, "\"{}\"", time.as_str()) }
}

/// Writes a text, quoted where it would not read back as itself.
pub(super) fn write_text(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    write_text_and(out, text, |_| Ok(()))
}

/// Writes a text and what follows it as one text.
///
/// What follows must be visible characters that neither need an escape nor break off a plain text that they follow,
/// such as a line number or the mark of a cut.
pub(super) fn write_text_and<W: fmt::Write>(
    out: &mut W,
    text: &str,
    write_rest: impl FnOnce(&mut W) -> fmt::Result,
) -> fmt::Result {
    if reads_back_plain(text) {
        out.write_str(text)?;
        return write_rest(out);
    }
    out.write_str("\"")?;
    write_escaped(out, text)?;
    write_rest(out)?;
    out.write_str("\"")
}

fn write_kept_text(out: &mut impl fmt::Write, text: TextRef<'_>) -> fmt::Result {
    let (kept, mark) = text.parts();
    write_text_and(out, kept, |out| out.write_str(mark))
}

/// Writes a float that reads back as the same float, with the dot and the signed exponent that YAML 1.1 asks for.
fn write_float(out: &mut impl fmt::Write, float: f64) -> fmt::Result {
    match float.abs() {
        _ if float.is_nan() => out.write_str(".nan"),
        _ if float == f64::INFINITY => out.write_str(".inf"),
        _ if float == f64::NEG_INFINITY => out.write_str("-.inf"),
        0.0 | 1e-4..1e16 => write!(out, "{float:?}"),
        _ => write_exponential(out, float),
    }
}

fn write_exponential(out: &mut impl fmt::Write, float: f64) -> fmt::Result {
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let fraction = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    write!(out, "{mantissa}{fraction}e{sign}{exponent}")
}

fn fits_64_bits(integer: i128) -> bool {
    i64::try_from(integer).is_ok() || u64::try_from(integer).is_ok()
}

fn reads_back_plain(text: &str) -> bool {
    text.starts_with(begins_plain) && is_unbroken(text) && !is_reserved_word(text)
}

/// Whether nothing in a text, nor at its end, breaks it off. Only spaces and what is no ASCII need a close look.
fn is_unbroken(text: &str) -> bool {
    !text.ends_with([' ', ':'])
        && (is_plain_word(text) || (!text.contains(": ") && !text.contains(" #") && !text.contains(needs_quotes)))
}

fn begins_plain(character: char) -> bool {
    character.is_alphabetic() || matches!(character, '_' | '$' | '/' | '(' | '<')
}

/// Spaces other than the plain one mean nothing to YAML but may be trimmed, and quotes show where they end.
fn needs_quotes(character: char) -> bool {
    is_hidden(character) || (character.is_whitespace() && character != ' ')
}

fn is_reserved_word(text: &str) -> bool {
    RESERVED_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::render::testing::{any_text, yaml_looking};
    use crate::value::Value;
    use proptest::prelude::*;
    use proptest::string::string_regex;

    /// The forms that YAML 1.1 gives a meaning (yaml.org/type), as far as they are one line.
    const YAML_1_1_FORMS: [&str; 12] = [
        "y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        "~|null|Null|NULL|",
        "<<|=",
        "[-+]?0b[0-1_]+",
        "[-+]?0[0-7_]+",
        "[-+]?(0|[1-9][0-9_]*)",
        "[-+]?0x[0-9a-fA-F_]+",
        "[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+",
        r"[-+]?([0-9][0-9_]*)?\.[0-9._]*([eE][-+][0-9]+)?",
        r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*",
        r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        concat!(
            "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}",
            r"([Tt ][0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?( ?(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?)?"
        ),
    ];

    fn written(value: impl Into<Value>) -> String {
        let mut out = String::new();
        write_value(&mut out, value.into().view()).unwrap();
        out
    }

    #[test]
    fn a_text_that_yaml_would_not_read_as_itself_is_quoted() {
        for text in yaml_looking() {
            assert!(written(text).starts_with('"'), "{text:?}");
        }
    }

    #[test]
    fn a_quoted_text_escapes_quotes_backslashes_and_hidden_ones() {
        assert_eq!(written("{ x: \"y\" }"), r#""{ x: \"y\" }""#);
        assert_eq!(written("a\\b\n\u{1B}\u{202E}漢"), r#""a\\b\n\x1B\u202E漢""#);
        assert_eq!(written("\u{3000}"), "\"\u{3000}\"");
    }

    #[test]
    fn a_text_that_reads_as_itself_is_plain() {
        for text in ["orders", "chat::hub", "a, b", r"C:\new", "/srv/a#b", "Some(\"x\")…", "it's [ok] {too}", "Ünï 漢"]
        {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn numbers_and_booleans_are_plain_where_all_parsers_agree() {
        assert_eq!(written(true), "true");
        assert_eq!(written(u64::MAX), "18446744073709551615");
        assert_eq!(written(-5_i128), "-5");
        assert_eq!(written(u128::from(u64::MAX)), "18446744073709551615");
        assert_eq!(written(1_u128 << 64), "\"18446744073709551616\"");
        assert_eq!(written(i128::MIN), "\"-170141183460469231731687303715884105728\"");
    }

    #[test]
    fn a_float_looks_like_one_in_yaml_1_1() {
        let floats =
            [1.0, -0.0, 0.1, 1e15, 1e16, -2.5e300, 1e-4, 1e-5, 5e-324, f64::NAN, f64::INFINITY, -f64::INFINITY];
        let expected =
            "1.0 -0.0 0.1 1000000000000000.0 1.0e+16 -2.5e+300 0.0001 1.0e-5 5.0e-324 .nan .inf -.inf".split(' ');
        assert_eq!(floats.map(written).as_slice(), expected.collect::<Vec<_>>());
    }

    fn any_yaml_1_1_form() -> impl Strategy<Value = String> {
        proptest::strategy::Union::new(YAML_1_1_FORMS.map(|form| string_regex(form).unwrap()))
    }

    proptest! {
        #[test]
        fn no_text_left_plain_means_something_in_yaml_1_1(text in prop_oneof![any_yaml_1_1_form(), any_text()]) {
            let forms = regex::RegexSet::new(YAML_1_1_FORMS.map(|form| format!("^(?:{form})$"))).unwrap();
            prop_assert!(!forms.is_match(&written(text.as_str())), "{:?}", text);
        }

        #[test]
        fn a_float_reads_back_as_the_same_float(float in proptest::num::f64::ANY) {
            let text = written(float);
            let read: f64 = serde_norway::from_str(&text).unwrap();
            prop_assert!(read.to_bits() == float.to_bits() || (read.is_nan() && float.is_nan()), "{}", text);
            prop_assert!(text.contains('.'), "{}", text);
        }
    }
}
