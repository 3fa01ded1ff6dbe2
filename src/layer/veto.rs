//! Stage 2, the veto: the one place where an event can be stopped before its arguments are evaluated.
//!
//! It stops the event for everyone, so it needs all of this: no other layer wants the callsite, its parent is the
//! context, it can supply nothing a session needs, and nothing can match in the scope the thread is in. Whatever
//! is not known lets the event through: not knowing only costs time.

use super::callsite::{Callsites, Word};
use super::host::Host;
use super::instance::Instance;
use super::name::key_of;
use super::repair::PERHAPS_INSIDE_ANOTHER;
use super::thread::{self, Decision};
use crate::guard::{self, AskingAgain, Guard};
use crate::level::verbosity_of;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use tracing_core::Metadata;
use tracing_subscriber::layer::Context;

impl Instance {
    /// The layer's `enabled`: false vetoes.
    #[inline]
    pub(super) fn enabled<S: Host>(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        let epoch = self.epoch();
        epoch == 0 && guard::is_plain() || self.enabled_while_watched(metadata, epoch, context)
    }

    /// Apart, so that it costs nothing to get past while no session is open. What follows is called last, here and in
    /// `enabled_at_once`, so that neither saves registers: most questions end in one of them.
    #[inline(never)]
    fn enabled_while_watched<S: Host>(&self, metadata: &Metadata<'_>, epoch: u64, context: &Context<'_, S>) -> bool {
        let Some(is_vetoed) = self.is_vetoed_at_once(metadata, epoch) else {
            return self.enabled_at_once(metadata, epoch, context);
        };
        let asked = if is_vetoed { PERHAPS_INSIDE_ANOTHER } else { key_of(metadata) };
        thread::with(|state| state.asked.set(asked));
        !is_vetoed
    }

    /// Whether an event is vetoed, where its word is found at once and may be vetoed, so that it is judged and something has
    /// arrived.
    #[inline(always)]
    fn is_vetoed_at_once(&self, metadata: &Metadata<'_>, epoch: u64) -> Option<bool> {
        if !metadata.is_event() || !guard::is_plain() {
            return None;
        }
        // Acquire: as in `known_answer`.
        let word = self.callsites.likely_word(key_of(metadata))?.load(Ordering::Acquire);
        let decision = thread::with(|state| state.decided_in(epoch, &self.trees))?;
        let is_vetoable = Word::is_vetoable(word, decision.vetoable);
        is_vetoable.then(|| verbosity_of(*metadata.level()) > decision.verbosity)
    }

    /// The answer yes, where it is known and nothing is to be noted.
    #[inline(never)]
    fn enabled_at_once<S: Host>(&self, metadata: &Metadata<'_>, epoch: u64, context: &Context<'_, S>) -> bool {
        if self.is_let_through_at_once(metadata, epoch) {
            thread::with(|state| state.asked.set(key_of(metadata)));
            return true;
        }
        self.enabled_otherwise(metadata, epoch, context)
    }

    /// Whether a callsite is let through whatever the scope says: another layer wants it, or spans of it are kept.
    #[inline(always)]
    fn is_let_through_at_once(&self, metadata: &Metadata<'_>, epoch: u64) -> bool {
        // Acquire: as in `known_answer`.
        let word = self.callsites.likely_word(key_of(metadata)).map_or(0, |word| word.load(Ordering::Acquire));
        Word::is_let_through(word)
            && guard::is_plain()
            && thread::with(|state| state.held(epoch).generation) == (word >> 32) as u32
            && !(metadata.is_span() && self.shared.span_limit.excludes(verbosity_of(*metadata.level())))
    }

    /// The same for what is left.
    #[inline(never)]
    fn enabled_otherwise<S: Host>(&self, metadata: &Metadata<'_>, epoch: u64, context: &Context<'_, S>) -> bool {
        if guard::is_plain() {
            let is_span = metadata.is_span();
            if is_span && self.keeps_away(metadata) {
                return false;
            }
            if let Some(answer) = self.known_answer(metadata, is_span, epoch) {
                return answer || is_span && self.note_veto(metadata, context);
            }
        }
        self.enabled_after_a_look(metadata, epoch, context)
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
    fn known_answer(&self, metadata: &Metadata<'_>, is_span: bool, epoch: u64) -> Option<bool> {
        let key = key_of(metadata);
        // Acquire pairs with the forgetting in `Callsites::register`: a filter that was changed and has made
        // `tracing` ask again is obeyed from that moment.
        let slot = self.callsites.word(key)?;
        let word = slot.load(Ordering::Acquire);
        let verbosity = verbosity_of(*metadata.level());
        let decision = thread::with(|state| state.decided_in(epoch, &self.trees))?;
        let limit = if is_span { decision.span_verbosity } else { decision.verbosity };
        if Word::is_vetoable(word, decision.vetoable) && verbosity > limit {
            thread::with(|state| state.asked.set(PERHAPS_INSIDE_ANOTHER));
            return Some(false);
        }
        // A word that was judged under other keys may become vetoable.
        if word >> 32 != u64::from(decision.generation()) {
            return None;
        }
        if Callsites::is_unarrived(word) {
            Callsites::count_enabled(slot);
        }
        thread::with(|state| state.asked.set(key));
        Some(true)
    }

    /// The same where something is to be found out first.
    #[inline(never)]
    fn enabled_after_a_look<S: Host>(&self, metadata: &Metadata<'_>, epoch: u64, context: &Context<'_, S>) -> bool {
        let nested = Guard::is_held();
        if nested {
            thread::with(|state| state.disturbed.set(true));
        }
        if epoch == 0 || AskingAgain::is_held() {
            return true;
        }
        let key = key_of(metadata);
        if !nested && let Some(word) = self.callsites.word(key) {
            let decision = self.decision(epoch, context);
            if word.load(Ordering::Relaxed) >> 32 != u64::from(decision.generation()) {
                self.judge(word, decision, metadata);
            }
            let limit = if metadata.is_span() { decision.span_verbosity } else { decision.verbosity };
            // Acquire: as in `known_answer`.
            let is_vetoable = Word::is_vetoable(word.load(Ordering::Acquire), decision.vetoable);
            if is_vetoable && verbosity_of(*metadata.level()) > limit {
                thread::with(|state| state.asked.set(PERHAPS_INSIDE_ANOTHER));
                self.note_outside(metadata, decision);
                return self.note_veto(metadata, context);
            }
            if Callsites::is_unarrived(word.load(Ordering::Relaxed)) {
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
