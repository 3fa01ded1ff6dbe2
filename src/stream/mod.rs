//! The stream of a session's items.
//!
//! # Where missing events are announced
//! [`missing`](crate::missing) has the equations between a session's counts. An overflow is announced by an
//! [`Item::Missing`] at its position: before the first event read after it. If other threads log meanwhile, a session that
//! drops its oldest events may announce a loss a few events early, but never late, and the total is exact.
//! [`Item::Ended`] comes once, and last.
//!
//! `sequence` starts at 0 and grows by one for each delivered event and by `count` for each announced overflow, so a gap in
//! it is exactly the number of events lost there.
//!
//! Events kept back by a limit (rate or sampling) take no sequence numbers and are not announced at their position: they
//! are announced about a second later, summed up by reason, at most once a second. The rest is announced before the end, so
//! that the announced counts add up to those in [`SessionStats`]. A call of [`drain`](EventStream::drain) announces the
//! counts that were due at its start. If the system cannot start the router's thread, all are announced before the end.

mod announcer;
mod item;
mod linger;

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/stream.rs"]
mod models;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use item::Item;

use crate::coverage::{Coverage, Finding, Verdict};
use crate::event::{CapturedEvent, SpanTiming};
use crate::missing::{Missing, MissingReason};
use crate::past::Horizon;
use crate::queue::ring::Popped;
use crate::queue::wait::block_on_ready;
use crate::session::buffer::Buffer;
use crate::session::kept_back::KeptBackCounts;
use crate::session::open::OpenSession;
use crate::session::{EndReason, SessionId, SessionStats};
use announcer::Announcer;
use linger::Linger;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The reading end of a session. Dropping it closes the session and frees its buffer.
///
/// Also a [`Stream`](futures_core::Stream) of [`Item`]s. A reader that falls behind loses events, which are counted and
/// announced; it never slows the service down.
///
/// ```
/// use tracing_tap::{EndReason, Item, Predicate, SessionOptions, TapRouter};
/// use tracing_tap::stream::TryRecvError;
///
/// let router = TapRouter::new();
/// let mut stream = router.watch(Predicate::everything());
/// assert_eq!(stream.try_recv().unwrap_err(), TryRecvError::Empty);
/// router.close(stream.id());
/// assert!(matches!(stream.try_recv(), Ok(Item::Ended(EndReason::Closed))));
/// assert_eq!(stream.try_recv().unwrap_err(), TryRecvError::Ended);
/// ```
#[must_use = "dropping the stream closes its session"]
pub struct EventStream {
    session: Option<Arc<OpenSession>>,
    home: Arc<dyn Home>,
    /// A popped event that waits until the loss before it is announced. Counted as buffered.
    held: Option<Arc<CapturedEvent>>,
    /// How far its past reaches back, until that was yielded.
    horizon: Option<Horizon>,
    /// The last event yielded. Once its receiver has dropped it, its memory goes back to the producers.
    last: Option<Arc<CapturedEvent>>,
    linger: Linger,
    announced: u64,
    announcer: Announcer,
    sequence: u64,
    /// The reason yielded with `Ended`. No item follows it.
    over: Option<EndReason>,
}

/// Why [`EventStream::try_recv`] returned no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// No item is available now.
    Empty,
    /// The stream has yielded its last item.
    Ended,
}

/// The part of the router that a stream needs.
pub(crate) trait Home: Send + Sync {
    /// Closes the session, which has no reader any more.
    fn close(&self, session: Arc<OpenSession>);
    /// What a session can see; `None` if the router was dropped.
    fn coverage(&self, session: &Arc<OpenSession>) -> Option<Coverage>;
}

impl EventStream {
    pub(crate) fn new(session: Arc<OpenSession>, home: Arc<dyn Home>) -> Self {
        Self {
            session: Some(session),
            home,
            held: None,
            horizon: None,
            last: None,
            linger: Linger::No,
            announced: 0,
            announcer: Announcer::default(),
            sequence: 0,
            over: None,
        }
    }

