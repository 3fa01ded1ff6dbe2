//! The reading end of a fleet's session.

use super::event::Line;
use super::inbox::{Arrived, Content, Inbox, Wish};
use super::item::{FleetItem, Gap, GapPlace};
use super::merge::{Arrival, Merge};
use super::message::add_counts;
use super::pack::unpack;
use super::stats::FleetStats;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use tracing_tap::EndReason;
use tracing_tap::stream::TryRecvError;

/// The default window in which items are put in order.
const WINDOW: Duration = Duration::from_millis(200);

/// If more items than this wait to be put in order, or more bytes of events, the first one is released.
const MAX_WAITING: usize = 65_536;
const MAX_WAITING_BYTES: usize = 64 << 20;

/// If a batch has more unreadable lines than this, the rest of it is not read: eight million empty lines pack to 32 KiB.
const MAX_UNREADABLE_LINES: usize = 1_024;

/// A session over all instances of a service; dropping it closes the session everywhere.
///
/// Items are in the order of their times within a window of 200 ms; those of one instance keep their own order. Up to
/// 64 MiB of messages wait to be read. Further events are lost, counted and reported.
#[must_use = "dropping the stream closes its session"]
pub struct FleetStream {
    inbox: Arc<Inbox>,
    merge: Merge,
    timer: Pin<Box<Sleep>>,
    delivered: u64,
    /// Events in `merge`, and their bytes.
    merging: u64,
    merging_bytes: usize,
    illegible: u64,
    /// The reason of the end, once all items before it are in `merge`.
    ending: Option<EndReason>,
    has_ended: bool,
}

