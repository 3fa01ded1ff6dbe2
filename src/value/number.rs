//! Numbers of every width on one scale, for orderings.

use std::cmp::Ordering;

/// 2^127, the first integer past `i128`.
pub(super) const PAST_I128: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;

/// 2^128, the first integer past `u128`.
pub(super) const PAST_U128: f64 = 2.0 * PAST_I128;

/// An integer or a float that is not NaN. All of them compare by their exact mathematical value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(Repr);

#[derive(Clone, Copy, Debug)]
enum Repr {
    Integer(i128),
    /// Only integers past `i128::MAX`, so that every integer has one form.
    LargeInteger(u128),
    /// Never NaN.
    Float(f64),
}

impl Number {
    /// What `{}` prints of any float is shorter.
    pub(crate) const MAX_TEXT_BYTES: usize = 400;
    /// No integer of 128 bits and no float has more. Reading hundreds next to a subnormal number takes 50 microseconds.
    pub(crate) const MAX_DIGITS: usize = 40;

    /// The number a float stands for; NaN stands for none.
    pub(crate) fn from_float(value: f64) -> Option<Self> {
        (!value.is_nan()).then_some(Self(Repr::Float(value)))
    }

    /// The finite number that is written as `text`, without anything around it; `None` if it has more than
    /// [`MAX_DIGITS`](Self::MAX_DIGITS) significant digits or takes more than [`MAX_TEXT_BYTES`](Self::MAX_TEXT_BYTES).
    ///
    /// Integers of up to 128 bits are read exactly, everything else as the nearest `f64`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_DIGITS
            && (text.len() > Self::MAX_TEXT_BYTES || significant_digits(text) > Self::MAX_DIGITS)
        {
            return None;
        }
        if let Ok(value) = text.parse::<i128>() {
            return Some(value.into());
        }
        if let Ok(value) = text.parse::<u128>() {
            return Some(value.into());
        }
        let value: f64 = text.parse().ok()?;
        value.is_finite().then_some(Self(Repr::Float(value)))
    }
}

/// How many digits there are between the zeros at both ends; a point among them counts as none.
fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let digits = mantissa.trim_start_matches(['+', '-', '0', '.']).trim_end_matches(['0', '.']);
    digits.len() - usize::from(digits.contains('.'))
}

impl From<i128> for Number {
    fn from(value: i128) -> Self {
        Self(Repr::Integer(value))
    }
}

impl From<u128> for Number {
    fn from(value: u128) -> Self {
        Self(i128::try_from(value).map_or(Repr::LargeInteger(value), Repr::Integer))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        i128::from(value).into()
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        i128::from(value).into()
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Repr::Integer(left), Repr::Integer(right)) => left.cmp(&right),
            (Repr::LargeInteger(left), Repr::LargeInteger(right)) => left.cmp(&right),
            (Repr::Integer(_), Repr::LargeInteger(_)) => Ordering::Less,
            (Repr::LargeInteger(_), Repr::Integer(_)) => Ordering::Greater,
            (Repr::Float(left), Repr::Float(right)) => compare_floats(left, right),
            (Repr::Float(left), Repr::Integer(right)) => compare_with_integer(left, right),
            (Repr::Integer(left), Repr::Float(right)) => compare_with_integer(right, left).reverse(),
            (Repr::Float(left), Repr::LargeInteger(right)) => compare_with_large_integer(left, right),
            (Repr::LargeInteger(left), Repr::Float(right)) => compare_with_large_integer(right, left).reverse(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Number {}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

/// Not `total_cmp`, which distinguishes the two zeros.
fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).expect("no number is NaN")
}

fn compare_with_integer(float: f64, integer: i128) -> Ordering {
    if float >= PAST_I128 {
        Ordering::Greater
    } else if float < -PAST_I128 {
        Ordering::Less
    } else {
        // Within the range the cast only drops the fraction, which then decides between equals.
        (float as i128).cmp(&integer).then_with(|| compare_floats(float.fract(), 0.0))
    }
}

fn compare_with_large_integer(float: f64, integer: u128) -> Ordering {
    if float >= PAST_U128 {
        Ordering::Greater
    } else {
        // Negative floats become 0, which is below every large integer; floats near them have no fraction.
        (float as u128).cmp(&integer)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_more_digits_than_a_number_has_is_none() {
        let is_number = |text: &str| Number::parse(text).is_some();
        for float in [f64::MAX, f64::MIN_POSITIVE, 5e-324, -2.2250738585072014e-308, 1e300, f64::EPSILON] {
            assert_eq!(Number::parse(&float.to_string()), Number::from_float(float), "{float}");
        }
        let zeros = "0".repeat(300);
        for text in
            [&"7".repeat(40), &format!("{zeros}42"), &format!("-0.{zeros}42{}", &zeros[..90]), &u128::MAX.to_string()]
        {
            assert!(is_number(text), "{text}");
        }
        for text in ["7".repeat(41), format!("2.{}e-324", "7".repeat(40)), "0".repeat(401)] {
            assert!(!is_number(&text), "{text}");
        }
    }
}
