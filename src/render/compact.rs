//! The compact form: one line for terminals.
//!
//! A long path of spans is shortened from the root inwards: what differs between two lines is usually near the event.

use super::message::{message_text, write_message_text};
use super::palette::{Palette, write_styled};
use super::sink::{MEMORY, Sink};
use crate::escape::{is_hidden, write_escaped};
use crate::event::{CapturedEvent, CapturedSpan, Fields};
use crate::time::TimeText;
use crate::trace::TraceContext;
use crate::value::ValueRef;
use smallvec::SmallVec;
use std::fmt::{self, Write as _};

/// Stands for the fields of a span, and as a name for the spans that are left out.
const OMISSION: &str = "…";

/// Characters that replace a span's fields: `{…}`.
const OMITTED_FIELDS: usize = 3;

/// Characters that replace the spans that are left out: `…:`.
const OMITTED_SPANS: usize = 2;

/// Writes an event as one line. A notice begins with two dashes instead of the time.
pub(super) fn write_line(out: &mut Vec<u8>, event: &CapturedEvent, palette: &Palette, max_path_chars: usize) {
    write_event(&mut Sink(out), event, palette, max_path_chars).expect(MEMORY);
    out.push(b'\n');
}

fn write_event(out: &mut Sink<'_>, event: &CapturedEvent, palette: &Palette, max_path_chars: usize) -> fmt::Result {
    write_styled(out, palette.aside, |out| write_time_of_day(out, event))?;
    write_styled(out, palette.level(event.level()), |out| write!(out, " {:>5} ", event.level().as_str()))?;
    write_styled(out, palette.aside, |out| write_name(out, event.target(), !event.target().ends_with(':')))?;
    if event.spans().len() > 0 {
        out.write_str(" ")?;
        write_bounded_path(out, event, palette, max_path_chars)?;
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

/// Writes the spans from the root, shortened if they have more than `max_chars` characters.
fn write_bounded_path(out: &mut Sink<'_>, event: &CapturedEvent, palette: &Palette, max_chars: usize) -> fmt::Result {
    let start = out.0.len();
    write_path(out, event, palette)?;
    // No text has more characters than bytes: most paths need no count.
    if out.0.len() - start <= max_chars {
        return Ok(());
    }
    out.0.truncate(start);
    let Shortened { left_out, without_fields } = Shortened::new(event, max_chars);
    if left_out > 0 {
        out.write_str(OMISSION)?;
    }
    for (index, span) in event.spans().enumerate().skip(left_out) {
        out.write_str(if index == 0 { "" } else { ":" })?;
        if index < without_fields { write_without_fields(out, span, palette) } else { write_span(out, span, palette) }?;
    }
    Ok(())
}

/// The spans of a path that is shortened: the first ones are left out, the next ones lack their fields.
struct Shortened {
    left_out: usize,
    /// Counted from the root, those left out included.
    without_fields: usize,
}

impl Shortened {
    /// Omits fields from the root inwards, then spans, until the path has at most `max_chars` characters. The innermost
    /// span stays whole.
    fn new(event: &CapturedEvent, max_chars: usize) -> Self {
        let lengths: SmallVec<[SpanLength; 8]> = event.spans().map(SpanLength::of).collect();
        let outer = lengths.len().saturating_sub(1);
        let mut length = lengths.iter().map(|span| span.whole).sum::<usize>() + outer;
        let mut without_fields = 0;
        while length > max_chars && without_fields < outer {
            length -= lengths[without_fields].whole - lengths[without_fields].without_fields;
            without_fields += 1;
        }
        let mut left_out = 0;
        length += if length > max_chars { OMITTED_SPANS } else { 0 };
        while length > max_chars && left_out < outer {
            length -= lengths[left_out].without_fields + 1;
            left_out += 1;
        }
        Self { left_out, without_fields }
    }
}

/// The characters that a span takes.
struct SpanLength {
    whole: usize,
    without_fields: usize,
}

impl SpanLength {
    fn of(span: &CapturedSpan) -> Self {
        let whole = chars_of(|out| write_span(out, span, &Palette::PLAIN));
        let name = chars_of(|out| write_span_name(out, span, &Palette::PLAIN));
        let fields = if span.fields.is_empty() { 0 } else { OMITTED_FIELDS };
        Self { whole, without_fields: (name + fields).min(whole) }
    }
}

fn chars_of(write: impl FnOnce(&mut Sink<'_>) -> fmt::Result) -> usize {
    let mut written = Vec::new();
    write(&mut Sink(&mut written)).expect(MEMORY);
    String::from_utf8_lossy(&written).chars().count()
}

fn write_without_fields(out: &mut impl fmt::Write, span: &CapturedSpan, palette: &Palette) -> fmt::Result {
    write_span_name(out, span, palette)?;
    if span.fields.is_empty() { Ok(()) } else { write!(out, "{{{OMISSION}}}") }
}

/// Writes a span's name, quoted if it could be taken for a path or for the mark of an omission.
fn write_span_name(out: &mut impl fmt::Write, span: &CapturedSpan, palette: &Palette) -> fmt::Result {
    let may_be_bare = !span.name().contains(':') && span.name() != OMISSION;
    write_styled(out, palette.span, |out| write_name(out, span.name(), may_be_bare))
}

fn write_span(out: &mut impl fmt::Write, span: &CapturedSpan, palette: &Palette) -> fmt::Result {
    write_span_name(out, span, palette)?;
    for (index, (name, value)) in span.fields.last_values().enumerate() {
        out.write_str(if index == 0 { "{" } else { " " })?;
        write_field(out, name, value, palette)?;
    }
    out.write_str(if span.fields.is_empty() { "" } else { "}" })
}

/// Writes a space and the message, quoted if it could be taken for fields; nothing if there is no message.
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

/// Writes the event's fields except the message, and the ids of its trace, each after a space.
pub(super) fn write_fields(out: &mut impl fmt::Write, event: &CapturedEvent, palette: &Palette) -> fmt::Result {
    for (name, value) in event.own.last_values().filter(|(name, _)| *name != Fields::MESSAGE) {
        out.write_str(" ")?;
        write_field(out, name, value, palette)?;
    }
    if event.omitted_fields > 0 {
        write!(out, " (and {} more fields)", event.omitted_fields)?;
    }
    write_trace(out, event, palette)
}

/// Writes the ids of the event's trace, each after a space.
fn write_trace(out: &mut impl fmt::Write, event: &CapturedEvent, palette: &Palette) -> fmt::Result {
    event.trace().into_iter().flat_map(TraceContext::fields).try_for_each(|(name, value)| {
        out.write_str(" ")?;
        write_field(out, name, value, palette)
    })
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

/// Writes a name, quoted unless it is unambiguous and `may_be_bare`.
fn write_name(out: &mut impl fmt::Write, name: &str, may_be_bare: bool) -> fmt::Result {
    if may_be_bare && is_bare(name) { out.write_str(name) } else { write_quoted(out, name, "") }
}

fn write_quoted(out: &mut impl fmt::Write, text: &str, mark: &str) -> fmt::Result {
    out.write_str("\"")?;
    write_escaped(out, text)?;
    out.write_str(mark)?;
    out.write_str("\"")
}

/// Whether a text is unambiguous without quotes.
fn is_bare(text: &str) -> bool {
    let is_ambiguous = |character: char| {
        matches!(character, '"' | '=' | '{' | '}') || character.is_whitespace() || is_hidden(character)
    };
    !text.is_empty() && !text.contains(is_ambiguous)
}
