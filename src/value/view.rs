//! Values as a visitor sees them: borrowed, and tested without being stored.

use super::{Bytes, CUT_MARK, Number, REDACTED, Text, Value, quoted};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// A borrowed [`Value`].
///
/// The traced thread tests values straight out of a `tracing` visitor, where building a `Value` of every text
/// would cost an allocation each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueRef<'a> {
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Bool(bool),
    Str(TextRef<'a>),
    Debug(TextRef<'a>),
    Error(TextRef<'a>),
    Bytes { bytes: &'a [u8], cut: bool },
    Redacted,
    Null,
}

/// The kept part of a text, and whether its end was cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextRef<'a> {
    pub(crate) text: &'a str,
    pub(crate) cut: bool,
}

impl<'a> ValueRef<'a> {
    /// Calls `f` with what `{}` prints of the whole value, by which values are equal.
    ///
    /// It is the content of a string that `{:?}` printed. NaN equals nothing, what was cut is not known whole,
    /// and what was redacted or lost on the way is not known at all: these have none. Numbers of up to 64 characters
    /// do not allocate.
    #[inline]
    pub(crate) fn with_canonical<R>(self, f: impl FnOnce(Option<&str>) -> R) -> R {
        if self.is_cut() || self.is_nan() { f(None) } else { self.with_text(f) }
    }

    /// Calls `f` with what `{}` prints of the value, up to where it was cut; a value that is not known has no text.
    #[inline]
    pub(crate) fn with_text<R>(self, f: impl FnOnce(Option<&str>) -> R) -> R {
        match self {
            Self::I64(value) => f(Some(itoa::Buffer::new().format(value))),
            Self::U64(value) => f(Some(itoa::Buffer::new().format(value))),
            Self::I128(value) => with_printed(value, f),
            Self::U128(value) => with_printed(value, f),
            Self::F64(value) => with_printed(value, f),
            Self::Bool(value) => f(Some(if value { "true" } else { "false" })),
            Self::Str(text) | Self::Error(text) => f(Some(text.text)),
            Self::Debug(text) => f(Some(&text.unquoted())),
            Self::Bytes { bytes, cut: false } => with_printed(format_args!("[{}]", HexPairs(bytes)), f),
            Self::Bytes { bytes, cut: true } => with_printed(format_args!("[{}", HexPairs(bytes)), f),
            Self::Redacted | Self::Null => f(None),
        }
    }

    /// Calls `f` with the text of the value in its place, where that text takes long to print. Every test answers as it
    /// would of the value, and many tests print it once.
    pub(crate) fn printed_once<R>(self, f: impl FnOnce(ValueRef<'_>) -> R) -> R {
        match self {
            Self::Debug(_) | Self::Bytes { .. } => {
                let cut = self.is_cut();
                self.with_text(|text| f(text.map_or(self, |text| ValueRef::Str(TextRef { text, cut }))))
            }
            _ => f(self),
        }
    }

    /// How many bytes of text a test looks at; those of a number are few and count as none.
    pub(crate) fn text_bytes(self) -> usize {
        match self {
            Self::Str(text) | Self::Debug(text) | Self::Error(text) => text.text.len(),
            Self::Bytes { bytes, .. } => bytes.len().saturating_mul(3),
            _ => 0,
        }
    }

    /// Whether it is what `{:?}` printed of a string.
    pub(crate) fn is_quoted(self) -> bool {
        matches!(self, Self::Debug(text) if text.text.starts_with('"'))
    }

    /// Whether it is printed to be tested.
    pub(crate) fn is_printed(self) -> bool {
        matches!(self, Self::Debug(_) | Self::Error(_) | Self::Bytes { .. })
    }

    /// The value with its texts copied.
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::I64(value) => Value::I64(value),
            Self::U64(value) => Value::U64(value),
            Self::I128(value) => Value::I128(value),
            Self::U128(value) => Value::U128(value),
            Self::F64(value) => Value::F64(value),
            Self::Bool(value) => Value::Bool(value),
            Self::Str(text) => Value::Str(text.to_text()),
            Self::Debug(text) => Value::Debug(text.to_text()),
            Self::Error(text) => Value::Error(text.to_text()),
            Self::Bytes { bytes, cut } => Value::Bytes(Bytes { bytes: bytes.to_vec(), cut }),
            Self::Redacted => Value::Redacted,
            Self::Null => Value::Null,
        }
    }

    /// The number that the value is or that its whole text is written as.
    pub(crate) fn number(self) -> Option<Number> {
        match self {
            Self::I64(value) => Some(value.into()),
            Self::U64(value) => Some(value.into()),
            Self::I128(value) => Some(value.into()),
            Self::U128(value) => Some(value.into()),
            Self::F64(value) => Number::from_float(value),
            Self::Str(_) | Self::Debug(_) | Self::Error(_) => self.with_canonical(|text| Number::parse(text?)),
            Self::Bool(_) | Self::Bytes { .. } | Self::Redacted | Self::Null => None,
        }
    }

    /// Whether the end of the value was cut off.
    pub(crate) fn is_cut(self) -> bool {
        match self {
            Self::Str(text) | Self::Debug(text) | Self::Error(text) => text.cut,
            Self::Bytes { cut, .. } => cut,
            _ => false,
        }
    }

    fn is_nan(self) -> bool {
        matches!(self, Self::F64(value) if value.is_nan())
    }
}

impl<'a> TextRef<'a> {
    fn to_text(self) -> Text {
        Text::kept(self.text, self.cut)
    }

    fn unquoted(self) -> Cow<'a, str> {
        quoted::content(self.text, self.cut)
    }

    /// What `Display` prints, in two parts: the second is the mark or empty.
    ///
    /// A whole text that ends with the mark is parted as well, so that forms which treat the parts differently
    /// show the same once it was [read back](Text::from_printed).
    pub(crate) fn parts(self) -> (&'a str, &'static str) {
        match self.text.strip_suffix(CUT_MARK) {
            _ if self.cut => (self.text, CUT_MARK),
            Some(kept) => (kept, CUT_MARK),
            None => (self.text, ""),
        }
    }
}

impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::I128(value) => value.fmt(f),
            Self::U128(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Str(text) | Self::Debug(text) | Self::Error(text) => text.fmt(f),
            Self::Bytes { bytes, cut } => write!(f, "[{}{}]", HexPairs(bytes), if *cut { CUT_MARK } else { "" }),
            Self::Redacted => f.write_str(REDACTED),
            Self::Null => f.write_str("null"),
        }
    }
}

impl fmt::Display for TextRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)?;
        f.write_str(if self.cut { CUT_MARK } else { "" })
    }
}

/// Prints bytes as `de ad be ef`.
struct HexPairs<'a>(&'a [u8]);

impl fmt::Display for HexPairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// Text on the stack: every integer fits, and every float but the very large and the very small.
#[derive(Default)]
struct Printed(SmallVec<[u8; 64]>);

impl Write for Printed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn with_printed<R>(value: impl fmt::Display, f: impl FnOnce(Option<&str>) -> R) -> R {
    let mut printed = Printed::default();
    write!(printed, "{value}").expect("numbers and bytes print without errors");
    f(Some(str::from_utf8(&printed.0).expect("only whole strings were appended")))
}
