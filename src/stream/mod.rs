//! What comes out of a session: a stream of items, and the account it keeps.
//!
//! # The account
//! Whatever matched is in exactly one place: `matched = delivered + lost + buffered`, per session, whenever no call
//! is under way. An overflow is announced by an [`Item::Lost`] where it happened: before the first event read after
//! it. Under concurrency a session that drops its oldest events may be told a few events early; never late, and
//! never wrong in total. [`Item::Ended`] comes once and last.
//!
//! `sequence` starts at 0 and grows by one for each event delivered and by `count` for each overflow announced, so
//! a gap in it is exactly what was lost there.

pub(crate) mod budget;
pub(crate) mod ring;
pub(crate) mod wait;

pub use ring::Overflow;

use crate::control::Retired;
use crate::event::CapturedEvent;
use crate::layer::guard::{Guard, run_user_code};
use crate::router::Shared;
use crate::session::SessionId;
use crate::session::open::OpenSession;
use ring::Popped;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use wait::{ReaderWait, block_on_ready};

/// The reading end of a session; dropping it closes the session and frees what it holds.
///
/// ```
/// use tracing_tap::{EndReason, Item, Predicate, Session, TapRouter, TryRecvError};
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
    shared: Weak<Shared>,
    /// An event that was popped and waits behind the loss announced before it. Counted as delivered.
    held: Option<Arc<CapturedEvent>>,
    announced: u64,
    sequence: u64,
    /// Whether `Ended` was given.
    is_over: bool,
}

/// One thing a stream gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item {
    /// An event that matched.
    Event {
        /// The session it matched.
        session: SessionId,
        /// Its place among what the session was to deliver, from 0.
        sequence: u64,
        /// What was captured of it, shared with other sessions it matched.
        event: Arc<CapturedEvent>,
    },
    /// Events that matched and were lost at this place.
    Lost(Lost),
    /// The session is over; nothing follows.
    Ended(EndReason),
}

/// Events that matched a session and were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// How many.
    pub count: u64,
    /// Why.
    pub reason: LossReason,
}

/// Why events that matched were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// The reader was slower than the events, and the session's room was used up.
    Overflow,
    /// They were not read when the stream was dropped.
    Closed,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// It was closed by [`TapRouter::close`](crate::TapRouter::close).
    Closed,
    /// Its time was over.
    Expired,
    /// It has admitted as many events as it may.
    MaxEvents,
    /// The router was shut down or dropped.
    Shutdown,
}

/// Why [`EventStream::try_recv`] gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing is there now.
    Empty,
    /// Nothing will ever be there again.
    Ended,
}

/// What a session has counted.
///
/// `matched` is the sum of the others. While events come and are read, it may be off by those under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Events that matched and were admitted.
    pub matched: u64,
    /// Events that were read.
    pub delivered: u64,
    /// Events that were lost, for whatever reason.
    pub lost: u64,
    /// Of the lost, those there was no room for.
    pub lost_overflow: u64,
    /// Of the lost, those not read when the stream was dropped.
    pub lost_closed: u64,
    /// Events that wait to be read.
    pub buffered: u64,
}

impl EventStream {
    pub(crate) fn new(session: Arc<OpenSession>, shared: Weak<Shared>) -> Self {
        Self { session: Some(session), shared, held: None, announced: 0, sequence: 0, is_over: false }
    }

    /// Gives everything available now and never blocks.
    ///
    /// What arrives while it is iterated is left for the next call, so that a loop whose body emits matching events
    /// ends.
    pub fn drain(&mut self) -> impl Iterator<Item = Item> {
        let mut events_left = self.session().ring().map_or(0, |ring| ring.len()) + usize::from(self.held.is_some());
        std::iter::from_fn(move || {
            if events_left == 0 && self.session().ring().is_some_and(|ring| ring.len() > 0) {
                return None;
            }
            let item = self.next_item()?;
            events_left = events_left.saturating_sub(usize::from(matches!(item, Item::Event { .. })));
            Some(item)
        })
    }

    /// Gives the next item if there is one.
    ///
    /// # Errors
    /// `Empty` where there is none now, `Ended` where there will be none.
    pub fn try_recv(&mut self) -> Result<Item, TryRecvError> {
        self.next_item().ok_or(if self.is_over { TryRecvError::Ended } else { TryRecvError::Empty })
    }

