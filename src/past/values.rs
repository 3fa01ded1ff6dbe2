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

/// A byte, a place, a length; and the last three bytes of all.
const MAX_HEADER_BYTES: usize = 5 + 3;

/// The values of an event that is being written.
#[derive(Debug)]
pub(crate) struct EventValues {
    bytes: Vec<u8>,
    next: usize,
    max_bytes: usize,
    omitted: u16,
}

impl EventValues {
    /// No values yet, in this memory.
    pub(crate) fn new(mut bytes: Vec<u8>, max_bytes: usize) -> Self {
        bytes.clear();
        Self { bytes, next: 0, max_bytes, omitted: 0 }
    }

    /// Appends the value of the field at this place. Values of up to 32 KiB.
    #[inline(always)]
    pub(crate) fn push(&mut self, place: usize, value: ValueRef<'_>) {
        match value {
            ValueRef::I64(value) => self.append(place, I64, value.to_le_bytes()),
            ValueRef::U64(value) => self.append(place, U64, value.to_le_bytes()),
            ValueRef::I128(value) => self.append(place, I128, value.to_le_bytes()),
            ValueRef::U128(value) => self.append(place, U128, value.to_le_bytes()),
            ValueRef::F64(value) => self.append(place, F64, value.to_le_bytes()),
            ValueRef::Bool(value) => self.append(place, if value { TRUE } else { FALSE }, []),
            ValueRef::Str(text) => self.append_run(place, STR, text.text.as_bytes(), text.cut),
            ValueRef::Debug(text) => self.append_run(place, DEBUG, text.text.as_bytes(), text.cut),
            ValueRef::Error(text) => self.append_run(place, ERROR, text.text.as_bytes(), text.cut),
            ValueRef::Bytes { bytes, cut } => self.append_run(place, BYTES, bytes, cut),
            ValueRef::Redacted => self.append(place, REDACTED, []),
            ValueRef::Null => self.append(place, NULL, []),
        }
    }

    /// Appends the text that is kept of the callsite's message.
    #[inline]
    pub(crate) fn push_literal(&mut self, place: usize) {
        self.append(place, LITERAL, []);
    }

    /// The bytes, complete.
    #[inline]
    pub(crate) fn finish(&mut self) -> &[u8] {
        if self.omitted > 0 {
            self.bytes.push(OMITTED << 4);
            self.bytes.extend_from_slice(&self.omitted.to_le_bytes());
        }
        &self.bytes
    }

    /// The memory, for the next event.
    #[inline]
    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    #[inline(always)]
    fn append<const N: usize>(&mut self, place: usize, kind: u8, value: [u8; N]) {
        if self.begin(place, kind, N) {
            self.bytes.extend_from_slice(&value);
        }
    }

    #[inline]
    fn append_run(&mut self, place: usize, kind: u8, run: &[u8], cut: bool) {
        let Ok(length) = u16::try_from(run.len()) else { return self.omit() };
        if length >= CUT {
            return self.omit();
        }
        if self.begin(place, kind, 2 + run.len()) {
            let length = if cut { length | CUT } else { length };
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(run);
        }
    }

    /// Writes what is before a value of so many bytes, if there is room for it.
    #[inline(always)]
    fn begin(&mut self, place: usize, kind: u8, bytes: usize) -> bool {
        if self.bytes.len() + bytes + MAX_HEADER_BYTES > self.max_bytes {
            self.omit();
            return false;
        }
        match place.checked_sub(self.next) {
            Some(skipped) if skipped < FAR => self.bytes.push(kind << 4 | skipped as u8),
            _ => self.begin_far(place, kind),
        }
        self.next = place + 1;
        true
    }

    #[cold]
    fn begin_far(&mut self, place: usize, kind: u8) {
        self.bytes.push(kind << 4 | FAR as u8);
        self.bytes.extend_from_slice(&(place as u16).to_le_bytes());
    }

    #[cold]
    fn omit(&mut self) {
        self.omitted = self.omitted.saturating_add(1);
    }
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
mod tests {
    use super::*;
    use crate::value::testing::any_value;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_in_a_ring_are_read_as_they_were_written(
            written in prop::collection::vec((0_usize..300, any_value()), 0..12),
        ) {
            let mut values_written = EventValues::new(Vec::new(), 1 << 15);
            written.iter().for_each(|(place, value)| values_written.push(*place, value.view()));
            let read: Vec<_> = values(values_written.finish())
                .map(|value| match value {
                    PastValue::Field(place, value) => (place, value.to_value()),
                    other => panic!("{other:?}"),
                })
                .collect();
            prop_assert_eq!(format!("{read:?}"), format!("{written:?}"));
        }

        #[test]
        fn bytes_that_are_no_values_are_read_without_a_panic(bytes: Vec<u8>) {
            assert!(values(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn fields_without_room_are_counted() {
        let mut written = EventValues::new(Vec::new(), 40);
        (0..9).for_each(|place| written.push(place, ValueRef::U64(7)));
        let bytes = written.finish();
        assert!(bytes.len() <= 40, "{}", bytes.len());
        assert!(matches!(values(bytes).last(), Some(PastValue::Omitted(6))), "{:?}", values(bytes).last());
    }
}
