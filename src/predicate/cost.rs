//! What a predicate may cost a producer: known before a session is opened, and bounded.
//!
//! A session's tests run on the threads of the service that it watches. Each kind of test has a price in nanoseconds for
//! each KiB of text that it looks at, for the slowest text there is, and a price for each value. An event's fields of
//! 1 KiB together cost at most the sum of all tests.
//!
//! # Calibration
//! `cargo bench --bench paths -- "test of"`, whose texts these are, on a virtual machine with two cores of an AMD EPYC,
//! 2026-11-30: `=` 44 ns a KiB, with 256 long values 183; `^=` 12; `*=` with a pattern of 401 bytes 1,310 to 2,110, with a
//! shorter one at most 370; `~` 3,600, with a table of 1 MiB 4,750, since its cells do not stay in the cache. To print a
//! text takes 900 to 1,130 ns a KiB, to unescape one as well 6,290; to read a number of 40 digits 21,000. 256 tests of one
//! short field take 34 ns each, and 1.6 ns for each further field that none of them names. The prices are these, rounded
//! up.

use super::compiled::Compiled;
use super::{Bits, Check, FieldTest, Predicate, PredicateError, Test};
use crate::value::{Number, ValueRef};
use std::cell::OnceCell;

/// No predicate of others costs more for an event of 1 KiB: 50 microseconds.
const MAX_NANOS_PER_KIB: u64 = 50_000;
/// Nor do the tables of its regular expressions take more: 2 MiB, which are freed with the session.
const MAX_TABLE_BYTES: usize = 2 << 20;

/// What the tests of one value cost in addition to what they look at.
const NANOS_PER_TEST: u64 = 40;
/// So many tests cost no more than the event that they are tested on.
const FREE_TESTS: u64 = 8;
/// Whether any test is of a further field.
const NANOS_PER_FIELD: u64 = 2;
/// Comparing texts.
const NANOS_PER_KIB_COMPARED: u64 = 60;
/// Looking for a text in another.
const NANOS_PER_KIB_SEARCHED: u64 = 2_500;
/// Looking for a regular expression.
const NANOS_PER_KIB_MATCHED: u64 = 5_000;
/// Printing a value with `{}` or `{:?}`.
const NANOS_PER_KIB_PRINTED: u64 = 1_200;
/// Printing a string with `{:?}`, and reading that as the string.
const NANOS_PER_KIB_QUOTED: u64 = 6_500;
/// Reading a number of at most [`Number::MAX_DIGITS`], the slowest there is: one next to the smallest of 64 bits. It
/// is read twice: for all tests, and for coverage, which notes what values look like.
const NANOS_PER_NUMBER: u64 = 25_000;
/// Reading a text that is no number, or one of at most [`SHORT_NUMBER_BYTES`].
const NANOS_PER_SHORT_NUMBER: u64 = 60;
const SHORT_NUMBER_BYTES: usize = 19;

const KIB: usize = 1 << 10;
const FEW_TEXTS: usize = 8;

impl Predicate {
    /// The most that this predicate costs a producer for an event of 1 KiB, in nanoseconds on a usual machine.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    ///
    /// let cheap: Predicate = "user = 42".parse()?;
    /// let dear: Predicate = "message ~ \"^GET /[a-z]+\"".parse()?;
    /// assert!(cheap.cost() < dear.cost());
    /// # Ok::<_, tracing_tap::PredicateError>(())
    /// ```
    pub fn cost(&self) -> u64 {
        let fields = || self.tests().filter_map(Test::field);
        let tests = fields().map(|test| NANOS_PER_TEST.saturating_add(nanos_of_text(test.check(), KIB)));
        let has = |is: fn(&Check) -> bool| fields().any(|test| is(test.check()));
        let printing = if fields().next().is_some() { NANOS_PER_KIB_QUOTED } else { 0 };
        let number = if has(|check| matches!(check, Check::Ordered(..))) { NANOS_PER_NUMBER } else { 0 };
        tests.fold(printing + number, u64::saturating_add)
    }

    /// How many bytes the tables of its regular expressions take.
    pub(crate) fn table_bytes(&self) -> usize {
        table_bytes(self.tests())
    }

    /// # Errors
    /// If it may cost a producer more than 50 microseconds for an event of 1 KiB, or more than 2 MiB for tables.
    pub(crate) fn check_cost(&self) -> Result<(), PredicateError> {
        let bytes = self.table_bytes();
        if bytes > MAX_TABLE_BYTES {
            let (taken, allowed) = (bytes.div_ceil(1024), MAX_TABLE_BYTES / 1024);
            let message =
                format!("the tables of its regular expressions take {taken} KiB, more than the {allowed} allowed");
            return Err(
                PredicateError::limit(message).with_hint(Some("use fewer regular expressions, or simpler ones"))
            );
        }
        let cost = self.cost();
        if cost <= MAX_NANOS_PER_KIB {
            return Ok(());
        }
        let message = format!(
            "the predicate may take {} µs of the service's time for an event of 1 KiB, more than the {} allowed",
            cost.div_ceil(1000),
            MAX_NANOS_PER_KIB / 1000
        );
        let hint = "use fewer tests with `~` and `*=`; `=`, `^=` and `$=` cost next to nothing";
        Err(PredicateError::limit(message).with_hint(Some(hint)))
    }
}

