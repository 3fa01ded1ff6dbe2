//! What a session that decides by outcome does with its events: it holds them by request, and releases or drops them.
//!
//! An event is held by one push under its request's lock. The thread whose event decides, that closes the request, or that
//! finds it slow, passes on what is held; other threads of the request leave theirs behind it and go on.

use super::admission::Release;
use super::buffer::{Buffer, RingPlace};
use super::kept_back::KeptBackBy;
use super::open::{self, OpenSession};
use super::outcome::{
    Added, Fate, Full, HeldEvent, Outcome, Request, RequestMark, RequestOwner, RequestSpan, When, request_name,
};
use super::{EndReason, Overflow};
use crate::event::{CapturedEvent, plain_name};
use std::sync::{Arc, Weak};
use std::time::Instant;

impl OpenSession {
    /// A new request of a span, and the mark for that; `None` if the session does not decide by outcome.
    pub(crate) fn new_request(self: &Arc<Self>, span: RequestSpan) -> Option<RequestMark> {
        let request = self.outcome()?.new_request(span, self.opened);
        let weak: Weak<Self> = Arc::downgrade(self);
        Some(RequestMark::new(self.id, &request, weak))
    }

    /// Whether the beginning of spans of this name, or of roots, must be noted for it.
    pub(crate) fn times_span(&self, name: &str, is_root: bool) -> bool {
        self.limits.slower_than.is_some()
            && request_name(self.follow()).map_or(is_root, |wanted| plain_name(wanted) == name)
    }

    /// Takes an event that has matched. One of a request is held, or goes where the request went; one of no request is
    /// decided alone.
    #[cold]
    pub(crate) fn decide(&self, event: Arc<CapturedEvent>, request: Option<(&Arc<Request>, bool)>) {
        let Some(outcome) = self.outcome() else { return };
        let (is_reached, nanos) = outcome.is_reached_by(&event);
        self.charge(nanos);
        let Some((request, is_new)) = request else {
            let now = Instant::now();
            return match is_reached || outcome.is_slow(now, || now) {
                true => self.show(outcome, event),
                false => self.leave_out(Fate::NotChosen, 1),
            };
        };
        if !self.keep(outcome, request, event, When::Present) {
            return;
        }
        if is_reached || outcome.is_slow(request.begun, Instant::now) {
            self.choose(outcome, request);
        } else if is_new {
            self.begin(outcome, request);
        }
    }

    /// Releases the requests that are slow by now, and gives up those that were held too long. Returns when to look again.
    pub(crate) fn look_at_due(&self, now: Instant) -> Option<Instant> {
        let outcome = self.outcome()?;
        let (due, next) = outcome.take_due(now);
        for request in due {
            match outcome.is_slow(request.begun, || now) {
                true => self.choose(outcome, &request),
                false => self.drop_request(outcome, &request, Fate::Undecided),
            }
        }
        next
    }

    /// Gives up all that is held: the session has ended. What comes later is not held.
    pub(crate) fn give_up_held(&self) {
        let Some(outcome) = self.outcome() else { return };
        let _closing = outcome.wait_for_closing();
        for request in outcome.close() {
            self.drop_request(outcome, &request, Fate::Ended);
        }
    }

    /// Adds an event to its request. Returns whether it is held.
    pub(super) fn keep(
        &self,
        outcome: &Outcome,
        request: &Arc<Request>,
        event: Arc<CapturedEvent>,
        when: When,
    ) -> bool {
        let buffer = self.buffer_to_fill();
        let bytes = u32::try_from(event.held_bytes()).unwrap_or(u32::MAX);
        let mut event = HeldEvent { event, bytes };
        loop {
            let fits = |others| self.has_room(outcome, buffer, others, bytes);
            match request.events.add(event, when, fits) {
                Added::Kept => return true,
                Added::Chosen(HeldEvent { event, .. }) => self.show(outcome, event),
                Added::Gone(_, fate) => self.leave_out(fate, 1),
                Added::Full(returned, full) => {
                    let oldest =
                        outcome.oldest().filter(|oldest| full == Full::Session && !Arc::ptr_eq(oldest, request));
                    if let Some(oldest) = oldest {
                        self.drop_request(outcome, &oldest, Fate::Undecided);
                        event = returned;
                        continue;
                    }
                    // One that is passed on has no place in the ring for it.
                    self.drop_request(outcome, request, Fate::Undecided);
                    match request.events.add(returned, when, |_| Err(Full::Session)) {
                        Added::Gone(_, fate) => self.leave_out(fate, 1),
                        Added::Chosen(HeldEvent { event, .. }) => self.show(outcome, event),
                        Added::Kept | Added::Full(..) => self.lose(1),
                    }
                }
            }
            return false;
        }
    }

