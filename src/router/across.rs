//! Requests that are followed from one service into the next.

use super::TapRouter;
use crate::layer::Outside;
use crate::session::SessionId;
use crate::session::scope::Sessions;
use tracing_core::{Dispatch, dispatcher};

impl TapRouter {
    /// The open sessions [across services](crate::SessionOptions::across_services) to which the current request belongs as a
    /// whole: everything inside the current span satisfies their tests of fields and spans. For a request that goes out to
    /// another service, which can then [follow](Self::follow_current_span) it.
    ///
    /// Empty outside any span, and where no layer of this router is in the current subscriber. Of the layers of several
    /// routers in one subscriber, only the outermost one is found; a layer behind a filter or in a `reload` layer is not.
    ///
    /// Without an open session it costs a look at the current subscriber; with one, that of an event, whether it matches or
    /// not.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).across_services());
    /// tracing::info_span!("request", user = 42).in_scope(|| assert_eq!(router.sessions_in_scope(), [stream.id()]));
    /// tracing::info_span!("request", user = 43).in_scope(|| assert!(router.sessions_in_scope().is_empty()));
    /// ```
    pub fn sessions_in_scope(&self) -> Vec<SessionId> {
        self.ask_current(|layer, dispatch| layer.across_services(dispatch)).iter().map(|session| session.id).collect()
    }

    /// Makes sessions [across services](crate::SessionOptions::across_services) follow the current span: from now on all
    /// that happens inside it, on every thread, belongs to them, whatever they test of fields and spans. For a request that
    /// belongs to these sessions, as another service has said.
    ///
    /// Returns how many of them follow it now: those that are open, on several services, and were named. 0 where there is no
    /// current span, or no layer of this router, as for [`sessions_in_scope`](Self::sessions_in_scope).
    ///
    /// Call it as soon as the request has a span, before that span has others inside: earlier events are not shown. It
    /// opens no session, and enables no event that the session could not match anyway.
    pub fn follow_current_span(&self, sessions: &[SessionId]) -> usize {
        let named = self.sessions_across(sessions);
        if named.is_empty() {
            return 0;
        }
        self.ask_current(|layer, dispatch| layer.follow(dispatch, named)).len()
    }

    fn sessions_across(&self, sessions: &[SessionId]) -> Sessions {
        let state = self.0.state();
        let open = sessions.iter().filter_map(|id| state.registry.get(*id));
        let mut named: Sessions = open.filter(|session| session.across().is_some()).cloned().collect();
        named.sort_unstable_by_key(|session| session.id);
        named.dedup_by_key(|session| session.id);
        named
    }

    /// Asks this router's layer in the current subscriber.
    fn ask_current(&self, ask: impl FnOnce(&Outside, &Dispatch) -> Sessions) -> Sessions {
        let dispatch = dispatcher::get_default(Dispatch::clone);
        let layer = dispatch.downcast_ref::<Outside>().filter(|layer| layer.is_of(&self.0.shared));
        layer.map(|layer| ask(layer, &dispatch)).unwrap_or_default()
    }
}
