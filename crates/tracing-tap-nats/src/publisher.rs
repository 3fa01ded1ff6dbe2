//! Sends the items of one session at one instance to its watcher, in batches.
//!
//! A batch is sent at 64 KiB, or 50 ms after its first item. The next one begins when the client has written it: while
//! the server is away or slow, events wait in the session's ring, which drops by its policy and counts.

use super::attention::{Attention, End, Granted};
use super::batch::Batch;
use super::link::{Link, LinkError};
use super::message::{FinalAccount, InstanceMessage, LeaveReason, Tally};
use super::pack::Packer;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tracing_tap::TapRouter;
use tracing_tap::stream::EventStream;
use tracing_tap::{Item, Missing, MissingReason};

/// How long an item waits for others.
const BATCH_DELAY: Duration = Duration::from_millis(50);

/// How often the ring is emptied while a batch is being filled: a ring of the default capacity holds the events of this
/// time at 800,000 a second.
const TICK: Duration = Duration::from_millis(5);

/// How long to wait for a grant before asking again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How long a session that is over may take to send waiting events.
const PARTING: Duration = Duration::from_secs(2);

/// Every second renewal is answered with a beat.
const RENEWALS_PER_BEAT: u64 = 2;

/// The sender of one session's items.
#[derive(Debug)]
pub(super) struct Publisher {
    router: TapRouter,
    stream: EventStream,
    link: Link,
    attention: Attention,
    /// The last grant; `None` if the fleet's events are not limited.
    limit: Option<Granted>,
    batch: Batch,
    packer: Packer,
    /// When the batch is sent at the latest; `None` while it is empty.
    due: Option<Instant>,
    sent: Tally,
    /// Events taken from the ring and not sent: the session was over, or the server accepts no message of that size.
    unsent: u64,
    answered: u64,
    over: Option<End>,
}

impl Publisher {
    pub(super) fn new(
        router: TapRouter,
        stream: EventStream,
        link: Link,
        attention: Attention,
        limit: Option<Granted>,
    ) -> Self {
        Self {
            router,
            stream,
            link,
            attention,
            limit,
            batch: Batch::default(),
            packer: Packer::default(),
            due: None,
            sent: Tally::default(),
            unsent: 0,
            answered: 0,
            over: None,
        }
    }

    /// Sends until the session is over, and returns the reason.
    pub(super) async fn run(mut self) -> LeaveReason {
        let end = match self.send_all().await {
            Ok(end) | Err(end) => end,
        };
        self.finish(end).await;
        end.reason
    }

    async fn send_all(&mut self) -> Result<End, End> {
        self.send(InstanceMessage::Joined).await?;
        loop {
            self.fill();
            if self.is_due() {
                self.send_batch().await?;
                continue;
            }
            if let Some(end) = self.attention.end().or(self.over) {
                return Ok(end);
            }
            self.answer_renewals().await?;
            let wakes_at = self.due.map(|due| due.min(Instant::now() + TICK));
            tokio::select! {
                biased;
                () = self.attention.next() => {}
                item = self.stream.recv(), if wakes_at.is_none() => self.take(item),
                () = sleep_until(wakes_at.unwrap_or_else(Instant::now)), if wakes_at.is_some() => {}
            }
        }
    }

    fn is_due(&self) -> bool {
        let is_late = self.due.is_some_and(|due| due <= Instant::now());
        self.is_full() || !self.batch.is_empty() && (is_late || self.over.is_some())
    }

    fn is_full(&self) -> bool {
        self.batch.bytes() >= self.link.batch_bytes()
    }

    /// Takes waiting items while the batch has room.
    fn fill(&mut self) {
        while !self.is_full() && self.over.is_none() {
            let Ok(item) = self.stream.try_recv() else { return };
            self.take(Some(item));
        }
    }

    fn take(&mut self, item: Option<Item>) {
        match item {
            Some(Item::Ended(reason)) => {
                self.over = Some(End { reason: LeaveReason::of_end(reason), sends_rest: true });
            }
            Some(item) => {
                self.batch.push(&item);
                self.due.get_or_insert_with(|| Instant::now() + BATCH_DELAY);
            }
            None => {}
        }
    }

