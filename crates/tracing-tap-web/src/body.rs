//! The body of a stream: batches of items, made when the connection asks for them.
//!
//! Nothing is made before the connection has room for it, so a slow reader's events wait in the session's ring, which
//! loses by its policy. A batch goes out when it is 64 KiB, or 50 ms after its first item. Within a batch the ring is
//! looked at every few milliseconds instead of waking the task for each event: producers wake it once for a batch.

use super::feed::{Attached, Farewell, Feed, Position};
use super::form::{Form, Notice};
use super::hub::{HubSession, PublicId};
use super::socket::{Line, Peer};
use super::source::SourceItem;
use super::state::EndpointState;
use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing_tap::endpoint::quietly;

/// A batch goes out when it has as many bytes; it is larger by the rest of its last item.
const BATCH_BYTES: usize = 64 << 10;

/// How often a ring is looked at while a batch is being filled: a ring of the default capacity holds what comes in that
/// time at 800,000 events a second.
const TICK: Duration = Duration::from_millis(5);

/// Capacity of the first batch; that of the next ones follows the size of the previous one.
const FIRST_BATCH_BYTES: usize = 1 << 10;

/// How long after the first sign to a peer that sends no more come the next two; then it is sent heartbeats. A peer that is
/// gone has answered one of them by the time of another, which fails.
const NEXT_SIGNS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// One reader of a session.
#[derive(Debug)]
pub(super) struct StreamBody {
    endpoint: Arc<EndpointState>,
    entry: Arc<HubSession>,
    reader: u64,
    form: Form,
    batch: Vec<u8>,
    last_batch_bytes: usize,
    /// When the batch goes out at the latest; nothing while it is empty.
    due: Option<Instant>,
    last_sent: Instant,
    timer: Pin<Box<Sleep>>,
    is_over: bool,
    /// Its connection, where it is the endpoint's own.
    line: Option<Line>,
    /// How many signs of life were sent to a peer that sends no more itself.
    signs: usize,
}

/// The next step of a stream.
enum Next {
    Send,
    Wait,
}

impl StreamBody {
    /// `notices` are sent at once.
    pub(super) fn new(
        endpoint: Arc<EndpointState>,
        entry: Arc<HubSession>,
        attached: Attached,
        form: Form,
        notices: &[Notice],
    ) -> Self {
        let mut batch = Vec::with_capacity(FIRST_BATCH_BYTES);
        form.write_beginning(&mut batch);
        notices.iter().for_each(|notice| form.write_notice(&mut batch, notice));
        let now = Instant::now();
        Self {
            endpoint,
            entry,
            reader: attached.reader,
            form,
            due: (!batch.is_empty()).then_some(now),
            batch,
            last_batch_bytes: FIRST_BATCH_BYTES,
            last_sent: now,
            timer: Box::pin(sleep_until(now)),
            is_over: false,
            line: None,
            signs: 0,
        }
    }

    /// Looks after the connection too, so that a peer that sends no more is not taken for one that is gone.
    pub(super) fn over(mut self, line: Option<Line>) -> Self {
        self.line = line;
        self
    }

