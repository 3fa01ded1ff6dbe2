//! The messages of callsites, kept once: most are the same text each time, and then take a byte in a ring.
//!
//! A macro hands its message over as something to format, be it a literal or not. So the first text of a callsite is kept,
//! and a later message is compared with it. Both the table and the memory of the texts are of fixed size: a callsite that
//! finds no room writes its messages into the ring.

use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sync::atomic::{AtomicU64, AtomicUsize};
use crate::sync::zeros;

/// A longer message is not kept.
const MAX_LITERAL_BYTES: usize = 256;

/// How many slots are looked at for a callsite.
const WINDOW: usize = 4;

/// The texts.
#[derive(Debug)]
pub(crate) struct Literals {
    slots: Box<[Slot]>,
    texts: Box<[AtomicU64]>,
    used: AtomicUsize,
}

/// The text of one callsite.
#[derive(Debug, Default)]
struct Slot {
    /// The address of its metadata; 0: vacant.
    key: AtomicU64,
    /// Where its text begins, in words, and its length in bytes (16 bits); 0: it has none (yet).
    place: AtomicU64,
}

impl Literals {
    /// Texts in at most so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let slots = 1_usize << (bytes / 2 / size_of::<Slot>()).max(1).ilog2();
        Self {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            // A text at the first word would have the place of none.
            texts: zeros(bytes / 16 + 1),
            used: AtomicUsize::new(1),
        }
    }

    /// Where the text of a callsite is, for [`is_at`](Self::is_at); `None` if it has no slot (yet).
    #[inline]
    pub(crate) fn place(&self, key: usize) -> Option<u64> {
        // Acquire pairs with the Release in `keep`: the words are there. Fails otherwise: `loom_a_message_that_is_found_is_there`.
        self.find(key).map(|slot| slot.place.load(Acquire))
    }

    /// The text that is kept of the callsite.
    pub(crate) fn text(&self, key: usize) -> Option<String> {
        self.text_at(self.place(key)?)
    }

    /// The text at a place.
    pub(crate) fn text_at(&self, place: u64) -> Option<String> {
        let words = self.words(place);
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect();
        bytes.truncate(length_of(place));
        String::from_utf8(bytes).ok().filter(|_| place != 0)
    }

    /// Whether this is the text at a place.
    #[inline]
    pub(crate) fn is_at(&self, place: u64, text: &str) -> bool {
        if place == 0 || length_of(place) != text.len() {
            return false;
        }
        let (chunks, rest) = text.as_bytes().as_chunks::<8>();
        let Some((whole, last)) = self.words(place).split_at_checked(chunks.len()) else { return false };
        let is_same = |(kept, chunk): (&AtomicU64, &[u8; 8])| kept.load(Relaxed) == u64::from_le_bytes(*chunk);
        let has_same_end = |kept: &AtomicU64| kept.load(Relaxed) == padded(rest);
        whole.iter().zip(chunks).all(is_same) && (rest.is_empty() || last.first().is_some_and(has_same_end))
    }

    fn words(&self, place: u64) -> &[AtomicU64] {
        let start = (place >> 16) as usize;
        self.texts.get(start..start + length_of(place).div_ceil(8)).unwrap_or_default()
    }

    #[inline]
    fn find(&self, key: usize) -> Option<&Slot> {
        self.window(key).find(|slot| slot.key.load(Relaxed) == key as u64)
    }

    fn window(&self, key: usize) -> impl Iterator<Item = &Slot> {
        // Fibonacci hashing, as for callsites.
        let hash = (key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (0..WINDOW).map(move |offset| &self.slots[(hash as usize + offset) & (self.slots.len() - 1)])
    }

    /// Keeps the first text of a callsite, if there is room. Returns whether it did.
    #[cold]
    pub(crate) fn keep(&self, key: usize, text: &str) -> bool {
        let Some(slot) = self.take_slot(key) else { return false };
        let words = text.len().div_ceil(8);
        if text.is_empty() || text.len() > MAX_LITERAL_BYTES {
            return false;
        }
        let start = self.used.fetch_add(words, Relaxed);
        let Some(place) = self.texts.get(start..start.saturating_add(words)) else { return false };
        for (word, chunk) in place.iter().zip(text.as_bytes().chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(bytes), Relaxed);
        }
        slot.place.store((start as u64) << 16 | text.len() as u64, Release);
        true
    }

    /// A slot for a callsite; `None` if all are taken, or if another thread has just taken one for this callsite: its text
    /// is the first.
    fn take_slot(&self, key: usize) -> Option<&Slot> {
        // Relaxed, here and in `find`: the key says nothing but whose the place is.
        for slot in self.window(key) {
            match slot.key.compare_exchange(0, key as u64, Relaxed, Relaxed) {
                Ok(_) => return Some(slot),
                Err(taken) if taken == key as u64 => return None,
                Err(_) => {}
            }
        }
        None
    }
}