    /// Begins with the horizon of a session that has looked back.
    pub(crate) fn with_horizon(mut self, horizon: Option<Horizon>) -> Self {
        self.horizon = horizon;
        self
    }

    /// Takes all items available now. Never blocks.
    ///
    /// Events that arrive during the iteration are left for the next call, so that a loop whose body emits matching events
    /// ends.
    pub fn drain(&mut self) -> impl Iterator<Item = Item> {
        self.note_kept_back();
        let past = self.session().past().map_or(0, Buffer::len);
        let mut events_left = past + self.session().buffer().map_or(0, Buffer::len) + usize::from(self.held.is_some());
        std::iter::from_fn(move || {
            if events_left == 0 && self.session().buffer().is_some_and(|buffer| buffer.len() > 0) {
                return None;
            }
            let item = self.next_noted_item()?;
            events_left = events_left.saturating_sub(usize::from(item.is_numbered()));
            Some(item)
        })
    }

    /// Takes the next item. Never blocks.
    ///
    /// # Errors
    /// `Empty` if no item is available now, `Ended` after the last item.
    pub fn try_recv(&mut self) -> Result<Item, TryRecvError> {
        self.next_item().ok_or(if self.over.is_some() { TryRecvError::Ended } else { TryRecvError::Empty })
    }

    /// Waits for the next item; `None` after the last. Cancel safe: a dropped future loses no item. Needs no particular
    /// runtime.
    pub async fn recv(&mut self) -> Option<Item> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    /// Blocks this thread until the next item; `None` after the last.
    pub fn blocking_recv(&mut self) -> Option<Item> {
        block_on_ready(None, |context| self.poll_item(context)).flatten()
    }

    /// Blocks this thread until the next item, at most `timeout`; `None` after the last, or if the time has passed.
    pub fn blocking_recv_timeout(&mut self, timeout: Duration) -> Option<Item> {
        block_on_ready(Instant::now().checked_add(timeout), |context| self.poll_item(context)).flatten()
    }

    /// The session's number.
    pub fn id(&self) -> SessionId {
        self.session().id
    }

    /// The session's counts so far. Reads a few atomics.
    pub fn stats(&self) -> SessionStats {
        self.session().stats()
    }

    /// What the session can see now, and what keeps it from seeing more; see [`TapRouter::coverage`].
    ///
    /// [`TapRouter::coverage`]: crate::TapRouter::coverage
    pub fn coverage(&self) -> Coverage {
        let gone = || Coverage::new(Verdict::Nothing, vec![Finding::NotInstalled], Vec::new());
        self.home.coverage(self.session()).unwrap_or_else(gone)
    }

    pub(crate) fn session(&self) -> &Arc<OpenSession> {
        self.session.as_ref().expect("the session is taken out by `drop` alone")
    }

    fn poll_item(&mut self, context: &Context<'_>) -> Poll<Option<Item>> {
        if self.over.is_some() {
            return Poll::Ready(None);
        }
        if self.linger != Linger::No && !self.has_news() && self.linger.look_again(context.waker()) {
            return Poll::Pending;
        }
        let session = Arc::clone(self.session.as_ref().expect("the session is taken out by `drop` alone"));
        session.reader.poll(context, || self.next_item()).map(Some)
    }

    /// Whether there may be an item. Unlike `next_item`, this gives back no bytes that producers will soon lease again.
    fn has_news(&self) -> bool {
        let session = self.session();
        let past_lost = session.past().map_or(0, Buffer::lost);
        let buffer_has = |buffer: &Buffer| buffer.len() > 0 || buffer.lost() + past_lost > self.announced;
        self.held.is_some()
            || self.horizon.is_some()
            || session.past().is_some_and(|past| past.len() > 0)
            || self.announcer.has_news()
            || session.ended().is_some()
            || session.buffer().is_some_and(buffer_has)
            || session.kept_back().is_some_and(KeptBackCounts::is_due)
    }

