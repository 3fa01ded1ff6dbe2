//! Deciding by outcome, at the producer: the request of an event, and its mark at the span.

use super::capture::capture;
use super::host::Host;
use super::instance::Instance;
use super::matching::{Admitted, Aside, Incoming};
use super::name::NO_SPAN;
use crate::event::{CapturedEvent, plain_name};
use crate::session::open::OpenSession;
use crate::session::outcome::request_name;
use crate::session::scope::{CapturedSpans, Sessions};
use smallvec::SmallVec;
use std::sync::Arc;

impl Instance {
    /// Delivers an event that some session holds or begins to follow.
    #[cold]
    pub(super) fn deliver_aside(
        &self,
        admitted: &Admitted,
        incoming: Incoming<'_>,
        spans: &CapturedSpans,
        leaf: u64,
        host: &dyn Host,
    ) {
        let capture = |spare| capture(incoming.event, incoming.facts, spans, &incoming.shared.config, spare);
        self.deliver_aside_as(admitted, incoming.take_aside(), capture, leaf, host);
    }

    /// The same for whatever is captured, in the memory of the spare event if there is one.
    pub(super) fn deliver_aside_as(
        &self,
        admitted: &Admitted,
        aside: SmallVec<[Aside; 4]>,
        capture: impl FnOnce(Option<Arc<CapturedEvent>>) -> Arc<CapturedEvent>,
        leaf: u64,
        host: &dyn Host,
    ) {
        let holding = || aside.iter().filter(|aside| aside.holds).map(|aside| &aside.session);
        if holding().next().is_none() {
            if !admitted.is_empty() {
                self.deliver_as(admitted, capture);
            }
        } else {
            // Captured once, for all.
            let captured = capture(None);
            self.deliver_captured(admitted, &captured);
            holding().for_each(|session| self.hold(session, &captured, leaf, host));
        }
        let followed: Sessions = aside.iter().filter(|aside| aside.follows).map(Aside::session).collect();
        if !followed.is_empty() {
            self.follow(followed, leaf, host);
        }
    }

    fn hold(&self, session: &Arc<OpenSession>, captured: &Arc<CapturedEvent>, leaf: u64, host: &dyn Host) {
        let span = self.request_span(session, leaf, host);
        let known = self.request_span_of(session, span, None);
        let request = self.spans.with(span, |cell| cell.request_of(span, session, known)).flatten();
        session.decide(Arc::clone(captured), request.as_ref().map(|(request, is_new)| (request, *is_new)));
    }

    /// The span that makes the request of an event right inside `leaf`; [`NO_SPAN`] if it is in none.
    fn request_span(&self, session: &OpenSession, leaf: u64, host: &dyn Host) -> u64 {
        match request_name(session.follow()) {
            _ if leaf == NO_SPAN => NO_SPAN,
            Some(name) => self.nearest(leaf, host, |cell| cell.is_shown_as(plain_name(name))),
            None => self.root(leaf, host),
        }
    }
}
