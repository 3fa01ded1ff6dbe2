//! The values of an event in a ring: a byte each before the value, so that three numbers take 27 bytes.
//!
//! The high half of that byte is the kind, the low half how many fields were left out before this one. The kind 0 ends the
//! values.

use crate::value::{TextRef, ValueRef};

const I64: u8 = 1;
const U64: u8 = 2;
const I128: u8 = 3;
const U128: u8 = 4;
const F64: u8 = 5;
const FALSE: u8 = 6;
const TRUE: u8 = 7;
const STR: u8 = 8;
const DEBUG: u8 = 9;
const ERROR: u8 = 10;
const BYTES: u8 = 11;
const REDACTED: u8 = 12;
const NULL: u8 = 13;
/// The text that is kept of the callsite's message.
const LITERAL: u8 = 14;
/// How many fields found no room; the last of all.
const OMITTED: u8 = 15;

/// In the low half: the field's place follows, two bytes.
const FAR: usize = 15;

/// The highest bit of a length: the value was cut.
const CUT: u16 = 1 << 15;

/// The last bytes of all: how many fields found no room.
const TAIL_BYTES: usize = 3;

/// The memory of an event to begin with.
const MIN_BYTES: usize = 256;

/// The values of an event that is being written.
///
/// All of the memory is there, so that a number is two stores: what is behind `at` is left from the last event. One serves for
/// many events, where it stays.
#[derive(Debug, Default)]
pub(crate) struct EventValues {
    bytes: Vec<u8>,
    at: usize,
    next: usize,
    max_bytes: usize,
    omitted: u16,
}

/// A text that is being written into an event, behind room for what is before it.
#[derive(Debug)]
pub(crate) struct EventText<'v> {
    values: &'v mut EventValues,
    place: usize,
    kind: u8,
    /// Where the value begins, and its text.
    start: usize,
    text: usize,
}

