//! Values packed into one run of bytes: quick to write for a producer, taken apart by the reader.
//!
//! An entry is the index of its field (two bytes), its kind (one byte, the highest bit set where the value was cut),
//! and the value: a number as its bytes, a text or bytes behind their length (four bytes).

use super::{TextRef, ValueRef};

const I64: u8 = 0;
const U64: u8 = 1;
const I128: u8 = 2;
const U128: u8 = 3;
const F64: u8 = 4;
const BOOL: u8 = 5;
const STR: u8 = 6;
const DEBUG: u8 = 7;
const ERROR: u8 = 8;
const BYTES: u8 = 9;
const REDACTED: u8 = 10;
const NULL: u8 = 11;

const CUT: u8 = 0x80;

/// Packed values; those of most events and spans without an allocation.
#[derive(Clone, Debug)]
pub(crate) struct PackedBytes {
    length: u8,
    inline: [u8; INLINE_BYTES],
    /// Holds everything once `inline` was too short; keeps its room for the next values.
    spilled: Vec<u8>,
}

const INLINE_BYTES: usize = 95;

impl PackedBytes {
    pub(crate) const fn new() -> Self {
        Self { length: 0, inline: [0; INLINE_BYTES], spilled: Vec::new() }
    }

    /// Appends the value of the field at this place.
    #[inline(always)]
    pub(crate) fn push(&mut self, index: usize, value: ValueRef<'_>) {
        // A callsite with more fields than this does not compile in any reasonable time.
        if let Ok(index) = u16::try_from(index) {
            self.pack(index, value);
        }
    }

    /// How many of these bytes are in use; `None` if they are not all.
    #[inline]
    pub(crate) fn inline_part<const N: usize>(&self) -> Option<(u8, &[u8; N])> {
        let is_all = self.spilled.is_empty() && usize::from(self.length) <= N;
        if is_all { Some((self.length, self.inline.first_chunk()?)) } else { None }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.spilled.is_empty() { &self.inline[..usize::from(self.length)] } else { &self.spilled }
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
        self.spilled.clear();
    }

    /// The same values as were packed before.
    pub(crate) fn copied(packed: &[u8]) -> Self {
        let mut copy = Self::default();
        match copy.inline.get_mut(..packed.len()) {
            Some(place) => {
                place.copy_from_slice(packed);
                copy.length = packed.len() as u8;
            }
            None => copy.spilled = packed.to_vec(),
        }
        copy
    }

    /// Bytes allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.spilled.capacity()
    }

    /// Appends the value of the field with this index. Where its kind is known, little of this is left.
    #[inline(always)]
    pub(crate) fn pack(&mut self, index: u16, value: ValueRef<'_>) {
        match value {
            ValueRef::I64(value) => self.append(header(index, I64), &value.to_le_bytes()),
            ValueRef::U64(value) => self.append(header(index, U64), &value.to_le_bytes()),
            ValueRef::I128(value) => self.append(header(index, I128), &value.to_le_bytes()),
            ValueRef::U128(value) => self.append(header(index, U128), &value.to_le_bytes()),
            ValueRef::F64(value) => self.append(header(index, F64), &value.to_le_bytes()),
            ValueRef::Bool(value) => self.append(header(index, BOOL), &[u8::from(value)]),
            ValueRef::Str(text) => self.append_run(index, STR, text.text.as_bytes(), text.cut),
            ValueRef::Debug(text) => self.append_run(index, DEBUG, text.text.as_bytes(), text.cut),
            ValueRef::Error(text) => self.append_run(index, ERROR, text.text.as_bytes(), text.cut),
            ValueRef::Bytes { bytes, cut } => self.append_run(index, BYTES, bytes, cut),
            ValueRef::Redacted => self.append(header(index, REDACTED), &[]),
            ValueRef::Null => self.append(header(index, NULL), &[]),
        }
    }

    #[inline]
    fn append_run(&mut self, index: u16, kind: u8, run: &[u8], cut: bool) {
        // Nothing near 4 GiB gets here, unless `max_value_bytes` lets it through.
        let (run, cut) = if run.len() > u32::MAX as usize { (&[][..], true) } else { (run, cut) };
        let [low, high, kind] = header(index, if cut { kind | CUT } else { kind });
        let [a, b, c, d] = (run.len() as u32).to_le_bytes();
        self.append([low, high, kind, a, b, c, d], run);
    }

    #[inline(always)]
    fn append<const N: usize>(&mut self, header: [u8; N], value: &[u8]) {
        let start = usize::from(self.length);
        let end = start + N + value.len();
        let room = if self.spilled.is_empty() { self.inline.get_mut(start..end) } else { None };
        match room.and_then(|room| room.split_first_chunk_mut()) {
            Some((place, rest)) => {
                *place = header;
                rest.copy_from_slice(value);
                self.length = end as u8;
            }
            None => self.append_spilled(&header, value),
        }
    }

    #[cold]
    fn append_spilled(&mut self, header: &[u8], value: &[u8]) {
        if self.spilled.is_empty() {
            self.spilled.reserve(2 * INLINE_BYTES + value.len());
            self.spilled.extend_from_slice(&self.inline[..usize::from(self.length)]);
        }
        self.spilled.extend_from_slice(header);
        self.spilled.extend_from_slice(value);
    }
}

