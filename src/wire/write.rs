//! Writing the wire form, for any serializer.

use crate::event::{CapturedEvent, CapturedSpan, Fields};
use crate::past::Horizon;
use crate::stream::Item;
use crate::time::TimeText;
use crate::trace::{SPAN_ID, TRACE_ID};
use crate::value::{CUT_MARK, Value, ValueRef};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// The [line of an item](crate::wire): what `write_item` writes as JSON, but that hidden characters are left to the
/// serializer.
impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        if let Some((kind, session, sequence, event)) = self.captured() {
            line.serialize_entry("type", kind)?;
            line.serialize_entry("session", &session)?;
            line.serialize_entry("sequence", &sequence)?;
            if event.is_past {
                line.serialize_entry("past", &true)?;
            }
            write_event(&mut line, event)?;
        }
        match self {
            Self::Event { .. } | Self::Timing { .. } => {}
            Self::Missing(missing) => {
                line.serialize_entry("type", "missing")?;
                line.serialize_entry("count", &missing.count)?;
                line.serialize_entry("reason", &missing.reason)?;
            }
            Self::Horizon(horizon) => {
                line.serialize_entry("type", "horizon")?;
                write_horizon(&mut line, horizon)?;
            }
            Self::Ended(reason) => {
                line.serialize_entry("type", "ended")?;
                line.serialize_entry("reason", reason)?;
            }
        }
        line.end()
    }
}

fn write_horizon<M: SerializeMap>(line: &mut M, horizon: &Horizon) -> Result<(), M::Error> {
    let Horizon { asked_ms, reaches_ms, overwritten, unresolved, unkept, threads } = horizon;
    line.serialize_entry("asked_ms", asked_ms)?;
    line.serialize_entry("reaches_ms", reaches_ms)?;
    line.serialize_entry("overwritten", overwritten)?;
    line.serialize_entry("unresolved", unresolved)?;
    line.serialize_entry("unkept", unkept)?;
    line.serialize_entry("threads", threads)
}

/// Exactly the keys of `tracing_subscriber::fmt().json()`: an [event](crate::wire) without its session and number.
impl Serialize for CapturedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        write_event(&mut line, self)?;
        line.end()
    }
}

fn write_event<M: SerializeMap>(line: &mut M, event: &CapturedEvent) -> Result<(), M::Error> {
    line.serialize_entry("timestamp", TimeText::new(event.time).as_str())?;
    line.serialize_entry("level", event.level().as_str())?;
    line.serialize_entry("fields", &event.own)?;
    line.serialize_entry("target", event.target())?;
    if let Some(file) = event.file() {
        line.serialize_entry("filename", file)?;
    }
    if let Some(number) = event.line() {
        line.serialize_entry("line_number", &number)?;
    }
    if let Some(innermost) = event.spans.last() {
        line.serialize_entry("span", &**innermost)?;
        line.serialize_entry("spans", &Spans(event))?;
    }
    if let Some(thread) = &event.thread {
        line.serialize_entry("threadName", &**thread)?;
    }
    if event.omitted_fields > 0 {
        line.serialize_entry("omittedFields", &event.omitted_fields)?;
    }
    if let Some(trace) = event.trace() {
        line.serialize_entry(TRACE_ID, trace.trace_id())?;
        line.serialize_entry(SPAN_ID, trace.span_id())?;
    }
    if let Some(request) = event.request() {
        line.serialize_entry("request", &request)?;
    }
    Ok(())
}

/// A repeated name is written as often as it was recorded, each time with a [key](crate::wire#keys-of-fields) of its own.
impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        self.try_for_each_key(None, |key, value| fields.serialize_entry(&key, &value))?;
        fields.end()
    }
}

struct Spans<'a>(&'a CapturedEvent);

impl Serialize for Spans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.spans())
    }
}

/// An [element of `spans`](crate::wire): the span's fields, and its name behind them.
impl Serialize for CapturedSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut span = serializer.serialize_map(None)?;
        self.fields.try_for_each_key(Some(CapturedSpan::NAME), |key, value| match value {
            ValueRef::Bytes { bytes, cut } => span.serialize_entry(&key, &ByteNumbers { bytes, cut }),
            _ => span.serialize_entry(&key, &value),
        })?;
        span.serialize_entry(CapturedSpan::NAME, &self.name)?;
        span.end()
    }
}

/// The value of an [event's own field](crate::wire).
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

impl Serialize for ValueRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::I64(value) => serializer.serialize_i64(value),
            Self::U64(value) => serializer.serialize_u64(value),
            Self::F64(value) if value.is_finite() => serializer.serialize_f64(value),
            Self::F64(_) | Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(value),
            Self::Str(text) | Self::Debug(text) | Self::Error(text) if !text.cut => serializer.serialize_str(text.text),
            _ => serializer.collect_str(self),
        }
    }
}

/// How `fmt` has the bytes of a span, where those of an event are text.
struct ByteNumbers<'a> {
    bytes: &'a [u8],
    cut: bool,
}

impl Serialize for ByteNumbers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut numbers = serializer.serialize_seq(None)?;
        self.bytes.iter().try_for_each(|byte| numbers.serialize_element(byte))?;
        if self.cut {
            numbers.serialize_element(CUT_MARK)?;
        }
        numbers.end()
    }
}
