//! Stage 2, the veto: the one place where an event can be stopped before its arguments are evaluated.
//!
//! It stops the event for everyone, so it needs all of this: nobody else wants the callsite, its parent is the
//! context, it can supply nothing a session needs, and nothing can match in the scope the thread is in. Whatever
//! is not known lets the event through: not knowing only costs time.

use super::callsite::{Callsites, Word, key_of};
use super::instance::Instance;
use super::span::Span;
use super::thread::{self, Decision};
use crate::guard::{self, AskingAgain, Guard};
use crate::level::verbosity_of;
use crate::session::scope::{Chain, Scope, Stamp};
use crate::session::snapshot::Snapshot;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use tracing_core::{Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

impl Instance {
    /// The layer's `enabled`: false vetoes.
    #[inline]
    pub(super) fn enabled<S>(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let epoch = self.epoch();
        if guard::is_plain() {
            if epoch == 0 {
                return true;
            }
            if let Some(answer) = self.known_answer(metadata, epoch) {
                return answer || self.note_veto(metadata, context);
            }
        }
        self.enabled_after_a_look(metadata, epoch, context)
    }

    /// The answer, where what the thread and the callsite's word say is enough for one: most events end here.
    #[inline]
    fn known_answer(&self, metadata: &Metadata<'_>, epoch: u64) -> Option<bool> {
        let key = key_of(metadata);
        // Acquire pairs with the forgetting in `Callsites::register`: a filter that was changed and has made
        // `tracing` ask anew is obeyed from that moment.
        let slot = self.callsites.word(key)?;
        let word = slot.load(Ordering::Acquire);
        let verbosity = verbosity_of(*metadata.level());
        thread::with(|state| {
            let decision = state.decided_in(epoch, &self.trees)?;
            if word == decision.vetoable && verbosity > decision.verbosity {
                state.asked.set(0);
                return Some(false);
            }
            // A word that was judged under other keys may become vetoable.
            let is_judged = word >> 32 == decision.vetoable >> 32;
            is_judged.then(|| {
                if Callsites::is_unarrived(word) {
                    Callsites::count_enabled(slot);
                }
                state.asked.set(key);
                true
            })
        })
    }

    /// The same where something is to be found out first.
    #[inline(never)]
    fn enabled_after_a_look<S>(&self, metadata: &Metadata<'_>, epoch: u64, context: &Context<'_, S>) -> bool
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
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
            if word.load(Ordering::Relaxed) >> 32 != decision.vetoable >> 32 {
                self.judge(word, decision, metadata);
            }
            if self.known_answer(metadata, epoch) == Some(false) {
                self.note_outside(metadata, decision);
                return self.note_veto(metadata, context);
            }
        }
        thread::with(|state| state.asked.set(key));
        true
    }

    #[cold]
    fn judge(&self, word: &AtomicU64, decision: Decision, metadata: &Metadata<'_>) {
        let names = Arc::clone(&self.shared.snapshot.load().names);
        if u64::from(names.generation) == decision.vetoable >> 32 {
            Callsites::is_clear(word, names.generation, || names.are_clear_of(metadata));
        }
    }

    /// What the thread knows of the scope it is in, looked up anew where that may be stale.
    #[inline]
    pub(super) fn decision<S>(&self, epoch: u64, context: &Context<'_, S>) -> Decision
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        if let Some(decision) = thread::with(|state| state.decided_in(epoch, &self.trees)) {
            return decision;
        }
        let decision = self.remembered(epoch, context).unwrap_or_else(|| self.decide(epoch, context));
        thread::with(|state| state.keep_decision(epoch, decision));
        decision
    }

    /// What the current span remembers, if it still holds.
    #[inline]
    fn remembered<S>(&self, epoch: u64, context: &Context<'_, S>) -> Option<Decision>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let current = context.current_span();
        self.spans.look_at(current.id()?, |span| {
            let tree = span.ancestry()?.tree;
            let deciding = self.trees.deciding(tree);
            let holds = |stamp: Stamp| stamp.epoch == epoch && stamp.deciding_records == deciding;
            let is_this = current.metadata().is_some_and(|metadata| std::ptr::eq(metadata, span.metadata()));
            is_this.then(|| span.with_scope(|scope| holds(scope.stamp).then(|| decision_of(scope))))?
        })
    }

    #[inline(never)]
    fn decide<S>(&self, epoch: u64, context: &Context<'_, S>) -> Decision
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let leaf = self.current_span(context);
        decision_of(&self.scope(leaf.as_ref(), epoch, &self.shared.snapshot.load(), context))
    }

    /// The scope that `leaf` is the innermost span of, decided anew unless the span remembers it.
    pub(super) fn scope<S>(
        &self,
        leaf: Option<&Arc<Span>>,
        epoch: u64,
        snapshot: &Snapshot,
        context: &Context<'_, S>,
    ) -> Arc<Scope>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let Some(leaf) = leaf else { return Arc::clone(snapshot.outside()) };
        let tree = self.tree_of(Some(leaf), context);
        // The counts are read before the fields: a record in between makes the stamp stale, not the scope wrong.
        let stamp =
            Stamp { epoch, tree, deciding_records: self.trees.deciding(tree), all_records: self.trees.all(tree) };
        if let Some(scope) = leaf.scope().filter(|scope| scope.stamp == stamp) {
            return scope;
        }
        let root = || Some(self.root_serial(leaf, context));
        let scope = Arc::new(Scope::decide(stamp, snapshot, &self.chain(leaf, context), root));
        leaf.set_scope(&scope);
        scope
    }

    /// The visible spans from `leaf` to the root, as they are now.
    pub(super) fn chain<S>(&self, leaf: &Arc<Span>, context: &Context<'_, S>) -> Chain
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let mut chain = Chain::default();
        let mut next = Some(Arc::clone(leaf));
        while let Some(span) = next {
            if span.is_visible() {
                chain.spans.push(span.captured());
            }
            span.add_followers_to(&mut chain.followers);
            next = self.ancestry(&span, context).parent;
        }
        if let Some(root) = self.ancestry(leaf, context).root.filter(|root| !root.is_visible()) {
            root.add_followers_to(&mut chain.followers);
        }
        chain
    }
}

/// What a thread needs to know of the scope it is in.
fn decision_of(scope: &Arc<Scope>) -> Decision {
    Decision {
        tree: scope.stamp.tree,
        records: scope.stamp.deciding_records,
        verbosity: scope.verbosity,
        scope: Arc::as_ptr(scope).addr(),
        vetoable: Word::vetoable(scope.key_generation),
    }
}