    pub(super) fn id(&self) -> PublicId {
        self.entry.id
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn endpoint(&self) -> &EndpointState {
        &self.endpoint
    }

    /// Looks at the session until there is a batch to send, or nothing more to do at present.
    fn advance(&mut self, context: &mut Context<'_>) -> Next {
        let entry = Arc::clone(&self.entry);
        let mut feed = entry.feed();
        if let Err(farewell) = feed.look(self.reader, context.waker()) {
            self.say_farewell(farewell);
            return Next::Send;
        }
        if self.signs_to_peer(context) {
            feed.hand_over();
            return Next::Send;
        }
        loop {
            self.fill(&mut feed);
            let is_due = self.due.is_some_and(|due| due <= Instant::now());
            if self.is_over || is_due || self.batch.len() >= BATCH_BYTES {
                feed.hand_over();
                return Next::Send;
            }
            let wakes_at = match self.due {
                Some(due) => due.min(Instant::now() + TICK),
                None => match feed.poll_take(context) {
                    Poll::Ready(Some((position, item))) => {
                        self.write(position, &item);
                        continue;
                    }
                    Poll::Ready(None) => {
                        self.is_over = true;
                        continue;
                    }
                    Poll::Pending => self.last_sent + self.silence(),
                },
            };
            if self.sleeps_until(wakes_at, context) {
                return Next::Wait;
            }
            if self.due.is_none() && self.beats() {
                feed.hand_over();
                return Next::Send;
            }
        }
    }

    /// Takes what there is, as far as the batch has room.
    fn fill(&mut self, feed: &mut Feed) {
        while self.batch.len() < BATCH_BYTES && !self.is_over {
            let Ok((position, item)) = feed.take() else { return };
            self.write(position, &item);
        }
    }

    /// Whether there is something to be sent at once, since the peer has just been found to send no more: it is still
    /// reading, or gone, and then what is sent to it is refused. Nothing is sent to one that is known to be gone.
    fn signs_to_peer(&mut self, context: &mut Context<'_>) -> bool {
        let Some(line) = self.line.as_ref().filter(|_| self.signs == 0) else { return false };
        match line.peer(context) {
            Peer::Sends => return false,
            Peer::Gone => {
                self.batch.clear();
                self.is_over = true;
            }
            Peer::HasFinished => {
                self.signs = 1;
                self.form.write_sign(&mut self.batch);
            }
        }
        true
    }

    /// How long nothing need be sent.
    fn silence(&self) -> Duration {
        let heartbeat = self.endpoint.settings.heartbeat;
        let next_sign = self.signs.checked_sub(1).and_then(|sent| NEXT_SIGNS.get(sent));
        next_sign.map_or(heartbeat, |wait| heartbeat.min(*wait))
    }

    /// Whether there is something to send where there has been nothing for long.
    fn beats(&mut self) -> bool {
        if self.signs > 0 {
            self.signs += 1;
            self.form.write_sign(&mut self.batch);
        } else {
            self.form.write_heartbeat(&mut self.batch);
        }
        self.last_sent = Instant::now();
        !self.batch.is_empty()
    }

    /// Whether it is not that time yet; the task is woken then.
    fn sleeps_until(&mut self, time: Instant, context: &mut Context<'_>) -> bool {
        if self.timer.deadline() != time {
            self.timer.as_mut().reset(time);
        }
        self.timer.as_mut().poll(context).is_pending()
    }

    fn write(&mut self, position: Position, item: &SourceItem) {
        self.form.write(&mut self.batch, &self.entry.id, position, item);
        self.due.get_or_insert_with(|| Instant::now() + self.endpoint.settings.batch_delay);
        self.is_over |= item.is_end();
    }

    fn say_farewell(&mut self, farewell: Farewell) {
        let words = match farewell {
            Farewell::Superseded => "another reader has taken this session over",
            Farewell::Stalled => "this reader accepted nothing for too long",
        };
        let notice = Notice { name: farewell.word(), members: json!({}), words: words.to_owned() };
        self.form.write_notice(&mut self.batch, &notice);
        self.is_over = true;
    }

    fn take_batch(&mut self) -> Bytes {
        self.last_batch_bytes = self.batch.len();
        self.due = None;
        self.last_sent = Instant::now();
        let room = self.last_batch_bytes.next_power_of_two().max(FIRST_BATCH_BYTES);
        Bytes::from(std::mem::replace(&mut self.batch, Vec::with_capacity(room)))
    }
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        // What the timer or a waker may log must not feed the session that is being read.
        match quietly(|| this.advance(context)) {
            Next::Wait => Poll::Pending,
            Next::Send if this.batch.is_empty() => Poll::Ready(None),
            Next::Send => Poll::Ready(Some(Ok(Frame::data(this.take_batch())))),
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let mut feed = self.entry.feed();
        // Its connection may be closed because it stalled, before the task of the session has seen that it did.
        let is_stalled = feed.has_stalled(self.reader, self.endpoint.settings.stall_timeout);
        let left = feed.leave(self.reader);
        drop(feed);
        if is_stalled {
            self.endpoint.tell_stalled(&self.entry);
        }
        if left && !self.entry.about.is_kept {
            self.endpoint.hub.remove(self.entry.id, |entry| entry.feed().has_ended());
        }
    }
}
