//! Typed field values, with the types that a `tracing` visitor distinguishes.

mod number;
mod packed;
mod quoted;
mod shape;
#[cfg(test)]
#[cfg(not(loom))]
pub(crate) mod testing;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod view;

pub(crate) use number::Number;
pub(crate) use packed::{Entries, PackedBytes, PackedEntry};
pub use shape::Shape;
pub(crate) use view::{TextRef, ValueRef};

use compact_str::CompactString;
use std::fmt;

/// The mark that follows a text whose end was cut off at `max_value_bytes`.
pub(crate) use crate::escape::CUT_MARK;

/// What is printed in place of a redacted value.
pub(crate) const REDACTED: &str = "<redacted>";

/// One recorded field value, with the type that the `tracing` visitor saw.
///
/// `Display` prints the same as `{}` of the recorded value. A text that was cut is followed by `…[cut]`.
///
/// ```
/// use tracing_tap::Value;
///
/// assert_eq!(Value::from(42_u8).as_i64(), Some(42));
/// assert_eq!(Value::from("42").as_i64(), None);
/// assert_eq!(Value::from(1.5).to_string(), "1.5");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A signed integer of at most 64 bits.
    I64(i64),
    /// An unsigned integer of at most 64 bits.
    U64(u64),
    /// A signed integer of 128 bits.
    I128(i128),
    /// An unsigned integer of 128 bits.
    U128(u128),
    /// A float; an `f32` is widened.
    F64(f64),
    /// A boolean.
    Bool(bool),
    /// A string.
    Str(Text),
    /// The text of `?value` or `%value`: a visitor cannot distinguish `Debug` from `Display`.
    Debug(Text),
    /// The `Display` text of an error.
    Error(Text),
    /// Bytes, at most `max_value_bytes` of them.
    Bytes(Bytes),
    /// A field named in [`redact_fields`](crate::TapRouterBuilder::redact_fields). Its value was never kept, and no test is
    /// true of it.
    Redacted,
    /// NaN or an infinity that was read back from JSON, which has no notation for them. Its value is not known.
    Null,
}

/// The first `max_bytes` of `text` at most, cut at a character boundary.
#[inline]
pub(crate) fn kept_part(text: &str, max_bytes: usize) -> &str {
    let mut end = max_bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A text of at most [`max_value_bytes`](crate::TapRouterBuilder::max_value_bytes), with a flag for a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Short texts are kept in place: a span's fields then cost no allocation of their own.
    text: CompactString,
    cut: bool,
}

/// At most [`max_value_bytes`](crate::TapRouterBuilder::max_value_bytes) bytes, with a flag for a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    bytes: Vec<u8>,
    cut: bool,
}

