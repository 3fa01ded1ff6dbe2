//! Reading one field's value.

use crate::value::{Bytes, CUT_MARK, REDACTED, Text, Value};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// A value before its text is looked into: a span's name is one too, whatever it says.
pub(super) enum Scalar {
    Text(String),
    Other(Value),
}

/// Text that says it was redacted or cut is taken at its word: its print is all that is known of it.
impl Scalar {
    /// The value of an event's own field, whose bytes are text.
    pub(super) fn into_own_value(self) -> Value {
        match self {
            Self::Text(text) => match Bytes::from_printed_cut(&text) {
                Some(bytes) => Value::Bytes(bytes),
                None => text_value(text),
            },
            Self::Other(value) => value,
        }
    }

    /// The value of a span's field, whose bytes are numbers.
    pub(super) fn into_span_value(self) -> Value {
        match self {
            Self::Text(text) => text_value(text),
            Self::Other(value) => value,
        }
    }
}

fn text_value(text: String) -> Value {
    if text == REDACTED { Value::Redacted } else { Value::Str(Text::from_printed(text)) }
}

/// Reads the value of an [event's own field](crate::wire).
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Scalar::deserialize(deserializer).map(Scalar::into_own_value)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean, null, or an array of bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(text))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other(Value::I64(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        // Integer literals are `i32` where nothing says otherwise, so that is what most were.
        Ok(Scalar::Other(i64::try_from(value).map_or(Value::U64(value), Value::I64)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other(Value::F64(value)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other(Value::Bool(value)))
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Other(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Scalar, A::Error> {
        let mut bytes = Vec::new();
        while let Some(element) = elements.next_element()? {
            match element {
                ByteOrMark::Byte(byte) => bytes.push(byte),
                ByteOrMark::Mark => return end_of_cut(elements, bytes),
            }
        }
        Ok(Scalar::Other(Value::Bytes(Bytes::kept(bytes, false))))
    }
}

fn end_of_cut<'de, A: SeqAccess<'de>>(mut elements: A, bytes: Vec<u8>) -> Result<Scalar, A::Error> {
    match elements.next_element::<ByteOrMark>()? {
        None => Ok(Scalar::Other(Value::Bytes(Bytes::kept(bytes, true)))),
        Some(_) => Err(A::Error::custom("bytes follow the mark that they were cut")),
    }
}

enum ByteOrMark {
    Byte(u8),
    Mark,
}

impl<'de> Deserialize<'de> for ByteOrMark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteOrMarkVisitor)
    }
}

struct ByteOrMarkVisitor;

impl Visitor<'_> for ByteOrMarkVisitor {
    type Value = ByteOrMark;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a byte, or `{CUT_MARK}` at the end of bytes that were cut")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ByteOrMark, E> {
        let byte =
            u8::try_from(number).map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))?;
        Ok(ByteOrMark::Byte(byte))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteOrMark, E> {
        let is_mark = text == CUT_MARK;
        is_mark.then_some(ByteOrMark::Mark).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}
