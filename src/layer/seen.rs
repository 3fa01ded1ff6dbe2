//! What the hooks leave for coverage. Nothing here decides about an event.

use super::callsite::key_of;
use super::facts::is_log_bridge;
use super::instance::Instance;
use super::matching::Incoming;
use super::span::Span;
use super::thread::{self, Decision};
use super::tree::NO_TREE;
use crate::coverage::Link;
use crate::event::Fields;
use crate::guard::{Guard, run_user_code};
use crate::value::ValueRef;
use tracing_core::{Metadata, Subscriber, span};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

impl Incoming<'_> {
    /// Notes the shape of a value that a test looks at.
    #[inline]
    pub(super) fn note_value(&self, field: usize, value: ValueRef<'_>) {
        self.shared.seen.note_value(key_of(self.event.metadata()), field, value);
    }
}

impl Instance {
    /// Counts an event around which there is no span. Of those that are vetoed, only where the thread's decision was
    /// stale: a veto costs no more for being counted.
    #[inline]
    pub(super) fn note_outside(&self, metadata: &Metadata<'_>, decision: Decision) {
        if decision.tree == NO_TREE && metadata.is_event() {
            self.shared.seen.note_outside(key_of(metadata));
        }
    }

    /// Notes that an event has matched inside a span.
    #[inline]
    pub(super) fn note_inside(&self, metadata: &Metadata<'_>, decision: Decision) {
        if decision.tree != NO_TREE {
            self.shared.seen.note_inside(key_of(metadata));
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
    pub(super) fn note_veto<S>(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        if metadata.is_span() {
            self.note_vetoed_span(metadata, context);
        }
        false
    }

    /// Only spans that a session asks for with `spans` are ever vetoed.
    #[inline(never)]
    fn note_vetoed_span<S>(&self, metadata: &Metadata<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let current = context.current_span();
        let place = current.id().and_then(|id| self.spans.look_at(id, |span| Some((span.ancestry()?.tree, span.id()))));
        if let Some((tree, within)) = place {
            self.shared.seen.note_vetoed_span(tree, within, key_of(metadata));
        }
    }

    /// Notes the span that was vetoed inside `span` before that one, or what is recorded on it, was known to match.
    #[cold]
    pub(super) fn note_left_out<S>(&self, span: &Span, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let tree = self.ancestry(span, context).tree;
        let Some((within, callsite)) = self.shared.seen.vetoed_span(tree) else { return };
        let mut next = self.spans.get(&span::Id::from_u64(within));
        while let Some(inner) = next {
            if inner.id() == span.id() {
                return self.shared.seen.note_left_out(callsite);
            }
            next = self.ancestry(&inner, context).parent;
        }
    }

    /// Remembers that a root span follows from another one: that makes it no part of the other's scope.
    pub(super) fn on_follows_from<S>(&self, span: &span::Id, follows: &span::Id, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let Some(root) = context.span(span).filter(|span| span.parent().is_none()) else { return };
        for from in context.span_scope(follows).into_iter().flatten() {
            self.shared.seen.note_link(Link { root: root.metadata(), from: from.metadata() });
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
            state.asked.set(0);
            state.disturbed.replace(before)
        });
        drop(guard);
        ran.map(|()| is_asked)
    }

    /// Shows the fields of open spans of the callsites that `wants` picks, see `Spans::survey`.
    pub(crate) fn survey_spans(
        &self,
        limit: usize,
        wants: impl Fn(&'static Metadata<'static>) -> bool,
        look: impl FnMut(&'static Metadata<'static>, &Fields),
    ) {
        self.spans.survey(limit, wants, look);
    }
}
