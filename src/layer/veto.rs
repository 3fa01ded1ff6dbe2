//! Stage 2, the veto: the one place where an event can be stopped before its arguments are evaluated.
//!
//! It stops the event for everyone, so it needs all of this: no other layer wants the callsite, its parent is the
//! context, it can supply nothing a session needs, and nothing can match in the scope the thread is in. Whatever
//! is not known lets the event through: not knowing only costs time.

use super::callsite::Callsites;
use super::host::Host;
use super::instance::Instance;
use super::name::key_of;
use super::repair::PERHAPS_INSIDE_ANOTHER;
use super::thread::{self, Decision};
use super::word::Word;
use crate::guard::{self, AskingAgain, Guard};
use crate::level::verbosity_of;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use tracing_core::Metadata;

impl Instance {
    /// The layer's `enabled`: false vetoes.
    #[inline]
    pub(super) fn enabled<H: Host>(&self, metadata: &Metadata<'_>, host: &H) -> bool {
        let epoch = self.epoch();
        epoch == 0 && guard::is_plain() || self.enabled_while_watched(metadata, epoch, host)
    }

    /// Apart, so that it costs nothing to get past while no session is open. What follows is called last, so that nothing
    /// saves registers: most questions end here.
    #[inline(never)]
    fn enabled_while_watched<H: Host>(&self, metadata: &Metadata<'_>, epoch: u64, host: &H) -> bool {
        match self.callsites.likely_word(key_of(metadata)) {
            Some(word) => self.enabled_by(metadata, epoch, host, word),
            None => self.enabled_elsewhere(metadata, epoch, host),
        }
    }

    /// The same for a callsite whose word is not where it is looked for first.
    #[inline(never)]
    fn enabled_elsewhere<H: Host>(&self, metadata: &Metadata<'_>, epoch: u64, host: &H) -> bool {
        match self.callsites.word(key_of(metadata)) {
            Some(word) => self.enabled_by(metadata, epoch, host, word),
            None => self.enabled_after_a_look(metadata, epoch, host),
        }
    }

    /// The answer for an event that may be vetoed, where the thread knows what holds in its scope.
    #[inline(always)]
    fn enabled_by<H: Host>(&self, metadata: &Metadata<'_>, epoch: u64, host: &H, word: &AtomicU64) -> bool {
        if !guard::is_plain() || metadata.is_span() {
            return self.span_enabled_by(metadata, epoch, host, word);
        }
        // Acquire pairs with the forgetting in `Callsites::register`: a changed filter that has made `tracing` ask again is
        // obeyed from that moment.
        let seen = word.load(Ordering::Acquire);
        let limit = thread::with(|state| state.verbosity_in(epoch, &self.trees, seen));
        let Some(limit) = limit else { return self.event_enabled_by(metadata, epoch, host, word) };
        let is_vetoed = verbosity_of(*metadata.level()) > limit;
        answer(metadata, is_vetoed)
    }

    /// The answer for an event of a callsite that is let through whatever the scope says, as where another layer wants it.
    #[inline(never)]
    fn event_enabled_by<H: Host>(&self, metadata: &Metadata<'_>, epoch: u64, host: &H, word: &AtomicU64) -> bool {
        // Acquire: as in `enabled_by`.
        let seen = word.load(Ordering::Acquire);
        let vetoable = thread::with(|state| state.judged_in(epoch)).map_or(0, |judged| judged.vetoable);
        if Word::is_let_through(seen, vetoable) {
            return answer(metadata, false);
        }
        if Word::is_vetoable(seen, vetoable) {
            return self.enabled_once_decided(metadata, epoch, host, word);
        }
        self.enabled_otherwise(metadata, epoch, host, word)
    }

    /// The same for a span, unless it would not be made without a session and none asks for it.
    #[inline(never)]
    fn span_enabled_by<H: Host>(&self, metadata: &Metadata<'_>, epoch: u64, host: &H, word: &AtomicU64) -> bool {
        if !guard::is_plain() {
            return self.enabled_after_a_look(metadata, epoch, host);
        }
        let Some(judged) = thread::with(|state| state.judged_in(epoch)) else {
            return self.enabled_otherwise(metadata, epoch, host, word);
        };
        let verbosity = verbosity_of(*metadata.level());
        if verbosity > judged.asked_spans && self.shared.span_limit.excludes(verbosity) {
            return answer(metadata, true);
        }
        // Acquire: as in `enabled_by`.
        if Word::is_let_through(word.load(Ordering::Acquire), judged.vetoable) {
            return answer(metadata, false);
        }
        self.span_vetoed_by(metadata, epoch, host, word)
    }

    /// The answer for a span that sessions ask for where nothing can match: it is vetoed, and noted.
    #[inline(never)]
    fn span_vetoed_by(&self, metadata: &Metadata<'_>, epoch: u64, host: &dyn Host, word: &AtomicU64) -> bool {
        // Acquire: as in `enabled_by`.
        let seen = word.load(Ordering::Acquire);
        let limit = thread::with(|state| state.span_verbosity_in(epoch, &self.trees, seen));
        let is_vetoed = limit.is_some_and(|limit| verbosity_of(*metadata.level()) > limit);
        if is_vetoed && self.note_vetoed_span_at_once(metadata) {
            return answer(metadata, true);
        }
        self.enabled_otherwise(metadata, epoch, host, word)
    }