/// The last bytes of a text as a word.
#[inline]
fn padded(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn length_of(place: u64) -> usize {
    (place & 0xFFFF) as usize
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/literals.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    impl Literals {
        /// Whether this is the text that is kept of the callsite. Keeps it if none is.
        fn is_kept(&self, key: usize, text: &str) -> bool {
            self.place(key).map_or_else(|| self.keep(key, text), |place| self.is_at(place, text))
        }
    }

    #[test]
    fn the_first_text_of_a_callsite_is_kept_and_no_other() {
        let literals = Literals::new(4096);
        for (key, text) in [(64, "accepted"), (128, "rejected by the upstream"), (192, "ü")] {
            assert!(literals.is_kept(key, text));
            assert!(literals.is_kept(key, text), "{text}");
            assert!(!literals.is_kept(key, "acceptee"), "another text");
            assert_eq!(literals.text(key).as_deref(), Some(text));
        }
        assert_eq!(literals.text(256), None);
    }

    /// Both threads have found none: the text of the second would be read as that of the first.
    #[test]
    fn of_two_threads_that_keep_a_text_at_once_one_does() {
        let literals = Literals::new(4096);
        assert!(literals.keep(64, "accepted 1"));
        assert!(!literals.keep(64, "accepted 2"));
        assert_eq!(literals.text(64).as_deref(), Some("accepted 1"));
    }

    #[test]
    fn callsites_that_collide_take_the_next_slots() {
        let literals = Literals::new(128);
        assert_eq!(literals.slots.len(), WINDOW);
        let kept = |key: usize| literals.is_kept(key * 64, &format!("text {key}"));
        assert!((1..=WINDOW).all(kept) && !kept(WINDOW + 1));
        assert!((1..=WINDOW).all(|key| literals.text(key * 64) == Some(format!("text {key}"))));
    }

    #[test]
    fn texts_without_room_are_not_kept() {
        let literals = Literals::new(512);
        let kept = (1..200).filter(|key| literals.is_kept(key * 64, &format!("the message {key}"))).count();
        assert!((4..=16).contains(&kept), "{kept}");
        let again = (1..200).filter(|key| literals.is_kept(key * 64, &format!("the message {key}"))).count();
        assert_eq!(again, kept);
        assert!(!Literals::new(4096).is_kept(64, ""), "nothing is saved by it");
        assert!(!Literals::new(4096).is_kept(64, &"x".repeat(1000)));
    }

    #[test]
    fn a_text_is_kept_up_to_its_greatest_length() {
        let kept = |bytes: usize| Literals::new(4096).keep(64, &"x".repeat(bytes));
        assert!(kept(MAX_LITERAL_BYTES) && !kept(MAX_LITERAL_BYTES + 1));
    }

    #[test]
    fn callsites_are_spread_over_all_slots() {
        let literals = Literals::new(64 << 10);
        let kept = (1..=200).filter(|key| literals.keep(key * 64, "accepted")).count();
        assert_eq!((literals.slots.len(), kept), (2048, 200));
    }

    #[test]
    fn a_callsite_has_as_many_slots_as_are_looked_at() {
        let literals = Literals::new(4096);
        for key in 1..=1000 {
            let mut slots: Vec<_> = literals.window(key * 64).map(std::ptr::from_ref).collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), WINDOW, "{key}");
        }
    }
}
