//! An open session: what producers push into and its one reader drains.

use super::across::Across;
use super::admission::{Admission, Limiter, Release};
use super::buffer::{Buffer, RingPlace};
use super::governor::Governor;
use super::kept_back::{KeptBackBy, KeptBackCounts};
use super::outcome::{HoldBounds, Notices, Outcome};
use super::sample::{RootSerial, Sampled};
use super::{EndReason, Follow, SessionId, SessionInfo, SessionOptions, SessionStats};
use crate::event::CapturedEvent;
use crate::guard::{Guard, run_user_code};
use crate::level::verbosity_of_filter;
use crate::missing::MissingReason;
use crate::predicate::{Compiled, Reach};
use crate::queue::budget::Budget;
use crate::queue::ring::{Popped, Ring};
use crate::queue::wait::ReaderWait;
use crate::sync::OnceBox;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use crate::usdt;
use crossbeam_utils::CachePadded;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

/// One open session, shared by the snapshot, its stream and, weakly, the scopes it was decided for.
#[derive(Debug)]
pub(crate) struct OpenSession {
    pub(crate) id: SessionId,
    pub(crate) compiled: Compiled,
    /// What is left of the predicate for events that are followed, where any are.
    followed: Option<Compiled>,
    /// Whether an event that matches makes a span followed.
    follows: bool,
    /// Where its requests may be followed into other services.
    across: Option<Box<Across>>,
    /// The most verbose level that can match, as a number; 0: none. Of what is followed apart.
    verbosity: u8,
    followed_verbosity: u8,
    /// The most verbose spans that are enabled where it may match, as a number; 0: none.
    pub(crate) span_verbosity: u8,
    pub(crate) deadline: Option<Instant>,
    pub(crate) limits: Arc<SessionOptions>,
    limiter: Option<Box<Limiter>>,
    /// If it was opened on behalf of an opener.
    governor: Option<Box<Governor>>,
    /// Where it decides by outcome.
    pub(super) outcome: Option<Box<Outcome>>,
    opened_at: SystemTime,
    pub(super) opened: Instant,
    budget: Arc<Budget>,
    /// Made at the first match: most sessions of a large set never match anything.
    buffer: OnceBox<Buffer>,
    /// The same for events of the past, of a session that looks back.
    past: OnceBox<Buffer>,
    /// 0 while open, then the reason.
    ended: AtomicU8,
    pub(crate) reader: ReaderWait,
    read: CachePadded<Read>,
    closed_unread: AtomicU64,
}

/// What the reader has taken out. Written by the reader alone, apart from what producers read.
#[derive(Debug, Default)]
struct Read {
    delivered: AtomicU64,
    /// Whether there is an event that waits behind the loss before it.
    is_holding: AtomicBool,
    /// One more than the overflow that was announced when the stream ended; 0: it has not ended.
    announced_at_end: AtomicU64,
}

impl OpenSession {
    pub(crate) fn new(id: SessionId, session: SessionOptions, budget: Arc<Budget>) -> Self {
        let compiled = Compiled::new(&session.confined_predicate());
        let followed = session.followed_predicate().map(|predicate| Compiled::new(&predicate));
        Self {
            id,
            verbosity: verbosity_of_compiled(&compiled),
            followed_verbosity: followed.as_ref().map_or(0, verbosity_of_compiled),
            compiled,
            followed,
            follows: session.follow != Follow::Event,
            across: Across::of(&session),
            span_verbosity: verbosity_of_filter(session.spans),
            deadline: session.expires_in.and_then(|duration| Instant::now().checked_add(duration)),
            limiter: Limiter::new(id, &session).map(Box::new),
            governor: None,
            outcome: None,
            limits: Arc::new(session),
            opened_at: SystemTime::now(),
            opened: Instant::now(),
            budget,
            buffer: OnceBox::new(),
            past: OnceBox::new(),
            ended: AtomicU8::new(0),
            reader: ReaderWait::default(),
            read: CachePadded::default(),
            closed_unread: AtomicU64::new(0),
        }
    }

    /// How many bytes the tables of its regular expressions take.
    pub(crate) fn predicate_bytes(&self) -> usize {
        // Those of what is followed are the same.
        self.compiled.table_bytes() + self.outcome().map_or(0, Outcome::table_bytes)
    }

    /// Holds requests until their outcome is known, if that is what it was opened for.
    pub(crate) fn holding(self, bounds: &Arc<HoldBounds>, notices: Weak<dyn Notices>) -> Self {
        let outcome = Outcome::new(&self.limits, Arc::clone(bounds), notices).map(Box::new);
        Self { outcome, ..self }
    }