impl EventValues {
    /// In no memory yet.
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), at: 0, next: 0, max_bytes: 0, omitted: 0 }
    }

    /// Begins an event with at most so many bytes of values.
    #[inline]
    pub(crate) fn begin_event(&mut self, max_bytes: usize) {
        if self.max_bytes != max_bytes {
            self.change_memory(max_bytes);
        }
        self.at = 0;
        self.next = 0;
        self.omitted = 0;
    }

    /// Keeps at least some memory, and no more than an event may take.
    #[cold]
    fn change_memory(&mut self, max_bytes: usize) {
        if self.bytes.is_empty() || self.bytes.len() > max_bytes {
            self.bytes = vec![0; MIN_BYTES.min(max_bytes)];
        }
        self.max_bytes = max_bytes;
    }

    /// Appends the value of the field at this place. Values of up to 32 KiB.
    pub(crate) fn push(&mut self, place: usize, value: ValueRef<'_>) {
        match value {
            ValueRef::I64(value) => self.push_i64(place, value),
            ValueRef::U64(value) => self.push_u64(place, value),
            ValueRef::I128(value) => self.append(place, I128, &value.to_le_bytes()),
            ValueRef::U128(value) => self.append(place, U128, &value.to_le_bytes()),
            ValueRef::F64(value) => self.push_f64(place, value),
            ValueRef::Bool(value) => self.append(place, if value { TRUE } else { FALSE }, &[]),
            ValueRef::Str(text) => self.append_run(place, STR, text.text.as_bytes(), text.cut),
            ValueRef::Debug(text) => self.append_run(place, DEBUG, text.text.as_bytes(), text.cut),
            ValueRef::Error(text) => self.append_run(place, ERROR, text.text.as_bytes(), text.cut),
            ValueRef::Bytes { bytes, cut } => self.append_run(place, BYTES, bytes, cut),
            ValueRef::Redacted => self.append(place, REDACTED, &[]),
            ValueRef::Null => self.append(place, NULL, &[]),
        }
    }

    #[inline]
    pub(crate) fn push_i64(&mut self, place: usize, value: i64) {
        self.append_word(place, I64, value as u64);
    }

    #[inline]
    pub(crate) fn push_u64(&mut self, place: usize, value: u64) {
        self.append_word(place, U64, value);
    }

    #[inline]
    pub(crate) fn push_f64(&mut self, place: usize, value: f64) {
        self.append_word(place, F64, value.to_bits());
    }

    /// Appends the text that is kept of the callsite's message.
    #[inline]
    pub(crate) fn push_literal(&mut self, place: usize) {
        let skipped = place.wrapping_sub(self.next);
        match self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<{ 1 + TAIL_BYTES }>) {
            Some(room) if skipped < FAR => {
                room[0] = LITERAL << 4 | skipped as u8;
                self.at += 1;
                self.next = place + 1;
            }
            _ => self.append(place, LITERAL, &[]),
        }
    }

    /// Begins a printed text, of an error or another value; `None` if there is no room for one.
    #[inline]
    pub(crate) fn begin_text(&mut self, place: usize, is_error: bool) -> Option<EventText<'_>> {
        let start = self.at;
        let header = if place.wrapping_sub(self.next) < FAR { 1 } else { 3 };
        if !self.has_room(header + 2) {
            self.omit();
            return None;
        }
        self.at += header + 2;
        let kind = if is_error { ERROR } else { DEBUG };
        Some(EventText { place, kind, start, text: self.at, values: self })
    }

    /// The bytes, complete: whole words of them, and how many of them count.
    #[inline]
    pub(crate) fn finish(&mut self) -> (&[[u8; 8]], usize) {
        if self.omitted > 0 {
            self.write_omitted();
        }
        let count = self.at;
        // The memory is of whole words, so there is room. Mostly there is more, and one store does.
        let words = count.next_multiple_of(8);
        match self.bytes.get_mut(count..).and_then(<[u8]>::first_chunk_mut::<8>) {
            Some(behind) => *behind = [0; 8],
            None => self.bytes.get_mut(count..words).unwrap_or_default().fill(0),
        }
        let words = self.bytes.get(..words).unwrap_or_default();
        (words.as_chunks().0, count)
    }

    #[cold]
    fn write_omitted(&mut self) {
        let [low, high] = self.omitted.to_le_bytes();
        if let Some(tail) = self.bytes.get_mut(self.at..self.at + TAIL_BYTES) {
            tail.copy_from_slice(&[OMITTED << 4, low, high]);
            self.at += TAIL_BYTES;
        }
    }

    #[inline(always)]
    fn append_word(&mut self, place: usize, kind: u8, value: u64) {
        let skipped = place.wrapping_sub(self.next);
        match self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<{ 1 + 8 + TAIL_BYTES }>) {
            Some(room) if skipped < FAR => {
                room[0] = kind << 4 | skipped as u8;
                room[1..9].copy_from_slice(&value.to_le_bytes());
                self.at += 9;
                self.next = place + 1;
            }
            _ => self.append_far(place, kind, value),
        }
    }

    #[cold]
    fn append_far(&mut self, place: usize, kind: u8, value: u64) {
        self.append(place, kind, &value.to_le_bytes());
    }

    fn append(&mut self, place: usize, kind: u8, value: &[u8]) {
        if self.begin(place, kind, value.len()) {
            self.put(value);
        }
    }

    fn append_run(&mut self, place: usize, kind: u8, run: &[u8], cut: bool) {
        let Some(length) = length_word(run.len(), cut) else { return self.omit() };
        if self.begin(place, kind, 2 + run.len()) {
            self.put(&length.to_le_bytes());
            self.put(run);
        }
    }

    /// Writes what is before a value of so many bytes, if there is room for it.
    #[inline]
    fn begin(&mut self, place: usize, kind: u8, bytes: usize) -> bool {
        let skipped = place.checked_sub(self.next).filter(|skipped| *skipped < FAR);
        let header = if skipped.is_some() { 1 } else { 3 };
        if !self.has_room(header + bytes) {
            self.omit();
            return false;
        }
        match skipped {
            Some(skipped) => self.put(&[kind << 4 | skipped as u8]),
            None => {
                self.put(&[kind << 4 | FAR as u8]);
                self.put(&(place as u16).to_le_bytes());
            }
        }
        self.next = place + 1;
        true
    }

    /// Makes room for so many bytes and the tail, as far as there may be.
    #[inline]
    fn has_room(&mut self, bytes: usize) -> bool {
        self.at + bytes + TAIL_BYTES <= self.bytes.len() || self.grow(bytes)
    }

    #[cold]
    fn grow(&mut self, bytes: usize) -> bool {
        let needed = self.at + bytes + TAIL_BYTES;
        if needed > self.max_bytes {
            return false;
        }
        self.bytes.resize((2 * needed).next_multiple_of(8).min(self.max_bytes), 0);
        true
    }

    /// Writes into room that is there.
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.at..self.at + bytes.len()) {
            room.copy_from_slice(bytes);
            self.at += bytes.len();
        }
    }

    #[cold]
    fn omit(&mut self) {
        self.omitted = self.omitted.saturating_add(1);
    }
}

