//! Deciding by outcome: which requests are chosen, what is held of those of which that is not known yet, and the bounds.
//!
//! A request is held by its session and marked at its span: when the span closes, which happens after all its children
//! have, the mark is dropped and the request is over. What producers do with it is in [`deciding`](super::deciding).

mod held;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub(crate) use held::{Added, Decided, Fate, Full, Held, When};

use super::{Follow, SessionId, SessionOptions};
use crate::config::Config;
use crate::event::CapturedEvent;
use crate::past::SpanName;
use crate::predicate::{Bits, Compiled, Test};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The most requests that one session holds.
const MAX_HELD_REQUESTS: usize = 4_096;

/// What the control thread leaves between two looks at the requests that are due.
const MIN_TICK: Duration = Duration::from_millis(5);

/// What a session that decides by outcome has besides.
#[derive(Debug)]
pub(crate) struct Outcome {
    only_if: Option<Compiled>,
    pub(crate) slower_than: Option<Duration>,
    /// Requests are held no longer than this.
    max_hold_time: Duration,
    requests: Mutex<Requests>,
    /// Locked while what is held is given up, by threads that end the session or read its end.
    closing: Mutex<()>,
    /// Events that are held.
    held: AtomicU64,
    /// Events that were given room in the ring.
    placed: AtomicU64,
    /// Events of the past, which have a ring of their own and are read first.
    of_past: AtomicU64,
    bounds: Arc<HoldBounds>,
    notices: Weak<dyn Notices>,
}

/// The requests that a session holds, by when they are due: when one is slow, or held too long.
#[derive(Debug, Default)]
struct Requests {
    by_due: BTreeMap<(Instant, u64), Arc<Request>>,
    /// When the control thread looks next; `None`: not before it is woken.
    next_tick: Option<Instant>,
    /// It does not look before this.
    no_tick_before: Option<Instant>,
    last_serial: u64,
    is_closed: bool,
    /// Those that have begun while the past is being read; `None`: it is not being read.
    during_past: Option<DuringPast>,
}

/// The requests that have begun while the past is being read.
#[derive(Debug)]
struct DuringPast {
    /// When the first of them may have begun, by the clock of the past.
    since: u64,
    by_span: FxHashMap<SpanName, Arc<Request>>,
    /// Whether there were more than a session may hold.
    is_full: bool,
}

/// The span that makes a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestSpan {
    /// When it was created, if that is known.
    pub(crate) begun: Option<Instant>,
    /// How records of the past name it; `None` if the session does not look back.
    pub(crate) name: Option<SpanName>,
}

/// What all sessions of a router may hold together.
#[derive(Debug)]
pub(crate) struct HoldBounds {
    max_requests: usize,
    max_time: Duration,
    requests: AtomicUsize,
}

/// The part of the router that a session needs that decides by outcome.
pub(crate) trait Notices: fmt::Debug + Send + Sync {
    /// The session has ended: it has admitted all it may.
    fn close_ended(&self, session: SessionId);
    /// Events were left out, which the reader is to learn of.
    fn announce_kept_back(&self, session: SessionId);
    /// A request is due earlier than the control thread looks.
    fn wake_for_due(&self);
}

/// The session that a request belongs to.
pub(crate) trait RequestOwner: Send + Sync {
    /// The request's span and all its children have closed.
    fn request_is_over(&self, request: &Arc<Request>);
}

/// One request of one session.
#[derive(Debug)]
pub(crate) struct Request {
    /// When it began, as far as that is known.
    pub(crate) begun: Instant,
    pub(crate) events: Held<HeldEvent>,
    /// Where it is among those that are held.
    due: Mutex<Option<(Instant, u64)>>,
}

/// An event with its bytes, which are set aside in the session's ring.
#[derive(Debug)]
pub(crate) struct HeldEvent {
    pub(crate) event: Arc<CapturedEvent>,
    pub(crate) bytes: u32,
}

/// A request at its span. Dropped when the span closes.
pub(crate) struct RequestMark {
    pub(crate) session: SessionId,
    pub(crate) request: Arc<Request>,
    owner: Weak<dyn RequestOwner>,
}

impl Outcome {
    /// `None` for a session that shows what matches at once.
    pub(crate) fn new(options: &SessionOptions, bounds: Arc<HoldBounds>, notices: Weak<dyn Notices>) -> Option<Self> {
        options.decides_by_outcome().then(|| Self {
            only_if: options.only_if.as_ref().map(Compiled::new),
            slower_than: options.slower_than,
            max_hold_time: bounds.max_time.max(options.slower_than.unwrap_or_default()),
            requests: Mutex::default(),
            closing: Mutex::default(),
            held: AtomicU64::new(0),
            placed: AtomicU64::new(0),
            of_past: AtomicU64::new(0),
            bounds,
            notices,
        })
    }

