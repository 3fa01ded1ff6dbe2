//! What one layer instance knows about each callsite, as one atomic word, and the table that finds it.

mod unarrived;

use super::name::{CallsiteKey, key_of};
use super::thread::{self, Caller};
use super::word::Word;
use crate::session::snapshot::Judgement;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use std::sync::OnceLock;
use tracing_core::Metadata;
use tracing_core::callsite::DefaultCallsite;

/// Why a callsite is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    /// This router has it asked: no other filter has changed.
    Ours,
    /// It was reached for the first time, or another router has it asked.
    New,
    /// Others have it asked again, for example because a filter was changed.
    Again,
}

/// Everything one layer instance knows about callsites.
#[derive(Debug, Default)]
pub(crate) struct Callsites {
    table: Table,
    /// By the address of the metadata: callsites written by hand may share theirs. Never read by a producer.
    known: DashMap<usize, Known, FxBuildHasher>,
}

/// A callsite, and whether it was asked about for another reason than a router's rebuild.
///
/// `tracing` lists a callsite before it asks about it, so a rebuild of ours may be the first to ask.
#[derive(Clone, Copy, Debug)]
struct Known {
    metadata: &'static Metadata<'static>,
    beside_routers: bool,
}

impl Callsites {
    /// Notes a callsite that `tracing` registers, and forgets what was learned about it, unless this router
    /// made `tracing` register it again: then no other filter has changed.
    pub(crate) fn register(&self, metadata: &'static Metadata<'static>, kept: bool, router: u64) -> Registered {
        let key = key_of(metadata);
        let Some(word) = self.table.insert(key) else { return Registered::Ours };
        if is_written_by_hand(metadata) {
            // Relaxed: as below. A judgement from before goes with it.
            let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                Some(now & !(Word::CLEAR | Word::ABSENT) | Word::TESTED | Word::UNRULY)
            });
        }
        if kept {
            // Relaxed: a flag that is never cleared; a reader that misses it reads `LEARNED` as missing too.
            word.fetch_or(Word::KEPT, Ordering::Relaxed);
        }
        let caller = thread::with(|state| state.caller.get());
        let changed_by_others = match caller {
            Caller::Probe(_, probed) => probed != key,
            Caller::Rebuild(caller) => caller != router,
            Caller::Others => true,
        };
        if changed_by_others {
            // Release pairs with the Acquire in `learn`: a filter is changed before the rebuild for it. Fails otherwise:
            // `loom_an_answer_from_before_a_filter_changed_is_not_kept`.
            word.fetch_and(!Word::LEARNED, Ordering::Release);
        }
        let identity = std::ptr::from_ref(metadata).addr();
        let mut known = self.known.entry(identity).or_insert(Known { metadata, beside_routers: false });
        let asked_beside_routers = changed_by_others && !matches!(caller, Caller::Rebuild(_));
        let was_asked = known.beside_routers;
        known.beside_routers |= asked_beside_routers;
        match (changed_by_others, was_asked && asked_beside_routers) {
            (false, _) => Registered::Ours,
            (true, false) => Registered::New,
            (true, true) => Registered::Again,
        }
    }

    /// Whether events of a callsite with this word are kept for looking back. `is_this_kept` answers for one that may share
    /// its address.
    #[inline]
    pub(crate) fn keeps_past(word: &AtomicU64, is_this_kept: impl FnOnce() -> bool) -> bool {
        // Relaxed: as in `register`.
        match word.load(Ordering::Relaxed) & (Word::KEPT | Word::UNRULY) {
            Word::KEPT => true,
            // It may be another one's that has the same address.
            kept => kept & Word::KEPT != 0 && is_this_kept(),
        }
    }

    /// Notes that an event of the callsite was seen inside spans that carry what is tested under this generation. Returns
    /// whether that is new.
    #[cold]
    pub(crate) fn note_inside(word: &AtomicU64, generation: u32) -> bool {
        // Relaxed: the fact is in the word with the generation it holds under, and orders nothing.
        let noted = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            let is_new = Word(now).is_judged(generation) && now & (Word::INSIDE | Word::UNRULY) == 0;
            is_new.then_some(now | Word::INSIDE | Word::LOSABLE)
        });
        noted.is_ok()
    }

    /// Notes that events of the callsite outside any span need not be counted any more.
    pub(crate) fn stop_counting_lost(word: &AtomicU64, generation: u32) {
        // Relaxed: as in `note_inside`.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            Word(now).is_judged(generation).then_some(now & !Word::LOSABLE)
        });
    }

    /// The word of a callsite, if it is where it is looked for first.
    #[inline]
    pub(crate) fn likely_word(&self, key: CallsiteKey) -> Option<&AtomicU64> {
        self.table.first_place(key)
    }

    /// Whether a word is that of a span that is tracked whether or not a session is open. Not every such callsite's is.
    #[inline]
    pub(crate) fn is_kept(word: &AtomicU64) -> bool {
        // Relaxed: as in `register`.
        word.load(Ordering::Relaxed) & (Word::KEPT | Word::UNRULY) == Word::KEPT
    }

    /// The word of a callsite; `None` if it is not registered (yet). The callsites of `log` never are.
    #[inline]
    pub(crate) fn word(&self, key: CallsiteKey) -> Option<&AtomicU64> {
        self.table.find(key)
    }

    /// Whether other layers want a callsite, as far as that is known, and whether it may be vetoed under this key
    /// generation.
    pub(crate) fn standing(&self, metadata: &Metadata<'_>, generation: u32) -> (Option<bool>, bool) {
        let word = self.word(key_of(metadata)).map_or(0, |word| word.load(Ordering::Relaxed));
        (Word(word).wanted(), Word::is_vetoable(word, Word::vetoable(generation)))
    }

    /// How many callsites are known, and how many of them may be vetoed under this key generation.
    pub(crate) fn count(&self, generation: u32) -> (usize, usize) {
        let vetoable = Word::vetoable(generation);
        // Relaxed: numbers for people.
        let is_vetoable = |word: &&AtomicU64| Word::is_vetoable(word.load(Ordering::Relaxed), vetoable);
        (self.table.words().count(), self.table.words().filter(is_vetoable).count())
    }

    /// Notes where an event or span that has arrived took its parent from.
    #[inline]
    pub(crate) fn note_parent(word: &AtomicU64, contextual: bool) {
        let flag = if contextual { Word::CONTEXTUAL } else { Word::EXPLICIT };
        // Relaxed: the fact is part of the code's text and orders nothing.
        if word.load(Ordering::Relaxed) & flag == 0 {
            Self::note_arrival(word, flag);
        }
    }

    /// Whether the callsite is known to be clear, judged under the generation of this vetoable word.
    #[inline]
    pub(crate) fn is_known_clear(word: &AtomicU64, vetoable: u64) -> bool {
        // Relaxed: as in `judged`.
        let seen = word.load(Ordering::Relaxed);
        seen >> 32 == vetoable >> 32 && seen & Word::CLEAR != 0
    }

    /// Whether the callsite can supply nothing that a session outside its scope needs, judged again by `judge`
    /// if the index keys have changed since.
    #[inline]
    pub(crate) fn is_clear(word: &AtomicU64, generation: u32, judge: impl FnOnce() -> Judgement) -> bool {
        Self::judged(word, generation, judge).0 & Word::CLEAR != 0
    }

    /// What is judged of the callsite, as in `is_clear`.
    #[inline]
    pub(crate) fn judgement(word: &AtomicU64, generation: u32, judge: impl FnOnce() -> Judgement) -> Judgement {
        Self::judged(word, generation, judge).judgement()
    }

    /// What is judged of the callsite under this generation; `None` if nothing is yet.
    #[inline]
    pub(crate) fn known_judgement(word: u64, generation: u32) -> Option<Judgement> {
        Word(word).is_judged(generation).then(|| Word(word).judgement())
    }

    /// The generation under which a span of the callsite with this word adds nothing to the scope of its parent; 0: none.
    #[inline]
    pub(crate) fn absent_in(seen: u64) -> u32 {
        if seen & Word::ABSENT != 0 { (seen >> 32) as u32 } else { 0 }
    }

    /// The word of a callsite that is judged to be absent, for models.
    #[cfg(all(test, loom))]
    pub(crate) fn absent_word(generation: u32) -> u64 {
        u64::from(generation) << 32 | Word::ABSENT
    }

    #[inline]
    fn judged(word: &AtomicU64, generation: u32, judge: impl FnOnce() -> Judgement) -> Word {
        // Relaxed: the judgement is a function of static metadata and of the generation in the same word.
        let seen = Word(word.load(Ordering::Relaxed));
        if seen.is_judged(generation) { seen } else { Self::judge(word, seen, generation, judge()) }
    }

    #[cold]
    fn judge(word: &AtomicU64, mut seen: Word, generation: u32, judgement: Judgement) -> Word {
        let answers = Word::judged_as(judgement);
        loop {
            // Of a callsite that may be any of several, each field may be tested.
            let answers = if seen.0 & Word::UNRULY == 0 { answers } else { Word::TESTED };
            let flags = seen.0 & Word::FLAGS & !Word::JUDGED | answers;
            let judged = Word(u64::from(generation) << 32 | flags);
            // Relaxed: as in `judged`; the loop keeps what others learn meanwhile.
            match word.compare_exchange_weak(seen.0, judged.0, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return judged,
                // Another thread judged under another generation, which may be newer. This one holds for this call.
                Err(now) if now >> 32 != seen.0 >> 32 => return judged,
                Err(now) => seen = Word(now),
            }
        }
    }

    /// Asks, for every callsite in `callsites` whose answer is not known, whether another layer wants it.
    ///
    /// An answer is kept only if it was not forgotten between the question and the note; `ask` returns `None` if it could
    /// not ask.
    pub(crate) fn learn(
        &self,
        callsites: impl IntoIterator<Item = &'static Metadata<'static>>,
        mut ask: impl FnMut(&'static Metadata<'static>) -> Option<bool>,
    ) {
        for metadata in callsites {
            let Some(word) = self.word(key_of(metadata)) else { continue };
            if word.load(Ordering::Relaxed) & (Word::UNWANTED | Word::WANTED) != 0 {
                continue;
            }
            // Acquire: the others are asked after the mark is set, and a forgetting that is seen here (see `register`)
            // is answered by asking filters that have changed already. Fails otherwise:
            // `loom_an_answer_from_before_a_filter_changed_is_not_kept`.
            word.fetch_or(Word::ASKING, Ordering::Acquire);
            let Some(wanted) = ask(metadata) else { continue };
            let answer = if wanted { Word::WANTED } else { Word::UNWANTED };
            // The mark may be gone, because the answer was forgotten; then it may be stale and is dropped. Relaxed: mark and
            // answer are in one word, and nothing else is read by the answer.
            let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now & Word::ASKING != 0).then_some(now & !Word::ASKING | answer)
            });
        }
    }

    /// Every callsite seen so far. Copied, so that nothing is locked while the caller looks at them.
    pub(crate) fn all(&self) -> Vec<&'static Metadata<'static>> {
        self.known.iter().map(|entry| entry.metadata).collect()
    }
}