    /// Sends the granted part of the batch, and waits until the client has written it.
    async fn send_batch(&mut self) -> Result<(), End> {
        if let Some(granted) = self.ask().await? {
            self.keep(granted);
        }
        self.due = None;
        let mut part = self.batch.whole();
        while !part.count.is_empty() {
            let packed = self.packer.pack(&self.batch.lines[..part.end]);
            let batch = InstanceMessage::Batch { before: self.sent, count: part.count, unpacked: packed.unpacked };
            let sent = self.link.send(batch, packed.bytes);
            match self.attention.during(sent).await? {
                Ok(()) => self.sent = self.sent.plus(part.count),
                Err(LinkError::Closed) => return Err(closed()),
                Err(LinkError::TooLarge) => match self.batch.before_last().filter(|before| before.end < part.end) {
                    Some(before) => {
                        part = before;
                        continue;
                    }
                    None => self.note_unsent(part.count),
                },
            }
            self.batch.remove(part);
            part = self.batch.whole();
        }
        self.flush().await
    }

    /// Gives up events, such as one larger than the server accepts. Missing events of the part are reported with the next
    /// counts.
    fn note_unsent(&mut self, count: Tally) {
        self.unsent += count.events;
        self.sent = self.sent.plus(Tally { events: 0, ..count });
    }

    /// Cuts off events that were not granted: over the fleet's rate, or after the fleet's last event.
    fn keep(&mut self, granted: Granted) {
        let before = self.limit.map_or(0, |limit| limit.granted);
        let cut = self.batch.keep_events(granted.granted.saturating_sub(before));
        if granted.is_last {
            self.unsent += cut;
        } else {
            self.batch.push_missing(Missing::new(cut, MissingReason::RateLimited));
        }
        self.limit = Some(granted);
    }

    /// Asks for the batch's events; `None` if there is no limit.
    async fn ask(&mut self) -> Result<Option<Granted>, End> {
        let events = self.batch.count.events;
        let Some(limit) = self.limit.filter(|_| events > 0) else { return Ok(None) };
        let asked = limit.asked + events;
        self.attention.ask(asked);
        loop {
            self.send(InstanceMessage::Ask { asked }).await?;
            // Waits while the server is away, so that the client's queue holds one request and not two a second.
            self.flush().await?;
            let granted = timeout(ASK_AGAIN, self.attention.grant(asked)).await;
            if let Ok(granted) = granted {
                return granted.map(Some);
            }
        }
    }

    async fn answer_renewals(&mut self) -> Result<(), End> {
        if self.attention.renewals < self.answered + RENEWALS_PER_BEAT {
            return Ok(());
        }
        self.answered = self.attention.renewals;
        let (sent, unsent) = (self.sent, self.unsent);
        self.send(InstanceMessage::Beat { sent, matched: self.stream.stats().matched, unsent }).await
    }

    async fn send(&mut self, message: InstanceMessage) -> Result<(), End> {
        self.attention.during(self.link.send(message, b"")).await?.map_err(|_| closed())
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.attention.during(self.link.flush()).await?.map_err(|_| closed())
    }

    /// Closes the session, sends or counts waiting events, and sends the account.
    async fn finish(&mut self, end: End) {
        self.router.close(self.stream.id());
        self.attention.finish();
        if end.sends_rest {
            // If the time runs out or the client is closed, the rest is counted below.
            let _ = timeout(PARTING, self.send_rest()).await;
        }
        self.give_up_rest();
        let stats = self.stream.stats();
        let account = FinalAccount {
            reason: end.reason,
            sent: self.sent,
            matched: stats.matched,
            unsent: self.unsent + stats.buffered,
        };
        let _ = timeout(PARTING, self.link.send(InstanceMessage::Ended(account), b"")).await;
        let _ = timeout(PARTING, self.link.flush()).await;
    }

    async fn send_rest(&mut self) -> Result<(), End> {
        loop {
            self.fill();
            if self.batch.is_empty() {
                return Ok(());
            }
            self.send_batch().await?;
        }
    }

    fn give_up_rest(&mut self) {
        let mut count = self.batch.count;
        while let Ok(item) = self.stream.try_recv() {
            count.count(&item);
        }
        self.note_unsent(count);
    }
}

fn closed() -> End {
    End { reason: LeaveReason::Lost, sends_rest: false }
}
