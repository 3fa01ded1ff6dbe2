//! What is known about one callsite, as one number, and how the numbers look that matter in a place.

use crate::session::snapshot::{Judgement, TestedFields};

/// What is known about a callsite. The low half is flags, the high half the key generation they were judged under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(super) u64);

impl Word {
    /// Its events take their parent from the context. `parent:` is part of the macro's text, so one event is enough to know.
    pub(super) const CONTEXTUAL: u64 = 1;
    /// Its events name their parent.
    pub(super) const EXPLICIT: u64 = 1 << 1;
    /// No other layer wants it.
    pub(super) const UNWANTED: u64 = 1 << 2;
    /// Some other layer wants it.
    pub(super) const WANTED: u64 = 1 << 3;
    /// The control thread is asking the other layers. Forgetting clears this, and the answer is dropped.
    pub(super) const ASKING: u64 = 1 << 4;
    /// Under the generation in the high half: it can supply nothing that a session outside its scope needs.
    pub(super) const CLEAR: u64 = 1 << 5;
    /// Under the same generation: a span of it adds nothing to its parent's scope.
    pub(super) const ABSENT: u64 = 1 << 7;
    /// It is written by hand, or has another one's address: what holds of one of its events says nothing of the next.
    pub(super) const UNRULY: u64 = 1 << 11;
    /// Never to be vetoed: a span that is kept whether or not a session is open, or an event that is kept for looking back.
    pub(super) const KEPT: u64 = 1 << 6;

    /// Under the same generation, field by field, whether a predicate tests it; the last bit is for all further fields.
    pub(super) const TESTED: u64 = (u16::MAX as u64) << Self::TESTED_SHIFT;
    pub(super) const TESTED_SHIFT: u32 = 16;
    /// Under the same generation: an event of it was seen inside spans that carry a tested field or name.
    pub(super) const INSIDE: u64 = 1 << 12;
    /// Under the same generation: so it was, and events of it outside any span are to be counted.
    pub(super) const LOSABLE: u64 = 1 << 13;
    pub(super) const JUDGED: u64 = Self::CLEAR | Self::ABSENT | Self::TESTED | Self::INSIDE | Self::LOSABLE;

    /// What is said of a callsite that may be vetoed, apart from the fields that are tested outside the index.
    pub(super) const VETOABLE: u64 = Self::CONTEXTUAL | Self::UNWANTED | Self::CLEAR;

    /// What is compared wherever an event is.
    pub(super) const WHEREVER: u64 = !(Self::ABSENT | Self::TESTED | Self::INSIDE | Self::LOSABLE);

    pub(super) const ARRIVED: u64 = Self::CONTEXTUAL | Self::EXPLICIT;
    /// How often it was enabled before any event arrived; gone with the first that does.
    pub(super) const ENABLED: u64 = 0b111 * Self::ENABLED_ONCE;
    pub(super) const ENABLED_ONCE: u64 = 1 << 8;
    /// Set by the fourth time. One or two may be on their way, on as many threads.
    pub(super) const ENABLED_OFTEN: u64 = 1 << 10;

    pub(super) const LEARNED: u64 = Self::UNWANTED | Self::WANTED | Self::ASKING;
    pub(super) const FLAGS: u64 = u32::MAX as u64;

    /// Whether this word is that of a callsite that may be vetoed, `vetoable` under the current generation.
    #[inline]
    pub(crate) fn is_vetoable(word: u64, vetoable: u64) -> bool {
        Self::to_veto(word) == vetoable
    }

    /// What a callsite may be vetoed by.
    #[inline]
    fn to_veto(word: u64) -> u64 {
        word & Self::WHEREVER
    }

    /// Whether an event of this callsite, which is about to be enabled, would be the first to arrive.
    #[inline]
    pub(crate) fn is_unarrived(word: u64) -> bool {
        word & (Self::ARRIVED | Self::ENABLED_OFTEN) == 0
    }

