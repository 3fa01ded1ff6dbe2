//! Stage 3: which sessions an event matches, by what is known of its scope and by what it brings itself.

use super::callsite::Callsites;
use super::facts::Facts;
use super::host::{HasRegistry, Host};
use super::instance::Instance;
use super::matching::{Admitted, Incoming, Matching, may_be_watched};
use super::name::{NO_SPAN, key_of};
use super::surroundings::Surroundings;
use super::thread::{self, Decision};
use super::trace::Reading;
use crate::guard::Guard;
use crate::level::verbosity_of;
use crate::session::scope::Sessions;
use crate::sync::atomic::{AtomicU64, Ordering};
use smallvec::SmallVec;
use std::sync::Arc;
use tracing_core::Event;
use tracing_subscriber::layer::Context;

/// What is done with an event while the epoch is not 0. Chosen once for a layer, so that no event asks.
pub(super) type OnWatched<S> = fn(&Instance, &Event<'_>, u64, &Context<'_, S>);

impl Instance {
    /// Routes an event to the sessions it matches.
    #[inline]
    pub(super) fn on_event<S>(&self, event: &Event<'_>, context: &Context<'_, S>, on_watched: OnWatched<S>) {
        let epoch = self.epoch();
        if epoch != 0 {
            on_watched(self, event, epoch, context);
        }
    }

    /// What is done with an event while a session is open, or the past is kept.
    pub(super) fn on_watched<S: HasRegistry>(&self) -> OnWatched<S> {
        match self.shared.past.is_some() {
            true => |instance, event, epoch, context| instance.on_kept_event(event, epoch, context),
            false => |instance, event, epoch, context| instance.on_watched_event(event, epoch, context),
        }
    }

    /// The same where the past is kept: it is written first, and routed by the epoch that it was written in.
    #[inline(never)]
    fn on_kept_event<H: Host>(&self, event: &Event<'_>, epoch: u64, host: &H) {
        match Guard::enter() {
            Some(guard) => {
                let epoch = self.keep_event(event, epoch, host);
                // Looked at after the epoch: if that is one of a session, there is one.
                if self.epoch.has_sessions() {
                    self.route(event, epoch, host);
                }
                drop(guard);
                self.mend(|| Facts::of(event));
            }
            None => self.shared.count_suppressed(),
        }
    }

    /// Apart, so that it costs nothing to get past while no session is open.
    #[inline(never)]
    fn on_watched_event<H: Host>(&self, event: &Event<'_>, epoch: u64, host: &H) {
        match Guard::enter() {
            Some(guard) => {
                self.route(event, epoch, host);
                drop(guard);
                self.mend(|| Facts::of(event));
            }
            None => self.shared.count_suppressed(),
        }
    }

    fn route<H: Host>(&self, event: &Event<'_>, epoch: u64, host: &H) {
        let Some(word) = self.callsites.word(key_of(event.metadata())) else {
            self.note_unregistered(event.metadata());
            return self.route_anywhere(event, None, epoch, host);
        };
        Callsites::note_parent(word, event.is_contextual());
        if !event.is_contextual() {
            return self.route_anywhere(event, Some(word), epoch, host);
        }
        let decision = self.decision(epoch, host, event.metadata());
        thread::with(|state| self.compare_tasks(state));
        self.note_place(event.metadata(), word, decision, host);
        if !Callsites::is_known_clear(word, decision.look.vetoable()) {
            if decision.is_empty && self.brings_nothing(event, word, decision) {
                return;
            }
            return self.route_anywhere(event, Some(word), epoch, host);
        }
        if verbosity_of(*event.metadata().level()) > decision.verbosity {
            return;
        }
        let leaf = self.current(epoch, host);
        if self.is_really_in(leaf, host) {
            self.route_in_scope(event, leaf, decision, host);
        } else {
            self.route_anywhere(event, Some(word), epoch, host);
        }
    }

    /// Whether the index has no session for what an event brings itself. The shapes of its values are noted for coverage.
    ///
    /// The sieve is at least as new as the decision's epoch.
    #[inline(never)]
    fn brings_nothing(&self, event: &Event<'_>, word: &AtomicU64, decision: Decision) -> bool {
        // Relaxed: what is judged in it holds under the generation in it.
        let judgement = Callsites::known_judgement(word.load(Ordering::Relaxed), decision.generation());
        let tested = judgement.map(|judgement| judgement.tested).filter(|tested| tested.are_exact());
        tested.is_some_and(|tested| !may_be_watched(event, tested, &self.shared))
    }

    /// Routes an event whose callsite supplies nothing: only what the scope names can match it.
    fn route_in_scope<H: Host>(&self, event: &Event<'_>, leaf: u64, decision: Decision, host: &H) {
        let facts = Facts::Callsite(event.metadata());
        let incoming = Incoming::new(event, &facts, true, &self.shared);
        let Some(surroundings) = self.surroundings_to_match(leaf, decision, &incoming, host) else { return };
        let admitted = incoming.admitted_in_scope(&surroundings.scope);
        if incoming.has_aside() {
            self.deliver_aside(&admitted, incoming, &surroundings.spans, leaf, host);
        } else if !admitted.is_empty() {
            self.deliver(&admitted, &incoming, &surroundings.spans);
        }
        thread::keep_surroundings(surroundings);
    }