    /// The answer for an event that may be vetoed, where coverage must know that it is here, or the thread must decide.
    #[inline(never)]
    fn enabled_once_decided(&self, metadata: &Metadata<'_>, epoch: u64, host: &dyn Host, word: &AtomicU64) -> bool {
        let decision = self.decision(epoch, host, metadata);
        // Acquire: as in `enabled_by`.
        if !decision.look.fits_anywhere(word.load(Ordering::Acquire)) {
            return self.enabled_after_a_look(metadata, epoch, host);
        }
        let is_vetoed = verbosity_of(*metadata.level()) > decision.verbosity;
        if is_vetoed {
            self.note_place(metadata, word, decision, host);
        }
        answer(metadata, is_vetoed)
    }

    /// The answer for what is left: where the callsite's word is to be judged again, and for spans.
    #[inline(never)]
    fn enabled_otherwise(&self, metadata: &Metadata<'_>, epoch: u64, host: &dyn Host, word: &AtomicU64) -> bool {
        if metadata.is_span() && self.keeps_away(metadata) {
            return false;
        }
        match self.known_answer(word, metadata, epoch) {
            Some(answer) => answer || self.note_veto(metadata, host),
            None => self.enabled_after_a_look(metadata, epoch, host),
        }
    }

    /// Whether a span would not be made without a session, and no session asks for it.
    #[inline]
    fn keeps_away(&self, metadata: &Metadata<'_>) -> bool {
        let verbosity = verbosity_of(*metadata.level());
        self.shared.span_limit.excludes(verbosity) && self.is_unasked_for(verbosity)
    }

    #[cold]
    fn is_unasked_for(&self, verbosity: u8) -> bool {
        let is_unasked_for = verbosity > self.shared.snapshot.load().span_verbosity;
        if is_unasked_for {
            thread::with(|state| state.asked.set(PERHAPS_INSIDE_ANOTHER));
        }
        is_unasked_for
    }

    /// The answer, where what the thread and the callsite's word say is enough for one.
    #[inline]
    fn known_answer(&self, slot: &AtomicU64, metadata: &Metadata<'_>, epoch: u64) -> Option<bool> {
        // Acquire: as in `enabled_by`.
        let word = slot.load(Ordering::Acquire);
        let verbosity = verbosity_of(*metadata.level());
        let decision = thread::with(|state| state.decided_in(epoch, &self.trees))?;
        let limit = if metadata.is_span() { decision.span_verbosity } else { decision.verbosity };
        if decision.look.fits_anywhere(word) && verbosity > limit {
            // Coverage is to know that an event is here.
            if metadata.is_event() && !decision.look.fits(word) {
                return None;
            }
            thread::with(|state| state.asked.set(PERHAPS_INSIDE_ANOTHER));
            return Some(false);
        }
        // A word that was judged under other keys may become vetoable.
        if word >> 32 != u64::from(decision.generation()) {
            return None;
        }
        if Word::is_unarrived(word) {
            Callsites::count_enabled(slot);
        }
        thread::with(|state| state.asked.set(key_of(metadata)));
        Some(true)
    }

    /// The same where something is to be found out first.
    #[inline(never)]
    fn enabled_after_a_look(&self, metadata: &Metadata<'_>, epoch: u64, host: &dyn Host) -> bool {
        let nested = Guard::is_held();
        if nested {
            thread::with(|state| state.disturbed.set(true));
        }
        if epoch == 0 || AskingAgain::is_held() {
            return true;
        }
        let key = key_of(metadata);
        if !nested && let Some(word) = self.callsites.word(key) {
            let decision = self.decision(epoch, host, metadata);
            if word.load(Ordering::Relaxed) >> 32 != u64::from(decision.generation()) {
                self.judge(word, decision, metadata);
            }
            let limit = if metadata.is_span() { decision.span_verbosity } else { decision.verbosity };
            // Acquire: as in `enabled_by`.
            let is_vetoable = decision.look.fits_anywhere(word.load(Ordering::Acquire));
            if is_vetoable && verbosity_of(*metadata.level()) > limit {
                thread::with(|state| state.asked.set(PERHAPS_INSIDE_ANOTHER));
                self.note_place(metadata, word, decision, host);
                return self.note_veto(metadata, host);
            }
            if Word::is_unarrived(word.load(Ordering::Relaxed)) {
                Callsites::count_enabled(word);
            }
        }
        thread::with(|state| state.asked.set(key));
        true
    }

    #[cold]
    fn judge(&self, word: &AtomicU64, decision: Decision, metadata: &Metadata<'_>) {
        let names = Arc::clone(&self.shared.snapshot.load().names);
        if names.generation == decision.generation() {
            Callsites::is_clear(word, names.generation, || names.judge(metadata));
        }
    }
}

/// Notes what was asked, for the repair of other layers' filter bits, and answers.
#[inline(always)]
fn answer(metadata: &Metadata<'_>, is_vetoed: bool) -> bool {
    let asked = if is_vetoed { PERHAPS_INSIDE_ANOTHER } else { key_of(metadata) };
    thread::with(|state| state.asked.set(asked));
    !is_vetoed
}
