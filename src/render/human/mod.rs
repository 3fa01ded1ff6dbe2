//! The human form: the message, then everything else as YAML that reads back to the same values.

use super::message::write_message;
use super::sink::{MEMORY, Sink};
use super::yaml;
use crate::event::{CapturedEvent, CapturedSpan, Fields};
use crate::time::TimeText;
use crate::trace::TraceContext;
use crate::value::ValueRef;
use std::fmt;

/// Where the event's own fields begin.
const FIELD_LINE: &str = "\n    ";
/// Where a span's name begins, behind its dash.
const SPAN_LINE: &str = "\n      ";
/// Where a span's fields begin.
const SPAN_FIELD_LINE: &str = "\n        ";

/// Writes an event and an empty line. A notice is indented, which a message never is.
pub(super) fn write_block(out: &mut Vec<u8>, event: &CapturedEvent) {
    write_event(&mut Sink(out), event).expect(MEMORY);
    out.extend_from_slice(b"\n\n");
}

/// The human form: the message on a line of its own, then a YAML block indented by two spaces. No line break ends it.
///
/// ```text
/// subscription rejected
///   time: 2026-11-20T08:15:02.123456Z
///   level: DEBUG
///   target: chat::hub
///   source: src/hub.rs:214
///   fields:
///     channel: orders
///     attempt: 3
///   spans:
///     - conn:
///         conn_id: 9137
///         user: "42"
///     - message:
///         kind: subscribe
///     - flush
/// ```
///
/// - The ids of the event's trace, if they are known, follow the source: `trace_id`, `span_id`.
/// - Absent values and empty groups are left out. Spans are root first; one without fields is just its name.
/// - A repeated field name keeps its last value, in the last place.
/// - Every value reads back with the type it was recorded with, in YAML 1.1 and 1.2: numbers and booleans are plain,
///   text that YAML would take for something else is quoted, and so are bytes (`"[de ad be ef]"`) and integers
///   past 64 bits.
/// - Characters that a terminal would obey or not show are escaped everywhere, the message included. In the message
///   a backslash is doubled only where it could be taken for the beginning of an escape. `(no message)` stands
///   for an empty one.
/// - A cut text ends with `…[cut]`; a redacted value is `<redacted>`.
/// - The time is in UTC, rounded down to microseconds; outside the years 1 to 9999 it is seconds since 1970:
///   `"@253402300800.000000000"`.
impl fmt::Display for CapturedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_event(f, self)
    }
}

/// Writes an event in the human form, piece by piece.
fn write_event(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    write_message(out, event)?;
    out.write_str("\n  time: ")?;
    yaml::write_time(out, &TimeText::new(event.time()))?;
    out.write_str("\n  level: ")?;
    out.write_str(event.level().as_str())?;
    out.write_str("\n  target: ")?;
    yaml::write_text(out, event.target())?;
    write_source(out, event)?;
    write_trace(out, event)?;
    write_own_fields(out, event)?;
    if event.omitted_fields > 0 {
        write!(out, "\n  omitted_fields: {}", event.omitted_fields)?;
    }
    write_spans(out, event)
}

fn write_source(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    let Some(file) = event.file() else {
        return Ok(());
    };
    out.write_str("\n  source: ")?;
    match event.line() {
        Some(line) => yaml::write_text_and(out, file, |out| write!(out, ":{line}")),
        None => yaml::write_text(out, file),
    }
}

fn write_trace(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    event.trace().into_iter().flat_map(TraceContext::fields).try_for_each(|(name, value)| {
        write!(out, "\n  {name}: ")?;
        yaml::write_value(out, value)
    })
}

fn write_own_fields(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    let mut fields = event.own.last_values().filter(|(name, _)| *name != Fields::MESSAGE).peekable();
    if fields.peek().is_some() {
        out.write_str("\n  fields:")?;
    }
    fields.try_for_each(|(name, value)| write_field(out, FIELD_LINE, name, value))
}

fn write_spans(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    let mut spans = event.spans();
    if spans.len() > 0 {
        out.write_str("\n  spans:")?;
    }
    spans.try_for_each(|span| write_span(out, span))
}

fn write_span(out: &mut impl fmt::Write, span: &CapturedSpan) -> fmt::Result {
    out.write_str("\n    - ")?;
    let mut fields = span.fields.last_values().peekable();
    if fields.peek().is_none() {
        return yaml::write_text(out, span.name());
    }
    yaml::write_key(out, SPAN_LINE, span.name())?;
    fields.try_for_each(|(name, value)| write_field(out, SPAN_FIELD_LINE, name, value))
}

fn write_field(out: &mut impl fmt::Write, line: &str, name: &str, value: ValueRef<'_>) -> fmt::Result {
    out.write_str(line)?;
    yaml::write_key(out, line, name)?;
    out.write_str(" ")?;
    yaml::write_value(out, value)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
