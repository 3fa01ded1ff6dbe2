//! The human form: the message, then everything else as YAML that reads back to the same values.

use super::message::write_message;
use super::time::write_time;
use super::yaml;
use crate::event::{CapturedEvent, CapturedSpan, Fields};
use crate::value::Value;
use std::fmt;

/// The column where the event's own fields begin.
const FIELD_INDENT: usize = 4;
/// The column where a span's name begins, behind its dash.
const SPAN_INDENT: usize = 6;
/// The column where a span's fields begin.
const SPAN_FIELD_INDENT: usize = 8;

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
pub(crate) fn write_event(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    write_message(out, event)?;
    out.write_str("\n  time: ")?;
    write_time(out, event.time())?;
    write!(out, "\n  level: {}\n  target: ", event.level())?;
    yaml::write_text(out, event.target())?;
    write_source(out, event)?;
    write_own_fields(out, event)?;
    write_spans(out, event)
}

fn write_source(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    let Some(file) = event.file() else {
        return Ok(());
    };
    out.write_str("\n  source: ")?;
    match event.line() {
        Some(line) => yaml::write_text_and(out, file, format_args!(":{line}")),
        None => yaml::write_text(out, file),
    }
}

fn write_own_fields(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    let mut fields = last_values(&event.fields).filter(|(name, _)| *name != "message").peekable();
    if fields.peek().is_some() {
        out.write_str("\n  fields:")?;
    }
    fields.try_for_each(|(name, value)| write_field(out, FIELD_INDENT, name, value))
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
    let mut fields = last_values(&span.fields).peekable();
    if fields.peek().is_none() {
        return yaml::write_text(out, span.name());
    }
    yaml::write_key(out, SPAN_INDENT, span.name())?;
    fields.try_for_each(|(name, value)| write_field(out, SPAN_FIELD_INDENT, name, value))
}

fn write_field(out: &mut impl fmt::Write, indent: usize, name: &str, value: &Value) -> fmt::Result {
    write!(out, "\n{:indent$}", "")?;
    yaml::write_key(out, indent, name)?;
    out.write_str(" ")?;
    yaml::write_value(out, value)
}

/// The fields no later one of the same name replaces.
fn last_values(fields: &Fields) -> impl Iterator<Item = (&str, &Value)> {
    let is_replaced = |index: usize, name| fields.iter().skip(index + 1).any(|(later, _)| later == name);
    fields.iter().enumerate().filter_map(move |(index, field)| (!is_replaced(index, field.0)).then_some(field))
}

#[cfg(test)]
mod tests;
