//! The requests of a reading, for a session that decides by outcome.
//!
//! Two looks at the same copies: the first finds each request's extent and its outcome and keeps no event, the second places
//! the events. The copies do not change, so both find the same.

use super::event::{EventInPast, Followed, Matching};
use super::reading::Reading;
use super::spans::Life;
use crate::event::plain_name;
use crate::past::{SpanName, as_nanos};
use crate::session::admission::Admission;
use crate::session::outcome::{Fate, Outcome, Request, request_name};
use crate::session::past_requests::Extent;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What is known of one request.
struct PastRequest {
    extent: Extent,
    is_reached: bool,
    /// The time of its first event.
    first: u64,
    /// Where its events go, once the first one is placed.
    way: Option<Way>,
}

/// Where the events of a request go.
#[derive(Clone)]
enum Way {
    /// To the past: it was chosen.
    Shown,
    /// To those of the present: its outcome is not known yet.
    Held(Arc<Request>),
    /// Nowhere.
    Left(Fate),
}

type Requests = FxHashMap<SpanName, PastRequest>;

impl Reading<'_> {
    /// Gives the session the requests whose outcome the past shows, and holds those that are under way.
    pub(super) fn deliver_by_outcome(&mut self, outcome: &Outcome) {
        let mut requests = self.requests(outcome);
        // Those that the first look could not place are found again.
        self.unresolved = 0;
        let mut followed = Followed::default();
        self.each_event(|reading, event| {
            if let Some(matching) = reading.decide(event, &mut followed)
                && reading.admission(matching) == Admission::Held
            {
                reading.place(matching, outcome, &mut requests);
            }
            true
        });
    }

    fn requests(&mut self, outcome: &Outcome) -> Requests {
        let mut requests = Requests::default();
        let mut followed = Followed::default();
        self.each_event(|reading, event| {
            if let Some(Matching(event)) = reading.decide(event, &mut followed)
                && let Some(name) = reading.request_of(event)
            {
                let new = PastRequest { extent: Extent::default(), is_reached: false, first: event.time, way: None };
                let request = requests.entry(name).or_insert(new);
                request.extent.events += 1;
                request.extent.bytes += event.event.held_bytes() as u64;
                request.is_reached = request.is_reached || outcome.is_reached_by(&event.event).0;
            }
            true
        });
        requests
    }

    /// The span that makes the request of an event, as a producer finds it.
    fn request_of(&self, event: &EventInPast) -> Option<SpanName> {
        let mut path = event.path.iter();
        match request_name(self.session.follow()).map(plain_name) {
            Some(wanted) => path.find(|span| span.shown.as_ref().is_some_and(|shown| shown.name() == wanted)),
            None => path.next_back(),
        }
        .map(|span| span.name)
    }

    fn place(&mut self, Matching(event): Matching<'_>, outcome: &Outcome, requests: &mut Requests) {
        let captured = || Arc::new(event.event.clone());
        let Some((name, request)) = self.request_of(event).and_then(|name| Some((name, requests.get_mut(&name)?)))
        else {
            return self.session.decide_past(captured());
        };
        let way = match &request.way {
            Some(way) => way.clone(),
            None => request.way.insert(self.way(outcome, name, request)).clone(),
        };
        match way {
            Way::Shown => self.session.push_of_admitted(captured()),
            Way::Held(request) => self.session.hold_past(captured(), &request),
            Way::Left(fate) => self.session.leave_out(fate, 1),
        }
    }

    fn way(&self, outcome: &Outcome, name: SpanName, request: &PastRequest) -> Way {
        let present = self.present_of(outcome, name);
        let life = self.stories.life(name);
        if present.is_none() && outcome.may_have_missed(life.closed) {
            return Way::Left(Fate::Undecided);
        }
        if request.is_reached || self.is_slow(outcome, life, request.first) {
            return match self.session.admit_past_request(request.extent, present.as_deref()) {
                Ok(()) => Way::Shown,
                Err(fate) => Way::Left(fate),
            };
        }
        match present {
            Some(request) => Way::Held(request),
            None if self.session.ended().is_some() => Way::Left(Fate::Ended),
            None => Way::Left(Fate::NotChosen),
        }
    }

    /// The request in the present: of a span that is open, or that has closed while the past was read.
    fn present_of(&self, outcome: &Outcome, name: SpanName) -> Option<Arc<Request>> {
        let (instance, key) = name;
        let open = self.instances.get(&instance).and_then(|instance| instance.request_of_open(key, self.session));
        // Looked up afterwards: a span that is not open any more has all its events behind it.
        open.or_else(|| outcome.during_past(name))
    }

    /// Whether a request was slow when it ended, or is by now. If its beginning is not known, it began with its first event.
    fn is_slow(&self, outcome: &Outcome, Life { begun, closed }: Life, first: u64) -> bool {
        let lasted = closed.unwrap_or(self.now).saturating_sub(begun.unwrap_or(first));
        outcome.slower_than.is_some_and(|bound| lasted >= as_nanos(bound))
    }
}
