//! What the watcher's task has ready for the stream's reader, within bounds.

use super::item::FleetItem;
use super::merge::Arrival;
use super::stats::FleetStats;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tracing_tap::EndReason;

/// How much may wait to be read, in bytes of messages.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// What a message is taken to weigh beside its bytes.
const MESSAGE_BYTES: usize = 256;

/// Between the task that hears the instances and whoever reads the stream.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    pub(super) reader: AtomicWaker,
    /// Told where the reader wants the session closed, or is gone.
    pub(super) wish: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arrived>,
    /// What waits holds so many bytes, and events.
    bytes: usize,
    events: u64,
    stats: FleetStats,
    wish: Wish,
    over: Option<EndReason>,
}

/// What the reader wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    #[default]
    Open,
    /// What waits at the instances is still wanted.
    Close(EndReason),
    /// Nobody reads any more.
    Gone,
}

/// Something for the reader.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) arrival: Arrival,
    pub(super) instance: Arc<str>,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// Lines of items, as they travel.
    Lines {
        lines: Bytes,
        unpacked: u64,
        events: u64,
    },
    Item(FleetItem),
}

impl Inbox {
    /// Whether there is room for so many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.state().bytes + bytes <= MAX_WAITING_BYTES
    }

    /// Leaves something for the reader. What the task itself says always has room; of batches that are dropped, one after
    /// the other, it says one thing.
    pub(super) fn leave(&self, arrived: Arrived) {
        let mut state = self.state();
        state.bytes += arrived.bytes();
        state.events += arrived.content.events();
        state.waiting.push_back(arrived);
        drop(state);
        self.reader.wake();
    }

    pub(super) fn set_stats(&self, stats: FleetStats) {
        self.state().stats = stats;
    }

    /// Notes that nothing more will come.
    pub(super) fn end(&self, reason: EndReason) {
        self.state().over = Some(reason);
        self.reader.wake();
    }

    /// The next that was left; where there is nothing, why it is over, if it is.
    pub(super) fn take(&self) -> Result<Arrived, Option<EndReason>> {
        let mut state = self.state();
        let Some(arrived) = state.waiting.pop_front() else { return Err(state.over) };
        state.bytes -= arrived.bytes();
        state.events -= arrived.content.events();
        Ok(arrived)
    }

    /// The account, and how many events wait here.
    pub(super) fn stats(&self) -> (FleetStats, u64) {
        let state = self.state();
        (state.stats, state.events)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_much_until_it_is_read() {
        let inbox = Inbox::default();
        let lines = Bytes::from(vec![b' '; MAX_WAITING_BYTES / 2]);
        let arrival = Arrival { peer: 0, at: std::time::Instant::now(), sent_us: None };
        let content = Content::Lines { lines: lines.clone(), unpacked: 0, events: 7 };
        assert!(inbox.has_room(MAX_WAITING_BYTES));
        inbox.leave(Arrived { arrival, instance: "chat".into(), content });
        assert!(!inbox.has_room(lines.len()));
        assert_eq!(inbox.stats().1, 7);
        inbox.end(EndReason::Closed);
        assert!(inbox.take().is_ok());
        assert_eq!(inbox.stats().1, 0);
        assert!(inbox.has_room(MAX_WAITING_BYTES));
        assert_eq!(inbox.take().err(), Some(Some(EndReason::Closed)));
    }
}
