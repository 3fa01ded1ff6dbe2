//! The ring of one thread: records of words, the oldest overwritten, copied by readers while it is written.
//!
//! # The protocol
//! One thread writes, without a lock. Any number of threads copy what is there.
//!
//! | writer | reader |
//! |---|---|
//! | 1. sets the lowest bit of `head`: a record is being written | 1. looks at `head` by a read-modify-write |
//! | 2. makes the record's header | 2. copies the words from `tail` to `head` |
//! | 3. moves `tail` over what it will overwrite; fence | 3. fence; reads `tail` again |
//! | 4. writes the words | 4. drops what `tail` has passed |
//! | 5. moves `head`, which clears the bit | |
//!
//! *Torn records.* A reader that has read a word of step 4 sees the `tail` of step 3, by the two fences, and drops the record
//! that was overwritten.
//!
//! *The seam.* Both sides begin with a read-modify-write of `head`, so one comes before the other. If the reader's comes
//! first, the writer reads in step 2 what was published before the reader's step 1: the epoch after a session was opened. If
//! the writer's comes first, the reader finds the bit, and looks again until the record is there.

use super::record::{HEADER_WORDS, Kind, MAX_RECORD_WORDS, Record};
use crate::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::sync::atomic::{AtomicU64, fence};
use crate::sync::zeros;
use crossbeam_utils::CachePadded;

/// The records of one thread.
#[derive(Debug)]
pub(crate) struct Ring {
    /// A power of two of them.
    words: Box<[AtomicU64]>,
    written: CachePadded<Written>,
}

/// All of it is written by the owner alone.
#[derive(Debug, Default)]
struct Written {
    /// Twice the words written so far; odd while a record is being written.
    head: AtomicU64,
    /// The words that were overwritten, or are about to be: whole records.
    tail: AtomicU64,
    overwritten_events: AtomicU64,
    /// The time of the last event that was overwritten.
    overwritten_until: AtomicU64,
    /// The time of the last record of a span's values that was overwritten.
    recorded_until: AtomicU64,
}

/// What was overwritten in a ring.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overwritten {
    pub(crate) events: u64,
    /// The time of the last of them.
    pub(crate) until: u64,
    /// The time of the last record of a span's values among what was overwritten.
    pub(crate) recorded_until: u64,
}

/// What a reader has copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copied {
    /// Where the copy ends, for the next one to begin.
    pub(crate) end: u64,
    /// Whether a record is being written behind it.
    pub(crate) is_open: bool,
}

impl Ring {
    /// A ring of so many words, rounded down to a power of two.
    pub(crate) fn new(words: usize) -> Self {
        let words = 1 << words.max(2 * HEADER_WORDS).ilog2();
        Self { words: zeros(words), written: CachePadded::default() }
    }

    /// The most words that one record may have.
    #[inline]
    pub(crate) fn max_record_words(&self) -> usize {
        MAX_RECORD_WORDS.min(self.words.len() / 2)
    }

    /// Writes a record: its header, made after a reader can see that one is being written, and its payload. Called by the owner
    /// alone, with no more words than [`max_record_words`](Self::max_record_words).
    #[inline]
    pub(crate) fn write<R>(&self, payload: &[[u8; 8]], make: impl FnOnce() -> ([u64; HEADER_WORDS], R)) -> R {
        let written = &*self.written;
        // AcqRel: of this and a reader's read-modify-write the later sees what was before the earlier. Fails otherwise:
        // `loom_an_event_is_in_the_ring_or_knows_the_session`.
        // An addition, since the bit is never set here: one instruction, where one that sets a bit and returns the rest is a loop.
        let start = written.head.fetch_add(1, AcqRel) >> 1;
        let (header, made) = make();
        let length = HEADER_WORDS + payload.len();
        debug_assert_eq!(Record::words_of(header[0]), length, "a reader finds the next record by it");
        self.make_room(start + length as u64);
        let first = start as usize & (self.words.len() - 1);
        match self.words.get(first..first + length).and_then(<[_]>::split_first_chunk) {
            Some((head, rest)) => put(head, &header, rest, payload),
            None => self.put_around(start, &header, payload),
        }
        self.publish(start + length as u64);
        made
    }

