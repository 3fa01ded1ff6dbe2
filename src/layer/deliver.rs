//! One capture of an event, and a push into the ring of each session that admitted it.

use super::capture::capture;
use super::instance::Instance;
use super::matching::{Admitted, Incoming};
use crate::event::CapturedEvent;
use crate::session::buffer::Prepared;
use crate::session::open::{self, OpenSession};
use crate::session::scope::CapturedSpans;
use std::sync::Arc;

impl Instance {
    /// Captures an event once for all sessions that admitted it, of which there is at least one.
    pub(super) fn deliver(&self, admitted: &Admitted, incoming: &Incoming<'_>, spans: &CapturedSpans) {
        let Incoming { event, facts, shared, .. } = *incoming;
        let Some((first, others)) = admitted.split_first() else { return };
        let buffer = first.buffer_to_fill();
        match buffer.prepare() {
            Prepared::For { spare, room } => {
                let captured = capture(event, facts, spans, &shared.config, spare);
                let bytes = captured.held_bytes();
                push_to_all(others, &captured, bytes);
                buffer.push(captured, bytes, room);
            }
            Prepared::Lost if others.is_empty() => {}
            Prepared::Lost => {
                let captured = capture(event, facts, spans, &shared.config, None);
                push_to_all(others, &captured, captured.held_bytes());
            }
        }
        self.tell_of_push(admitted);
    }

    /// Wakes the readers that wait, and ends the sessions that may admit no more.
    fn tell_of_push(&self, admitted: &Admitted) {
        open::wake_all(admitted.iter().map(|session| &session.reader));
        for session in admitted.iter().filter(|session| session.is_used_up()) {
            self.shared.session_is_full(session);
        }
    }
}

fn push_to_all(others: &[Arc<OpenSession>], captured: &Arc<CapturedEvent>, bytes: usize) {
    for other in others {
        other.buffer_to_fill().push_shared(Arc::clone(captured), bytes);
    }
}
