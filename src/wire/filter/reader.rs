//! Reading one line: what the predicate tests, and nothing else.

use super::LineError;
use super::scalar::{Borrowed, FieldValue, Owner};
use crate::event::{CapturedSpan, name_of_key};
use crate::predicate::{Bits, Compiled, Test};
use crate::trace::{SPAN_ID, TRACE_ID};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use tracing_core::Level;

/// What is known of the event or the timing of a line.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    level: Level,
    target: Cow<'a, str>,
    file: Option<Cow<'a, str>>,
    /// The tests that a span, a field of one, or the trace satisfies.
    satisfied: Bits,
    /// Those that a field of its own satisfies. A timing has none that a session tests.
    own: Bits,
}

impl<'a> Facts<'a> {
    /// # Errors
    /// If the line is not JSON, or neither an event nor a timing.
    pub(super) fn read(line: &'a [u8], compiled: &Compiled) -> Result<Self, LineError> {
        let text = str::from_utf8(line).map_err(|_| LineError::no_text())?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let facts = (&mut reader).deserialize_map(EventVisitor(Tested::by(compiled))).map_err(LineError::no_event)?;
        reader.end().map_err(LineError::no_event)?;
        Ok(facts)
    }

    /// Whether they satisfy the predicate.
    pub(super) fn satisfy(&self, compiled: &Compiled) -> bool {
        let answer = compiled.evaluate(|number| match &compiled.tests()[number] {
            Test::Field(_) => Some(self.satisfied.contains(number) || self.own.contains(number)),
            Test::Span(_) => Some(self.satisfied.contains(number)),
            test => test.of_event(self.level, &self.target, "", self.file.as_deref()),
        });
        answer == Some(true)
    }
}

/// The tests satisfied so far.
#[derive(Debug)]
struct Tested<'c> {
    compiled: &'c Compiled,
    satisfied: Bits,
    own: Bits,
    tests_spans: bool,
}

impl<'c> Tested<'c> {
    fn by(compiled: &'c Compiled) -> Self {
        let tests_spans = compiled.tests().iter().any(|test| matches!(test, Test::Span(_)));
        Self { compiled, satisfied: Bits::default(), own: Bits::default(), tests_spans }
    }

    fn field(&mut self, name: &str, value: &FieldValue<'_>, owner: Owner) {
        if self.compiled.names(name) {
            let satisfied = if owner == Owner::Event { &mut self.own } else { &mut self.satisfied };
            value.seen(owner, |seen| self.compiled.test_value(name, seen, satisfied));
        }
    }

    fn span(&mut self, name: &str) {
        if self.tests_spans {
            let tests = self.compiled.tests().iter().enumerate();
            tests.filter(|(_, test)| test.is_of_span(name)).for_each(|(number, _)| self.satisfied.insert(number));
        }
    }
}

/// A key of an event that is looked at.
#[derive(serde::Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Type,
    Level,
    Fields,
    Target,
    Filename,
    Spans,
    TraceId,
    SpanId,
    #[serde(other)]
    Other,
}

/// What a line is that a predicate can test.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Event,
    Timing,
}

/// The values of those keys.
#[derive(Default)]
struct Found<'de> {
    kind: Option<Kind>,
    has_fields: bool,
    has_spans: bool,
    level: Option<Level>,
    target: Option<Cow<'de, str>>,
    file: Option<Cow<'de, str>>,
}

struct EventVisitor<'c>(Tested<'c>);

impl<'de> Visitor<'de> for EventVisitor<'_> {
    type Value = Facts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event or a timing")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = Found::default();
        while let Some(key) = map.next_key::<Key>()? {
            self.read_value(key, &mut map, &mut found)?;
        }
        let kind = found.kind.ok_or_else(|| M::Error::missing_field("type"))?;
        if !found.has_fields {
            return Err(M::Error::missing_field("fields"));
        }
        Ok(Facts {
            level: found.level.ok_or_else(|| M::Error::missing_field("level"))?,
            target: found.target.ok_or_else(|| M::Error::missing_field("target"))?,
            file: found.file,
            satisfied: self.0.satisfied,
            own: if kind == Kind::Event { self.0.own } else { Bits::default() },
        })
    }
}

impl EventVisitor<'_> {
    fn read_value<'de, M: MapAccess<'de>>(
        &mut self,
        key: Key,
        map: &mut M,
        found: &mut Found<'de>,
    ) -> Result<(), M::Error> {
        let is_repeated = match key {
            Key::Type => {
                let Borrowed(kind) = map.next_value()?;
                let kind = match &*kind {
                    "event" => Kind::Event,
                    "timing" => Kind::Timing,
                    other => return Err(M::Error::unknown_variant(other, &["event", "timing"])),
                };
                found.kind.replace(kind).is_some()
            }
            Key::Level => found.level.replace(map.next_value::<LevelWord>()?.0).is_some(),
            Key::Fields => {
                map.next_value_seed(FieldsSeed { tested: &mut self.0, owner: Owner::Event })?;
                std::mem::replace(&mut found.has_fields, true)
            }
            Key::Target => found.target.replace(map.next_value::<Borrowed<'de>>()?.0).is_some(),
            Key::Filename => match map.next_value::<Option<Borrowed<'de>>>()? {
                Some(Borrowed(file)) => found.file.replace(file).is_some(),
                None => false,
            },
            Key::Spans => {
                map.next_value_seed(SpansSeed(&mut self.0))?;
                std::mem::replace(&mut found.has_spans, true)
            }
            Key::TraceId | Key::SpanId => {
                let value: FieldValue<'de> = map.next_value()?;
                self.0.field(if key == Key::TraceId { TRACE_ID } else { SPAN_ID }, &value, Owner::Span);
                false
            }
            Key::Other => {
                map.next_value::<IgnoredAny>()?;
                false
            }
        };
        if is_repeated { Err(M::Error::custom("a key of the event is there twice")) } else { Ok(()) }
    }
}

struct LevelWord(Level);

impl<'de> Deserialize<'de> for LevelWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Borrowed(word) = Borrowed::deserialize(deserializer)?;
        crate::wire::read::level_named(&word).map(Self)
    }
}

/// Tests the fields of an event or of a span.
struct FieldsSeed<'t, 'c> {
    tested: &'t mut Tested<'c>,
    owner: Owner,
}

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of named values")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        // The last `name` of a span is its own.
        let mut span_name: Option<FieldValue<'de>> = None;
        while let Some(Borrowed(key)) = map.next_key()? {
            if self.owner == Owner::Span && key == CapturedSpan::NAME {
                if let Some(earlier) = span_name.replace(map.next_value()?) {
                    self.tested.field(CapturedSpan::NAME, &earlier, self.owner);
                }
            } else if self.tested.compiled.names(name_of_key(&key)) {
                let value: FieldValue<'de> = map.next_value()?;
                self.tested.field(name_of_key(&key), &value, self.owner);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        match span_name {
            _ if self.owner == Owner::Event => Ok(()),
            Some(FieldValue::Text(name)) => {
                self.tested.span(&name);
                Ok(())
            }
            Some(FieldValue::Other(_)) => Err(M::Error::custom("the `name` of a span is not a string")),
            None => Err(M::Error::missing_field(CapturedSpan::NAME)),
        }
    }
}

/// Tests the spans around an event.
struct SpansSeed<'t, 'c>(&'t mut Tested<'c>);

impl<'de> DeserializeSeed<'de> for SpansSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for SpansSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of spans")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut spans: A) -> Result<(), A::Error> {
        while spans.next_element_seed(FieldsSeed { tested: self.0, owner: Owner::Span })?.is_some() {}
        Ok(())
    }
}