    /// The reason of the end; `None` until `Ended` was yielded.
    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        self.over
    }

    fn next_item(&mut self) -> Option<Item> {
        self.note_kept_back();
        self.next_noted_item()
    }

    /// Takes note of the events kept back by limits, if an announcement is due.
    fn note_kept_back(&mut self) {
        if let Some(counts) = self.session().kept_back().and_then(KeptBackCounts::take_due) {
            self.announcer.note(counts);
        }
    }

    /// The next item, without checking for a due announcement.
    fn next_noted_item(&mut self) -> Option<Item> {
        self.recycle_last();
        if self.over.is_some() {
            // Events pushed while the session ended are not yielded. Dropping the stream counts them.
            return None;
        }
        if let Some(horizon) = self.horizon.take() {
            return Some(Item::Horizon(horizon));
        }
        if let Some(event) = self.held.take() {
            return Some(self.number(event));
        }
        if let Some(missing) = self.announcer.next() {
            return Some(Item::Missing(missing));
        }
        let ended = self.ended();
        match self.pop() {
            Popped::Item { item, lost } => match self.announce(lost) {
                Some(loss) => {
                    self.session().hold();
                    self.held = Some(item);
                    Some(loss)
                }
                None => Some(self.number(item)),
            },
            Popped::Empty { lost } => self.announce(lost).or_else(|| self.end(ended?)),
        }
    }

    /// The oldest event, those of the past first, and how many were lost before it.
    fn pop(&self) -> Popped<Arc<CapturedEvent>> {
        // Nothing is added to the past once there is a stream.
        let past_lost = match self.session().past().map(Buffer::pop) {
            Some(popped @ Popped::Item { .. }) => return popped,
            Some(Popped::Empty { lost }) => lost,
            None => 0,
        };
        match self.session().buffer().map_or(Popped::Empty { lost: 0 }, Buffer::pop) {
            Popped::Item { item, lost } => Popped::Item { item, lost: lost + past_lost },
            Popped::Empty { lost } => Popped::Empty { lost: lost + past_lost },
        }
    }

    /// The reason of the session's end, once no further event can follow.
    fn ended(&self) -> Option<EndReason> {
        let session = self.session();
        session.ended().filter(|reason| *reason != EndReason::MaxEvents || session.has_placed_all())
    }

    fn number(&mut self, event: Arc<CapturedEvent>) -> Item {
        self.session().count_delivered();
        let sequence = self.sequence;
        self.sequence += 1;
        self.linger = Linger::HasRead;
        self.last = Some(Arc::clone(&event));
        let session = self.id();
        match event.is_close() {
            true => Item::timing(session, sequence, SpanTiming::of(event)),
            false => Item::event(session, sequence, event),
        }
    }

    fn recycle_last(&mut self) {
        if let (Some(event), Some(buffer)) = (self.last.take(), self.session().buffer()) {
            buffer.recycle(event);
        }
    }

    fn announce(&mut self, lost: u64) -> Option<Item> {
        let count = lost.saturating_sub(self.announced);
        self.announced += count;
        self.sequence += count;
        (count > 0).then_some(Item::Missing(Missing { count, reason: MissingReason::Overflow }))
    }

    /// Announces the events kept back until the end, and then the end.
    fn end(&mut self, reason: EndReason) -> Option<Item> {
        self.session().give_up_held();
        if let Some(counts) = self.session().kept_back().map(KeptBackCounts::close) {
            self.announcer.note(counts);
        }
        Some(self.announcer.next().map_or_else(
            || {
                self.session().end_announcing(self.announced);
                self.over = Some(reason);
                Item::Ended(reason)
            },
            Item::Missing,
        ))
    }
}

impl futures_core::Stream for EventStream {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        self.get_mut().poll_item(context)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        if self.held.take().is_some() {
            session.lose_held();
        }
        self.home.close(session);
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("id", &self.id()).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no item is available",
            Self::Ended => "the session has ended",
        })
    }
}

impl std::error::Error for TryRecvError {}