impl Default for PackedBytes {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn header(index: u16, kind: u8) -> [u8; 3] {
    let [low, high] = index.to_le_bytes();
    [low, high, kind]
}

/// One packed value and the index of its field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedEntry<'a> {
    pub(crate) index: u16,
    kind: u8,
    payload: &'a [u8],
}

/// The entries of packed bytes, in the order they were packed.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = PackedEntry<'a>;

    fn next(&mut self) -> Option<PackedEntry<'a>> {
        let ([low, high, kind], rest) = self.0.split_first_chunk()?;
        let (bytes, rest) = match kind & !CUT {
            I64 | U64 | F64 => (8, rest),
            I128 | U128 => (16, rest),
            BOOL => (1, rest),
            REDACTED | NULL => (0, rest),
            _ => {
                let (length, rest) = rest.split_first_chunk()?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
        };
        let (payload, rest) = rest.split_at_checked(bytes)?;
        self.0 = rest;
        Some(PackedEntry { index: u16::from_le_bytes([*low, *high]), kind: *kind, payload })
    }
}

impl<'a> PackedEntry<'a> {
    /// The value that was packed.
    #[inline]
    pub(crate) fn value(self) -> ValueRef<'a> {
        match self.kind & !CUT {
            I64 => ValueRef::I64(i64::from_le_bytes(self.number())),
            U64 => ValueRef::U64(u64::from_le_bytes(self.number())),
            I128 => ValueRef::I128(i128::from_le_bytes(self.number())),
            U128 => ValueRef::U128(u128::from_le_bytes(self.number())),
            F64 => ValueRef::F64(f64::from_le_bytes(self.number())),
            BOOL => ValueRef::Bool(self.number() == [1]),
            STR => ValueRef::Str(self.text()),
            DEBUG => ValueRef::Debug(self.text()),
            ERROR => ValueRef::Error(self.text()),
            BYTES => ValueRef::Bytes { bytes: self.payload, cut: self.is_cut() },
            REDACTED => ValueRef::Redacted,
            _ => ValueRef::Null,
        }
    }

    fn number<const N: usize>(self) -> [u8; N] {
        self.payload.try_into().expect("`Entries` gives each number as many bytes as `pack` has written of it")
    }

    fn text(self) -> TextRef<'a> {
        let text = str::from_utf8(self.payload).expect("`pack` has written a text here");
        TextRef { text, cut: self.is_cut() }
    }

    fn is_cut(self) -> bool {
        self.kind & CUT != 0
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
        fn what_was_packed_is_what_is_read(values in prop::collection::vec((any::<u16>(), any_value()), 0..12)) {
            let mut packed = PackedBytes::default();
            for _ in 0..2 {
                packed.clear();
                values.iter().for_each(|(index, value)| packed.pack(*index, value.view()));
                let read: Vec<_> =
                    Entries(packed.as_slice()).map(|entry| (entry.index, entry.value().to_value())).collect();
                prop_assert_eq!(format!("{read:?}"), format!("{values:?}"));
            }
        }
    }
}
