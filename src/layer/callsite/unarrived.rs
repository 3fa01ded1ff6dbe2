//! Callsites whose events are enabled again and again and never arrive: another layer's `event_enabled` refuses them.
//!
//! `tracing` has no question that would show it. So the callsite's word counts, until its first event arrives, how often
//! this layer has said yes. Once one has arrived, or the count is full, saying yes costs one comparison of a word that is
//! loaded anyway.

use super::Callsites;
use crate::layer::key_of;
use crate::layer::word::Word;
use crate::sync::atomic::{AtomicU64, Ordering};
use tracing_core::Metadata;

impl Callsites {
    /// Counts an enabled event of a callsite, if no event of it has arrived yet.
    #[cold]
    pub(crate) fn count_enabled(word: &AtomicU64) {
        // Relaxed: count and arrival are in one word, so an arrival that is seen is never counted over.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            Word::is_unarrived(now).then_some(now + Word::ENABLED_ONCE)
        });
    }

    /// Notes the first event or span that arrives, by where it took its parent from.
    #[cold]
    pub(super) fn note_arrival(word: &AtomicU64, flag: u64) {
        // Relaxed: the fact is part of the code's text and orders nothing. The count goes with it, or the word would be
        // none that may be vetoed.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now & !Word::ENABLED | flag));
    }

    /// Whether events of a callsite were enabled again and again, and none has arrived.
    pub(crate) fn never_arrives(&self, metadata: &Metadata<'_>) -> bool {
        let word = self.word(key_of(metadata)).map_or(0, |word| word.load(Ordering::Relaxed));
        word & Word::ENABLED_OFTEN != 0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_takes_the_count_away_for_good() {
        let word = AtomicU64::new(Word::UNWANTED);
        (0..9).for_each(|_| Callsites::count_enabled(&word));
        assert_eq!(word.load(Ordering::Relaxed), Word::UNWANTED | Word::ENABLED_OFTEN, "it stops where it is full");
        Callsites::note_parent(&word, true);
        Callsites::count_enabled(&word);
        assert_eq!(word.load(Ordering::Relaxed), Word::UNWANTED | Word::CONTEXTUAL);
    }
}