    /// Whether an event is the wanted outcome, by what it shows, and what it costs to find out.
    pub(crate) fn is_reached_by(&self, event: &CapturedEvent) -> (bool, u64) {
        let Some(compiled) = &self.only_if else { return (false, 0) };
        let mut satisfied = Bits::default();
        let mut nanos = 0_u64;
        let is_tested = |name: &str| compiled.names(name);
        let of_spans = event.spans.iter().flat_map(|span| span.tested_by(is_tested));
        for (name, value) in event.own.named_by(is_tested).chain(of_spans) {
            nanos = nanos.saturating_add(compiled.test_value(name, value, &mut satisfied));
        }
        for fields in std::iter::once(&event.own).chain(event.spans.iter().map(|span| &span.fields)) {
            nanos = nanos.saturating_add(compiled.nanos_of_look(|| fields.iter().count()));
        }
        let tests = compiled.tests();
        let answer = compiled.evaluate(|number| match &tests[number] {
            Test::Field(_) => Some(satisfied.contains(number)),
            test @ Test::Span(_) => Some(event.spans().any(|span| test.is_of_span(span.name()))),
            test => test.of_event(event.level(), event.target(), event.name(), event.file()),
        });
        (answer == Some(true), nanos)
    }

    /// How many bytes the tables of its regular expressions take.
    pub(crate) fn table_bytes(&self) -> usize {
        self.only_if.as_ref().map_or(0, Compiled::table_bytes)
    }

    /// Whether a request that began then is slow by now.
    pub(crate) fn is_slow(&self, begun: Instant, now: impl FnOnce() -> Instant) -> bool {
        self.slower_than.is_some_and(|bound| now().saturating_duration_since(begun) >= bound)
    }

    /// Events that are held.
    pub(crate) fn held(&self) -> u64 {
        // Relaxed: a number.
        self.held.load(Ordering::Relaxed)
    }

