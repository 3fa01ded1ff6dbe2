//! What the hooks leave for coverage. Nothing here decides about an event.

use super::callsite::Callsites;
use super::facts::is_log_bridge;
use super::host::Host;
use super::instance::Instance;
use super::matching::Incoming;
use super::name::{NO_SPAN, key_of};
use super::repair::PERHAPS_INSIDE_ANOTHER;
use super::thread::{self, Decision};
use super::word::Word;
use crate::coverage::Link;
use crate::event::Fields;
use crate::guard::{Guard, run_user_code};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::value::ValueRef;
use std::sync::Arc;
use tracing_core::{Metadata, span};

impl Incoming<'_> {
    /// Notes the shape of a value that a test looks at.
    #[inline]
    pub(super) fn note_value(&self, field: usize, value: ValueRef<'_>) {
        self.shared.seen.note_value(key_of(self.event.metadata()), field, value);
    }
}

impl Instance {
    /// Notes for coverage where an event is: the first of its callsite inside spans that carry a tested field, and each outside
    /// any span. A vetoed event outside, of a callsite never seen inside, is noted only when the thread decides again, so that
    /// its veto costs nothing more.
    #[inline]
    pub(super) fn note_place(&self, metadata: &Metadata<'_>, word: &AtomicU64, decision: Decision, host: &dyn Host) {
        // Relaxed: what is said holds under the generation in the same word.
        let seen = word.load(Ordering::Relaxed);
        if decision.look.is_first_inside(seen) {
            self.note_first_inside(metadata, word, decision);
        } else if decision.look.is_outside() && metadata.is_event() {
            match Word::is_losable(seen, decision.generation()) {
                true => self.note_lost(metadata, word, decision, host),
                false => self.shared.seen.note_outside(key_of(metadata)),
            }
        }
    }

    #[cold]
    fn note_first_inside(&self, metadata: &Metadata<'_>, word: &AtomicU64, decision: Decision) {
        if metadata.is_event() && Callsites::note_inside(word, decision.generation()) {
            self.shared.seen.note_inside(key_of(metadata));
        }
    }

    /// Counts an event that is outside any span although others of its callsite were inside: the first hundred.
    ///
    /// Another layer's hook runs between the registry's account of where the thread is and ours, and may log: the registry
    /// has the last word.
    #[cold]
    fn note_lost(&self, metadata: &Metadata<'_>, word: &AtomicU64, decision: Decision, host: &dyn Host) {
        if host.current_span().id().is_some() {
            return;
        }
        #[cfg(all(feature = "tokio", tokio_unstable))]
        if let Some(task) = super::task::Task::current().number() {
            self.shared.seen.spawns.note_lost(key_of(metadata), task);
        }
        let (generation, names) = (decision.generation(), Arc::clone(&self.shared.snapshot.load().names));
        let counts_more = names.generation != generation || self.shared.seen.note_lost(key_of(metadata), names.marks);
        if !counts_more {
            Callsites::stop_counting_lost(word, generation);
        }
    }

    /// Notes what arrived without being registered, as records of `log` do.
    #[cold]
    pub(super) fn note_unregistered(&self, metadata: &Metadata<'_>) {
        if is_log_bridge(metadata) {
            self.shared.seen.note_log_record();
        }
    }

    /// Notes a span that is vetoed, and vetoes: false.
    #[inline]
    pub(super) fn note_veto(&self, metadata: &Metadata<'_>, host: &dyn Host) -> bool {
        if metadata.is_span() {
            self.note_vetoed_span(metadata, host);
        }
        false
    }

    /// Notes a span that is vetoed, if it is known where. Returns whether it was.
    #[inline]
    pub(super) fn note_vetoed_span_at_once(&self, metadata: &Metadata<'_>) -> bool {
        let current = thread::with(|state| state.entered.current_in_tree(self.keeper()));
        match current.filter(|_| !self.is_behind_filter()) {
            Some((within, Some(tree))) => self.vetoed.note(tree.into(), within, key_of(metadata)),
            Some((NO_SPAN, None)) => {}
            _ => return false,
        }
        true
    }

    /// Only spans that a session asks for with `spans` are ever vetoed.
    #[inline(never)]
    fn note_vetoed_span(&self, metadata: &Metadata<'_>, host: &dyn Host) {
        let within = self.current(self.epoch(), host);
        if within != NO_SPAN {
            self.vetoed.note(self.tree(within, host), within, key_of(metadata));
        }
    }

    /// Notes the span that was vetoed inside the span `id` before that one, or what is recorded on it, was known to match.
    #[cold]
    pub(super) fn note_left_out(&self, id: u64, host: &dyn Host) {
        let Some((within, callsite)) = self.vetoed.last(self.tree(id, host)) else { return };
        let mut next = within;
        while next != NO_SPAN {
            if next == id {
                return self.shared.seen.note_left_out(callsite);
            }
            next = self.parent(next, host);
        }
    }

    /// Remembers that a root span follows from another one: that makes it no part of the other's scope.
    pub(super) fn on_follows_from(&self, span: &span::Id, follows: &span::Id, host: &dyn Host) {
        let span = span.into_u64();
        let Some(root) = host.span(span).filter(|_| host.parent(span).is_none()) else { return };
        let mut next = host.span(follows.into_u64());
        while let Some(from) = next {
            self.shared.seen.note_link(Link { root: root.metadata, from: from.metadata });
            next = host.parent(from.id);
        }
    }

    /// Whether `ask` asks this layer, or that of another router, about some callsite; `None` if that cannot be found out
    /// here. It is no question that an event follows.
    pub(crate) fn is_asked_by(&self, ask: impl FnOnce()) -> Option<bool> {
        let guard = Guard::enter()?;
        let before = thread::with(|state| state.disturbed.replace(false));
        let ran = run_user_code(ask);
        let is_asked = thread::with(|state| {
            // Forgotten, so that an event whose arguments asked this is asked about once more.
            state.asked.set(PERHAPS_INSIDE_ANOTHER);
            state.disturbed.replace(before)
        });
        drop(guard);
        ran.map(|()| is_asked)
    }

    /// Shows the fields of at most `limit` open spans of the callsites that `wants` picks.
    pub(crate) fn survey_spans(
        &self,
        limit: usize,
        wants: impl Fn(&'static Metadata<'static>) -> bool,
        mut look: impl FnMut(&'static Metadata<'static>, &Fields),
    ) {
        let (mut left, lane) = (limit, self.lane());
        self.spans.for_each(|cell| {
            if left > 0
                && let Some(metadata) = cell.shown_metadata().filter(|metadata| wants(metadata))
                && let Some(captured) = cell.capture(lane)
            {
                left -= 1;
                look(metadata, &captured.fields);
            }
        });
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use crate::TapRouter;
    use tracing_subscriber::prelude::*;

    #[test]
    fn no_more_spans_are_looked_at_than_asked_for() {
        let router = TapRouter::new();
        let _default = tracing_subscriber::registry().with(router.layer()).set_default();
        let _spans: Vec<_> = (0..5).map(|user| tracing::info_span!("request", user)).collect();
        for limit in [0, 1, 3, 5, 9] {
            let mut looks = 0;
            router.instance().survey_spans(limit, |_| true, |_, _| looks += 1);
            assert_eq!(looks, limit.min(5));
        }
    }
}