    /// Writes the words of a record that begins near the end of the memory.
    #[cold]
    fn put_around(&self, start: u64, header: &[u64; HEADER_WORDS], payload: &[[u8; 8]]) {
        let payload = payload.iter().map(|word| u64::from_le_bytes(*word));
        for (position, word) in (start..).zip(header.iter().copied().chain(payload)) {
            // Relaxed: as in `put`.
            self.word(position).store(word, Relaxed);
        }
    }

    /// Shows readers all words up to here.
    #[inline]
    fn publish(&self, end: u64) {
        // Release pairs with the reader's read-modify-write: it copies whole records.
        #[cfg(not(loom))]
        self.written.head.store(end << 1, Release);
        // A read-modify-write comes right after what it reads. `loom` lets a reader's come after this store all the same, and
        // put back the value from before it; two of them it keeps in order.
        #[cfg(loom)]
        self.written.head.swap(end << 1, Release);
    }

    /// Moves `tail` so that what ends at `end` overwrites nothing behind it.
    #[inline]
    fn make_room(&self, end: u64) {
        let kept_from = end.saturating_sub(self.words.len() as u64);
        let tail = self.written.tail.load(Relaxed);
        if tail < kept_from {
            self.overwrite(tail, kept_from);
        }
        // Release: pairs with the reader's fence, see the protocol. Fails otherwise:
        // `loom_a_copy_has_no_record_that_was_overwritten`.
        fence(Release);
    }

    #[inline(never)]
    fn overwrite(&self, mut tail: u64, kept_from: u64) {
        while tail < kept_from {
            // Relaxed: the owner reads what it wrote itself.
            let first = self.word(tail).load(Relaxed);
            let time = || Record::time_of(self.word(tail + 1).load(Relaxed));
            match Record::kind_of(first) {
                Some(Kind::Event) => {
                    let events = self.written.overwritten_events.load(Relaxed);
                    self.written.overwritten_events.store(events + 1, Relaxed);
                    self.written.overwritten_until.store(time(), Relaxed);
                }
                Some(Kind::Recorded) => self.written.recorded_until.store(time(), Relaxed),
                _ => {}
            }
            tail += (Record::words_of(first) as u64).max(1);
        }
        self.written.tail.store(tail, Relaxed);
    }

    /// Copies the records from `from` on behind `into`.
    pub(crate) fn copy(&self, from: u64, into: &mut Vec<u64>) -> Copied {
        // A read-modify-write, as the protocol says.
        let head = self.written.head.fetch_or(0, AcqRel);
        let end = head >> 1;
        let start = self.written.tail.load(Relaxed).max(from).min(end);
        let before = into.len();
        into.extend((start..end).map(|position| self.word(position).load(Relaxed)));
        // Acquire: pairs with the writer's fence.
        fence(Acquire);
        let overwritten = self.written.tail.load(Relaxed).min(end).saturating_sub(start);
        into.drain(before..before + overwritten as usize);
        Copied { end, is_open: head & 1 != 0 }
    }

    pub(crate) fn overwritten(&self) -> Overwritten {
        Overwritten {
            events: self.written.overwritten_events.load(Relaxed),
            until: self.written.overwritten_until.load(Relaxed),
            recorded_until: self.written.recorded_until.load(Relaxed),
        }
    }

    /// Drops all records, for the next owner. Called by that alone.
    pub(crate) fn clear(&self) {
        // Relaxed: what is written next comes behind the fence in `make_room`.
        self.written.tail.store(self.written.head.load(Relaxed) >> 1, Relaxed);
        self.written.overwritten_events.store(0, Relaxed);
        self.written.overwritten_until.store(0, Relaxed);
        self.written.recorded_until.store(0, Relaxed);
    }

    #[inline]
    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[position as usize & (self.words.len() - 1)]
    }
}

/// Writes the words of a record into its place.
#[inline]
fn put(head: &[AtomicU64; HEADER_WORDS], header: &[u64; HEADER_WORDS], rest: &[AtomicU64], payload: &[[u8; 8]]) {
    // Relaxed: published by `head`; the fence before it makes the new `tail` visible to a reader that sees this.
    head.iter().zip(header).for_each(|(place, word)| place.store(*word, Relaxed));
    rest.iter().zip(payload).for_each(|(place, word)| place.store(u64::from_le_bytes(*word), Relaxed));
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../../sync/models/past_ring.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
