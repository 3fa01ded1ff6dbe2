//! Lines of JSON that fit where they go. Where one would be too long, the event's longest values are cut, evenly; then spans and fields are left out.

use super::json::{self, Owner};
use super::json_text::{escaped_part, write_text};
use super::options::{FormatOptions, Integers};
use crate::event::{CapturedEvent, CapturedSpan, Fields, Name, Origin, OwnedOrigin};
use crate::past::Horizon;
use crate::stream::Item;
use crate::value::{CUT_MARK, TextRef, Value, ValueRef};
use std::borrow::Cow;
use std::sync::Arc;
use tracing_core::Level;

/// Bytes of a value that has nothing left but the mark that it was cut, with whatever is around that.
const LEAST: usize = CUT_MARK.len() + 4;
/// Of a line, each text that is no value, such as the target, may take one part of so many.
const PARTS: usize = 8;
/// More than what stands for the spans that were left out takes, twice where it is the innermost as well.
const PLACEHOLDER: usize = 2 * 80;
/// More than the key that counts fields takes.
const OMITTED_FIELDS: usize = 32;

/// The name of what stands for the spans that were left out, and the name of its field that counts them.
const OMITTED_SPANS: (&str, &str) = (CUT_MARK, "omitted_spans");

/// Writes an item as a line of JSON.
pub(super) fn write_line(out: &mut Vec<u8>, item: &Item, options: &FormatOptions) {
    let start = out.len();
    json::write_line(out, item, options.integers);
    if let Some(max_bytes) = options.line_bytes().filter(|max_bytes| out.len() - start > *max_bytes) {
        out.truncate(start);
        json::write_line(out, &fitted(item, max_bytes, options.integers), options.integers);
    }
}

/// An item whose line has at most `max_bytes`, if no less than a kilobyte is asked for.
fn fitted(item: &Item, max_bytes: usize, integers: Integers) -> Item {
    if let Item::Horizon(horizon) = item {
        // Its threads are in its sums.
        return Item::Horizon(Horizon { threads: Vec::new(), ..horizon.clone() });
    }
    let Some((_, _, _, event)) = item.captured() else { return item.clone() };
    let line_bytes = |event: &CapturedEvent| {
        json::bytes_of(|out| json::write_line(out, &item.with_captured(Arc::new(event.clone())), integers))
    };
    let mut event = with_short_texts(event, max_bytes / PARTS);
    let smallest = cut(&event, LEAST, integers);
    let excess = line_bytes(&smallest).saturating_sub(max_bytes);
    if excess > 0 {
        leave_out(&mut event, &smallest, excess, integers);
    }
    let values = LongValues::of(&event, integers);
    let room = max_bytes.saturating_sub(line_bytes(&event).saturating_sub(values.bytes()));
    let event = Arc::new(cut(&event, values.level(room), integers));
    item.with_captured(event)
}

/// The values that can be cut: how long each is, and how often it is in the line, the shortest first.
struct LongValues(Vec<(usize, usize)>);

impl LongValues {
    fn of(event: &CapturedEvent, integers: Integers) -> Self {
        let mut values = Vec::new();
        let mut add = |fields: &Fields, place, times| {
            let lengths = fields.iter().filter(|(_, value)| can_be_cut(*value));
            let lengths = lengths.map(|(_, value)| value_bytes(value, place, integers));
            values.extend(lengths.filter(|bytes| *bytes > LEAST).map(|bytes| (bytes, times)));
        };
        add(&event.own, Owner::Event, 1);
        for (index, span) in event.spans.iter().enumerate() {
            add(&span.fields, Owner::Span, if index + 1 == event.spans.len() { 2 } else { 1 });
        }
        values.sort_unstable();
        Self(values)
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(bytes, times)| bytes * times).sum()
    }

    /// How long a value may be for all to have room together.
    fn level(&self, room: usize) -> usize {
        let mut count: usize = self.0.iter().map(|(_, times)| times).sum();
        let mut room = room;
        for (bytes, times) in &self.0 {
            if bytes * count > room {
                break;
            }
            room -= bytes * times;
            count -= times;
        }
        room.checked_div(count).unwrap_or(usize::MAX).max(LEAST)
    }
}

/// Numbers and words are not.
fn can_be_cut(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Str(_) | ValueRef::Debug(_) | ValueRef::Error(_) | ValueRef::Bytes { .. })
}

fn value_bytes(value: ValueRef<'_>, place: Owner, integers: Integers) -> usize {
    json::bytes_of(|out| json::write_value(out, value, place, integers))
}

/// The same event with no value longer in JSON than this, as far as values can be cut.
fn cut(event: &CapturedEvent, max_bytes: usize, integers: Integers) -> CapturedEvent {
    let is_long =
        |fields: &Fields, place| fields.iter().any(|(_, value)| value_bytes(value, place, integers) > max_bytes);
    let shorter = |fields: &Fields, place| {
        let shorter = |(name, value)| (Name::Owned(str::to_owned(name)), shorter(value, place, max_bytes, integers));
        Fields::listed(fields.iter().map(shorter).collect())
    };
    let mut event = event.clone();
    if is_long(&event.own, Owner::Event) {
        event.own = shorter(&event.own, Owner::Event);
    }
    let spans = event.spans.iter().map(|span| {
        if is_long(&span.fields, Owner::Span) {
            Arc::new(CapturedSpan { fields: shorter(&span.fields, Owner::Span), ..CapturedSpan::clone(span) })
        } else {
            Arc::clone(span)
        }
    });
    event.spans = spans.collect();
    event
}

