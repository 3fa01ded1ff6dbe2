//! A value of a line, borrowed where it has no escapes, and seen as its session saw it.

use crate::value::{Bytes, CUT_MARK, REDACTED, TextRef, Value, ValueRef};
use crate::wire::value::Scalar;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Whose field a value is of: bytes are text in an event and numbers in a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Event,
    Span,
}

/// A string without a copy, unless it has escapes.
#[derive(Debug)]
pub(super) struct Borrowed<'de>(pub(super) Cow<'de, str>);

/// A value of a field.
#[derive(Debug)]
pub(super) enum FieldValue<'de> {
    Text(Cow<'de, str>),
    Other(Value),
}

impl FieldValue<'_> {
    /// Calls `f` with the value as the session saw it.
    pub(super) fn seen<R>(&self, owner: Owner, f: impl FnOnce(ValueRef<'_>) -> R) -> R {
        let text = match self {
            Self::Other(value) => return f(value.view()),
            Self::Text(text) if text == REDACTED => return f(ValueRef::Redacted),
            Self::Text(text) => &**text,
        };
        let Some(kept) = text.strip_suffix(CUT_MARK) else {
            // Cut bytes end with a bracket.
            let cut_bytes = if owner == Owner::Event { Bytes::from_printed_cut(text) } else { None };
            return match cut_bytes {
                Some(bytes) => f(Value::Bytes(bytes).view()),
                None => f(ValueRef::Debug(TextRef { text, cut: false })),
            };
        };
        f(ValueRef::Debug(TextRef { text: kept, cut: true }))
    }
}

impl<'de> Deserialize<'de> for Borrowed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Borrowed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Borrowed(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Borrowed(Cow::Owned(text.to_owned())))
    }
}

impl<'de> Deserialize<'de> for FieldValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldValueVisitor)
    }
}

struct FieldValueVisitor;

/// What is not text is read as an item reads it.
impl<'de> Visitor<'de> for FieldValueVisitor {
    type Value = FieldValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean, null, or an array of bytes")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(FieldValue::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(FieldValue::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(FieldValue::Other(Value::I64(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(FieldValue::Other(Value::U64(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(FieldValue::Other(Value::F64(value)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(FieldValue::Other(Value::Bool(value)))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(FieldValue::Other(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Self::Value, A::Error> {
        owned(SeqAccessDeserializer::new(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        owned(MapAccessDeserializer::new(members))
    }
}

fn owned<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FieldValue<'de>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Text(text) => FieldValue::Text(Cow::Owned(text)),
        Scalar::Other(value) => FieldValue::Other(value),
    })
}
