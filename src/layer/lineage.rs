//! Where a thread is, and what is around a span: the current span, parents, trees, roots.

use super::entered::Keeper;
use super::host::{Host, Registered};
use super::instance::Instance;
use super::kept::NewSpan;
use super::name::NO_SPAN;
use super::thread;
use super::tree::{NO_TREE, Trees};
use crate::event::Lane;
use crate::session::sample::RootSerial;
use crate::session::scope::CapturedChain;
use smallvec::SmallVec;
use tracing_core::{Metadata, span};

impl Instance {
    /// The layer that the thread's stack is kept for.
    #[inline]
    pub(super) fn keeper(&self) -> Keeper {
        self.epoch.awake_since()
    }

    /// The innermost span this thread is in, as far as this layer may see it.
    #[inline]
    pub(super) fn current(&self, epoch: u64, host: &dyn Host) -> u64 {
        let known = thread::with(|state| state.entered.current(self.keeper()));
        known.filter(|_| !self.is_behind_filter()).unwrap_or_else(|| self.look_up_current(epoch, host))
    }

    /// Asks the registry for the current span, and follows the thread from there.
    #[inline(never)]
    pub(super) fn look_up_current(&self, epoch: u64, host: &dyn Host) -> u64 {
        let current = host.current_span();
        let (Some(id), Some(metadata)) = (current.id(), current.metadata()) else {
            let standing_in = self.standing_in();
            thread::with(|state| state.entered.synchronize(self.keeper(), epoch, standing_in, 0));
            return standing_in;
        };
        let is_known = self.spans.with(id.into_u64(), |cell| cell.metadata()).flatten();
        let seen = match is_known.filter(|known| std::ptr::eq(*known, metadata)) {
            Some(_) => id.into_u64(),
            None => self.visible_span(metadata, host),
        };
        // Behind a filter that keeps spans from this layer the thread enters and leaves some unseen.
        if !self.is_behind_filter() {
            let number = self.synchronized.next();
            thread::with(|state| state.entered.synchronize(self.keeper(), epoch, seen, number));
        }
        seen
    }

    /// What stands for a current span not known yet: itself, or the span around it if a filter hides it.
    #[cold]
    fn visible_span(&self, current: &'static Metadata<'static>, host: &dyn Host) -> u64 {
        let visible = host.visible_span();
        if !visible.is_some_and(|span| std::ptr::eq(span.metadata, current)) {
            self.note_hidden_span(current);
        }
        let Some(visible) = visible else { return NO_SPAN };
        self.make_known(visible);
        visible.id
    }

    /// Whether the thread is in this span by the registry's account. If not, the stack is lost, and the next look asks the
    /// registry: another layer's hook runs between the registry's account and ours, and may log or panic.
    ///
    /// Asked before an event is shown, so that it is never shown to a session of another span.
    #[inline]
    pub(super) fn is_really_in(&self, leaf: u64, host: &dyn Host) -> bool {
        let current = host.current_span();
        current.id().map_or_else(|| self.standing_in(), span::Id::into_u64) == leaf
            || self.is_lost(current.metadata(), host)
    }

    /// The innermost span that this thread is in by the registry's account, as far as this layer may see it.
    #[inline]
    pub(super) fn current_by_registry(&self, epoch: u64, host: &dyn Host) -> u64 {
        let current = host.current_span();
        let Some(id) = current.id() else { return self.standing_in() };
        let known = self.current(epoch, host);
        if known == id.into_u64() || self.is_lost(current.metadata(), host) {
            return known;
        }
        // Once: now the registry is asked.
        self.current(epoch, host)
    }

    #[cold]
    fn is_lost(&self, current: Option<&'static Metadata<'static>>, host: &dyn Host) -> bool {
        let visible = host.visible_span().map(|span| span.metadata);
        if let Some(hidden) = current.filter(|current| !visible.is_some_and(|seen| std::ptr::eq(seen, *current))) {
            self.note_hidden_span(hidden);
        }
        let was_behind_filter = self.is_behind_filter();
        thread::with(|state| {
            state.entered.lose();
            state.forget_decision();
        });
        // Behind a filter it is not the registry's current span that counts, and the stack is not asked.
        was_behind_filter
    }