impl Value {
    /// The text of a `Str`, `Debug` or `Error` value, without the mark of a cut; `None` for other values.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Debug(text) | Self::Error(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The value as an `i64`; `None` if it is not an integer of that range.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::U128(value) => value.try_into().ok(),
            _ => self.as_i128()?.try_into().ok(),
        }
    }

    /// The value as a `u64`; `None` if it is not an integer of that range.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_u128()?.try_into().ok()
    }

    /// The value as an `i128`; `None` if it is not an integer of that range.
    pub fn as_i128(&self) -> Option<i128> {
        match *self {
            Self::I64(value) => Some(value.into()),
            Self::U64(value) => Some(value.into()),
            Self::I128(value) => Some(value),
            Self::U128(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// The value as a `u128`; `None` if it is not an integer of that range.
    pub fn as_u128(&self) -> Option<u128> {
        match *self {
            Self::U128(value) => Some(value),
            _ => self.as_i128()?.try_into().ok(),
        }
    }

    /// The value of a float; `None` for other values. Integers are not converted: beyond 2^53 that would lose digits.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F64(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a boolean; `None` for other values.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The kept bytes of a `Bytes` value; `None` for other values.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        }
    }

    /// Whether the value was cut at [`max_value_bytes`](crate::TapRouterBuilder::max_value_bytes).
    pub fn is_cut(&self) -> bool {
        match self {
            Self::Str(text) | Self::Debug(text) | Self::Error(text) => text.is_cut(),
            Self::Bytes(bytes) => bytes.is_cut(),
            _ => false,
        }
    }

    /// The same value, borrowed.
    pub(crate) fn view(&self) -> ValueRef<'_> {
        match self {
            Self::I64(value) => ValueRef::I64(*value),
            Self::U64(value) => ValueRef::U64(*value),
            Self::I128(value) => ValueRef::I128(*value),
            Self::U128(value) => ValueRef::U128(*value),
            Self::F64(value) => ValueRef::F64(*value),
            Self::Bool(value) => ValueRef::Bool(*value),
            Self::Str(text) => ValueRef::Str(text.view()),
            Self::Debug(text) => ValueRef::Debug(text.view()),
            Self::Error(text) => ValueRef::Error(text.view()),
            Self::Bytes(bytes) => ValueRef::Bytes { bytes: &bytes.bytes, cut: bytes.cut },
            Self::Redacted => ValueRef::Redacted,
            Self::Null => ValueRef::Null,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl Text {
    /// A text that was kept whole.
    pub(crate) fn whole(text: impl Into<String>) -> Self {
        Self { text: text.into().into(), cut: false }
    }

    /// The kept part of a text, and whether it was cut.
    pub(crate) fn kept(text: &str, cut: bool) -> Self {
        Self { text: CompactString::new(text), cut }
    }

    /// The inverse of `Display`: a text that ends with the mark was cut there.
    pub(crate) fn from_printed(mut printed: String) -> Self {
        let kept = printed.strip_suffix(CUT_MARK).map(str::len);
        printed.truncate(kept.unwrap_or(printed.len()));
        Self { text: printed.into(), cut: kept.is_some() }
    }

    #[cfg(test)]
    #[cfg(not(loom))]
    pub(crate) fn limited(text: &str, max_bytes: usize) -> Self {
        let kept = kept_part(text, max_bytes);
        Self::kept(kept, kept.len() < text.len())
    }

    fn view(&self) -> TextRef<'_> {
        TextRef { text: &self.text, cut: self.cut }
    }

    /// The kept text, without the mark of a cut.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the end was cut off.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl Bytes {
    /// The kept part of some bytes, and whether they were cut.
    pub(crate) fn kept(bytes: Vec<u8>, cut: bool) -> Self {
        Self { bytes, cut }
    }

    /// The inverse of `Display` for cut bytes. Whole bytes cannot be distinguished from text.
    pub(crate) fn from_printed_cut(printed: &str) -> Option<Self> {
        let pairs = printed.strip_prefix('[')?.strip_suffix(']')?.strip_suffix(CUT_MARK)?;
        let bytes =
            pairs.split_terminator(' ').map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<_, _>>().ok()?;
        Some(Self { bytes, cut: true }).filter(|bytes| bytes.to_string() == printed)
    }

    #[cfg(test)]
    #[cfg(not(loom))]
    pub(crate) fn limited(bytes: &[u8], max_bytes: usize) -> Self {
        let kept = &bytes[..bytes.len().min(max_bytes)];
        Self { bytes: kept.to_vec(), cut: kept.len() < bytes.len() }
    }

    /// The kept bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the end was cut off.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// Prints bytes in the form of `tracing`: `[de ad be ef]`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ValueRef::Bytes { bytes: &self.bytes, cut: self.cut }.fmt(f)
    }
}

macro_rules! value_from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

value_from! {
    i8 => I64, i16 => I64, i32 => I64, i64 => I64,
    u8 => U64, u16 => U64, u32 => U64, u64 => U64,
    i128 => I128, u128 => U128, f32 => F64, f64 => F64, bool => Bool,
    &str => Str, &String => Str, String => Str,
}

impl From<isize> for Value {
    fn from(value: isize) -> Self {
        Self::I64(value as i64)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::U64(value as u64)
    }
}

impl<T: Into<String>> From<T> for Text {
    fn from(text: T) -> Self {
        Self::whole(text)
    }
}