/// What producers do, and what it costs at most: the same prices without a clock.
impl Compiled {
    /// How many bytes the tables of its regular expressions take.
    pub(crate) fn table_bytes(&self) -> usize {
        table_bytes(self.tests().iter())
    }

    /// The price of a look at an event with so many fields. A few tests cost no more than the event itself, and are free.
    #[inline]
    pub(crate) fn nanos_of_look(&self, fields: impl FnOnce() -> usize) -> u64 {
        let tests = (self.tests().len() as u64).saturating_sub(FREE_TESTS);
        if tests == 0 {
            return 0;
        }
        tests.saturating_mul(NANOS_PER_TEST.saturating_add(NANOS_PER_FIELD.saturating_mul(fields() as u64)))
    }

    /// Notes the tests that a value of this field satisfies. Returns the price of what they looked at.
    pub(crate) fn test_value(&self, name: &str, value: ValueRef<'_>, satisfied: &mut Bits) -> u64 {
        let mut nanos = nanos_of_printing(value);
        value.printed_once(|printed| {
            let number = OnceCell::new();
            let read_number = || {
                *number.get_or_init(|| match value {
                    ValueRef::Debug(_) => printed.number(),
                    _ => value.number(),
                })
            };
            for (place, test) in self.tests().iter().enumerate() {
                let Some(test) = test.field().filter(|test| test.names(name) && !satisfied.contains(place)) else {
                    continue;
                };
                nanos = nanos.saturating_add(nanos_of_text(test.check(), printed.text_bytes()));
                if test.accepts_as(printed, read_number) {
                    satisfied.insert(place);
                }
            }
            nanos.saturating_add(number.get().map_or(0, |number| nanos_of_number(*number, printed)))
        })
    }
}

fn table_bytes<'a>(tests: impl Iterator<Item = &'a Test>) -> usize {
    tests.filter_map(Test::field).map(FieldTest::table_bytes).fold(0, usize::saturating_add)
}

/// The price of one test of a text of so many bytes.
fn nanos_of_text(check: &Check, bytes: usize) -> u64 {
    let per_kib = |bytes: usize, nanos: u64| (bytes as u64).saturating_mul(nanos) / KIB as u64;
    let compared = |text: &str| per_kib(text.len().min(bytes), NANOS_PER_KIB_COMPARED);
    match check {
        Check::Exists | Check::Ordered(..) => 0,
        // A binary search. How long they are is asked of few: producers ask this.
        Check::Equals(texts) => {
            let longest = match texts.len() {
                0..=FEW_TEXTS => texts.iter().map(|text| text.len()).max().unwrap_or(0),
                _ => bytes,
            };
            let comparisons = u64::from(usize::BITS - texts.len().leading_zeros());
            per_kib(longest.min(bytes), NANOS_PER_KIB_COMPARED).saturating_mul(comparisons)
        }
        Check::StartsWith(text) | Check::EndsWith(text) => compared(text),
        Check::Contains(_) => per_kib(bytes, NANOS_PER_KIB_SEARCHED),
        Check::Matches(_) => per_kib(bytes, NANOS_PER_KIB_MATCHED),
    }
}

fn nanos_of_printing(value: ValueRef<'_>) -> u64 {
    let per_kib = match value.is_printed() {
        _ if value.is_quoted() => NANOS_PER_KIB_QUOTED,
        true => NANOS_PER_KIB_PRINTED,
        false => 0,
    };
    (value.text_bytes() as u64).saturating_mul(per_kib) / KIB as u64
}