    /// Keeps what can be known of a span in the registry that this layer knows nothing of.
    fn make_known(&self, span: Registered) {
        let Registered { id, metadata } = span;
        let config = &self.shared.config;
        // A span without fields to keep has lost nothing by not being known before.
        let visible =
            config.always_tracks(metadata) || !config.keeps_fields_of(metadata) && !config.denies(metadata.target());
        // Another layer logs about a span while it closes. An entry made now would never be removed, and would pass its
        // parent on to the next span with this id.
        if thread::with(|state| state.closing.get()) != (self.number, id) {
            self.spans.insert_if_unknown(id, NewSpan::found(metadata, visible));
        }
    }

    /// The parent of a span, [`NO_SPAN`] for a root.
    pub(super) fn parent(&self, id: u64, host: &dyn Host) -> u64 {
        let known = self.spans.with(id, |cell| cell.parent()).flatten();
        known.unwrap_or_else(|| self.look_up_parent(id, host))
    }

    /// Asks the registry for a span's parent.
    #[inline(never)]
    fn look_up_parent(&self, id: u64, host: &dyn Host) -> u64 {
        let Some(span) = host.span(id) else { return NO_SPAN };
        self.make_known(span);
        let parent = host.parent(id);
        if let Some(parent) = parent {
            self.make_known(parent);
        }
        let parent = parent.map_or(NO_SPAN, |parent| parent.id);
        self.spans.with(id, |cell| cell.set_parent(parent));
        parent
    }

    /// The tree whose records concern what is inside this span.
    #[inline]
    pub(super) fn tree(&self, id: u64, host: &dyn Host) -> usize {
        if id == NO_SPAN {
            return NO_TREE;
        }
        let known = self.spans.with(id, |cell| cell.tree()).flatten();
        known.unwrap_or_else(|| self.find_tree(id, host))
    }

    #[inline(never)]
    fn find_tree(&self, id: u64, host: &dyn Host) -> usize {
        let mut path = SmallVec::<[u64; 16]>::new();
        let mut next = id;
        let tree = loop {
            if let Some(tree) = self.spans.with(next, |cell| cell.tree()).flatten() {
                break tree;
            }
            path.push(next);
            match self.parent(next, host) {
                NO_SPAN => break Trees::of_root(next),
                parent => next = parent,
            }
        };
        for id in path {
            self.spans.with(id, |cell| cell.set_tree(tree));
        }
        tree
    }

    /// The outermost span around a span in the registry, whether scopes show it or not.
    pub(super) fn root(&self, id: u64, host: &dyn Host) -> u64 {
        let mut root = id;
        loop {
            match self.parent(root, host) {
                NO_SPAN => return root,
                parent => root = parent,
            }
        }
    }

    /// The serial of the root around a span.
    pub(super) fn root_serial(&self, id: u64, host: &dyn Host) -> RootSerial {
        self.spans.with(self.root(id, host), |cell| cell.serial()).unwrap_or_else(RootSerial::next)
    }

    /// What the ids of requests are made with, here and in the records of the past.
    #[inline]
    pub(super) fn lane(&self) -> Lane {
        // The records of the past number the layers of a router themselves, up to 255 of them.
        match self.past_number {
            Some(number) => Lane::of_past(self.shared.router, number),
            None => Lane::new(self.shared.router, self.number << 8),
        }
    }

    /// The visible spans from `leaf` to the root, as they are now.
    pub(super) fn chain(&self, leaf: u64, host: &dyn Host) -> CapturedChain {
        let (mut chain, lane) = (CapturedChain::new(), self.lane());
        let mut next = leaf;
        while next != NO_SPAN {
            chain.extend(self.spans.with(next, |cell| cell.captured(lane)).flatten());
            next = self.parent(next, host);
        }
        chain
    }
}
