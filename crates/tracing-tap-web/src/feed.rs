//! A session's sent and remaining items, for one reader at a time.

use super::source::{Source, SourceItem};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tracing_tap::EndReason;
use tracing_tap::stream::TryRecvError;

/// A reader's position: the last sequence number, and the number of items without a number since.
///
/// As text it is the last sequence number that was sent or announced as lost, `-1` before the first, and after a dot the
/// number of items since, if there are any: `17`, `17.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The sequence number of what comes next.
    next: u64,
    unnumbered: u32,
}

/// A session, its items sent last, and its reader.
#[derive(Debug)]
pub(super) struct Feed {
    /// `None` once the session can no longer be read, so that it holds nothing.
    source: Option<Source>,
    last_stats: Value,
    sent: Sent,
    position: Position,
    /// Items to be sent again to the current reader. The reader does not hold them itself, so that a stalled reader that was
    /// superseded holds nothing.
    again: VecDeque<(Position, SourceItem)>,
    /// Which of the readers so far may read.
    reader: u64,
    waker: Option<Waker>,
    farewell: Farewell,
    last_look: Instant,
    /// Since when something is known to wait for a reader that has not looked since.
    waits_since: Option<Instant>,
    /// Whether the reader was handed something and has not come back since.
    is_handed: bool,
    /// Since when there is no reader.
    alone_since: Option<Instant>,
    has_ended: bool,
    is_given_up: bool,
}

/// Why a reader was dismissed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// Another reader came.
    Superseded,
    /// It accepted nothing for too long.
    Stalled,
}

/// The items sent last, to be sent again to a reader that reconnects.
#[derive(Debug, Default)]
struct Sent {
    items: VecDeque<(Position, SourceItem)>,
    bytes: usize,
    max_items: usize,
    max_bytes: usize,
    /// The position before the oldest kept item.
    begins_at: Position,
}

/// A reader that has just come.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) reader: u64,
    /// The reader before, to be woken without the lock.
    pub(super) superseded: Option<Waker>,
}

impl Feed {
    /// Keeps at most `max_items` and `max_bytes` of sent items.
    pub(super) fn new(source: Source, max_items: usize, max_bytes: usize) -> Self {
        Self {
            source: Some(source),
            last_stats: Value::Null,
            sent: Sent { max_items, max_bytes, ..Sent::default() },
            position: Position::default(),
            again: VecDeque::new(),
            reader: 0,
            waker: None,
            farewell: Farewell::Superseded,
            last_look: Instant::now(),
            waits_since: None,
            is_handed: false,
            alone_since: Some(Instant::now()),
            has_ended: false,
            is_given_up: false,
        }
    }

    /// Attaches a reader in place of the current one; `None` if the session has ended and everything was sent, or if it was
    /// given up.
    pub(super) fn attach(&mut self, after: Option<Position>) -> Option<Attached> {
        let again = self.sent.after(after.unwrap_or(self.position), self.position);
        if self.is_given_up || self.has_ended && again.is_empty() {
            return None;
        }
        let superseded = self.dismiss(Farewell::Superseded);
        self.again = again;
        self.alone_since = None;
        Some(Attached { reader: self.reader, superseded })
    }

    /// Dismisses the reader. It sees that when it is woken.
    fn dismiss(&mut self, farewell: Farewell) -> Option<Waker> {
        self.reader += 1;
        self.farewell = farewell;
        self.last_look = Instant::now();
        self.waits_since = None;
        self.is_handed = false;
        self.again = VecDeque::new();
        self.waker.take()
    }

