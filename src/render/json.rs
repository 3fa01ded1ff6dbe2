//! JSON lines: the wire form, straight into memory.
//!
//! `Serialize` says the same to any serializer, and a test holds the two together. It takes this file as well because
//! `serde_json` looks at every string for what JSON must escape, and then a formatter of ours would look again for
//! what a terminal would obey, and because the innermost span is in a line twice: 0.22 of what `fmt` takes for the
//! same event, where this takes 0.09.

use super::horizon;
use super::json_text::write_text;
use super::options::Integers;
use super::sink::MEMORY;
use crate::event::{CapturedEvent, CapturedSpan, Ends, Fields, Key};
use crate::stream::Item;
use crate::time::TimeText;
use crate::value::{CUT_MARK, ValueRef};
use serde::Serialize;
use std::convert::Infallible;
use std::io::Write;

/// What a value is one of: bytes are text in an event and numbers in a span, as `fmt` has them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Event,
    Span,
}

/// How many bytes are written.
pub(super) fn bytes_of(write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let mut written = Vec::new();
    write(&mut written);
    written.len()
}

/// Writes an item as a line of JSON, however long that is.
pub(super) fn write_line(out: &mut Vec<u8>, item: &Item, integers: Integers) {
    match item.captured() {
        Some((kind, session, sequence, event)) => {
            out.extend_from_slice(br#"{"type":""#);
            out.extend_from_slice(kind.as_bytes());
            out.extend_from_slice(br#"","session":"#);
            write_plain(out, &session);
            out.extend_from_slice(br#","sequence":"#);
            write_plain(out, &sequence);
            out.extend_from_slice(if event.is_past { &br#","past":true,"#[..] } else { b"," });
            write_event(out, event, integers);
        }
        None => match item {
            // The names of threads are text of the users.
            Item::Horizon(horizon) => horizon::write(out, horizon),
            _ => write_plain(out, item),
        },
    }
    out.push(b'\n');
}

/// Writes what holds no text of the users.
fn write_plain(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("numbers and fixed words are written to memory without errors");
}

/// Writes the keys that are `fmt`'s, and the closing brace.
fn write_event(out: &mut Vec<u8>, event: &CapturedEvent, integers: Integers) {
    out.extend_from_slice(br#""timestamp":""#);
    out.extend_from_slice(TimeText::new(event.time).as_str().as_bytes());
    out.extend_from_slice(br#"","level":""#);
    out.extend_from_slice(event.level().as_str().as_bytes());
    out.extend_from_slice(br#"","fields":{"#);
    write_own_fields(out, event, integers);
    out.extend_from_slice(br#"},"target":"#);
    write_text(out, event.target());
    if let Some(file) = event.file() {
        out.extend_from_slice(br#","filename":"#);
        write_text(out, file);
    }
    if let Some(number) = event.line() {
        out.extend_from_slice(br#","line_number":"#);
        write_plain(out, &number);
    }
    write_spans(out, event, integers);
    if let Some(thread) = &event.thread {
        out.extend_from_slice(br#","threadName":"#);
        write_text(out, thread);
    }
    if event.omitted_fields > 0 {
        out.extend_from_slice(br#","omittedFields":"#);
        write_plain(out, &event.omitted_fields);
    }
    if let Some(trace) = event.trace() {
        write!(out, r#","trace_id":"{}","span_id":"{}""#, trace.trace_id(), trace.span_id()).expect(MEMORY);
    }
    if let Some(request) = event.request() {
        out.extend_from_slice(br#","request":""#);
        out.extend_from_slice(&request.digits());
        out.push(b'"');
    }
    out.push(b'}');
}

fn write_own_fields(out: &mut Vec<u8>, event: &CapturedEvent, integers: Integers) {
    let start = out.len();
    write_fields(out, &event.own, None, Owner::Event, integers);
    if out.len() > start {
        out.pop();
    }
}

/// Writes each field and a comma. Assumes that each key is the field's name, and rewrites them all if one is not.
fn write_fields(out: &mut Vec<u8>, fields: &Fields, own: Option<&str>, place: Owner, integers: Integers) {
    let start = out.len();
    let mut ends = Ends::new(own);
    // `for_each`, since a chain of iterators asks at each step which of them it is in.
    fields.iter().for_each(|(name, value)| {
        ends.add(name);
        write_text(out, name);
        out.push(b':');
        write_value(out, value, place, integers);
        out.push(b',');
    });
    if !ends.are_plain() && fields.needs_numbers(own) {
        out.truncate(start);
        write_numbered(out, fields, own, place, integers);
    }
}

#[cold]
fn write_numbered(out: &mut Vec<u8>, fields: &Fields, own: Option<&str>, place: Owner, integers: Integers) {
    let Ok(()) = fields.try_for_each_key(own, |key, value| -> Result<(), Infallible> {
        write_key(out, key);
        write_value(out, value, place, integers);
        out.push(b',');
        Ok(())
    });
}

fn write_key(out: &mut Vec<u8>, key: Key<'_>) {
    write_text(out, key.name);
    if let Some(number) = key.number {
        // Before the quote.
        out.pop();
        write!(out, "#{number}\"").expect(MEMORY);
    }
    out.push(b':');
}

/// Writes the innermost span, and all from the root; the innermost one's text is copied.
fn write_spans(out: &mut Vec<u8>, event: &CapturedEvent, integers: Integers) {
    let Some((innermost, outer)) = event.spans.split_last() else {
        return;
    };
    out.extend_from_slice(br#","span":"#);
    let start = out.len();
    write_span(out, innermost, integers);
    let end = out.len();
    out.extend_from_slice(br#","spans":["#);
    for span in outer {
        write_span(out, span, integers);
        out.push(b',');
    }
    out.extend_from_within(start..end);
    out.push(b']');
}

pub(super) fn write_span(out: &mut Vec<u8>, span: &CapturedSpan, integers: Integers) {
    out.push(b'{');
    write_fields(out, &span.fields, Some(CapturedSpan::NAME), Owner::Span, integers);
    out.extend_from_slice(br#""name":"#);
    write_text(out, &span.name);
    out.push(b'}');
}

/// Writes bytes as `fmt` has them in a span; in an event they are text.
fn write_numbers(out: &mut Vec<u8>, bytes: &[u8], cut: bool) {
    out.push(b'[');
    for (index, byte) in bytes.iter().enumerate() {
        write!(out, "{}{byte}", if index == 0 { "" } else { "," }).expect(MEMORY);
    }
    if cut {
        write!(out, "{}\"{CUT_MARK}\"", if bytes.is_empty() { "" } else { "," }).expect(MEMORY);
    }
    out.push(b']');
}

#[inline]
pub(super) fn write_value(out: &mut Vec<u8>, value: ValueRef<'_>, place: Owner, integers: Integers) {
    match value {
        ValueRef::Str(text) | ValueRef::Debug(text) | ValueRef::Error(text) if !text.cut => write_text(out, text.text),
        ValueRef::Str(_) | ValueRef::Debug(_) | ValueRef::Error(_) => write_text(out, &value.to_string()),
        ValueRef::Bytes { bytes, cut } if matches!(place, Owner::Span) => write_numbers(out, bytes, cut),
        ValueRef::I64(number) if integers.quotes(number.unsigned_abs()) => write_digits(out, value),
        ValueRef::U64(number) if integers.quotes(number) => write_digits(out, value),
        ValueRef::Bytes { .. } | ValueRef::I128(_) | ValueRef::U128(_) | ValueRef::Redacted => write_digits(out, value),
        ValueRef::I64(_) | ValueRef::U64(_) | ValueRef::F64(_) | ValueRef::Bool(_) | ValueRef::Null => {
            write_plain(out, &value);
        }
    }
}

/// Writes what is printed of a value in which nothing needs an escape.
fn write_digits(out: &mut Vec<u8>, value: ValueRef<'_>) {
    write!(out, "\"{value}\"").expect(MEMORY);
}
