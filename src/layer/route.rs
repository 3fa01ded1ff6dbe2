//! Stage 3: which sessions an event matches, by what is known of its scope and by what it brings itself.

use super::callsite::{Callsites, key_of};
use super::facts::Facts;
use super::instance::Instance;
use super::matching::Incoming;
use super::span::Span;
use super::thread::{self, Decision};
use crate::guard::Guard;
use crate::level::verbosity_of;
use crate::session::scope::{Chain, Scope};
use crate::sync::atomic::AtomicU64;
use std::sync::Arc;
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

impl Instance {
    /// Routes an event to the sessions it matches.
    #[inline]
    pub(super) fn on_event<S>(&self, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let epoch = self.epoch();
        if epoch == 0 {
            return;
        }
        match Guard::enter() {
            Some(guard) => {
                self.route(event, epoch, context);
                drop(guard);
                self.mend(|| Facts::of(event));
            }
            None => self.shared.count_suppressed(),
        }
    }

    fn route<S>(&self, event: &Event<'_>, epoch: u64, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let Some(word) = self.callsites.word(key_of(event.metadata())) else {
            self.note_unregistered(event.metadata());
            return self.route_anywhere(event, None, epoch, context);
        };
        Callsites::note_parent(word, event.is_contextual());
        if !event.is_contextual() {
            return self.route_anywhere(event, Some(word), epoch, context);
        }
        let decision = self.decision(epoch, context);
        if !Callsites::is_known_clear(word, decision.vetoable) {
            return self.route_anywhere(event, Some(word), epoch, context);
        }
        self.note_outside(event.metadata(), decision);
        if verbosity_of(*event.metadata().level()) <= decision.verbosity {
            self.route_in_scope(event, epoch, decision, context);
        }
    }

    /// Routes an event whose callsite supplies nothing: only what the scope names can match it.
    fn route_in_scope<S>(&self, event: &Event<'_>, epoch: u64, decision: Decision, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let scope = self.current_scope(epoch, decision, context);
        let facts = Facts::Callsite(event.metadata());
        let incoming = Incoming::new(event, &facts, true, &self.shared);
        let admitted = incoming.admitted_in_scope(&scope);
        if !admitted.is_empty() {
            self.note_inside(event.metadata(), decision);
            let chain = || self.current_span(context).map_or_else(Chain::default, |leaf| self.chain(&leaf, context));
            self.deliver(&admitted, &incoming, scope.captured_spans(chain));
        }
        if incoming.has_hits() {
            self.follow(incoming.hits(), self.current_span(context).as_ref(), context);
        }
        thread::keep_scope(scope);
    }

    /// Routes an event that may match by what it brings itself, or whose parent is not the current span.
    #[inline(never)]
    fn route_anywhere<S>(&self, event: &Event<'_>, word: Option<&AtomicU64>, epoch: u64, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let metadata = event.metadata();
        let snapshot = self.shared.snapshot.load();
        let names = &snapshot.names;
        let clear =
            word.is_some_and(|word| Callsites::is_clear(word, names.generation, || names.are_clear_of(metadata)));
        let leaf = self.leaf(event, context);
        if leaf.is_none() {
            self.shared.seen.note_outside(key_of(metadata));
        }
        let scope = self.scope(leaf.as_ref(), epoch, &snapshot, context);
        let chain = || leaf.as_ref().map_or_else(Chain::default, |leaf| self.chain(leaf, context));
        let facts = Facts::of(event);
        let incoming = Incoming::new(event, &facts, clear, &self.shared);
        let mut admitted = incoming.admitted_in_scope(&scope);
        if !clear {
            let root = || leaf.as_ref().map(|leaf| self.root_serial(leaf, context));
            for session in incoming.matching_by_own_fields(&scope, &snapshot, chain) {
                if incoming.is_admitted(&session, session.sampled(root), false) {
                    admitted.push(session);
                }
            }
        }
        if !admitted.is_empty() {
            if leaf.is_some() {
                self.shared.seen.note_inside(key_of(metadata));
            }
            self.deliver(&admitted, &incoming, scope.captured_spans(chain));
        }
        if incoming.has_hits() {
            self.follow(incoming.hits(), leaf.as_ref(), context);
        }
    }

    /// The scope of the current span: the one kept, if the thread's decision was made by it and nothing has been
    /// recorded since.
    #[inline]
    fn current_scope<S>(&self, epoch: u64, decision: Decision, context: &Context<'_, S>) -> Arc<Scope>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let is_current = |scope: &Arc<Scope>| {
            Arc::as_ptr(scope).addr() == decision.scope && scope.stamp.all_records == self.trees.all(decision.tree)
        };
        thread::take_scope().filter(is_current).unwrap_or_else(|| {
            let leaf = self.current_span(context);
            self.scope(leaf.as_ref(), epoch, &self.shared.snapshot.load(), context)
        })
    }

    /// The innermost span around an event: its explicit parent, or the current span, or none.
    fn leaf<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<Arc<Span>>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        if event.is_contextual() {
            return self.current_span(context);
        }
        event.parent().and_then(|id| context.span(id)).map(|span| self.span_of(&span))
    }
}
