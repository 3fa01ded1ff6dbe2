//! Reading the wire form from untrusted input: every mistake is an error that says what was expected.

use super::value::Scalar;
use crate::event::{
    CapturedEvent, CapturedSpan, Fields, Name, Origin, OwnedOrigin, RequestId, SpanTiming, name_of_key,
};
use crate::missing::Missing;
use crate::past::Horizon;
use crate::session::{EndReason, SessionId};
use crate::stream::Item;
use crate::time::read_time;
use crate::trace::TraceContext;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::Level;

/// Reads a [line](crate::wire). Unknown keys are ignored, so that later versions may add some.
impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Line::deserialize(deserializer)? {
            Line::Event { session, sequence, event } => Self::Event { session, sequence, event: event.into() },
            Line::Timing { session, sequence, event } => {
                let timing = SpanTiming::read(event.into()).map_err(D::Error::custom)?;
                Self::timing(session, sequence, timing)
            }
            Line::Horizon(horizon) => Self::Horizon(horizon),
            Line::Missing(missing) => Self::Missing(missing),
            Line::Ended { reason } => Self::Ended(reason),
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Event {
        session: SessionId,
        sequence: u64,
        #[serde(flatten)]
        event: Box<CapturedEvent>,
    },
    Timing {
        session: SessionId,
        sequence: u64,
        #[serde(flatten)]
        event: Box<CapturedEvent>,
    },
    Missing(Missing),
    Horizon(Horizon),
    Ended {
        reason: EndReason,
    },
}

/// Reads the keys of an [event](crate::wire), which are those of `tracing_subscriber::fmt().json()`.
impl<'de> Deserialize<'de> for CapturedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EventKeys::deserialize(deserializer).map(Self::from)
    }
}

#[derive(serde::Deserialize)]
struct EventKeys {
    #[serde(deserialize_with = "timestamp")]
    timestamp: SystemTime,
    #[serde(deserialize_with = "level")]
    level: Level,
    fields: Fields,
    target: String,
    filename: Option<String>,
    line_number: Option<u32>,
    /// Also the last of `spans`.
    #[serde(rename = "span")]
    _span: Option<IgnoredAny>,
    #[serde(default)]
    spans: Vec<CapturedSpan>,
    #[serde(rename = "threadName")]
    thread_name: Option<String>,
    #[serde(rename = "omittedFields", default)]
    omitted_fields: u32,
    #[serde(default)]
    past: bool,
    trace_id: Option<String>,
    span_id: Option<String>,
    request: Option<RequestId>,
}

impl From<EventKeys> for CapturedEvent {
    fn from(keys: EventKeys) -> Self {
        let origin = OwnedOrigin {
            level: keys.level,
            target: Cow::Owned(keys.target),
            name: Cow::Borrowed(""),
            file: keys.filename.map(Cow::Owned),
            line: keys.line_number,
            module_path: None,
        };
        let mut spans = keys.spans;
        if let (Some(innermost), Some(trace_id), Some(span_id)) = (spans.last_mut(), &keys.trace_id, &keys.span_id) {
            innermost.trace = TraceContext::from_hex(trace_id, span_id, 0);
        }
        if let Some(root) = spans.first_mut() {
            root.request = keys.request;
        }
        let spans = spans.into_iter().map(Arc::new).collect();
        Self {
            time: keys.timestamp,
            thread: keys.thread_name.map(Arc::from),
            omitted_fields: keys.omitted_fields,
            is_past: keys.past,
            ..Self::new(Origin::Owned(Box::new(origin)), keys.fields, spans)
        }
    }
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    read_time(&text).map_err(|expected| D::Error::custom(format_args!("invalid timestamp {text:?}, {expected}")))
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
    level_named(&String::deserialize(deserializer)?)
}

pub(super) fn level_named<E: Error>(word: &str) -> Result<Level, E> {
    let known = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    let found = known.into_iter().find(|level| level.as_str() == word);
    found.ok_or_else(|| E::unknown_variant(word, &["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]))
}

/// Keeps fields of one name, in order, whether their [keys](crate::wire#keys-of-fields) have numbers or are there twice.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scalars = deserializer.deserialize_map(Scalars)?;
        let value = |(key, scalar): (String, Scalar)| (field_name(key), scalar.into_own_value());
        Ok(Self::listed(scalars.into_iter().map(value).collect()))
    }
}

/// Reads an [element of `spans`](crate::wire): the last `name` is the span's, others are fields, as `fmt` writes them.
impl<'de> Deserialize<'de> for CapturedSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut scalars = deserializer.deserialize_map(Scalars)?;
        let is_name = |(key, _): &(String, Scalar)| key == CapturedSpan::NAME;
        let place = scalars.iter().rposition(is_name).ok_or(D::Error::missing_field(CapturedSpan::NAME))?;
        let (_, Scalar::Text(name)) = scalars.remove(place) else {
            return Err(D::Error::custom("the `name` of a span is not a string"));
        };
        let fields = scalars.into_iter().map(|(key, scalar)| (field_name(key), scalar.into_span_value())).collect();
        Ok(Self {
            name: Cow::Owned(name),
            level: Level::TRACE,
            target: Cow::Borrowed(""),
            fields: Fields::listed(fields),
            trace: None,
            request: None,
        })
    }
}

fn field_name(mut key: String) -> Name {
    key.truncate(name_of_key(&key).len());
    Cow::Owned(key)
}

struct Scalars;

impl<'de> Visitor<'de> for Scalars {
    type Value = Vec<(String, Scalar)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of named values")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut scalars = Vec::new();
        while let Some(entry) = map.next_entry()? {
            scalars.push(entry);
        }
        Ok(scalars)
    }
}
