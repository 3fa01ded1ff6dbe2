//! One capture of an event, and a push into the ring of each session that admitted it.

use super::capture::capture;
use super::instance::Instance;
use super::matching::{Admitted, Incoming};
use crate::event::CapturedEvent;
use crate::session::buffer::RingPlace;
use crate::session::open::{self, OpenSession};
use crate::session::scope::CapturedSpans;
use smallvec::SmallVec;
use std::sync::Arc;

impl Instance {
    /// Captures an event once for all sessions that admitted it.
    pub(super) fn deliver(&self, admitted: &Admitted, incoming: &Incoming<'_>, spans: &CapturedSpans) {
        let Incoming { event, facts, shared, .. } = *incoming;
        self.deliver_as(admitted, |spare| capture(event, facts, spans, &shared.config, spare));
    }

    /// The same for whatever is captured, in the memory of the spare event if there is one.
    #[inline]
    pub(super) fn deliver_as(
        &self,
        admitted: &Admitted,
        capture: impl FnOnce(Option<Arc<CapturedEvent>>) -> Arc<CapturedEvent>,
    ) {
        let Some((first, others)) = admitted.split_first() else { return };
        let buffer = first.buffer_to_fill();
        // The first one's place is made last: what an earlier event left in all of their rings is then its alone, and
        // this one may be written over it.
        let mut places = Places::new();
        others.iter().for_each(|other| places.push(make_place(other)));
        let (place, displaced) = buffer.make_place();
        let captured = capture(buffer.spare(displaced));
        let bytes = captured.held_bytes();
        for (other, place) in others.iter().zip(places) {
            other.buffer_to_fill().push(Arc::clone(&captured), bytes, place);
        }
        buffer.push(captured, bytes, place);
        self.announce_push(admitted);
    }

    /// Delivers an event that was captured for other sessions as well.
    pub(super) fn deliver_captured(&self, admitted: &Admitted, captured: &Arc<CapturedEvent>) {
        for session in admitted {
            session.buffer_to_fill().push(Arc::clone(captured), captured.held_bytes(), make_place(session));
        }
        self.announce_push(admitted);
    }

    /// Wakes the readers that wait, and ends the sessions that may admit no more.
    fn announce_push(&self, admitted: &Admitted) {
        open::wake_all(admitted.iter().map(|session| &session.reader));
        for session in admitted.iter().filter(|session| session.is_used_up()) {
            self.shared.session_is_full(session);
        }
    }
}

type Places = SmallVec<[RingPlace; 7]>;

fn make_place(session: &OpenSession) -> RingPlace {
    let buffer = session.buffer_to_fill();
    let (place, displaced) = buffer.make_place();
    if let Some(displaced) = displaced {
        buffer.recycle(displaced);
    }
    place
}