/// Whether no macro of `tracing` has written this callsite, by its size: the macros' remember their interest
/// and where they are listed. One written by hand may have no memory, and so its address with others, and may give its
/// events a parent or not.
fn is_written_by_hand(metadata: &Metadata<'_>) -> bool {
    size_of_val(metadata.callsite().0) != size_of::<DefaultCallsite>()
}

/// A lock-free table from callsite to word that only grows: levels of doubling size, each probed in one window.
#[derive(Debug)]
struct Table {
    first: Box<[Slot; FIRST_LEVEL_SLOTS]>,
    more: [OnceLock<Box<[Slot]>>; MORE_LEVELS],
}

#[derive(Debug, Default)]
struct Slot {
    key: AtomicUsize,
    word: AtomicU64,
}

/// Under `loom` as few as possible: it creates them again for each history.
const FIRST_LEVEL_SLOTS: usize = if cfg!(loom) { 4 } else { 2048 };
const MORE_LEVELS: usize = 10;
const WINDOW: usize = 4;

impl Default for Table {
    fn default() -> Self {
        Self { first: Box::new(std::array::from_fn(|_| Slot::default())), more: Default::default() }
    }
}

impl Table {
    #[inline]
    fn find(&self, key: CallsiteKey) -> Option<&AtomicU64> {
        self.first_place(key).or_else(|| self.search(key))
    }

