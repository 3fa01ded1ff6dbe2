//! Following: an event has matched a session, and from now on all that happens in a span around it belongs to that
//! session.
//!
//! The span is marked, and its tree's caches are made stale as by a record that decides: the scopes below it are decided
//! anew, on every thread, and find the mark. Nobody else notices.

use super::instance::Instance;
use super::span::Span;
use crate::event::plain_name;
use crate::session::Follow;
use crate::session::scope::Sessions;
use std::sync::Arc;
use tracing_core::Subscriber;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

impl Instance {
    /// Marks what these sessions follow, after an event below `leaf` has matched them.
    #[cold]
    pub(super) fn follow<S>(&self, sessions: Sessions, leaf: Option<&Arc<Span>>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let Some(leaf) = leaf else { return };
        let mut is_new = false;
        for session in &sessions {
            if let Some(span) = self.followed_span(session.follow(), leaf, context)
                && span.add_follower(session)
            {
                is_new = true;
                self.note_left_out(&span, context);
            }
        }
        if is_new {
            // After the marks are in place, as after a record.
            let tree = self.ancestry(leaf, context).tree;
            self.trees.count_deciding(tree);
            self.trees.count(tree);
        }
    }

    fn followed_span<S>(&self, follow: &Follow, leaf: &Arc<Span>, context: &Context<'_, S>) -> Option<Arc<Span>>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        match follow {
            Follow::Event => None,
            Follow::Root => Some(self.ancestry(leaf, context).root.unwrap_or_else(|| Arc::clone(leaf))),
            Follow::Span => self.visible_ancestor(leaf, context, |_| true),
            Follow::Named(name) => self.visible_ancestor(leaf, context, |span| span.name() == plain_name(name)),
        }
    }

    /// The nearest visible span from `leaf` outwards that `is_wanted`.
    fn visible_ancestor<S>(
        &self,
        leaf: &Arc<Span>,
        context: &Context<'_, S>,
        is_wanted: impl Fn(&Span) -> bool,
    ) -> Option<Arc<Span>>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let mut next = Some(Arc::clone(leaf));
        while let Some(span) = next {
            if span.is_visible() && is_wanted(&span) {
                return Some(span);
            }
            next = self.ancestry(&span, context).parent;
        }
        None
    }
}
