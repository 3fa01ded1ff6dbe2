//! The span that stands in for this router alone where a thread is in none, and threads that are meant to be in none.

use super::host::Host;
use super::instance::Instance;
use super::name::NO_SPAN;
use super::thread::{self, Stand};
use std::fmt;
use tracing_core::{Dispatch, dispatcher, span};

/// A span that stays open while this exists, and the layer that may take it for the current one.
pub(crate) struct HeldSpan {
    instance: u64,
    id: span::Id,
    dispatch: Dispatch,
}

/// What stands for the current span until this is dropped.
#[derive(Debug)]
pub(crate) struct Standing(Stand);

impl HeldSpan {
    /// The span that this thread is in, or that stands in for it; `None` if there is none, or if the thread's subscriber
    /// has no layer of a router.
    pub(crate) fn current() -> Option<Self> {
        dispatcher::get_default(|dispatch| {
            let instance = dispatch.downcast_ref::<Instance>()?.number;
            let current = dispatch.current_span();
            let standing_in = || Some(instance_span(instance)).filter(|id| *id != NO_SPAN).map(span::Id::from_u64);
            let id = current.id().cloned().or_else(standing_in)?;
            Some(Self { instance, id: dispatch.clone_span(&id), dispatch: dispatch.clone() })
        })
    }

    /// Has it stand in on this thread, until what is returned is dropped.
    pub(crate) fn stand_in(&self) -> Standing {
        let stand = Stand { instance: self.instance, span: self.id.into_u64(), detached: false };
        Standing(thread::with(|state| state.change_stand(stand)))
    }
}

impl Standing {
    /// Has nothing stand in: what is outside any span meanwhile is meant to be.
    pub(crate) fn detached() -> Self {
        Self(thread::with(|state| state.change_stand(Stand { detached: true, ..Stand::NONE })))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        thread::with(|state| state.change_stand(self.0));
    }
}

impl Clone for HeldSpan {
    fn clone(&self) -> Self {
        Self { instance: self.instance, id: self.dispatch.clone_span(&self.id), dispatch: self.dispatch.clone() }
    }
}

impl Drop for HeldSpan {
    fn drop(&mut self) {
        self.dispatch.try_close(self.id.clone());
    }
}

impl fmt::Debug for HeldSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldSpan").field("id", &self.id).finish_non_exhaustive()
    }
}

fn instance_span(instance: u64) -> u64 {
    thread::with(|state| state.standing_in_for(instance))
}

impl Instance {
    /// The span that stands in where this thread is in none.
    #[inline]
    pub(super) fn standing_in(&self) -> u64 {
        instance_span(self.number)
    }

    /// Keeps a new span where spans are timed or the past is kept, or where another one stands in for the current one.
    #[cold]
    pub(super) fn keep_new_watched_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        host: &dyn Host,
        epoch: u64,
    ) {
        self.keep_new_span(attributes, id, epoch);
        // Before anything is decided about the span: the registry takes it for a root.
        if self.standing_in() != NO_SPAN && attributes.is_contextual() {
            self.place_below_standing_in(id, host);
        }
        if self.spans.are_unusual_when_new() {
            self.time_new_span(id.into_u64(), host, epoch);
        }
    }

    /// Puts a new root, created where a span stands in for the current one, below that span, which stays open with it.
    ///
    /// Held in the registry's data of the root: what is dropped there may close another span, which a hook may not.
    #[cold]
    fn place_below_standing_in(&self, id: &span::Id, host: &dyn Host) {
        let id = id.into_u64();
        if host.span(id).is_none() || host.parent(id).is_some() {
            return;
        }
        let parent = self.standing_in();
        let Some(dispatch) = self.dispatch() else { return };
        let held = HeldSpan { instance: self.number, id: dispatch.clone_span(&span::Id::from_u64(parent)), dispatch };
        host.keep_until_close(id, Box::new(held));
        self.spans.with(id, |cell| cell.set_parent(parent));
    }
}
