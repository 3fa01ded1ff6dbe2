//! What a session has sent and has to send, for one reader at a time.

use crate::session::SessionStats;
use crate::stream::{EventStream, Item, LossReason, Lost, TryRecvError};
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Where a reader is: how far the sequence has come, and how many items came since that have no number.
///
/// As text it is the last sequence number that is told or announced as lost, `-1` before the first, and behind a dot
/// the items since, if there are any: `17`, `17.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The sequence number of what comes next.
    next: u64,
    unnumbered: u32,
}

/// A session, what of it was sent last, and its reader.
#[derive(Debug)]
pub(super) struct Feed {
    /// Nothing once the session is no longer to be read, so that it holds nothing.
    stream: Option<EventStream>,
    last_stats: SessionStats,
    sent: Sent,
    position: Position,
    /// Which of the readers so far may read.
    reader: u64,
    waker: Option<Waker>,
    farewell: Farewell,
    last_look: Instant,
    /// Whether the reader was handed something and has not come back since.
    is_handed: bool,
    /// Since when nobody reads.
    alone_since: Option<Instant>,
    has_ended: bool,
}

/// Why a reader may read no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// Another reader came.
    Superseded,
    /// It took nothing for too long.
    Stalled,
}

/// The items sent last, to be sent again to a reader that comes back.
#[derive(Debug, Default)]
struct Sent {
    items: VecDeque<(Position, Item)>,
    bytes: usize,
    max_items: usize,
    max_bytes: usize,
    /// Where what is kept begins.
    begins_at: Position,
}

/// What a reader that has just come is given first.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) reader: u64,
    pub(super) items: VecDeque<(Position, Item)>,
    /// The reader before, to be woken without the lock.
    pub(super) superseded: Option<Waker>,
}

impl Feed {
    /// `max_items` and `max_bytes` of what was sent are kept.
    pub(super) fn new(stream: EventStream, max_items: usize, max_bytes: usize) -> Self {
        Self {
            stream: Some(stream),
            last_stats: SessionStats::default(),
            sent: Sent { max_items, max_bytes, ..Sent::default() },
            position: Position::default(),
            reader: 0,
            waker: None,
            farewell: Farewell::Superseded,
            last_look: Instant::now(),
            is_handed: false,
            alone_since: Some(Instant::now()),
            has_ended: false,
        }
    }

    /// Makes somebody the reader, in place of whoever was; nothing if all there will ever be was sent to them.
    pub(super) fn attach(&mut self, after: Option<Position>) -> Option<Backlog> {
        let items = self.sent.after(after.unwrap_or(self.position), self.position);
        if self.has_ended && items.is_empty() {
            return None;
        }
        let superseded = self.dismiss(Farewell::Superseded);
        self.alone_since = None;
        Some(Backlog { reader: self.reader, items, superseded })
    }

    /// Tells the reader to go, once it is woken.
    fn dismiss(&mut self, farewell: Farewell) -> Option<Waker> {
        self.reader += 1;
        self.farewell = farewell;
        self.last_look = Instant::now();
        self.is_handed = false;
        self.waker.take()
    }

    /// Whether this reader may still read; why not, otherwise.
    pub(super) fn look(&mut self, reader: u64, waker: &Waker) -> Result<(), Farewell> {
        if reader != self.reader {
            return Err(self.farewell);
        }
        self.last_look = Instant::now();
        self.is_handed = false;
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
        Ok(())
    }

    /// Notes that the reader was handed something.
    pub(super) fn hand_over(&mut self) {
        self.is_handed = true;
    }

    /// Notes that a reader has gone. Whether nobody reads now.
    pub(super) fn leave(&mut self, reader: u64) -> bool {
        let was_reading = reader == self.reader && self.alone_since.is_none();
        if was_reading {
            self.alone_since = Some(Instant::now());
            self.waker = None;
        }
        was_reading
    }

    /// Whether the reader has taken nothing for so long, though there was something to take. It is dismissed then, and
    /// not woken: it will look when its connection moves again.
    pub(super) fn dismiss_stalled(&mut self, patience: Duration) -> bool {
        let waits = self.is_handed || self.stats().buffered > 0;
        let stalled = self.is_read() && waits && self.last_look.elapsed() >= patience;
        if stalled {
            self.dismiss(Farewell::Stalled);
            self.alone_since = Some(Instant::now());
        }
        stalled
    }

