//! Guards of spans that are held across `.await`: seen where a poll ends in another span than it began in.

use super::instance::Instance;
use tracing_core::{Dispatch, dispatcher, span};

/// The layer and the span that a poll begins in, while a session is open.
#[derive(Debug)]
pub(crate) struct PollStart(Option<(u64, Option<span::Id>)>);

impl PollStart {
    /// Looks at this thread's current span. Costs a look for the router's layer while no session is open.
    pub(crate) fn now() -> Self {
        Self(with_watching(|instance, dispatch| (instance.number, dispatch.current_span().id().cloned())))
    }

    /// Notes the span that the thread was left in, if it is in another one at the end of a poll that is pending: whatever is
    /// polled next here is inside that span.
    pub(crate) fn end_pending(self) {
        let Some((number, before)) = self.0 else { return };
        with_watching(|instance, dispatch| {
            let current = dispatch.current_span();
            // Another subscriber has spans of its own, and ids of the same numbers.
            if instance.number == number
                && current.id() != before.as_ref()
                && let Some(metadata) = current.metadata()
            {
                instance.shared.seen.note_held_guard(metadata);
            }
        });
    }
}

/// What `look` finds in the thread's subscriber, if a router's layer is in it and a session is open there.
pub(super) fn with_watching<R>(look: impl FnOnce(&Instance, &Dispatch) -> R) -> Option<R> {
    let mut look = Some(look);
    dispatcher::get_default(|dispatch| {
        let instance = dispatch.downcast_ref::<Instance>().filter(|instance| instance.epoch() != 0)?;
        look.take().map(|look| look(instance, dispatch))
    })
}
