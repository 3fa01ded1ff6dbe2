//! The records of a ring: four words, and a payload of bytes.
//!
//! | word | bits |
//! |---|---|
//! | 0 | kind (4), bytes of padding (3), length in words (12), epoch (45) |
//! | 1 | layer instance (8), nanoseconds since the router was created (56) |
//! | 2 | the address of the callsite's metadata, and two flags |
//! | 3 | the span: the innermost one of an event, or that which the record is about; 0: none |

/// Names a span: the layer instance, and the span's key there.
pub(crate) type SpanName = (u8, u64);

/// The words before the payload.
pub(crate) const HEADER_WORDS: usize = 4;

/// The most words that fit into the length.
pub(crate) const MAX_RECORD_WORDS: usize = (1 << 12) - 1;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Event,
    /// Values are recorded on a span; the payload has those before it.
    Recorded,
    /// A span closes; the payload has its last values.
    Closed,
}

/// One record, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) epoch: u64,
    pub(crate) instance: u8,
    pub(crate) time: u64,
    /// The address of the metadata.
    pub(crate) metadata: usize,
    pub(crate) flags: u64,
    pub(crate) span: u64,
    payload: &'a [u64],
    payload_bytes: usize,
}

/// A record about a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanRecord<'a> {
    pub(crate) kind: Kind,
    pub(crate) instance: u8,
    pub(crate) metadata: usize,
    /// Scopes do not show it.
    pub(crate) is_hidden: bool,
    /// Something was recorded on it.
    pub(crate) is_recorded: bool,
    pub(crate) span: u64,
    pub(crate) parent: u64,
    /// When it was created; 0: not known.
    pub(crate) begun: u64,
    /// Its packed values.
    pub(crate) values: &'a [u8],
}

const PADDING_SHIFT: u32 = 4;
const LENGTH_SHIFT: u32 = 7;
const EPOCH_SHIFT: u32 = 19;
const TIME_SHIFT: u32 = 8;
/// Metadata is a struct with references: its address is a multiple of at least four.
const FLAGS: u64 = 3;
const HIDDEN: u64 = 1;
const RECORDED: u64 = 2;

impl Kind {
    fn code(self) -> u64 {
        match self {
            Self::Event => 1,
            Self::Recorded => 2,
            Self::Closed => 3,
        }
    }
}

impl<'a> Record<'a> {
    /// The first word of a record with a payload of so many bytes.
    #[inline]
    pub(crate) fn first_word(kind: Kind, payload_bytes: usize, epoch: u64) -> u64 {
        let payload_words = payload_bytes.div_ceil(8);
        let padding = (8 * payload_words - payload_bytes) as u64;
        let words = (HEADER_WORDS + payload_words) as u64;
        kind.code() | padding << PADDING_SHIFT | words << LENGTH_SHIFT | epoch << EPOCH_SHIFT
    }

    #[inline]
    pub(crate) fn second_word(instance: u8, time: u64) -> u64 {
        u64::from(instance) | time << TIME_SHIFT
    }

    #[inline]
    pub(crate) fn words_of(first: u64) -> usize {
        (first >> LENGTH_SHIFT) as usize & MAX_RECORD_WORDS
    }

    pub(crate) fn time_of(second: u64) -> u64 {
        second >> TIME_SHIFT
    }

    pub(crate) fn kind_of(first: u64) -> Option<Kind> {
        [Kind::Event, Kind::Recorded, Kind::Closed].into_iter().find(|kind| kind.code() == first & 15)
    }

    /// The records in words that were copied, in order.
    pub(crate) fn all(mut words: &'a [u64]) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let (record, rest) = Self::split(words)?;
            words = rest;
            Some(record)
        })
    }

    fn split(words: &'a [u64]) -> Option<(Self, &'a [u64])> {
        let [first, second, metadata, span] = *words.first_chunk()?;
        let length = Self::words_of(first);
        let (record, rest) = words.split_at_checked(length)?;
        let payload = record.get(HEADER_WORDS..)?;
        let padding = (first >> PADDING_SHIFT) as usize & 7;
        let record = Self {
            kind: Self::kind_of(first)?,
            epoch: first >> EPOCH_SHIFT,
            instance: second as u8,
            time: Self::time_of(second),
            metadata: (metadata & !FLAGS) as usize,
            flags: metadata & FLAGS,
            span,
            payload,
            payload_bytes: (8 * payload.len()).checked_sub(padding)?,
        };
        Some((record, rest))
    }

    /// The payload.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.payload.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(self.payload_bytes);
        bytes
    }

    pub(crate) fn is_hidden(&self) -> bool {
        self.flags & HIDDEN != 0
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.flags & RECORDED != 0
    }
}

impl SpanRecord<'_> {
    pub(crate) fn metadata_word(&self) -> u64 {
        let hidden = if self.is_hidden { HIDDEN } else { 0 };
        let recorded = if self.is_recorded { RECORDED } else { 0 };
        self.metadata as u64 | hidden | recorded
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_says_of_its_span_is_read_back() {
        for (is_hidden, is_recorded) in [(false, false), (false, true), (true, false), (true, true)] {
            let (kind, values) = (Kind::Closed, &[][..]);
            let span = SpanRecord {
                kind,
                instance: 3,
                metadata: 64,
                is_hidden,
                is_recorded,
                span: 9,
                parent: 0,
                begun: 5,
                values,
            };
            let words = [Record::first_word(kind, 0, 0), Record::second_word(3, 7), span.metadata_word(), span.span];
            let read = Record::all(&words).next().unwrap();
            assert_eq!((read.kind, read.time, read.metadata, read.span), (kind, 7, 64, 9));
            assert_eq!((read.is_hidden(), read.is_recorded()), (is_hidden, is_recorded));
        }
    }
}