    /// Routes an event that may match by what it brings itself, or whose parent is not the current span.
    #[inline(never)]
    fn route_anywhere(&self, event: &Event<'_>, word: Option<&AtomicU64>, epoch: u64, host: &dyn Host) {
        let metadata = event.metadata();
        let snapshot = self.shared.snapshot.load();
        let names = &snapshot.names;
        let clear = word.is_some_and(|word| Callsites::is_clear(word, names.generation, || names.judge(metadata)));
        let leaf = self.leaf(event, epoch, host);
        if names.traced && event.is_contextual() {
            self.read_trace_to_decide(leaf, metadata, &snapshot, host);
        }
        let stamp = self.stamp(self.tree(leaf, host), &snapshot);
        let scope = self.scope(leaf, stamp, &snapshot, host);
        let scope = scope.get(&snapshot);
        let facts = Facts::of(event);
        let incoming = Incoming::new(event, &facts, clear, &self.shared);
        let in_scope: SmallVec<[Matching; 4]> = incoming.matching_in_scope(scope).collect();
        let found = if clear { Sessions::new() } else { incoming.found_by_own_fields(scope, &snapshot) };
        if in_scope.is_empty() && found.is_empty() {
            return;
        }
        if event.is_contextual() && !self.is_really_in(leaf, host) {
            // Once: now the registry is asked.
            return self.route_anywhere(event, word, epoch, host);
        }
        if found.is_empty() && scope.is_limited && incoming.is_refused_by_all(in_scope.iter()) {
            return;
        }
        if event.is_contextual() && self.shared.config.trace_source.is_some() {
            self.read_trace_to_show(leaf, metadata, host);
        }
        let surroundings = self.surroundings(leaf, &snapshot, host);
        let mut admitted: Admitted = if Arc::ptr_eq(&surroundings.scope, scope) {
            in_scope.into_iter().filter_map(|matching| incoming.admitted(matching)).collect()
        } else {
            incoming.admitted_in_scope(&surroundings.scope)
        };
        let root = || (leaf != NO_SPAN).then(|| self.root_serial(leaf, host));
        for session in found.into_iter().filter(|session| incoming.matches_with(session, &surroundings.spans.spans)) {
            let sampled = session.sampled(root);
            admitted.extend(incoming.admitted(Matching { session, sampled, is_followed: false }));
        }
        let has_aside = incoming.has_aside();
        if has_aside {
            self.deliver_aside(&admitted, incoming, &surroundings.spans, leaf, host);
        } else if !admitted.is_empty() {
            self.deliver(&admitted, &incoming, &surroundings.spans);
        }
    }

    /// The surroundings of the current span: those kept, if the thread's decision was made by their scope and nothing
    /// has been recorded since. `None` if no session would admit the event: then nothing is captured of the spans.
    #[inline]
    fn surroundings_to_match<H: Host>(
        &self,
        leaf: u64,
        decision: Decision,
        incoming: &Incoming<'_>,
        host: &H,
    ) -> Option<Arc<Surroundings>> {
        let of = self.identity(leaf, decision.tree as usize);
        if let Some(kept) = thread::take_surroundings().filter(|kept| kept.are(decision.scope, of)) {
            return Some(kept);
        }
        // Whatever span it is in: nothing is shown of it.
        if let Some(scope) = thread::take_refused().filter(|scope| scope.serial == decision.scope)
            && incoming.is_refused_in(&scope)
        {
            thread::keep_refused(scope);
            return None;
        }
        let mut of = of;
        if self.shared.config.trace_source.is_some()
            && self.read_trace_to_show(leaf, incoming.event.metadata(), host) == Reading::Kept
        {
            of = self.identity(leaf, decision.tree as usize);
        }
        let kept = self.spans.with(leaf, |cell| cell.surroundings()).flatten();
        kept.filter(|kept| kept.are(decision.scope, of))
            .or_else(|| self.shared_surroundings(leaf, decision, of))
            .or_else(|| self.new_surroundings_to_match(leaf, incoming, host))
    }

    #[inline(never)]
    fn new_surroundings_to_match(
        &self,
        leaf: u64,
        incoming: &Incoming<'_>,
        host: &dyn Host,
    ) -> Option<Arc<Surroundings>> {
        let snapshot = self.shared.snapshot.load();
        let scope = self.scope(leaf, self.stamp(self.tree(leaf, host), &snapshot), &snapshot, host);
        let scope = scope.get(&snapshot);
        if scope.is_limited && incoming.is_refused_in(scope) {
            thread::keep_refused(Arc::clone(scope));
            return None;
        }
        Some(self.surroundings_of(leaf, scope, &snapshot, host))
    }

    /// The innermost span around an event: its explicit parent, or the current span, or none.
    pub(super) fn leaf(&self, event: &Event<'_>, epoch: u64, host: &dyn Host) -> u64 {
        if event.is_contextual() {
            return self.current(epoch, host);
        }
        event.parent().and_then(|id| host.span(id.into_u64())).map_or(NO_SPAN, |span| span.id)
    }
}