    /// Whether this reader may still read; why not, otherwise.
    pub(super) fn look(&mut self, reader: u64, waker: &Waker) -> Result<(), Farewell> {
        if reader != self.reader {
            return Err(self.farewell);
        }
        self.last_look = Instant::now();
        self.waits_since = None;
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

    /// Detaches a reader. Returns whether it was the current one.
    pub(super) fn leave(&mut self, reader: u64) -> bool {
        let was_reading = reader == self.reader && self.alone_since.is_none();
        if was_reading {
            self.alone_since = Some(Instant::now());
            self.again = VecDeque::new();
            self.waker = None;
        }
        was_reading
    }

    /// Dismisses the reader if it has accepted nothing for so long while items waited, and returns whether. It is not woken:
    /// it sees that when its connection accepts data again.
    pub(super) fn dismiss_stalled(&mut self, patience: Duration) -> bool {
        let stalled = self.has_stalled(self.reader, patience);
        if stalled {
            self.dismiss(Farewell::Stalled);
            self.alone_since = Some(Instant::now());
        }
        stalled
    }

    /// Whether this is the reader, and is to be dismissed for that.
    pub(super) fn has_stalled(&mut self, reader: u64, patience: Duration) -> bool {
        reader == self.reader && self.is_read() && self.waits_for(Instant::now()) >= patience
    }

    /// How long the reader has not looked though there was something to take. An event that has just come to a reader
    /// that had nothing to look for is not held against it: that there is one counts from when it is first seen.
    fn waits_for(&mut self, now: Instant) -> Duration {
        if self.is_handed {
            return now.saturating_duration_since(self.last_look);
        }
        if self.buffered() == 0 {
            return Duration::ZERO;
        }
        now.saturating_duration_since(*self.waits_since.get_or_insert(now))
    }

    /// Whether there was no reader for so long. Then none is attached any more: its stream would be cut off by the end of the
    /// session.
    pub(super) fn give_up_after(&mut self, grace: Duration) -> bool {
        self.is_given_up |= self.alone_since.is_some_and(|since| since.elapsed() >= grace);
        self.is_given_up
    }

    pub(super) fn is_read(&self) -> bool {
        self.alone_since.is_none()
    }

    /// Whether the end was sent.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The session's counts, as a JSON object.
    pub(super) fn stats(&self) -> Value {
        self.source.as_ref().map_or_else(|| self.last_stats.clone(), Source::stats)
    }

    fn buffered(&self) -> u64 {
        self.source.as_ref().map_or(0, Source::buffered)
    }

    /// Ends a session that the router cannot end. Its reader gets the remaining items, then the end.
    pub(super) fn end(&self, reason: EndReason) {
        if let Some(source) = &self.source {
            source.end(reason);
        }
    }

    /// Releases the sent items and the session, which closes when the returned source is dropped.
    pub(super) fn stop(&mut self) -> Option<Source> {
        self.last_stats = self.stats();
        self.sent.items.clear();
        self.again.clear();
        self.source.take()
    }

    /// The next item, if there is one now.
    pub(super) fn take(&mut self) -> Result<(Position, SourceItem), TryRecvError> {
        if let Some(again) = self.again.pop_front() {
            return Ok(again);
        }
        let item = self.source.as_mut().ok_or(TryRecvError::Ended)?.try_recv()?;
        Ok((self.note(&item), item))
    }

    /// The next item, once there is nothing to [take](Self::take): the reader is woken when there is.
    pub(super) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Option<(Position, SourceItem)>> {
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        source.poll_recv(context).map(|item| item.map(|item| (self.note(&item), item)))
    }

    fn note(&mut self, item: &SourceItem) -> Position {
        self.position = self.position.after(item);
        self.has_ended |= item.is_end();
        self.sent.keep(self.position, item);
        self.position
    }
}

impl Sent {
    fn keep(&mut self, position: Position, item: &SourceItem) {
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

    /// The items sent after `from`. Items that are no longer kept are announced as lost.
    fn after(&self, from: Position, end: Position) -> VecDeque<(Position, SourceItem)> {
        let mut items = VecDeque::new();
        let gone = self.begins_at.next.saturating_sub(from.next);
        if gone > 0 {
            items.push_back((self.begins_at, SourceItem::lost(gone)));
        }
        // A position past the end means that nothing is to be sent again.
        let from = from.min(end);
        items.extend(self.items.iter().filter(|(position, _)| *position > from).cloned());
        items
    }
}

/// Bytes that a kept item holds, an event's own included.
fn held_bytes(item: &SourceItem) -> usize {
    size_of::<(Position, SourceItem)>() + item.held_bytes()
}

impl Position {
    fn after(self, item: &SourceItem) -> Self {
        match item.advance() {
            Some(count) => Self { next: self.next + count, unnumbered: 0 },
            None => Self { unnumbered: self.unnumbered + 1, ..self },
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

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::prelude::*;
    use tracing_tap::Predicate;
    use tracing_tap::TapRouter;

    const PATIENCE: Duration = Duration::from_millis(1);

    fn feed(router: &TapRouter) -> Feed {
        let stream = router.try_watch(Predicate::eq("user", 42)).expect("there is room");
        Feed::new(Source::Own(Box::new(stream)), 4, 4096)
    }

    #[test]
    fn a_waiting_reader_is_not_late_for_an_event_that_just_came() {
        let router = TapRouter::new();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(router.layer()), || {
            let mut feed = feed(&router);
            let attached = feed.attach(None).expect("it is open");
            feed.look(attached.reader, Waker::noop()).expect("it is the reader");
            while feed.last_look.elapsed() < PATIENCE {}
            tracing::info!(user = 42, "just now");
            assert_eq!(feed.buffered(), 1);
            assert!(!feed.dismiss_stalled(PATIENCE));
            while feed.waits_since.is_some_and(|since| since.elapsed() < PATIENCE) {}
            assert!(feed.dismiss_stalled(PATIENCE));
        });
    }

    #[test]
    fn a_superseded_reader_holds_nothing_that_is_to_be_resent() {
        let router = TapRouter::new();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(router.layer()), || {
            let mut feed = feed(&router);
            tracing::info!(user = 42, "sent");
            let sent = feed.take().expect("it is there").0;
            for _ in 0..3 {
                let _stands_still = feed.attach(Some(Position::default())).expect("it is open");
                assert_eq!(feed.again.len(), 1);
            }
            assert_eq!(feed.take().expect("it is sent again").0, sent);
            assert!(feed.take().is_err(), "and once only");
            feed.attach(Some(Position::default())).expect("it is open");
            feed.leave(feed.reader);
            assert!(feed.again.is_empty());
        });
    }

    #[test]
    fn a_session_that_was_given_up_takes_no_reader() {
        let router = TapRouter::new();
        let mut feed = feed(&router);
        assert!(!feed.give_up_after(Duration::from_secs(3600)));
        assert!(feed.give_up_after(Duration::ZERO));
        assert!(feed.attach(None).is_none());
        drop(feed.stop());
        assert!(feed.attach(Some(Position::default())).is_none());
    }
}
