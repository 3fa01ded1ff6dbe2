//! The compact form: one line for terminals.

use super::message::{message_text, write_message_text};
use super::palette::{Palette, write_styled};
use super::sink::{MEMORY, Sink};
use crate::escape::{is_hidden, write_escaped};
use crate::event::{CapturedEvent, CapturedSpan, Fields};
use crate::time::TimeText;
use crate::value::ValueRef;
use std::fmt;

/// Writes an event as one line. A notice begins with two dashes, where an event has the time.
pub(super) fn write_line(out: &mut Vec<u8>, event: &CapturedEvent, palette: &Palette) {
    write_event(&mut Sink(out), event, palette).expect(MEMORY);
    out.push(b'\n');
}

fn write_event(out: &mut impl fmt::Write, event: &CapturedEvent, palette: &Palette) -> fmt::Result {
    write_styled(out, palette.aside, |out| write_time_of_day(out, event))?;
    write_styled(out, palette.level(event.level()), |out| write!(out, " {:>5} ", event.level().as_str()))?;
    write_styled(out, palette.aside, |out| write_name(out, event.target(), !event.target().ends_with(':')))?;
    if event.spans().len() > 0 {
        out.write_str(" ")?;
        write_path(out, event, palette)?;
    }
    out.write_str(":")?;
    write_message(out, event)?;
    write_fields(out, event, palette)
}

fn write_time_of_day(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    let time = TimeText::new(event.time());
    out.write_str(time.of_day())?;
    out.write_str(if time.is_of_calendar() { "Z" } else { "" })
}

/// Writes the spans from the root, `conn{conn_id=9137 user=42}:message{kind=subscribe}`.
pub(super) fn write_path(out: &mut impl fmt::Write, event: &CapturedEvent, palette: &Palette) -> fmt::Result {
    for (index, span) in event.spans().enumerate() {
        out.write_str(if index == 0 { "" } else { ":" })?;
        write_span(out, span, palette)?;
    }
    Ok(())
}

fn write_span(out: &mut impl fmt::Write, span: &CapturedSpan, palette: &Palette) -> fmt::Result {
    write_styled(out, palette.span, |out| write_name(out, span.name(), !span.name().contains(':')))?;
    for (index, (name, value)) in span.fields.last_values().enumerate() {
        out.write_str(if index == 0 { "{" } else { " " })?;
        write_field(out, name, value, palette)?;
    }
    out.write_str(if span.fields.is_empty() { "" } else { "}" })
}

/// Writes a message behind a space, quoted where it could be taken for fields; nothing if there is none.
fn write_message(out: &mut impl fmt::Write, event: &CapturedEvent) -> fmt::Result {
    let (text, mark) = message_text(event);
    if text.is_empty() && mark.is_empty() {
        return Ok(());
    }
    out.write_str(" ")?;
    if text.starts_with('"') || text.contains('=') {
        return write_quoted(out, text, mark);
    }
    write_message_text(out, text, mark)
}

/// Writes the event's fields but the message, each behind a space.
pub(super) fn write_fields(out: &mut impl fmt::Write, event: &CapturedEvent, palette: &Palette) -> fmt::Result {
    for (name, value) in event.own.last_values().filter(|(name, _)| *name != Fields::MESSAGE) {
        out.write_str(" ")?;
        write_field(out, name, value, palette)?;
    }
    if event.omitted_fields > 0 {
        write!(out, " (and {} more fields)", event.omitted_fields)?;
    }
    Ok(())
}

fn write_field(out: &mut impl fmt::Write, name: &str, value: ValueRef<'_>, palette: &Palette) -> fmt::Result {
    write_styled(out, palette.key, |out| write_name(out, name, true))?;
    out.write_str("=")?;
    write_value(out, value)
}

fn write_value(out: &mut impl fmt::Write, value: ValueRef<'_>) -> fmt::Result {
    match value {
        ValueRef::F64(float) => write!(out, "{float:?}"),
        ValueRef::Bytes { .. } => write_text(out, &value.to_string(), ""),
        ValueRef::Str(text) | ValueRef::Debug(text) | ValueRef::Error(text) => {
            let (text, mark) = text.parts();
            write_text(out, text, mark)
        }
        _ => write!(out, "{value}"),
    }
}

fn write_text(out: &mut impl fmt::Write, text: &str, mark: &str) -> fmt::Result {
    if is_bare(text) {
        out.write_str(text)?;
        return out.write_str(mark);
    }
    write_quoted(out, text, mark)
}

/// Writes a name, quoted unless it is bare and its place allows that.
fn write_name(out: &mut impl fmt::Write, name: &str, may_be_bare: bool) -> fmt::Result {
    if may_be_bare && is_bare(name) { out.write_str(name) } else { write_quoted(out, name, "") }
}

fn write_quoted(out: &mut impl fmt::Write, text: &str, mark: &str) -> fmt::Result {
    out.write_str("\"")?;
    write_escaped(out, text)?;
    out.write_str(mark)?;
    out.write_str("\"")
}

/// Whether a text ends where one sees it end, and is no more than it seems.
fn is_bare(text: &str) -> bool {
    let is_ambiguous = |character: char| {
        matches!(character, '"' | '=' | '{' | '}') || character.is_whitespace() || is_hidden(character)
    };
    !text.is_empty() && !text.contains(is_ambiguous)
}