fn nanos_of_number(number: Option<Number>, value: ValueRef<'_>) -> u64 {
    match value.text_bytes() {
        0 => 0,
        bytes if number.is_some() && bytes > SHORT_NUMBER_BYTES => NANOS_PER_NUMBER,
        _ => NANOS_PER_SHORT_NUMBER,
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_that_costs_too_much_is_refused_with_its_price() {
        let many = |test: &str, count: usize| vec![test; count].join(" or ");
        assert!(many("message *= abc", 17).parse::<Predicate>().is_ok());
        let error = many("message *= abc", 18).parse::<Predicate>().expect_err("it is refused");
        assert!(error.is_too_large());
        let text = error.to_string();
        assert!(text.contains("53 µs") && text.contains("more than the 50 allowed"), "{text}");
        assert!(many("user = 42", 256).parse::<Predicate>().is_ok());
        assert!(many("n > 42", 256).parse::<Predicate>().is_ok());
    }

    #[test]
    fn a_long_text_costs_what_is_compared_with_it() {
        let equals = |text: &str| Predicate::eq("text", text);
        assert_eq!(equals("x").cost(), equals("y").cost());
        assert!(equals(&"x".repeat(512)).cost() > equals("x").cost());
        assert_eq!(equals(&"x".repeat(1024)).cost(), equals(&"x".repeat(9999)).cost());
    }

    #[test]
    fn many_tests_of_one_value_read_it_once() {
        let above = |bound: u64| Predicate::gt("n", bound);
        let compiled = Compiled::new(&(0..9).map(above).fold(Predicate::contains("n", 7), Predicate::or));
        let digits = "7".repeat(40);
        for value in [format!("{digits:?}"), digits] {
            let mut satisfied = Bits::default();
            let value = crate::value::Text::kept(&value, false);
            let cost = compiled.test_value("n", crate::Value::Debug(value).view(), &mut satisfied);
            assert!((0..10).all(|test| satisfied.contains(test)));
            assert!((NANOS_PER_NUMBER..2 * NANOS_PER_NUMBER).contains(&cost), "{cost}");
        }
    }

    #[test]
    fn a_value_costs_by_its_length_and_by_the_tests_that_look_at_it() {
        let predicate = Predicate::contains("text", "abc") & Predicate::eq("other", 1);
        let compiled = Compiled::new(&predicate);
        let cost = |name: &str, bytes: usize| {
            compiled.test_value(name, crate::Value::from("x".repeat(bytes)).view(), &mut Bits::default())
        };
        assert_eq!((cost("text", 0), cost("text", 1024), cost("text", 8192)), (0, 2_500, 20_000));
        assert_eq!(cost("unnamed", 8192), 0);
    }

    #[test]
    fn tables_of_more_than_two_mib_are_refused_with_their_size() {
        let tables = |count: usize| {
            let of = |digit| format!("message ~ \"^(?:abcdefghijklmnopqrstuvwxyz0123456789){{100}}{digit}\"");
            let predicate: Predicate = (0..count).map(of).collect::<Vec<_>>().join(" or ").parse()?;
            Ok::<_, PredicateError>((predicate.table_bytes(), Compiled::new(&predicate).table_bytes()))
        };
        let (one, kept) = tables(1).unwrap();
        assert!((MAX_TABLE_BYTES / 3..MAX_TABLE_BYTES / 2).contains(&one), "{one}");
        assert_eq!((kept, tables(2).unwrap().0), (one, 2 * one));
        let error = tables(3).expect_err("it is refused");
        assert!(error.is_too_large());
        let expected = format!("take {} KiB, more than the 2048 allowed", (3 * one).div_ceil(1024));
        assert!(error.to_string().contains(&expected), "{error}");
    }

    #[test]
    fn a_few_tests_are_free_and_each_more_costs_by_the_fields() {
        let look = |tests: u64, fields| {
            let predicate = (0..tests).map(|value| Predicate::gt("n", value)).reduce(Predicate::or).unwrap();
            Compiled::new(&predicate).nanos_of_look(|| fields)
        };
        assert_eq!((look(1, 3), look(8, 3)), (0, 0));
        assert_eq!((look(9, 3), look(11, 3)), (46, 3 * 46));
    }

    #[test]
    fn a_list_of_texts_costs_a_binary_search() {
        let price = |texts: &[&str]| {
            let predicate = Predicate::any_of("text", texts.iter().copied());
            let check = predicate.tests().find_map(Test::field).unwrap().check().clone();
            nanos_of_text(&check, KIB)
        };
        let long = "x".repeat(KIB);
        assert_eq!(price(&[&*long]), 60);
        assert_eq!((price(&[&*long, "a"]), price(&[&*long, "a", "b", "c"])), (120, 180));
    }

    #[test]
    fn values_that_are_printed_to_be_tested_cost_that() {
        let text = |text: String| crate::value::Text::kept(&text, false);
        let price = |value: &crate::Value| nanos_of_printing(value.view());
        let plain = "x".repeat(KIB);
        assert_eq!(price(&crate::Value::from(plain.clone())), 0);
        assert_eq!(price(&crate::Value::Debug(text(plain.clone()))), NANOS_PER_KIB_PRINTED);
        assert_eq!(price(&crate::Value::Error(text(plain.clone()))), NANOS_PER_KIB_PRINTED);
        let quoted = format!("\"{}\"", &plain[2..]);
        assert_eq!(price(&crate::Value::Debug(text(quoted))), NANOS_PER_KIB_QUOTED);
    }

    #[test]
    fn only_long_texts_that_are_numbers_cost_as_such() {
        let price = |text: &str| {
            let value = crate::Value::from(text.to_owned());
            nanos_of_number(value.view().number(), value.view())
        };
        let [short, long] = [19, 20].map(|digits| "7".repeat(digits));
        assert_eq!(["", "x", &"x".repeat(40), &short].map(price), [0, 60, 60, 60]);
        assert_eq!(price(&long), NANOS_PER_NUMBER);
    }
}
