//! An open session: what producers push into and its one reader drains.

use super::buffer::Buffer;
use super::{EndReason, Session, SessionId, SessionInfo, SessionStats};
use crate::event::CapturedEvent;
use crate::guard::{Guard, run_user_code};
use crate::level::verbosity_of_filter;
use crate::predicate::{Compiled, Predicate};
use crate::queue::budget::Budget;
use crate::queue::ring::{Popped, Ring};
use crate::queue::wait::ReaderWait;
use crossbeam_utils::CachePadded;
use once_cell::race::OnceBox;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// One open session, shared by the snapshot, its stream and, weakly, the scopes it was decided for.
#[derive(Debug)]
pub(crate) struct OpenSession {
    pub(crate) id: SessionId,
    pub(crate) compiled: Compiled,
    /// The most verbose level the predicate can match, as a number; 0: none.
    pub(crate) verbosity: u8,
    pub(crate) deadline: Option<Instant>,
    pub(crate) limits: Arc<Session>,
    opened_at: SystemTime,
    opened: Instant,
    budget: Arc<Budget>,
    /// Made at the first match: most sessions of a large set never match anything.
    buffer: OnceBox<Buffer>,
    /// 0 while open, then the reason.
    ended: AtomicU8,
    pub(crate) reader: ReaderWait,
    /// Events admitted, counted only where their number is limited.
    admitted: CachePadded<AtomicU64>,
    /// Written by the reader alone.
    pub(crate) delivered: CachePadded<AtomicU64>,
    pub(crate) closed_unread: AtomicU64,
}

/// What became of an offered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// The session had ended: to it, the event never happened.
    Ended,
    /// It was admitted: it is in the ring, or counted as lost.
    Admitted,
    /// As before, and it was the last one its limit allows.
    LastAdmitted,
}

impl OpenSession {
    pub(crate) fn new(id: SessionId, session: Session, budget: Arc<Budget>) -> Self {
        let compiled = Compiled::new(&session.confined_predicate());
        let verbosity = compiled.reach().iter().map(|reach| verbosity_of_filter(reach.level)).max().unwrap_or(0);
        Self {
            id,
            compiled,
            verbosity,
            deadline: session.expires_in.and_then(|duration| Instant::now().checked_add(duration)),
            limits: Arc::new(session),
            opened_at: SystemTime::now(),
            opened: Instant::now(),
            budget,
            buffer: OnceBox::new(),
            ended: AtomicU8::new(0),
            reader: ReaderWait::default(),
            admitted: CachePadded::default(),
            delivered: CachePadded::default(),
            closed_unread: AtomicU64::new(0),
        }
    }

    /// What an event must satisfy, the opener's scope included.
    pub(crate) fn predicate(&self) -> Predicate {
        self.limits.confined_predicate()
    }

    /// How long ago it was opened.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether it is indexed, so that its like may be many.
    pub(crate) fn is_indexed(&self) -> bool {
        self.compiled.index().is_some()
    }

    pub(crate) fn opener(&self) -> Option<&str> {
        self.limits.opened_by.as_deref()
    }

    /// Why the session has ended; nothing while it is open.
    pub(crate) fn ended(&self) -> Option<EndReason> {
        // Acquire pairs with the Release in `end`: what its closer did before is done.
        EndReason::from_code(self.ended.load(Ordering::Acquire))
    }

    /// Ends the session, unless it has ended before; its reader learns of it after what is still in the ring.
    pub(crate) fn end(&self, reason: EndReason) -> bool {
        let first = self.ended.compare_exchange(0, reason.code(), Ordering::AcqRel, Ordering::Acquire).is_ok();
        if first {
            wake(&self.reader);
        }
        first
    }

    /// Takes an event that matched into the ring.
    pub(crate) fn offer(&self, event: Arc<CapturedEvent>, bytes: usize) -> Offer {
        if self.ended().is_some() {
            return Offer::Ended;
        }
        let offer = self.admit();
        if offer != Offer::Ended {
            self.buffer.get_or_init(|| Box::new(self.new_buffer())).push(event, bytes);
            wake(&self.reader);
        }
        offer
    }

    fn admit(&self) -> Offer {
        let Some(max_events) = self.limits.max_events else { return Offer::Admitted };
        // Relaxed: only the number counts.
        match self.admitted.fetch_add(1, Ordering::Relaxed) + 1 {
            count if count > max_events => Offer::Ended,
            count if count == max_events => Offer::LastAdmitted,
            _ => Offer::Admitted,
        }
    }

    /// Whether the session can admit nothing at all.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.limits.max_events == Some(0)
    }

    /// Whether every event that was admitted under a limit of their number has its place.
    pub(crate) fn has_placed_all(&self) -> bool {
        self.limits.max_events.is_none_or(|max_events| self.stats().matched >= max_events)
    }

    /// Undoes the delivery of an event that its reader never got.
    pub(crate) fn take_back_delivered(&self) {
        self.delivered.fetch_sub(1, Ordering::Relaxed);
        self.closed_unread.fetch_add(1, Ordering::Relaxed);
    }

    fn new_buffer(&self) -> Buffer {
        let Session { capacity, capacity_bytes, overflow, .. } = *self.limits;
        Buffer::new(Ring::new(overflow, capacity.get(), capacity_bytes, Arc::clone(&self.budget)))
    }

    /// Where events wait to be read, if anything has matched yet.
    pub(crate) fn buffer(&self) -> Option<&Buffer> {
        self.buffer.get()
    }

    /// Bytes of the events that wait to be read.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffer().map_or(0, Buffer::bytes)
    }

    /// Throws away what was not read, and counts it. Called when nobody can read it any more.
    pub(crate) fn discard_unread(&self) {
        let Some(buffer) = self.buffer() else { return };
        while let Popped::Item { item, .. } = buffer.pop() {
            drop(item);
            self.closed_unread.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn stats(&self) -> SessionStats {
        // Delivered before buffered: an event read in between is then missing for a moment, never counted twice.
        let delivered = self.delivered.load(Ordering::Acquire);
        let closed = self.closed_unread.load(Ordering::Relaxed);
        let (overflowed, buffered) = self.buffer().map_or((0, 0), |buffer| (buffer.lost(), buffer.len() as u64));
        SessionStats::new(delivered, overflowed, closed, buffered)
    }

    pub(crate) fn info(&self) -> SessionInfo {
        SessionInfo {
            id: self.id,
            name: self.limits.name.clone(),
            opened_by: self.limits.opened_by.clone(),
            predicate: self.limits.predicate.clone(),
            scope: self.limits.scope.clone(),
            opened_at: self.opened_at,
            stats: self.stats(),
        }
    }
}

/// Wakes a reader that waits. Its waker is the executor's code: what that logs is not routed, and its panic stays its own.
fn wake(reader: &ReaderWait) {
    if let Some(waker) = reader.take_waker() {
        let _guard = Guard::enter();
        run_user_code(|| waker.wake());
    }
}