    fn has_room(&self, outcome: &Outcome, buffer: &Buffer, others: usize, bytes: u32) -> Result<(), Full> {
        if others >= self.limits.capacity.get() || buffer.is_too_large(bytes) {
            return Err(Full::Request);
        }
        if !buffer.set_aside(bytes) {
            return Err(Full::Session);
        }
        outcome.count_held();
        Ok(())
    }

    /// Puts a new request among those that are held, within the bounds.
    pub(super) fn begin(&self, outcome: &Outcome, request: &Arc<Request>) {
        if !outcome.insert(request, Instant::now()) {
            return self.drop_request(outcome, request, Fate::Ended);
        }
        // Another thread may have decided it before it was there.
        if !request.events.is_open() {
            return outcome.remove(request);
        }
        if outcome.holds_too_many()
            && let Some(oldest) = outcome.oldest()
        {
            self.drop_request(outcome, &oldest, Fate::Undecided);
        }
    }

    /// Releases a request, unless it was decided before.
    pub(super) fn choose(&self, outcome: &Outcome, request: &Request) {
        if self.ended().is_some() {
            return self.drop_request(outcome, request, Fate::Ended);
        }
        let Some(events) = request.events.choose() else { return };
        outcome.remove(request);
        let count = events.len() as u64;
        let fate = match self.admit_released(count) {
            Release::Admitted if self.takes_room(outcome, count) => {
                events.into_iter().for_each(|event| self.push_held(outcome, event));
                request.events.pass_on(|event| self.release_one(outcome, event));
                return self.announce_pushes();
            }
            Release::Admitted => Fate::NoRoom,
            Release::RateLimited => Fate::RateLimited,
            Release::UsedUp => Fate::Undecided,
        };
        let later = request.events.refuse(fate);
        self.leave_out_held(outcome, events.into_iter().chain(later), fate);
        if fate == Fate::Undecided {
            self.end_full();
        }
    }

    /// Shows nothing of a request that was not chosen.
    pub(super) fn drop_request(&self, outcome: &Outcome, request: &Request, fate: Fate) {
        outcome.remove(request);
        if let Some(events) = request.events.drop_all(fate) {
            // What is held counts; what comes later does not.
            let fate = if fate == Fate::Ended { Fate::Undecided } else { fate };
            self.leave_out_held(outcome, events.into_iter(), fate);
        }
    }

    /// Passes on an event that came while its request was passed on.
    fn release_one(&self, outcome: &Outcome, event: HeldEvent) {
        let fate = match self.admit_released(1) {
            Release::Admitted if self.takes_room(outcome, 1) => return self.push_held(outcome, event),
            Release::Admitted => Fate::NoRoom,
            Release::RateLimited => Fate::RateLimited,
            Release::UsedUp => Fate::Ended,
        };
        self.leave_out_held(outcome, std::iter::once(event), fate);
    }