    /// Waits for the next item; nothing once the stream is over. Cancel safe.
    pub async fn recv(&mut self) -> Option<Item> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    /// Blocks this thread until the next item; nothing once the stream is over.
    pub fn blocking_recv(&mut self) -> Option<Item> {
        block_on_ready(None, |context| self.poll_item(context)).flatten()
    }

    /// Blocks this thread until the next item; nothing once the stream is over, or if none comes in time.
    pub fn blocking_recv_timeout(&mut self, timeout: Duration) -> Option<Item> {
        block_on_ready(Instant::now().checked_add(timeout), |context| self.poll_item(context)).flatten()
    }

    /// Names the session.
    pub fn id(&self) -> SessionId {
        self.session().id
    }

    /// What the session has counted.
    pub fn stats(&self) -> SessionStats {
        self.session().stats()
    }

    fn session(&self) -> &OpenSession {
        self.session.as_ref().expect("the session is taken out by `drop` alone")
    }

    fn poll_item(&mut self, context: &Context<'_>) -> Poll<Option<Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let session = Arc::clone(self.session.as_ref().expect("the session is taken out by `drop` alone"));
        session.reader.poll(context, || self.next_item()).map(Some)
    }

    fn next_item(&mut self) -> Option<Item> {
        if let Some(event) = self.held.take() {
            return Some(self.number(event));
        }
        let ended = self.ended();
        match self.session().ring().map_or(Popped::Empty { lost: 0 }, |ring| ring.pop()) {
            Popped::Item { item, lost } => {
                // Only the reader writes this; others may read it late, as `SessionStats` says.
                self.session().delivered.fetch_add(1, Ordering::Release);
                match self.announce(lost) {
                    Some(loss) => {
                        self.held = Some(item);
                        Some(loss)
                    }
                    None => Some(self.number(item)),
                }
            }
            Popped::Empty { lost } => self.announce(lost).or_else(|| self.end(ended?)),
        }
    }

    /// Why the session has ended, once nothing more can come of it.
    fn ended(&self) -> Option<EndReason> {
        let session = self.session();
        session.ended().filter(|reason| *reason != EndReason::MaxEvents || session.has_placed_all())
    }

    fn number(&mut self, event: Arc<CapturedEvent>) -> Item {
        let sequence = self.sequence;
        self.sequence += 1;
        Item::Event { session: self.id(), sequence, event }
    }

    fn announce(&mut self, lost: u64) -> Option<Item> {
        let count = lost.saturating_sub(self.announced);
        self.announced += count;
        self.sequence += count;
        (count > 0).then_some(Item::Lost(Lost { count, reason: LossReason::Overflow }))
    }

    fn end(&mut self, reason: EndReason) -> Option<Item> {
        (!std::mem::replace(&mut self.is_over, true)).then_some(Item::Ended(reason))
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
            session.take_back_delivered();
        }
        let Some(shared) = self.shared.upgrade() else { return };
        shared.close(session.id, EndReason::Closed);
        session.discard_unread();
        shared.control.retire(Retired::Session(session));
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("id", &self.id()).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Item {
    /// The event, if this is one.
    pub fn into_event(self) -> Option<Arc<CapturedEvent>> {
        match self {
            Self::Event { event, .. } => Some(event),
            _ => None,
        }
    }
}

impl EndReason {
    /// The reason as a number other than 0.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Closed => 1,
            Self::Expired => 2,
            Self::MaxEvents => 3,
            Self::Shutdown => 4,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Closed, Self::Expired, Self::MaxEvents, Self::Shutdown].into_iter().find(|reason| reason.code() == code)
    }
}

impl SessionStats {
    pub(crate) fn new(delivered: u64, lost_overflow: u64, lost_closed: u64, buffered: u64) -> Self {
        let lost = lost_overflow + lost_closed;
        Self { matched: delivered + lost + buffered, delivered, lost, lost_overflow, lost_closed, buffered }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        *self = Self::new(
            self.delivered + other.delivered,
            self.lost_overflow + other.lost_overflow,
            self.lost_closed + other.lost_closed,
            self.buffered + other.buffered,
        );
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "receive from a session that has nothing at present",
            Self::Ended => "receive from a session that is over",
        })
    }
}

impl std::error::Error for TryRecvError {}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::MaxEvents => "reached its number of events",
            Self::Shutdown => "the router was shut down",
        })
    }
}

/// Wakes a reader that waits. Its waker is the executor's code: what that logs is not routed, and its panic is its own.
pub(crate) fn wake(reader: &ReaderWait) {
    if let Some(waker) = reader.take_waker() {
        let _guard = Guard::enter();
        run_user_code(|| waker.wake());
    }
}
