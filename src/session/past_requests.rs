//! Deciding by outcome, for the past of a session that looks back: its requests are shown, held, or left out, whole.
//!
//! A request whose outcome the past shows goes to the other events of the past, in the order of their times. One whose outcome
//! is not known yet is held, and what comes while the past is read waits behind it.

use super::Overflow;
use super::admission::Release;
use super::buffer::RingPlace;
use super::open::OpenSession;
use super::outcome::{Decided, Fate, Outcome, Request, When};
use crate::event::CapturedEvent;
use std::sync::Arc;
use std::time::Instant;

/// What the past has of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) events: u64,
    /// What they hold.
    pub(crate) bytes: u64,
}

impl OpenSession {
    /// Has requests wait for the past, whose clock shows `now`, and which is read once the session is published.
    pub(crate) fn begin_past_requests(&self, now: u64) {
        if let Some(outcome) = self.outcome() {
            outcome.begin_past(now);
        }
    }

    /// Lets the requests go on that have waited for the past: all of it is read.
    pub(crate) fn end_past_requests(&self) {
        let Some(outcome) = self.outcome() else { return };
        outcome.set_of_past(self.past().map_or(0, |past| past.len() as u64));
        for request in outcome.end_past() {
            match request.events.begin_present() {
                Some(Decided::Chosen) => self.choose(outcome, &request),
                Some(Decided::Over) => self.drop_request(outcome, &request, Fate::NotChosen),
                None if request.events.is_open() => self.begin(outcome, &request),
                None => {}
            }
        }
    }

    /// Admits a request that the past has chosen, whole, or says why not. The rate is about what the service does now. The
    /// events of the present, if it has any, go the same way.
    pub(crate) fn admit_past_request(&self, extent: Extent, present: Option<&Request>) -> Result<(), Fate> {
        let Some(outcome) = self.outcome() else { return Err(Fate::Ended) };
        // A bound has taken what the present had of it.
        if let Some(fate) = present.and_then(|present| present.events.fate()) {
            return Err(fate);
        }
        let admitted = self.admit_extent(outcome, extent);
        match (admitted, present) {
            (Ok(()), Some(present)) => self.choose(outcome, present),
            (Err(fate), Some(present)) => {
                outcome.remove(present);
                let later = present.events.refuse(fate);
                self.leave_out_held(outcome, later.into_iter(), fate);
            }
            (_, None) => {}
        }
        if self.is_used_up() {
            self.end_full();
        }
        admitted
    }

    /// Shows an event of a request that was admitted. Called by the opener, in order.
    pub(crate) fn push_of_admitted(&self, event: Arc<CapturedEvent>) {
        let bytes = event.held_bytes();
        match self.limits.overflow {
            Overflow::DropOldest => self.past_to_fill().push(event, bytes, RingPlace::Any),
            // Its bytes are part of those that were set aside.
            Overflow::DropNewest => self.past_to_fill().push_held(event, u32::try_from(bytes).unwrap_or(u32::MAX)),
        }
    }

    /// Holds an event of a request whose outcome is not known yet.
    pub(crate) fn hold_past(&self, event: Arc<CapturedEvent>, request: &Arc<Request>) {
        if let Some(outcome) = self.outcome() {
            self.keep(outcome, request, event, When::Past);
        }
    }

    /// Takes an event of the past that is in no request: it is decided alone.
    pub(crate) fn decide_past(&self, event: Arc<CapturedEvent>) {
        let Some(outcome) = self.outcome() else { return };
        let now = Instant::now();
        if !outcome.is_reached_by(&event).0 && !outcome.is_slow(now, || now) {
            return self.leave_out(Fate::NotChosen, 1);
        }
        let extent = Extent { events: 1, bytes: event.held_bytes() as u64 };
        match self.admit_past_request(extent, None) {
            Ok(()) => self.push_of_admitted(event),
            Err(fate) => self.leave_out(fate, 1),
        }
    }

    fn admit_extent(&self, outcome: &Outcome, extent: Extent) -> Result<(), Fate> {
        if self.ended().is_some() {
            return Err(Fate::Ended);
        }
        let (capacity, capacity_bytes) = (self.limits.capacity.get() as u64, self.limits.capacity_bytes as u64);
        if extent.events > capacity || extent.bytes > capacity_bytes {
            return Err(Fate::Undecided);
        }
        match self.admit_number(extent.events) {
            Release::Admitted if self.takes_past_room(outcome, extent) => Ok(()),
            Release::Admitted => Err(Fate::NoRoom),
            Release::RateLimited | Release::UsedUp => {
                self.end_full();
                Err(Fate::Undecided)
            }
        }
    }

    /// Takes room for all of a request among the past. Where the oldest make room, there is always some.
    fn takes_past_room(&self, outcome: &Outcome, extent: Extent) -> bool {
        if self.limits.overflow == Overflow::DropOldest {
            return true;
        }
        let Ok(bytes) = u32::try_from(extent.bytes) else { return false };
        let capacity = self.limits.capacity.get() as u64;
        outcome.take_past_room(extent.events, capacity, || self.past_to_fill().set_aside(bytes))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::outcome::{HoldBounds, Notices};
    use crate::session::{SessionId, SessionOptions};
    use std::sync::Weak;
    use std::time::Duration;

    /// A notice of these goes nowhere.
    #[derive(Debug)]
    struct Nobody;

    impl Notices for Nobody {
        fn close_ended(&self, _: SessionId) {}
        fn announce_kept_back(&self, _: SessionId) {}
        fn wake_for_due(&self) {}
    }

    #[test]
    fn a_request_of_the_past_is_admitted_as_far_as_it_fits() {
        let options = SessionOptions::new(Predicate::eq("user", 42)).slower_than(Duration::from_secs(1));
        let session =
            OpenSession::new(SessionId(1), options.capacity(3).capacity_bytes(1000), Arc::new(Budget::new(1 << 20)));
        let session = session.holding(&Arc::new(HoldBounds::new(&Config::default())), Weak::<Nobody>::new());
        let admitted = |events, bytes| session.admit_extent(session.outcome().unwrap(), Extent { events, bytes });
        for (events, bytes) in [(1, 1), (3, 1), (1, 1000), (3, 1000)] {
            assert_eq!(admitted(events, bytes), Ok(()), "{events} events, {bytes} bytes");
        }
        for (events, bytes) in [(4, 1), (5, 1), (1, 1001), (1, 2000)] {
            assert_eq!(admitted(events, bytes), Err(Fate::Undecided), "{events} events, {bytes} bytes");
        }
    }
}