    /// Most callsites are in the first level, at the first place looked at.
    #[inline]
    fn first_place(&self, key: CallsiteKey) -> Option<&AtomicU64> {
        let start = start_of_window(FIRST_LEVEL_SLOTS, key);
        let slot = &self.first[start];
        // Relaxed, here and below: a key says nothing but whose the word is, and that starts at 0 before any key is here.
        (slot.key.load(Ordering::Relaxed) == key).then_some(&slot.word)
    }

    #[inline(never)]
    fn search(&self, key: CallsiteKey) -> Option<&AtomicU64> {
        let more = self.more.iter().map_while(|level| level.get().map(|slots| &**slots));
        for slots in std::iter::once(&self.first[..]).chain(more) {
            for slot in window(slots, key) {
                match slot.key.load(Ordering::Relaxed) {
                    found if found == key => return Some(&slot.word),
                    // Keys are never removed, so an empty slot ends the search.
                    0 => return None,
                    _ => {}
                }
            }
        }
        None
    }

    /// The words of all keys.
    fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        let more = self.more.iter().map_while(|level| level.get()).flatten();
        self.first.iter().chain(more).filter(|slot| slot.key.load(Ordering::Relaxed) != 0).map(|slot| &slot.word)
    }

    /// Finds or adds a key; `None` if all levels are full around it: then it is never vetoed.
    fn insert(&self, key: CallsiteKey) -> Option<&AtomicU64> {
        let grown =
            (1..).zip(&self.more).map(|(power, level)| &**level.get_or_init(|| slots(FIRST_LEVEL_SLOTS << power)));
        for slots in std::iter::once(&self.first[..]).chain(grown) {
            for slot in window(slots, key) {
                match slot.key.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return Some(&slot.word),
                    Err(found) if found == key => return Some(&slot.word),
                    Err(_) => {}
                }
            }
        }
        None
    }
}

