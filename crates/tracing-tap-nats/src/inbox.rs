//! The bounded queue between the watcher's task and the reader of the stream.

use super::item::FleetItem;
use super::merge::Arrival;
use super::stats::FleetStats;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tracing_tap::EndReason;

/// How many bytes of messages may wait.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// What a message counts in addition to its bytes.
const MESSAGE_BYTES: usize = 256;

/// How many notices about instances may wait: two for each instance that can be known at once.
const MAX_NOTICES: usize = 2 * super::peers::MAX_PEERS;

/// Items on their way from the watcher's task to the reader of the stream.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    pub(super) reader: AtomicWaker,
    /// Notified when the reader closes the session or drops the stream.
    pub(super) wish: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arrived>,
    /// Bytes, events and notices in `waiting`.
    bytes: usize,
    events: u64,
    notices: usize,
    /// Notices dropped because too many waited.
    dropped_notices: u64,
    stats: FleetStats,
    wish: Wish,
    over: Option<EndReason>,
}

/// What the reader wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    #[default]
    Open,
    /// Events that wait at the instances are still wanted.
    Close(EndReason),
    /// The stream was dropped.
    Gone,
}

/// A message or notice for the reader.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) arrival: Arrival,
    pub(super) instance: Arc<str>,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// The lines of a batch, as they were sent.
    Lines {
        lines: Bytes,
        unpacked: u64,
        events: u64,
    },
    Item(FleetItem),
}

impl Inbox {
    /// Whether there is room for this many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.state().bytes + bytes <= MAX_WAITING_BYTES
    }

    /// Adds a message or notice. A batch is always taken: see [`has_room`](Self::has_room). A notice is dropped and
    /// counted if too many wait.
    pub(super) fn put(&self, arrived: Arrived) {
        let mut state = self.state();
        let is_notice = arrived.content.is_notice();
        if is_notice && state.notices >= MAX_NOTICES {
            state.dropped_notices += 1;
            return;
        }
        state.bytes += arrived.bytes();
        state.events += arrived.content.events();
        state.notices += usize::from(is_notice);
        state.waiting.push_back(arrived);
        drop(state);
        self.reader.wake();
    }

    pub(super) fn set_stats(&self, stats: FleetStats) {
        self.state().stats = stats;
    }

    /// Ends the queue.
    pub(super) fn end(&self, reason: EndReason) {
        self.state().over = Some(reason);
        self.reader.wake();
    }

    /// The next message or notice.
    ///
    /// # Errors
    /// If none waits: with the reason of the end once there is one.
    pub(super) fn take(&self) -> Result<Arrived, Option<EndReason>> {
        let mut state = self.state();
        let Some(arrived) = state.waiting.pop_front() else { return Err(state.over) };
        state.bytes -= arrived.bytes();
        state.events -= arrived.content.events();
        state.notices -= usize::from(arrived.content.is_notice());
        Ok(arrived)
    }

    /// The account, and how many events wait here.
    pub(super) fn stats(&self) -> (FleetStats, u64) {
        let state = self.state();
        (FleetStats { dropped_notices: state.dropped_notices, ..state.stats }, state.events)
    }

    pub(super) fn wishes(&self, wish: Wish) {
        self.state().wish = wish;
        self.wish.notify_one();
    }

    pub(super) fn wish(&self) -> Wish {
        self.state().wish
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrived {
    fn bytes(&self) -> usize {
        MESSAGE_BYTES + if let Content::Lines { lines, .. } = &self.content { lines.len() } else { 0 }
    }
}

impl Content {
    fn events(&self) -> u64 {
        if let Self::Lines { events, .. } = self { *events } else { 0 }
    }

    fn is_notice(&self) -> bool {
        matches!(self, Self::Item(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_when_a_message_is_read() {
        let inbox = Inbox::default();
        let lines = Bytes::from(vec![b' '; MAX_WAITING_BYTES / 2]);
        let arrival = Arrival { peer: 0, at: std::time::Instant::now(), sent_us: None };
        let content = Content::Lines { lines: lines.clone(), unpacked: 0, events: 7 };
        assert!(inbox.has_room(MAX_WAITING_BYTES));
        inbox.put(Arrived { arrival, instance: "chat".into(), content });
        assert!(!inbox.has_room(lines.len()));
        assert_eq!(inbox.stats().1, 7);
        inbox.end(EndReason::Closed);
        assert!(inbox.take().is_ok());
        assert_eq!(inbox.stats().1, 0);
        assert!(inbox.has_room(MAX_WAITING_BYTES));
        assert_eq!(inbox.take().err(), Some(Some(EndReason::Closed)));
    }

    #[test]
    fn an_unread_stream_holds_a_bounded_number_of_notices() {
        let inbox = Inbox::default();
        let instance: Arc<str> = "chat".into();
        for _ in 0..MAX_NOTICES + 7 {
            let arrival = Arrival { peer: 1, at: std::time::Instant::now(), sent_us: None };
            let content = Content::Item(FleetItem::Silent { instance: Arc::clone(&instance) });
            inbox.put(Arrived { arrival, instance: Arc::clone(&instance), content });
        }
        assert_eq!(inbox.stats().0.dropped_notices, 7);
        assert_eq!(inbox.state().waiting.len(), MAX_NOTICES);
        assert!(inbox.has_room(MAX_WAITING_BYTES / 4), "events still have room");
        assert!(inbox.take().is_ok());
        assert_eq!(inbox.state().notices, MAX_NOTICES - 1);
    }
}