    /// Counts an event as held. Called before another thread can count it as something else.
    pub(crate) fn count_held(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn uncount_held(&self, events: u64) {
        self.held.fetch_sub(events, Ordering::Relaxed);
    }

    /// Notes how many events of the past there are, once all are there.
    pub(crate) fn set_of_past(&self, events: u64) {
        // Relaxed: nothing is read before.
        self.of_past.store(events, Ordering::Relaxed);
    }

    /// Takes room for so many events among those of the past, all or none, if their bytes can be set aside too. Called by the
    /// opener alone.
    pub(crate) fn take_past_room(&self, events: u64, capacity: u64, set_aside: impl FnOnce() -> bool) -> bool {
        let taken = self.of_past.load(Ordering::Relaxed).saturating_add(events);
        let is_taken = taken <= capacity && set_aside();
        if is_taken {
            self.of_past.store(taken, Ordering::Relaxed);
        }
        is_taken
    }

    /// Takes room for so many events in a ring of which the reader has taken so many out, with those of the past; all or
    /// none.
    pub(crate) fn take_room(&self, events: u64, taken_out: u64, capacity: u64) -> bool {
        let taken_out = taken_out.saturating_sub(self.of_past.load(Ordering::Relaxed));
        let more = |placed: u64| {
            let sum = placed.saturating_add(events);
            (sum.saturating_sub(taken_out) <= capacity).then_some(sum)
        };
        // Relaxed: one number. What was taken out is read before and only grows, so there is at least that much room.
        self.placed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Whether as many requests are held as the session or the router may hold.
    pub(crate) fn holds_too_many(&self) -> bool {
        let own = self.requests().by_due.len();
        own > MAX_HELD_REQUESTS || self.bounds.requests.load(Ordering::Relaxed) > self.bounds.max_requests
    }

    /// A new request of a span.
    pub(crate) fn new_request(&self, span: RequestSpan, opened: Instant) -> Arc<Request> {
        let begun = span.begun.unwrap_or(opened);
        let mut requests = self.requests();
        let Some((during_past, name)) = requests.during_past.as_mut().zip(span.name) else {
            return Arc::new(Request::new(begun, Held::new()));
        };
        if during_past.by_span.len() >= MAX_HELD_REQUESTS {
            during_past.is_full = true;
            return Arc::new(Request::new(begun, Held::gone(Fate::Undecided)));
        }
        let request = Arc::new(Request::new(begun, Held::before()));
        during_past.by_span.insert(name, Arc::clone(&request));
        request
    }

    /// Has requests that begin from now on wait for the past, whose clock shows `now`. Called before the session is published.
    pub(crate) fn begin_past(&self, now: u64) {
        let during_past = DuringPast { since: now, by_span: FxHashMap::default(), is_full: false };
        self.requests().during_past = Some(during_past);
    }

    /// The request of this span, if it has begun while the past is being read.
    pub(crate) fn during_past(&self, name: SpanName) -> Option<Arc<Request>> {
        self.requests().during_past.as_ref()?.by_span.get(&name).cloned()
    }

    /// Whether a span that closed then may have made a request that there was no room for; `None`: it has just closed.
    pub(crate) fn may_have_missed(&self, closed: Option<u64>) -> bool {
        let requests = self.requests();
        let missed_since = requests.during_past.as_ref().filter(|during| during.is_full).map(|during| during.since);
        missed_since.is_some_and(|since| closed.is_none_or(|closed| closed >= since))
    }

    /// The requests that have waited for the past, the oldest first. Later ones do not wait.
    pub(crate) fn end_past(&self) -> Vec<Arc<Request>> {
        let mut waiting: Vec<_> = self.requests().take_waiting().collect();
        waiting.sort_unstable_by_key(|request| request.begun);
        waiting
    }

    /// Puts a new request among those that are held, unless it is there. `false`: the session is closed.
    pub(crate) fn insert(&self, request: &Arc<Request>, now: Instant) -> bool {
        let slow_at = self.slower_than.and_then(|bound| request.begun.checked_add(bound));
        let given_up_at = now.checked_add(self.max_hold_time);
        let due = [slow_at, given_up_at].into_iter().flatten().min().unwrap_or(now);
        let mut requests = self.requests();
        if requests.is_closed {
            return false;
        }
        if request.due().is_some() {
            return true;
        }
        requests.last_serial += 1;
        let key = (due, requests.last_serial);
        *request.due() = Some(key);
        requests.by_due.insert(key, Arc::clone(request));
        // Relaxed: a bound that may be passed by the requests that begin at one moment.
        self.bounds.requests.fetch_add(1, Ordering::Relaxed);
        let tick = requests.no_tick_before.map_or(due, |earliest| due.max(earliest));
        let is_earlier = requests.next_tick.is_none_or(|next| tick < next);
        if is_earlier {
            requests.next_tick = Some(tick);
        }
        drop(requests);
        if is_earlier && let Some(notices) = self.notices() {
            notices.wake_for_due();
        }
        true
    }

    /// Takes a request out that is held no longer.
    pub(crate) fn remove(&self, request: &Request) {
        let Some(key) = request.due().take() else { return };
        let removed = self.requests().by_due.remove(&key);
        if removed.is_some() {
            self.bounds.requests.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The request that is due first, which is the oldest.
    pub(crate) fn oldest(&self) -> Option<Arc<Request>> {
        self.requests().by_due.first_key_value().map(|(_, request)| Arc::clone(request))
    }

    /// The requests that are due, and when to look again.
    pub(crate) fn take_due(&self, now: Instant) -> (Vec<Arc<Request>>, Option<Instant>) {
        let mut requests = self.requests();
        let later = requests.by_due.split_off(&(now, u64::MAX));
        let due: Vec<_> = std::mem::replace(&mut requests.by_due, later).into_values().collect();
        self.bounds.requests.fetch_sub(due.len(), Ordering::Relaxed);
        let earliest = now + MIN_TICK;
        let next = requests.by_due.first_key_value().map(|((due, _), _)| (*due).max(earliest));
        requests.no_tick_before = Some(earliest);
        requests.next_tick = next;
        (due, next)
    }

    /// Waits until another thread has given up what is held, so that its counts are complete. Not for producers.
    pub(crate) fn wait_for_closing(&self) -> MutexGuard<'_, ()> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds nothing from now on. Returns what was held.
    pub(crate) fn close(&self) -> Vec<Arc<Request>> {
        let mut requests = self.requests();
        requests.is_closed = true;
        let mut held: Vec<_> = std::mem::take(&mut requests.by_due).into_values().collect();
        self.bounds.requests.fetch_sub(held.len(), Ordering::Relaxed);
        held.extend(requests.take_waiting());
        held
    }

    pub(crate) fn notices(&self) -> Option<Arc<dyn Notices>> {
        self.notices.upgrade()
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn take_waiting(&mut self) -> impl Iterator<Item = Arc<Request>> + use<> {
        self.during_past.take().into_iter().flat_map(|during_past| during_past.by_span.into_values())
    }
}

impl HoldBounds {
    pub(crate) fn new(config: &Config) -> Self {
        Self { max_requests: config.max_held_requests, max_time: config.max_hold_time, requests: AtomicUsize::new(0) }
    }
}

impl Request {
    fn new(begun: Instant, events: Held<HeldEvent>) -> Self {
        Self { begun, events, due: Mutex::new(None) }
    }

    fn due(&self) -> MutexGuard<'_, Option<(Instant, u64)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestMark {
    pub(crate) fn new(session: SessionId, request: &Arc<Request>, owner: Weak<dyn RequestOwner>) -> Self {
        Self { session, request: Arc::clone(request), owner }
    }

    /// Whether the session is gone, so that nobody needs the mark.
    pub(crate) fn is_stale(&self) -> bool {
        self.owner.strong_count() == 0
    }
}

impl Drop for RequestMark {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.request_is_over(&self.request);
        }
    }
}

impl fmt::Debug for RequestMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestMark").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The span that makes a request of this session: the nearest of this name, or the root.
pub(crate) fn request_name(follow: &Follow) -> Option<&str> {
    match follow {
        Follow::Named(name) => Some(name),
        Follow::Event | Follow::Span | Follow::Root => None,
    }
}