    /// Whether this word is that of a callsite that was judged under the generation of `vetoable`, is not vetoed under it, and
    /// has had an event or span arrive.
    #[inline]
    pub(crate) fn is_let_through(word: u64, vetoable: u64) -> bool {
        word >> 32 == vetoable >> 32 && !Self::is_vetoable(word, vetoable) && !Self::is_unarrived(word)
    }

    /// The word of a callsite that may be vetoed under this key generation. Any other word may not.
    pub(crate) fn vetoable(generation: u32) -> u64 {
        u64::from(generation) << 32 | Self::VETOABLE
    }

    /// Whether an event outside any span of a callsite with this word is to be counted as lost.
    #[inline]
    pub(crate) fn is_losable(word: u64, generation: u32) -> bool {
        Self(word).is_judged(generation) && word & Self::LOSABLE != 0
    }

    /// Whether another layer wants it, as far as that is known.
    pub(super) fn wanted(self) -> Option<bool> {
        (self.0 & (Self::WANTED | Self::UNWANTED) != 0).then_some(self.0 & Self::WANTED != 0)
    }

    pub(super) fn is_judged(self, generation: u32) -> bool {
        (self.0 >> 32) as u32 == generation
    }

    #[inline]
    pub(super) fn judgement(self) -> Judgement {
        let tested = (self.0 >> Self::TESTED_SHIFT) as u16;
        Judgement { clear: self.0 & Self::CLEAR != 0, absent: self.0 & Self::ABSENT != 0, tested: TestedFields(tested) }
    }

    pub(super) fn judged_as(judgement: Judgement) -> u64 {
        let clear = if judgement.clear { Self::CLEAR } else { 0 };
        let absent = if judgement.absent { Self::ABSENT } else { 0 };
        clear | absent | u64::from(judgement.tested.0) << Self::TESTED_SHIFT
    }
}

/// How the word of a callsite that may be vetoed at once looks in one place: `word & mask == expected`.
///
/// Inside spans that carry a tested field, an event of the callsite was seen there before; outside any span, none is to be
/// counted there. So the one comparison of each veto also finds what coverage must know of: each callsite's first event
/// inside, and events that are outside although others were inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    mask: u64,
    expected: u64,
}

impl Look {
    /// No word fits.
    pub(crate) const NONE: Self = Self { mask: 0, expected: Word::CONTEXTUAL };

    /// Under this key generation, in such a place.
    #[inline]
    pub(crate) fn new(generation: u32, place: Place) -> Self {
        let vetoable = Word::vetoable(generation);
        match place {
            Place::Outside => Self { mask: Word::WHEREVER | Word::LOSABLE, expected: vetoable },
            Place::Carried => Self { mask: Word::WHEREVER | Word::INSIDE, expected: vetoable | Word::INSIDE },
            Place::Elsewhere => Self { mask: Word::WHEREVER, expected: vetoable },
        }
    }

    #[inline]
    pub(crate) fn fits(self, word: u64) -> bool {
        word & self.mask == self.expected
    }

    /// Whether the callsite may be vetoed, wherever its events or spans are.
    #[inline]
    pub(crate) fn fits_anywhere(self, word: u64) -> bool {
        (word ^ self.expected) & Word::WHEREVER == 0
    }

    /// The word of a callsite that may be vetoed, wherever its events are.
    #[inline]
    pub(crate) fn vetoable(self) -> u64 {
        self.expected & !Word::INSIDE
    }

    /// Whether this is the look inside spans that carry a tested field, where no event of a callsite with this word was seen.
    #[inline]
    pub(crate) fn is_first_inside(self, word: u64) -> bool {
        self.expected & Word::INSIDE & !word != 0
    }

    /// Whether this is the look outside any span, of events that are not meant to be there.
    #[inline]
    pub(crate) fn is_outside(self) -> bool {
        self.mask & Word::LOSABLE != 0
    }
}