impl FleetStream {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self {
            inbox,
            merge: Merge::new(WINDOW),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            delivered: 0,
            merging: 0,
            merging_bytes: 0,
            illegible: 0,
            ending: None,
            has_ended: false,
        }
    }

    /// Sets how long an item waits for earlier ones; default 200 ms. Call it before the first item is read.
    pub fn reorder_window(mut self, window: Duration) -> Self {
        self.merge.set_window(window);
        self
    }

    /// Waits for the next item; `None` once the stream is over. Cancel safe.
    pub async fn recv(&mut self) -> Option<FleetItem> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    /// Returns the next item if one is due.
    ///
    /// # Errors
    /// `Empty` if none is due, `Ended` once the stream is over.
    pub fn try_recv(&mut self) -> Result<FleetItem, TryRecvError> {
        self.next_item().ok_or(if self.has_ended { TryRecvError::Ended } else { TryRecvError::Empty })
    }

    /// The counts of the session over all instances, as of their last reports: each reports at least at every second
    /// renewal.
    pub fn stats(&self) -> FleetStats {
        let (mut stats, waiting) = self.inbox.stats();
        stats.delivered = self.delivered;
        stats.buffered = waiting + self.merging;
        stats.lost_here += self.illegible;
        stats.summed()
    }

    /// Closes the session everywhere. The stream then returns the events that instances still hold, and `Ended(Closed)`.
    pub fn close(&self) {
        self.end(EndReason::Closed);
    }

    /// Closes the session for a reason, which the stream returns last.
    pub(crate) fn end(&self, reason: EndReason) {
        self.inbox.wishes(Wish::Close(reason));
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<FleetItem>> {
        loop {
            // Before the check, so that an item that arrives after it wakes this task.
            self.inbox.reader.register(context.waker());
            if let Some(item) = self.next_item() {
                return Poll::Ready(Some(item));
            }
            if self.has_ended {
                return Poll::Ready(None);
            }
            let Some(due) = self.merge.next_due() else { return Poll::Pending };
            self.timer.as_mut().reset(due.into());
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn next_item(&mut self) -> Option<FleetItem> {
        if self.has_ended {
            return None;
        }
        let item = self.merge.pop_known_due().or_else(|| {
            self.take_arrived();
            let waits = self.has_room() && self.ending.is_none();
            if waits { self.merge.pop_due(Instant::now()) } else { self.merge.pop() }
        });
        match item {
            Some(item) => {
                if let FleetItem::Event(event) = &item {
                    self.merging -= 1;
                    self.merging_bytes -= event.held_bytes();
                    self.delivered += 1;
                }
                Some(item)
            }
            None => {
                let reason = self.ending?;
                self.has_ended = true;
                Some(FleetItem::Ended(reason))
            }
        }
    }

    fn take_arrived(&mut self) {
        while self.has_room() && self.ending.is_none() {
            match self.inbox.take() {
                Ok(arrived) => self.put_in_order(arrived),
                Err(over) => {
                    self.ending = over;
                    return;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.merge.len() <= MAX_WAITING && self.merging_bytes <= MAX_WAITING_BYTES
    }

    fn put_in_order(&mut self, Arrived { arrival, instance, content }: Arrived) {
        self.merge.measure(&arrival);
        match content {
            Content::Item(item) => self.merge.push(&arrival, None, item),
            Content::Lines { lines, unpacked, events } => {
                let before = self.merging;
                let lines = unpack(&lines, unpacked).unwrap_or_default();
                // Bytes that are no text have no readable line.
                let lines = str::from_utf8(&lines).unwrap_or_default();
                self.put_lines(&arrival, &instance, lines);
                self.note_illegible(&arrival, instance, events.saturating_sub(self.merging - before));
            }
        }
    }

    /// Lines that are not readable are counted with their batch. Returns how many lines were looked at.
    fn put_lines(&mut self, arrival: &Arrival, instance: &Arc<str>, lines: &str) -> usize {
        let (mut looked_at, mut unreadable) = (0, 0);
        for line in lines.lines() {
            looked_at += 1;
            match Line::read(line, instance) {
                Some(line) => self.put_line(arrival, instance, line),
                None => unreadable += 1,
            }
            if unreadable > MAX_UNREADABLE_LINES {
                break;
            }
        }
        looked_at
    }

    fn put_line(&mut self, arrival: &Arrival, instance: &Arc<str>, line: Line) {
        match line {
            Line::Event(event, time) => {
                self.merging += 1;
                self.merging_bytes += event.held_bytes();
                self.merge.push(arrival, Some(time), FleetItem::Event(event));
            }
            Line::Missing(missing) => {
                let instance = Arc::clone(instance);
                self.merge.push(arrival, None, FleetItem::Missing { instance, missing });
            }
            Line::Horizon(horizon) => {
                let instance = Arc::clone(instance);
                self.merge.push(arrival, None, FleetItem::Horizon { instance, horizon });
            }
            Line::Ended => {}
        }
    }

    fn note_illegible(&mut self, arrival: &Arrival, instance: Arc<str>, count: u64) {
        if count > 0 {
            self.illegible = add_counts(self.illegible, count);
            self.merge.push(arrival, None, FleetItem::Gap(Gap { instance, count, place: GapPlace::Malformed }));
        }
    }
}

impl futures_core::Stream for FleetStream {
    type Item = FleetItem;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FleetItem>> {
        self.get_mut().poll_item(context)
    }
}

impl Drop for FleetStream {
    fn drop(&mut self) {
        self.inbox.wishes(Wish::Gone);
    }
}

impl fmt::Debug for FleetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetStream").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::Content;
    use crate::message::Tally;
    use tracing_tap::MissingReason;

    const LARGE: usize = 7 << 20;

    /// A batch of one event with a text of this many bytes, from a correct clock.
    fn batch(bytes: usize) -> Arrived {
        let now = std::time::SystemTime::now();
        let time = tracing_tap::wire::TimeText::new(now);
        let line = format!(
            r#"{{"type":"event","session":1,"sequence":0,"timestamp":"{}","level":"INFO","fields":{{"message":"{}"}},"target":"a"}}"#,
            time.as_str(),
            "x".repeat(bytes),
        );
        let sent_us = now.duration_since(std::time::SystemTime::UNIX_EPOCH).expect("it is later").as_micros();
        let arrival = Arrival { peer: 1, at: Instant::now(), sent_us: u64::try_from(sent_us).ok() };
        let content = Content::Lines { lines: line.into(), unpacked: 0, events: 1 };
        Arrived { arrival, instance: "chat".into(), content }
    }

    #[tokio::test]
    async fn large_events_are_released_before_they_fill_the_memory() {
        let inbox = Arc::new(Inbox::default());
        let window = Duration::from_secs(3_600);
        let mut stream = FleetStream::new(Arc::clone(&inbox)).reorder_window(window);
        let mut given = 0;
        for _ in 0..20 {
            inbox.put(batch(LARGE));
            given += usize::from(matches!(stream.try_recv(), Ok(FleetItem::Event(_))));
            assert!(stream.merging_bytes <= MAX_WAITING_BYTES + LARGE + 1024);
        }
        assert_eq!(given, 20 - MAX_WAITING_BYTES / LARGE);
        inbox.end(EndReason::Closed);
        assert_eq!(std::iter::from_fn(|| stream.try_recv().ok()).count(), 20 - given + 1);
        assert_eq!((stream.merging, stream.merging_bytes, stream.stats().delivered), (0, 0, 20));
    }

    #[tokio::test]
    async fn a_batch_of_empty_lines_costs_a_bounded_number_of_looks() {
        let inbox = Arc::new(Inbox::default());
        let mut stream = FleetStream::new(Arc::clone(&inbox));
        let Arrived { arrival, instance, content: Content::Lines { lines, .. } } = batch(7) else {
            panic!("it is a batch");
        };
        let line = format!("{}\n", str::from_utf8(&lines).expect("it is text"));
        let few = [&*line, &*"\n".repeat(MAX_UNREADABLE_LINES), &*line].concat();
        assert_eq!(stream.put_lines(&arrival, &instance, &few), MAX_UNREADABLE_LINES + 2);
        assert_eq!(stream.merging, 2, "what is readable is read");
        let many = [&*line, &*"\n".repeat(8 << 20)].concat();
        assert_eq!(stream.put_lines(&arrival, &instance, &many), 1 + MAX_UNREADABLE_LINES + 1);
        let content = Content::Lines { lines: many.into(), unpacked: 0, events: 7 };
        inbox.put(Arrived { arrival, instance, content });
        inbox.end(EndReason::Closed);
        let items: Vec<_> = std::iter::from_fn(|| stream.try_recv().ok()).collect();
        let is_gap =
            |item: &FleetItem| matches!(item, FleetItem::Gap(Gap { count: 6, place: GapPlace::Malformed, .. }));
        assert_eq!((items.len(), items.iter().filter(|item| is_gap(item)).count()), (4 + 2, 1));
    }

    #[tokio::test]
    async fn extreme_counts_of_batches_cause_no_panic() {
        let inbox = Arc::new(Inbox::default());
        let mut stream = FleetStream::new(Arc::clone(&inbox));
        let extreme = Tally::try_from(vec![u64::MAX; 1 + MissingReason::ALL.len()]).expect("there is a count for each");
        for _ in 0..8 {
            let content = Content::Lines { lines: "no event".into(), unpacked: 0, events: extreme.events };
            inbox.put(Arrived { content, ..batch(0) });
            assert!(stream.stats().buffered > 0);
        }
        inbox.end(EndReason::Closed);
        assert_eq!(std::iter::from_fn(|| stream.try_recv().ok()).count(), 8 + 1);
        assert!(stream.stats().lost_here > 0);
    }
}