fn slots(count: usize) -> Box<[Slot]> {
    (0..count).map(|_| Slot::default()).collect()
}

/// The slots of a level that a key may be in.
fn window(slots: &[Slot], key: CallsiteKey) -> impl Iterator<Item = &Slot> {
    let start = start_of_window(slots.len(), key);
    (0..WINDOW).map(move |offset| &slots[(start + offset) & (slots.len() - 1)])
}

/// Fibonacci hashing: callsites are statics some tens of bytes apart. `level_slots` is a power of two.
#[inline]
fn start_of_window(level_slots: usize, key: CallsiteKey) -> usize {
    let hash = (key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (hash >> 32) as usize & (level_slots - 1)
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../../sync/models/callsite.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::session::snapshot::TestedFields;
    use tracing_core::callsite::Identifier;
    use tracing_core::field::FieldSet;
    use tracing_core::metadata::Kind;
    use tracing_core::{Callsite, Interest, Level};

    const UNDER_7: u64 = 7 << 32;

    fn word(flags: u64) -> AtomicU64 {
        AtomicU64::new(flags)
    }

    fn now(word: &AtomicU64) -> u64 {
        word.load(Ordering::Relaxed)
    }

    fn metadata() -> &'static Metadata<'static> {
        tracing::callsite! { name: "event", kind: Kind::EVENT, fields: }.metadata()
    }

    struct ByHand;

    impl Callsite for ByHand {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            written_by_hand()
        }
    }

    fn written_by_hand() -> &'static Metadata<'static> {
        static METADATA: OnceLock<Metadata<'static>> = OnceLock::new();
        let fields = FieldSet::new(&[], Identifier(&ByHand));
        METADATA.get_or_init(|| Metadata::new("by hand", "it", Level::INFO, None, None, None, fields, Kind::EVENT))
    }

    #[test]
    fn a_registration_says_why_it_came() {
        let (callsites, metadata) = (Callsites::default(), metadata());
        let register = |caller| {
            thread::with(|state| state.caller.set(caller));
            let registered = callsites.register(metadata, false, 1);
            thread::with(|state| state.caller.set(Caller::Others));
            registered
        };
        let key = key_of(metadata);
        assert_eq!(register(Caller::Rebuild(1)), Registered::Ours);
        let word = callsites.word(key).expect("it is registered");
        word.store(Word::UNWANTED | Word::CONTEXTUAL, Ordering::Relaxed);
        assert_eq!(register(Caller::Probe(1, key)), Registered::Ours);
        assert_eq!(now(word), Word::UNWANTED | Word::CONTEXTUAL);
        assert_eq!(register(Caller::Rebuild(2)), Registered::New);
        assert_eq!(now(word), Word::CONTEXTUAL, "another filter may have changed");
        assert_eq!(register(Caller::Others), Registered::New, "asked before by routers alone");
        assert_eq!(register(Caller::Others), Registered::Again);
        assert_eq!(register(Caller::Rebuild(2)), Registered::New);
        assert_eq!(register(Caller::Probe(1, key + 1)), Registered::Again);
    }

    #[test]
    fn a_callsite_written_by_hand_may_be_any() {
        let (callsites, metadata) = (Callsites::default(), written_by_hand());
        for learned in [0, Word::CONTEXTUAL, Word::CONTEXTUAL] {
            callsites.register(metadata, false, 1);
            let word = callsites.word(key_of(metadata)).expect("it is registered");
            assert_eq!(now(word), Word::TESTED | Word::UNRULY | learned);
            word.fetch_or(Word::CLEAR | Word::ABSENT | Word::CONTEXTUAL | Word::WANTED, Ordering::Relaxed);
        }
    }

    #[test]
    fn events_are_kept_by_their_callsite_or_by_themselves() {
        let keeps = |flags, this| Callsites::keeps_past(&word(flags), || this);
        for this in [false, true] {
            assert!(keeps(Word::KEPT | Word::CLEAR, this));
            assert!(!keeps(Word::CLEAR, this) && !keeps(Word::UNRULY, this));
            assert_eq!(keeps(Word::KEPT | Word::UNRULY, this), this);
        }
        let is_kept = |flags| Callsites::is_kept(&word(flags));
        assert!(is_kept(Word::KEPT | Word::CLEAR) && !is_kept(Word::KEPT | Word::UNRULY) && !is_kept(Word::CLEAR));
    }

    #[test]
    fn the_first_event_inside_has_others_counted_outside() {
        let seen = word(UNDER_7 | Word::CLEAR);
        assert!(!Callsites::note_inside(&seen, 8), "judged under other keys");
        assert!(Callsites::note_inside(&seen, 7) && !Callsites::note_inside(&seen, 7));
        assert_eq!(now(&seen), UNDER_7 | Word::CLEAR | Word::INSIDE | Word::LOSABLE);
        Callsites::stop_counting_lost(&seen, 8);
        assert_eq!(now(&seen), UNDER_7 | Word::CLEAR | Word::INSIDE | Word::LOSABLE);
        Callsites::stop_counting_lost(&seen, 7);
        assert_eq!(now(&seen), UNDER_7 | Word::CLEAR | Word::INSIDE);
        assert!(!Callsites::note_inside(&word(UNDER_7 | Word::UNRULY), 7));
    }

    #[test]
    fn a_judgement_holds_under_its_generation() {
        let absent = Judgement { clear: true, absent: true, tested: TestedFields(0) };
        let tested = Judgement { clear: false, absent: false, tested: TestedFields(2) };
        let known = Word::CONTEXTUAL | Word::UNWANTED;
        let seen = word(known);
        assert_eq!(Callsites::judgement(&seen, 7, || absent), absent);
        assert_eq!(Callsites::judgement(&seen, 7, || tested), absent, "it is judged once");
        assert!(Callsites::is_clear(&seen, 7, || tested));
        assert_eq!([7, 8].map(|under| Callsites::is_known_clear(&seen, Word::vetoable(under))), [true, false]);
        assert_eq!([7, 8].map(|under| Callsites::known_judgement(now(&seen), under)), [Some(absent), None]);
        assert_eq!((Callsites::absent_in(now(&seen)), now(&seen) & known), (7, known));
        assert_eq!(Callsites::judgement(&seen, 8, || tested), tested);
        assert!(!Callsites::is_clear(&seen, 8, || absent) && !Callsites::is_known_clear(&seen, Word::vetoable(8)));
        assert_eq!((Callsites::absent_in(now(&seen)), now(&seen) & known), (0, known));
        let any = Callsites::judgement(&word(Word::UNRULY), 7, || absent);
        assert_eq!(any, Judgement { clear: false, absent: false, tested: TestedFields(u16::MAX) });
    }

    #[test]
    fn what_others_want_is_learned_once_until_they_change() {
        let (callsites, metadata) = (Callsites::default(), metadata());
        let (asked, is_wanted) = (std::cell::Cell::new(0), || callsites.standing(metadata, 7).0);
        let learn = |answer| {
            callsites.learn([metadata], |_| {
                asked.set(asked.get() + 1);
                answer
            });
        };
        callsites.register(metadata, false, 1);
        learn(None);
        assert_eq!((is_wanted(), asked.get()), (None, 1), "it could not be asked");
        learn(Some(false));
        learn(Some(true));
        assert_eq!((is_wanted(), asked.get()), (Some(false), 2));
        callsites.register(metadata, false, 1);
        callsites.learn([metadata], |_| {
            callsites.register(metadata, false, 1);
            Some(true)
        });
        assert_eq!(is_wanted(), None, "the answer may be from before");
        learn(Some(true));
        assert_eq!((is_wanted(), callsites.count(7)), (Some(true), (1, 0)));
        callsites.word(key_of(metadata)).expect("it is registered").store(Word::vetoable(7), Ordering::Relaxed);
        assert_eq!([7, 8].map(|under| callsites.standing(metadata, under).1), [true, false]);
        assert_eq!([7, 8].map(|under| callsites.count(under)), [(1, 1), (1, 0)]);
    }

    #[test]
    fn a_table_finds_all_that_it_holds() {
        let (table, keys) = (Table::default(), (1..5_000).map(|number| 0x5555_0000 + number * 48));
        for key in keys.clone() {
            table.insert(key).expect("there is room").store(key as u64, Ordering::Relaxed);
        }
        assert!(keys.clone().all(|key| table.find(key).is_some_and(|word| now(word) == key as u64)));
        assert!(keys.clone().all(|key| table.insert(key).is_some_and(|word| now(word) == key as u64)), "there once");
        assert_eq!((table.words().count(), table.find(7).is_none()), (4_999, true));
    }
}