/// Where events are, as far as lost context goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Outside any span.
    Outside,
    /// Inside spans with a tested field or name.
    Carried,
    /// Inside others, or meant to be outside any.
    Elsewhere,
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    const GENERATION: u32 = 7;
    const VETOABLE: u64 = (GENERATION as u64) << 32 | Word::CONTEXTUAL | Word::UNWANTED | Word::CLEAR;
    const WANTED: u64 = VETOABLE & !Word::UNWANTED | Word::WANTED;
    /// Seen inside spans that carry a tested field, and counted outside.
    const INSIDE: u64 = VETOABLE | Word::INSIDE;
    const LOSABLE: u64 = INSIDE | Word::LOSABLE;

    #[test]
    fn a_word_says_what_it_was_judged_as() {
        for (clear, absent, tested) in [(true, true, 0), (true, false, 1), (false, false, 5), (false, true, u16::MAX)] {
            let word = Word(Word::judged_as(Judgement { clear, absent, tested: TestedFields(tested) }));
            let judged = word.judgement();
            assert_eq!((judged.clear, judged.absent, judged.tested.0), (clear, absent, tested));
        }
        assert_eq!(Word::vetoable(GENERATION), VETOABLE);
        assert!(Word(VETOABLE).is_judged(GENERATION) && !Word(VETOABLE).is_judged(GENERATION + 1));
        assert_eq!([VETOABLE, WANTED, 0].map(|word| Word(word).wanted()), [Some(false), Some(true), None]);
        let is_losable = |word| Word::is_losable(word, GENERATION);
        assert_eq!([VETOABLE, INSIDE, LOSABLE].map(is_losable), [false, false, true]);
        assert!(!Word::is_losable(LOSABLE, GENERATION + 1));
    }

    #[test]
    fn what_is_judged_and_no_veto_concerns_is_let_through() {
        assert!(Word::is_let_through(WANTED, VETOABLE));
        assert!(!Word::is_let_through(VETOABLE, VETOABLE), "it is vetoed");
        assert!(!Word::is_let_through(WANTED, Word::vetoable(GENERATION + 1)), "it is to be judged again");
        let unarrived = WANTED & !Word::CONTEXTUAL;
        assert!(!Word::is_let_through(unarrived, VETOABLE), "it is counted");
        for known in [Word::EXPLICIT, Word::CONTEXTUAL, Word::ENABLED_OFTEN] {
            assert!(Word::is_let_through(unarrived | known, VETOABLE));
        }
    }

    #[test]
    fn a_look_fits_where_there_is_nothing_to_be_noted() {
        let looks = [Place::Outside, Place::Carried, Place::Elsewhere].map(|place| Look::new(GENERATION, place));
        let fits = |word| looks.map(|look| look.fits(word));
        assert_eq!(fits(VETOABLE), [true, false, true]);
        assert_eq!(fits(INSIDE), [true, true, true]);
        assert_eq!(fits(LOSABLE), [false, true, true]);
        assert_eq!(looks.map(|look| look.is_first_inside(VETOABLE)), [false, true, false]);
        assert_eq!(looks.map(|look| look.is_first_inside(INSIDE)), [false, false, false]);
        assert_eq!(looks.map(Look::is_outside), [true, false, false]);
        assert_eq!(looks.map(Look::vetoable), [VETOABLE; 3]);
    }

    #[test]
    fn a_look_fits_anywhere_what_may_be_vetoed_and_nothing_else() {
        for look in [Place::Outside, Place::Carried, Place::Elsewhere].map(|place| Look::new(GENERATION, place)) {
            for vetoable in [VETOABLE, INSIDE, LOSABLE, VETOABLE | Word::ABSENT | Word::TESTED] {
                assert!(look.fits_anywhere(vetoable) && !Look::NONE.fits(vetoable), "{vetoable:x}");
            }
            let others = [0, WANTED, VETOABLE | Word::KEPT, VETOABLE & !Word::CLEAR, Word::vetoable(GENERATION + 1)];
            assert!(others.iter().all(|word| !look.fits_anywhere(*word) && !look.fits(*word)));
        }
    }
}