fn shorter(value: ValueRef<'_>, place: Owner, max_bytes: usize, integers: Integers) -> Value {
    if value_bytes(value, place, integers) <= max_bytes.max(LEAST) {
        return value.to_value();
    }
    match value {
        ValueRef::Str(whole) => ValueRef::Str(shorter_text(whole, max_bytes)),
        ValueRef::Debug(whole) => ValueRef::Debug(shorter_text(whole, max_bytes)),
        ValueRef::Error(whole) => ValueRef::Error(shorter_text(whole, max_bytes)),
        ValueRef::Bytes { bytes, .. } => {
            let kept = bytes.iter().scan(LEAST, |length, byte| {
                *length += byte_length(*byte, place);
                (*length <= max_bytes).then_some(())
            });
            ValueRef::Bytes { bytes: &bytes[..kept.count()], cut: true }
        }
        short => short,
    }
    .to_value()
}

fn shorter_text(whole: TextRef<'_>, max_bytes: usize) -> TextRef<'_> {
    let quotes_and_mark = 2 + CUT_MARK.len();
    TextRef { text: escaped_part(whole.text, max_bytes.saturating_sub(quotes_and_mark)), cut: true }
}

/// With what stands before the next one: two digits and a space, or a number and a comma.
fn byte_length(byte: u8, place: Owner) -> usize {
    match (place, byte) {
        (Owner::Event, _) | (Owner::Span, 10..=99) => 3,
        (Owner::Span, 0..=9) => 2,
        (Owner::Span, 100..) => 4,
    }
}

/// The same event with no text but values longer in JSON than this.
fn with_short_texts(event: &CapturedEvent, max_bytes: usize) -> CapturedEvent {
    let mut event = event.clone();
    let short = |text: &str| -> Name {
        let part = escaped_part(text, max_bytes - 2 - CUT_MARK.len());
        Cow::Owned(if part.len() < text.len() { format!("{part}{CUT_MARK}") } else { text.to_owned() })
    };
    let is_long = |text: &str| escaped_part(text, max_bytes - 2 - CUT_MARK.len()).len() < text.len();
    if is_long(event.target()) || event.file().is_some_and(is_long) {
        event.origin = Origin::Owned(Box::new(OwnedOrigin {
            level: event.level(),
            target: short(event.target()),
            name: Cow::Owned(event.name().to_owned()),
            file: event.file().map(short),
            line: event.line(),
            module_path: event.module_path().map(|path| Cow::Owned(path.to_owned())),
        }));
    }
    event.thread = event.thread.map(|name| if is_long(&name) { Arc::from(&*short(&name)) } else { name });
    event
}

/// Leaves out spans from the root on, then fields of the event from the last on, until `excess` bytes are gone from the
/// line of the smallest event.
fn leave_out(event: &mut CapturedEvent, smallest: &CapturedEvent, excess: usize, integers: Integers) {
    let mut excess = excess;
    if let Some(last) = event.spans.len().checked_sub(1) {
        excess += PLACEHOLDER;
        let mut omitted = 0;
        for (index, span) in smallest.spans.iter().enumerate() {
            if excess == 0 {
                break;
            }
            let bytes = json::bytes_of(|out| json::write_span(out, span, integers)) + 1;
            excess = excess.saturating_sub(if index == last { 2 * bytes } else { bytes });
            omitted = index + 1;
        }
        let stand_in = Arc::new(CapturedSpan {
            trace: event.trace().copied(),
            request: event.request(),
            ..omitted_spans(omitted)
        });
        event.spans = std::iter::once(stand_in).chain(event.spans[omitted..].iter().cloned()).collect();
    }
    if excess > 0 {
        leave_out_fields(event, &smallest.own, excess + OMITTED_FIELDS, integers);
    }
}

fn leave_out_fields(event: &mut CapturedEvent, smallest: &Fields, excess: usize, integers: Integers) {
    let mut excess = excess;
    let lengths: Vec<usize> = smallest
        .iter()
        .map(|(name, value)| {
            2 + json::bytes_of(|out| write_text(out, name)) + value_bytes(value, Owner::Event, integers)
        })
        .collect();
    let kept = lengths.iter().rposition(|length| {
        let is_kept = excess == 0;
        excess = excess.saturating_sub(*length);
        is_kept
    });
    let kept = kept.map_or(0, |last| last + 1);
    let values = event.own.iter().take(kept);
    let values = values.map(|(name, value)| (Name::Owned(name.to_owned()), value.to_value())).collect();
    event.own = Fields::listed(values);
    let omitted = u32::try_from(lengths.len() - kept).unwrap_or(u32::MAX);
    event.omitted_fields = event.omitted_fields.saturating_add(omitted);
}

/// Stands for spans that are left out. The ids of the event come from its innermost and outermost span, which may be among them.
fn omitted_spans(count: usize) -> CapturedSpan {
    let (name, field) = OMITTED_SPANS;
    let fields = Fields::listed(vec![(Cow::Borrowed(field), Value::U64(count as u64))]);
    let (name, target) = (Cow::Borrowed(name), Cow::Borrowed(""));
    CapturedSpan { name, level: Level::TRACE, target, fields, trace: None, request: None }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
