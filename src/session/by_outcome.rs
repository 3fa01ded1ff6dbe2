//! The options that decide by outcome.

use super::SessionOptions;
use crate::predicate::Predicate;
use std::time::Duration;

impl SessionOptions {
    /// Shows a request only if one of its events satisfies `outcome`: then all of it, from its first event on.
    ///
    /// Whatever matches the session is held until the outcome of its request is known. At the first event that satisfies
    /// `outcome` the request is released, whole and in order, that event included; its later events follow as they come.
    /// When the request ends without such an event, its events are dropped and counted as
    /// [`NotChosen`](crate::MissingReason::NotChosen). With [`slower_than`](Self::slower_than) as well, either suffices.
    ///
    /// A request is what happens inside one root span, or inside the nearest span of a name with
    /// [`Follow::Named`](crate::session::Follow::Named). It ends when that span and all spans inside it have closed: a task
    /// that outlives its root is part of it. An event outside of a request is shown if it satisfies `outcome` itself.
    ///
    /// `outcome` is asked of the events of the session alone, by what they show: their own fields, those of their spans, and
    /// their level, target and so on. What the predicate leaves out decides nothing; [following](Self::follow) brings it
    /// in. A value recorded on a span counts at the next event inside.
    ///
    /// [Sampling](Self::sample) decides when a request begins. The [rate](Self::max_rate),
    /// [`max_events`](Self::max_events) and the room in the buffer decide when it is released, for all that is held of it at
    /// once. A session holds at most [`capacity`](Self::capacity) events of a request, 4,096 requests, and, with what is
    /// unread, [`capacity_bytes`](Self::capacity_bytes); the router has
    /// [bounds](crate::TapRouterBuilder::max_hold_time) of its own. At a bound the oldest request goes, or the newest while the past
    /// is being read, and is counted as [`Undecided`](crate::MissingReason::Undecided), with the events it logs afterwards. So
    /// is, at the end of the session, what is held.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Item, MissingReason, Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let failing = SessionOptions::new(Predicate::everything()).only_if(Predicate::ge("status", 500));
    /// let mut stream = router.watch(failing);
    /// for status in [200, 503] {
    ///     tracing::info_span!("request").in_scope(|| {
    ///         tracing::trace!("accepted");
    ///         tracing::info!(status, "answered");
    ///     });
    /// }
    /// let seen: Vec<_> = stream.drain().filter_map(Item::into_event).map(|event| event.message().to_owned()).collect();
    /// assert_eq!(seen, ["accepted", "answered"]);
    /// assert_eq!(stream.stats().missing[MissingReason::NotChosen], 2);
    /// ```
    #[must_use]
    pub fn only_if(mut self, outcome: Predicate) -> Self {
        self.only_if = Some(outcome);
        self
    }

    /// Shows a request only if it takes at least this long: then all of it, as [`only_if`](Self::only_if) does.
    ///
    /// The request is released when the duration has passed, also while it still runs: at its next event, at its end, or
    /// within some milliseconds by the router's thread. It counts from the creation of the request's span; for a span that is
    /// older than the session, from the opening of the session unless that [looks back](Self::look_back). A duration of 0
    /// shows every request, and outside of any request every event; any other shows no event outside of a request.
    ///
    /// [`TapRouter::try_watch`](crate::TapRouter::try_watch) refuses a duration past the router's
    /// [`max_hold_time`](crate::TapRouterBuilder::max_hold_time). While such a session is open, each new root span costs a
    /// look at the clock.
    #[must_use]
    pub fn slower_than(mut self, duration: Duration) -> Self {
        self.slower_than = Some(duration);
        self
    }

    /// A session on the outcome alone, if nothing is shown without it.
    pub(crate) fn only_outcome(&self) -> Option<Self> {
        let outcome = self.only_if.clone().filter(|_| self.slower_than.is_none())?;
        Some(Self { predicate: outcome, only_if: None, ..self.clone() })
    }
}