impl<'v> EventText<'v> {
    /// How many bytes it has so far.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.values.at - self.text
    }

    /// What was written so far.
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.values.bytes[self.text..self.values.at]).unwrap_or_default()
    }

    /// Appends a part. Returns whether there was room for it.
    #[inline]
    pub(crate) fn push(&mut self, part: &str) -> bool {
        let has_room = self.values.has_room(part.len());
        if has_room {
            self.values.put(part.as_bytes());
        }
        has_room
    }

    /// Forgets what was written of the text.
    pub(crate) fn restart(&mut self) {
        self.values.at = self.text;
    }

    /// Completes the value.
    #[inline]
    pub(crate) fn finish(self, cut: bool) {
        let Some(length) = length_word(self.len(), cut) else { return self.omit() };
        let Self { values, place, kind, start, .. } = self;
        let end = values.at;
        values.at = start;
        // There was room for it.
        if values.begin(place, kind, 2) {
            values.put(&length.to_le_bytes());
            values.at = end;
        }
    }

    /// Leaves the value out: there was no room for it.
    pub(crate) fn omit(self) {
        self.undo().omit();
    }

    /// Takes the value back.
    #[inline]
    pub(crate) fn undo(self) -> &'v mut EventValues {
        self.values.at = self.start;
        self.values
    }
}

/// The length of a run as it is written; `None`: it is too long.
#[inline]
fn length_word(length: usize, cut: bool) -> Option<u16> {
    let length = u16::try_from(length).ok().filter(|length| *length < CUT)?;
    Some(if cut { length | CUT } else { length })
}

/// What was read of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PastValue<'a> {
    /// The value of the field at this place.
    Field(usize, ValueRef<'a>),
    /// The field at this place has the text that is kept of the callsite's message.
    Literal(usize),
    /// So many fields found no room.
    Omitted(u16),
}

/// Reads values back, in order. Ends early where they are not what was written.
pub(crate) fn values(bytes: &[u8]) -> impl Iterator<Item = PastValue<'_>> {
    let mut reading = Reading { rest: bytes, next: 0 };
    std::iter::from_fn(move || reading.value())
}

struct Reading<'a> {
    rest: &'a [u8],
    next: usize,
}

impl<'a> Reading<'a> {
    fn value(&mut self) -> Option<PastValue<'a>> {
        let [first] = self.take()?;
        let kind = first >> 4;
        if kind == OMITTED {
            return Some(PastValue::Omitted(u16::from_le_bytes(self.take()?)));
        }
        let place = match usize::from(first & 15) {
            FAR => u16::from_le_bytes(self.take()?).into(),
            skipped => self.next + skipped,
        };
        self.next = place + 1;
        if kind == LITERAL {
            return Some(PastValue::Literal(place));
        }
        Some(PastValue::Field(place, self.field(kind)?))
    }

    fn field(&mut self, kind: u8) -> Option<ValueRef<'a>> {
        Some(match kind {
            I64 => ValueRef::I64(i64::from_le_bytes(self.take()?)),
            U64 => ValueRef::U64(u64::from_le_bytes(self.take()?)),
            I128 => ValueRef::I128(i128::from_le_bytes(self.take()?)),
            U128 => ValueRef::U128(u128::from_le_bytes(self.take()?)),
            F64 => ValueRef::F64(f64::from_le_bytes(self.take()?)),
            FALSE => ValueRef::Bool(false),
            TRUE => ValueRef::Bool(true),
            STR => ValueRef::Str(self.text()?),
            DEBUG => ValueRef::Debug(self.text()?),
            ERROR => ValueRef::Error(self.text()?),
            BYTES => {
                let (bytes, cut) = self.run()?;
                ValueRef::Bytes { bytes, cut }
            }
            REDACTED => ValueRef::Redacted,
            NULL => ValueRef::Null,
            _ => return None,
        })
    }

    fn text(&mut self) -> Option<TextRef<'a>> {
        let (run, cut) = self.run()?;
        Some(TextRef { text: str::from_utf8(run).ok()?, cut })
    }

    fn run(&mut self) -> Option<(&'a [u8], bool)> {
        let length = u16::from_le_bytes(self.take()?);
        let (run, rest) = self.rest.split_at_checked(usize::from(length & !CUT))?;
        self.rest = rest;
        Some((run, length & CUT != 0))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
