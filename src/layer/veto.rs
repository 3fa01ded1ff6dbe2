//! Stage 2, the veto: the one place where an event can be stopped before its arguments are evaluated.
//!
//! It stops the event for everyone, so it needs all of this: nobody else wants the callsite, its parent is the
//! context, it can supply nothing a session needs, and nothing can match in the scope the thread is in. Whatever
//! is not known lets the event through: not knowing only costs time.

use super::callsite::{Callsites, Word, key_of};
use super::guard::Guard;
use super::instance::Instance;
use super::scope::{Chain, Scope, Stamp};
use super::span::Span;
use super::thread::{self, Decision};
use crate::session::open::verbosity_of;
use crate::session::snapshot::Snapshot;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
        if epoch == 0 {
            return true;
        }
        if thread::with(|state| state.reasking.get()) {
            return true;
        }
        let key = key_of(metadata);
        let nested = Guard::is_held();
        if nested {
            thread::with(|state| state.disturbed.set(true));
        }
        let vetoed = !nested && self.vetoes(key, metadata, epoch, context);
        thread::with(|state| state.asked.set(if vetoed { 0 } else { key }));
        !vetoed
    }

    #[inline]
    fn vetoes<S>(&self, key: usize, metadata: &Metadata<'_>, epoch: u64, context: &Context<'_, S>) -> bool
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let Some(word) = self.callsites.word(key) else { return false };
        let decision = self.decision(epoch, context);
        // Acquire pairs with the forgetting in `Callsites::register`: a filter that was changed and has made
        // `tracing` ask anew is obeyed from that moment.
        let mut known = word.load(Ordering::Acquire);
        if known >> 32 != decision.vetoable >> 32 {
            self.judge(word, decision, metadata);
            known = word.load(Ordering::Acquire);
        }
        known == decision.vetoable && verbosity_of(*metadata.level()) > decision.verbosity
    }

    #[cold]
    fn judge(&self, word: &std::sync::atomic::AtomicU64, decision: Decision, metadata: &Metadata<'_>) {
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
        let decision = thread::with(|state| state.decision.get());
        if decision.epoch == epoch && self.trees.deciding(decision.tree) == decision.records {
            return decision;
        }
        self.decide(epoch, context)
    }

    #[inline(never)]
    fn decide<S>(&self, epoch: u64, context: &Context<'_, S>) -> Decision
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let snapshot = self.shared.snapshot.load();
        let leaf = self.current_span(context);
        let scope = self.scope(leaf.as_ref(), epoch, &snapshot, context);
        let decision = Decision {
            epoch,
            tree: scope.stamp.tree,
            records: scope.stamp.deciding_records,
            verbosity: scope.verbosity,
            vetoable: Word::vetoable(snapshot.names.generation),
        };
        thread::with(|state| state.decision.set(decision));
        decision
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
        let scope = Arc::new(Scope::decide(stamp, snapshot, &self.chain(leaf, context)));
        leaf.set_scope(&scope);
        scope
    }

    /// The visible spans from `leaf` to the root, as they are now.
    pub(super) fn chain<S>(&self, leaf: &Arc<Span>, context: &Context<'_, S>) -> Chain
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let mut chain = Chain::new();
        let mut next = Some(Arc::clone(leaf));
        while let Some(span) = next {
            if span.is_visible() {
                chain.push(span.captured());
            }
            next = self.ancestry(&span, context).parent;
        }
        chain
    }
}