    /// Shows an event at once: its request was chosen, or it is decided alone.
    fn show(&self, outcome: &Outcome, event: Arc<CapturedEvent>) {
        let buffer = self.buffer_to_fill();
        match self.admit_released(1) {
            Release::Admitted => {}
            Release::RateLimited => return self.leave_out(Fate::RateLimited, 1),
            Release::UsedUp => return,
        }
        let bytes = event.held_bytes();
        if self.limits.overflow == Overflow::DropOldest {
            buffer.push(event, bytes, RingPlace::Any);
            return self.announce_pushes();
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if !buffer.set_aside(bytes) {
            self.lose(1);
        } else if self.takes_room(outcome, 1) {
            buffer.push_held(event, bytes);
        } else {
            buffer.put_back(event, bytes);
            self.lose(1);
        }
        self.announce_pushes();
    }

    /// Takes room in the ring for so many events. Where the oldest make room, there is always some.
    fn takes_room(&self, outcome: &Outcome, events: u64) -> bool {
        self.limits.overflow == Overflow::DropOldest
            || outcome.take_room(events, self.taken_out(), self.limits.capacity.get() as u64)
    }

    fn push_held(&self, outcome: &Outcome, HeldEvent { event, bytes }: HeldEvent) {
        outcome.uncount_held(1);
        self.buffer_to_fill().push_held(event, bytes);
    }

    pub(super) fn leave_out_held(&self, outcome: &Outcome, events: impl Iterator<Item = HeldEvent>, fate: Fate) {
        let buffer = self.buffer_to_fill();
        let mut count = 0;
        for HeldEvent { event, bytes } in events {
            buffer.put_back(event, bytes);
            count += 1;
        }
        outcome.uncount_held(count);
        self.leave_out(fate, count);
    }

    /// Counts events that are not shown.
    pub(crate) fn leave_out(&self, fate: Fate, events: u64) {
        let Some(kept_back) = self.kept_back().filter(|_| events > 0) else { return };
        let is_unannounced = match fate {
            // The session had ended, so they do not count.
            Fate::Ended => return,
            Fate::NoRoom => return self.lose(events),
            Fate::NotChosen => kept_back.count_unreleased(KeptBackBy::Outcome, events),
            Fate::Undecided => {
                let is_unannounced = kept_back.count_unreleased(KeptBackBy::Bound, events);
                // The reader that looks next reports it, without being woken for each.
                kept_back.set_due();
                is_unannounced
            }
            Fate::RateLimited => (0..events).fold(false, |due, _| kept_back.count(KeptBackBy::Rate) || due),
        };
        if is_unannounced && let Some(notices) = self.outcome().and_then(Outcome::notices) {
            notices.announce_kept_back(self.id);
        }
    }

    /// Counts events for which there is no room in the ring.
    fn lose(&self, events: u64) {
        self.buffer_to_fill().refuse(events);
        self.announce_pushes();
    }

    /// Wakes the reader if it waits, and ends the session if it may admit no more.
    fn announce_pushes(&self) {
        open::wake_all(std::iter::once(&self.reader));
        if self.is_used_up() {
            self.end_full();
        }
    }

    #[cold]
    pub(super) fn end_full(&self) {
        if self.end(EndReason::MaxEvents)
            && let Some(notices) = self.outcome().and_then(Outcome::notices)
        {
            notices.close_ended(self.id);
        }
    }
}

impl RequestOwner for OpenSession {
    fn request_is_over(&self, request: &Arc<Request>) {
        let Some(outcome) = self.outcome() else { return };
        match outcome.is_slow(request.begun, Instant::now) {
            true => self.choose(outcome, request),
            // The thread that ended the session may not have come to what is held.
            false if self.ended().is_some() => self.drop_request(outcome, request, Fate::Ended),
            false => self.drop_request(outcome, request, Fate::NotChosen),
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::admission::Admission;
    use super::super::outcome::{HoldBounds, Notices};
    use super::super::sample::Sampled;
    use super::*;
    use crate::config::Config;
    use crate::event::testing::bare_event;
    use crate::missing::MissingReason;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::queue::ring::Popped;
    use crate::session::{Follow, SessionId, SessionOptions};
    use crate::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn only_the_spans_that_may_be_slow_requests_are_timed() {
        let any = || SessionOptions::new(Predicate::eq("user", 42));
        let times = |options: SessionOptions| {
            let session = OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0)));
            [("request", true), ("request", false), ("job", true)]
                .map(|(name, is_root)| session.times_span(name, is_root))
        };
        let slow = || any().slower_than(Duration::from_millis(1));
        assert_eq!(times(any()), [false, false, false]);
        assert_eq!(times(slow()), [true, false, true], "roots are the requests");
        let named = Follow::Named("request".into());
        assert_eq!(times(slow().follow(named.clone())), [true, true, false]);
        assert_eq!(times(any().follow(named)), [false, false, false]);
    }

    /// Counts announcements.
    #[derive(Debug, Default)]
    struct Announced(AtomicUsize);

    impl Notices for Announced {
        fn close_ended(&self, _: SessionId) {}
        fn announce_kept_back(&self, _: SessionId) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn wake_for_due(&self) {}
    }

    fn deciding(options: SessionOptions, announced: &Arc<Announced>) -> OpenSession {
        let announced: Arc<dyn Notices> = Arc::clone(announced) as _;
        let bounds = Arc::new(HoldBounds::new(&Config::default()));
        let session = OpenSession::new(SessionId(1), options, Arc::new(Budget::new(1 << 20)));
        session.holding(&bounds, Arc::downgrade(&announced))
    }