    /// What it holds until the outcome is known; `None` if it shows at once what matches.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_deref()
    }

    /// Bounds what it may cost producers.
    pub(crate) fn governed(self, governor: Governor) -> Self {
        Self { governor: Some(Box::new(governor)), ..self }
    }

    /// Takes note of what evaluating the predicate has cost a producer, and ends the session where that is too much.
    #[inline]
    pub(crate) fn charge(&self, nanos: u64) {
        if let Some(governor) = &self.governor
            && nanos > 0
            && governor.charge(nanos)
        {
            self.end_too_costly(governor);
        }
    }

    #[cold]
    fn end_too_costly(&self, governor: &Governor) {
        // The control thread wakes the reader: `tracing` may be in the middle of a question here, and must not be called.
        if self.mark_ended(EndReason::TooCostly) {
            governor.report(self.id);
        }
    }

    /// What belongs to it once an event has matched.
    pub(crate) fn follow(&self) -> &Follow {
        &self.limits.follow
    }

    /// Whether it follows a span around an event that matches.
    #[inline]
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// Which requests belong to it as a whole, where they may be followed into other services.
    pub(crate) fn across(&self) -> Option<&Across> {
        self.across.as_deref()
    }

    /// The sampling decision where it begins to follow. One that another service makes it follow was sampled there.
    pub(crate) fn sampled_where_followed(&self, root: impl FnOnce() -> RootSerial) -> Sampled {
        if self.follows { self.sampled(|| Some(root())) } else { Sampled::In }
    }

    /// The condition of an event inside or outside a followed span.
    #[inline]
    pub(crate) fn compiled_for(&self, is_followed: bool) -> &Compiled {
        self.followed.as_ref().filter(|_| is_followed).unwrap_or(&self.compiled)
    }

    /// The most verbose level of events that can match, as a number; 0: none.
    pub(crate) fn verbosity_for(&self, is_followed: bool) -> u8 {
        if self.shows_events() { self.verbosity_of_closes(is_followed) } else { 0 }
    }

    /// The same of spans that close, if it wants timings.
    pub(crate) fn verbosity_of_closes(&self, is_followed: bool) -> u8 {
        if is_followed { self.followed_verbosity } else { self.verbosity }
    }

    /// Whether an event can match.
    pub(crate) fn shows_events(&self) -> bool {
        self.limits.events
    }

    /// The levels and targets that can belong to the session.
    pub(crate) fn reach(&self) -> impl Iterator<Item = &Reach> {
        let reach = self.compiled.reach().iter().chain(self.followed.iter().flat_map(Compiled::reach));
        reach.filter(|_| self.shows_events())
    }

    /// How long ago it was opened.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether the index finds it, so that there may be many such sessions.
    pub(crate) fn is_indexed(&self) -> bool {
        self.compiled.index().is_some()
    }

    pub(crate) fn opener(&self) -> Option<&str> {
        self.limits.opened_by.as_deref()
    }

    /// The reason of the session's end; `None` while it is open.
    pub(crate) fn ended(&self) -> Option<EndReason> {
        // Acquire pairs with the Release in `mark_ended`: what its closer did before is done. Fails otherwise:
        // `loom_the_end_is_seen_after_the_events_of_its_closer`.
        EndReason::from_code(self.ended.load(Ordering::Acquire))
    }

    /// Ends the session, unless it has ended before; its reader learns of it after what is still in the ring.
    pub(crate) fn end(&self, reason: EndReason) -> bool {
        let first = self.mark_ended(reason);
        if first {
            self.wake_reader();
        }
        first
    }

    /// [`end`](Self::end) for a caller that holds a lock. The reader must be woken afterwards.
    pub(crate) fn mark_ended(&self, reason: EndReason) -> bool {
        // Release pairs with the Acquire in `ended`. A failure only says that another thread was quicker.
        self.ended.compare_exchange(0, reason.code(), Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Makes a reader that waits look again.
    pub(crate) fn wake_reader(&self) {
        wake(&self.reader);
    }

    /// The sampling decision for all events below a root, or for those outside any span.
    pub(crate) fn sampled(&self, root: impl FnOnce() -> Option<RootSerial>) -> Sampled {
        self.limiter.as_ref().map_or(Sampled::In, |limiter| limiter.sampled(root))
    }

    /// Decides about an event that matched, before anything of it is captured. One that is admitted must be pushed.
    #[inline]
    pub(crate) fn admit(&self, sampled: Sampled) -> Admission {
        if self.ended().is_some() {
            return Admission::Ended;
        }
        self.limiter.as_ref().map_or(Admission::Admitted, |limiter| limiter.admit(sampled))
    }

    /// The same for an event of the past. One of a request that is admitted as a whole has its place after the end too.
    pub(crate) fn admit_past(&self, sampled: Sampled) -> Admission {
        if self.ended().is_some() && (self.outcome.is_none() || sampled != Sampled::In) {
            return Admission::Ended;
        }
        self.limiter.as_ref().map_or(Admission::Admitted, |limiter| limiter.admit_past(sampled))
    }

    /// The epoch with which its past ends; 0 if it does not look back.
    pub(crate) fn since(&self) -> u64 {
        self.limiter.as_ref().map_or(0, |limiter| limiter.since())
    }

    /// Sets the epoch with which its past ends: events of later ones are its present.
    pub(crate) fn set_since(&self, epoch: u64) {
        if let Some(limiter) = &self.limiter {
            limiter.set_since(epoch);
        }
    }

    /// Whether it may refuse an event that matches.
    pub(crate) fn is_limited(&self) -> bool {
        self.limiter.is_some()
    }

    /// The limit that keeps back an event that matches now, if that is certain.
    #[inline]
    pub(crate) fn keeps_back_now(&self, sampled: Sampled) -> Option<KeptBackBy> {
        self.limiter.as_ref()?.keeps_back_now(sampled)
    }

    /// Counts an event that matched and is kept back.
    pub(crate) fn keep_back(&self, reason: KeptBackBy) -> Option<Admission> {
        self.limiter.as_ref().map(|limiter| limiter.keep_back(reason))
    }

    /// Admits the events of a request that is to be released, all or none.
    pub(super) fn admit_released(&self, events: u64) -> Release {
        self.limiter.as_ref().map_or(Release::Admitted, |limiter| limiter.admit_released(events))
    }

    /// The same by their number alone.
    pub(super) fn admit_number(&self, events: u64) -> Release {
        self.limiter.as_ref().map_or(Release::Admitted, |limiter| limiter.admit_number(events))
    }

    /// How many events the reader has taken out, at least, those of the past included.
    pub(super) fn taken_out(&self) -> u64 {
        // Relaxed: a number that only grows.
        self.read.delivered.load(Ordering::Relaxed) + self.closed_unread.load(Ordering::Relaxed)
    }

    /// Where events wait, made for the first one that was admitted.
    #[inline]
    pub(crate) fn buffer_to_fill(&self) -> &Buffer {
        self.buffer.get_or_init(|| Box::new(self.new_buffer()))
    }

    /// Whether the session has admitted its maximum.
    #[inline]
    pub(crate) fn is_used_up(&self) -> bool {
        self.limiter.as_ref().is_some_and(|limiter| limiter.is_used_up())
    }

    /// The counts of events kept back by limits; `None` for a session without limits.
    pub(crate) fn kept_back(&self) -> Option<&KeptBackCounts> {
        self.limiter.as_ref().map(|limiter| &limiter.kept_back)
    }

    /// Makes the reader look at the counts of events kept back.
    pub(crate) fn announce_kept_back(&self) {
        if let Some(kept_back) = self.kept_back() {
            kept_back.set_due();
            wake(&self.reader);
        }
    }

    /// Whether the session can admit nothing at all.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.limits.max_events == Some(0)
    }

    /// Whether every event that was admitted under a limit of their number was read or lost.
    ///
    /// Not before all is read: a producer that displaces the oldest counts it as lost while it is still buffered, and
    /// for that moment stands for two, itself and the event it is about to push.
    pub(crate) fn has_placed_all(&self) -> bool {
        let Some(max_events) = self.limits.max_events else { return true };
        let stats = self.stats();
        // One that decides by outcome ends before its maximum, where a request has more events than it may still admit.
        let admitted = self.limiter.as_ref().filter(|_| self.outcome.is_some()).map(|limiter| limiter.admitted());
        stats.buffered == 0 && stats.placed() >= admitted.unwrap_or(max_events)
    }

    /// Counts an event that its reader gets.
    pub(crate) fn count_delivered(&self) {
        self.read.is_holding.store(false, Ordering::Relaxed);
        // Release pairs with the Acquire in `stats`: who counts it here does not count it as held or buffered. Fails
        // otherwise: `loom_a_delivered_event_is_not_counted_as_buffered`.
        self.read.delivered.fetch_add(1, Ordering::Release);
    }

    /// Notes that the reader has taken an event out that it cannot give yet.
    pub(crate) fn hold(&self) {
        // Relaxed: seen late, the event is missing for a moment.
        self.read.is_holding.store(true, Ordering::Relaxed);
    }

    /// Counts an event that its reader held and will never get.
    pub(crate) fn lose_held(&self) {
        self.read.is_holding.store(false, Ordering::Relaxed);
        // Release: as where it is delivered.
        self.closed_unread.fetch_add(1, Ordering::Release);
        usdt::lost(self.id.0);
    }

    /// Notes how much overflow the stream has announced: it ends, and announces no more.
    pub(crate) fn end_announcing(&self, announced: u64) {
        // Relaxed: only the stream's own thread needs to see it at once.
        self.read.announced_at_end.store(announced.saturating_add(1), Ordering::Relaxed);
    }

    /// The overflow that the stream has announced or will, of so many lost events. A producer that is on its way while the
    /// stream ends may lose more.
    fn announceable(&self, lost: u64) -> u64 {
        // Relaxed: as where it is stored.
        let announced = self.read.announced_at_end.load(Ordering::Relaxed).checked_sub(1);
        announced.map_or(lost, |announced| lost.min(announced))
    }

    fn new_buffer(&self) -> Buffer {
        let SessionOptions { capacity, capacity_bytes, overflow, .. } = *self.limits;
        let ring = Ring::new(overflow, capacity.get(), capacity_bytes, Arc::clone(&self.budget));
        Buffer::new(ring.of_session(self.id.0))
    }

    /// Where events wait to be read, if anything has matched yet.
    pub(crate) fn buffer(&self) -> Option<&Buffer> {
        self.buffer.get()
    }

    /// Puts an event of the past that it admitted where it waits to be read. Called by its opener, in order.
    pub(crate) fn push_past(&self, event: Arc<CapturedEvent>) {
        let bytes = event.held_bytes();
        self.past_to_fill().push(event, bytes, RingPlace::Any);
    }

    /// Where events of the past wait, made for the first one that was admitted.
    pub(super) fn past_to_fill(&self) -> &Buffer {
        self.past.get_or_init(|| Box::new(self.new_buffer()))
    }

    /// Where events of the past wait to be read, if there are any.
    pub(crate) fn past(&self) -> Option<&Buffer> {
        self.past.get()
    }

    fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.past().into_iter().chain(self.buffer())
    }

    /// Bytes of the events that wait to be read.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffers().map(Buffer::bytes).sum()
    }

    /// Drops and counts the unread events. Called when no reader is left.
    pub(crate) fn discard_unread(&self) {
        for buffer in self.buffers() {
            while let Popped::Item { item, .. } = buffer.pop() {
                drop(item);
                // Release: as where it is delivered. Fails otherwise:
                // `loom_events_pushed_during_the_close_are_counted_once`.
                self.closed_unread.fetch_add(1, Ordering::Release);
                usdt::lost(self.id.0);
            }
        }
    }

    pub(crate) fn stats(&self) -> SessionStats {
        // Delivered before buffered: an event read in between is then missing for a moment, never counted twice.
        let delivered = self.read.delivered.load(Ordering::Acquire);
        let closed = self.closed_unread.load(Ordering::Acquire);
        let at_reader = u64::from(self.read.is_holding.load(Ordering::Relaxed));
        let (lost, in_ring) = self
            .buffers()
            .map(|buffer| (buffer.lost(), buffer.len() as u64))
            .fold((0, 0), |(lost, left), (more_lost, more_left)| (lost + more_lost, left + more_left));
        let mut missing = self.kept_back().map(KeptBackCounts::totals).unwrap_or_default();
        let overflow = self.announceable(lost);
        missing[MissingReason::Overflow] = overflow;
        missing[MissingReason::Closed] = closed + (lost - overflow);
        // Last, since what is held goes to one of the others.
        let held = self.outcome().map_or(0, Outcome::held);
        SessionStats { delivered, buffered: at_reader + in_ring, held, missing, ..SessionStats::default() }.summed()
    }

    pub(crate) fn info(&self) -> SessionInfo {
        SessionInfo {
            id: self.id,
            name: self.limits.name.clone(),
            opened_by: self.limits.opened_by.clone(),
            predicate: self.limits.predicate.clone(),
            confinement: self.limits.confinement.clone(),
            max_level: self.limits.max_level,
            spans: self.limits.spans,
            timings: self.limits.timings,
            only_if: self.limits.only_if.clone(),
            slower_than: self.limits.slower_than,
            opened_at: self.opened_at,
            stats: self.stats(),
        }
    }
}

/// Wakes the readers that wait, after an event was pushed to each of them.
#[inline]
pub(crate) fn wake_all<'a>(readers: impl Iterator<Item = &'a ReaderWait>) {
    ReaderWait::fence_after_push();
    readers.filter_map(ReaderWait::take_waker).for_each(run);
}

fn wake(reader: &ReaderWait) {
    wake_all(std::iter::once(reader));
}

/// A waker is the executor's code: what that logs is not routed, and its panic stays its own.
#[cold]
fn run(waker: Waker) {
    let _guard = Guard::enter();
    run_user_code(|| waker.wake());
}

fn verbosity_of_compiled(compiled: &Compiled) -> u8 {
    compiled.reach().iter().map(|reach| verbosity_of_filter(reach.level)).max().unwrap_or(0)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