    /// Whether nobody has read for so long.
    pub(super) fn is_alone_for(&self, grace: Duration) -> bool {
        self.alone_since.is_some_and(|since| since.elapsed() >= grace)
    }

    pub(super) fn is_read(&self) -> bool {
        self.alone_since.is_none()
    }

    /// Whether the end was sent.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn stats(&self) -> SessionStats {
        self.stream.as_ref().map_or(self.last_stats, EventStream::stats)
    }

    /// The places of the session's ring.
    pub(super) fn capacity(&self) -> usize {
        self.stream.as_ref().map_or(0, |stream| stream.session().limits.capacity.get())
    }

    /// Lets go of the session, which closes when what this returns is dropped, and of what was sent.
    pub(super) fn stop(&mut self) -> Option<EventStream> {
        self.last_stats = self.stats();
        self.sent.items.clear();
        self.stream.take()
    }

    /// The next item, if there is one now.
    pub(super) fn take(&mut self) -> Result<(Position, Item), TryRecvError> {
        let item = self.stream.as_mut().ok_or(TryRecvError::Ended)?.try_recv()?;
        Ok((self.note(&item), item))
    }

    /// The next item; where there is none yet, the reader is woken when there is.
    pub(super) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Option<(Position, Item)>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let next = Pin::new(stream).poll_next(context);
        next.map(|item| item.map(|item| (self.note(&item), item)))
    }

    fn note(&mut self, item: &Item) -> Position {
        self.position = self.position.after(item);
        self.has_ended |= matches!(item, Item::Ended(_));
        self.sent.keep(self.position, item);
        self.position
    }
}

impl Sent {
    fn keep(&mut self, position: Position, item: &Item) {
        if self.max_items == 0 {
            self.begins_at = position;
            return;
        }
        self.bytes += held_bytes(item);
        self.items.push_back((position, item.clone()));
        while self.items.len() > self.max_items || self.bytes > self.max_bytes {
            let Some((position, item)) = self.items.pop_front() else { break };
            self.bytes -= held_bytes(&item);
            self.begins_at = position;
        }
    }

    /// What was sent after `from`, with what is gone of it announced as lost.
    fn after(&self, from: Position, end: Position) -> VecDeque<(Position, Item)> {
        let mut items = VecDeque::new();
        let gone = self.begins_at.next.saturating_sub(from.next);
        if gone > 0 {
            items.push_back((self.begins_at, Item::Lost(Lost { count: gone, reason: LossReason::Overflow })));
        }
        // One that claims to be further than anything was ever sent has nothing to be told again.
        let from = from.min(end);
        items.extend(self.items.iter().filter(|(position, _)| *position > from).cloned());
        items
    }
}

/// What keeping an item holds, the event's own bytes included.
fn held_bytes(item: &Item) -> usize {
    size_of::<(Position, Item)>() + if let Item::Event { event, .. } = item { event.held_bytes() } else { 0 }
}

impl Position {
    fn after(self, item: &Item) -> Self {
        match item {
            Item::Event { sequence, .. } => Self { next: sequence + 1, unnumbered: 0 },
            Item::Lost(Lost { count, reason: LossReason::Overflow }) => Self { next: self.next + count, unnumbered: 0 },
            _ => Self { unnumbered: self.unnumbered + 1, ..self },
        }
    }

    /// Reads what `Display` writes.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (sequence, unnumbered) = text.split_once('.').unwrap_or((text, "0"));
        let next = if sequence == "-1" { 0 } else { sequence.parse::<u64>().ok()?.checked_add(1)? };
        Some(Self { next, unnumbered: unnumbered.parse().ok()? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.next.checked_sub(1) {
            Some(last) => write!(f, "{last}")?,
            None => f.write_str("-1")?,
        }
        if self.unnumbered > 0 { write!(f, ".{}", self.unnumbered) } else { Ok(()) }
    }
}

impl Farewell {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Stalled => "stalled",
        }
    }
}