    #[test]
    fn only_a_chosen_request_has_its_past_after_the_end() {
        let options = || SessionOptions::new(Predicate::eq("user", 42));
        let sampled = [Sampled::In, Sampled::Out, Sampled::EachByItself];
        let after_the_end = |session: OpenSession| {
            session.mark_ended(EndReason::Closed);
            sampled.map(|sampled| session.admit_past(sampled))
        };
        let plain = OpenSession::new(SessionId(1), options(), Arc::new(Budget::new(0)));
        assert_eq!(after_the_end(plain), [Admission::Ended; 3]);
        let deciding = deciding(options().slower_than(Duration::from_secs(1)), &Arc::default());
        assert_eq!(after_the_end(deciding), [Admission::Held, Admission::Ended, Admission::Ended]);
    }

    #[test]
    fn the_tables_of_both_predicates_are_counted() {
        let table = || Predicate::regex("message", "a[ab]{4}c").unwrap();
        let options = || SessionOptions::new(table());
        let one = deciding(options(), &Arc::default()).predicate_bytes();
        let both = deciding(options().only_if(table()), &Arc::default()).predicate_bytes();
        assert!(one > 0);
        assert_eq!(both, 2 * one);
    }

    #[test]
    fn many_events_that_are_left_out_are_announced_once() {
        let options = || SessionOptions::new(Predicate::eq("user", 42)).slower_than(Duration::from_secs(1));
        for (fate, events, expected) in [
            (Fate::RateLimited, 3, 1),
            (Fate::RateLimited, 0, 0),
            (Fate::Undecided, 3, 1),
            (Fate::Undecided, 0, 0),
            (Fate::NotChosen, 3, 0),
            (Fate::Ended, 3, 0),
        ] {
            let announced = Arc::default();
            deciding(options(), &announced).leave_out(fate, events);
            assert_eq!(announced.0.load(Ordering::Relaxed), expected, "{events} {fate:?}");
        }
    }

    /// A session with room for two events that were held, and is to lose those that find none.
    fn recording(announced: &Arc<Announced>) -> OpenSession {
        let options = SessionOptions::new(Predicate::eq("user", 42)).slower_than(Duration::from_secs(60));
        deciding(options.capacity(2).overflow(Overflow::DropNewest), announced)
    }

    /// Has the session hold an event of a request.
    fn hold(session: &OpenSession, request: &Arc<Request>) {
        assert!(session.keep(session.outcome().unwrap(), request, bare_event(), When::Present));
    }

    #[test]
    fn what_waits_behind_a_chosen_request_is_shown_or_lost() {
        let session = recording(&Arc::default());
        let (outcome, buffer) = (session.outcome().unwrap(), session.buffer_to_fill());
        let events = [(); 3].map(|()| bare_event());
        for (event, (buffered, lost)) in events.iter().zip([(1, 0), (2, 0), (2, 1)]) {
            let bytes = u32::try_from(event.held_bytes()).unwrap();
            assert!(buffer.set_aside(bytes));
            outcome.count_held();
            session.release_one(outcome, HeldEvent { event: Arc::clone(event), bytes });
            let stats = session.stats();
            assert_eq!((stats.buffered, stats.missing[MissingReason::Overflow], stats.held), (buffered, lost, 0));
        }
        let shown = |event| matches!(buffer.pop(), Popped::Item { item, .. } if Arc::ptr_eq(&item, event));
        assert!(events[..2].iter().all(shown), "the first ones keep their place");
    }

    #[test]
    fn a_request_that_ends_after_its_session_is_undecided() {
        for (ends, undecided, not_chosen) in [(false, 0, 1), (true, 1, 0)] {
            let session = recording(&Arc::default());
            let request = session.outcome().unwrap().new_request(RequestSpan::default(), session.opened);
            hold(&session, &request);
            assert_eq!(session.stats().held, 1);
            if ends {
                session.mark_ended(EndReason::Closed);
            }
            session.request_is_over(&request);
            let stats = session.stats();
            let missing = [MissingReason::Undecided, MissingReason::NotChosen].map(|reason| stats.missing[reason]);
            assert_eq!((stats.held, missing), (0, [undecided, not_chosen]));
        }
    }
}
