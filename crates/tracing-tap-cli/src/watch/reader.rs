//! Reads a session over HTTP, and resumes if the connection is lost.
//!
//! The session outlives its connections, and `Last-Event-ID` is the position of the last one: the server sends what
//! follows, and reports losses. If the session itself is gone, because the service was restarted or the session was not
//! read for too long, a new one is opened for what is left of the time and the events, and the gap is reported.

use super::backoff::Backoff;
use super::duration::exact;
use super::instances::instance_of;
use super::opened::{Began, Opened};
use super::update::{Notice, Update};
use crate::error::Error;
use crate::remote::{Coverage, Endpoint, Message, Parser, SessionInfo, SessionRequest, Streamed};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;
use tracing_tap::{EndReason, Item, MissingReason};

/// Three heartbeats of the server: one that sends nothing for that long is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// After how long a connection that sends only heartbeats counts as a success.
const LASTING: Duration = Duration::from_secs(10);
/// Batches between the reader and the printer; each is what arrived from the network at once.
const BATCHES: usize = 4;

/// A session of an HTTP endpoint, except its stream.
#[derive(Debug)]
pub(crate) struct Remote {
    endpoint: Endpoint,
    ask: SessionRequest,
    now: Mutex<Whereabouts>,
    /// Whether this program has closed the session, so that it is expected to be gone.
    is_closed: AtomicBool,
}

/// The current session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// Its id.
    session: String,
    pub(crate) ends_at: Option<Instant>,
}

/// The reading end.
struct Reader {
    remote: Arc<Remote>,
    updates: Sender<Vec<Update>>,
    patience: Duration,
    /// Set from the start: without one the server begins after what it has prepared before, even if that never arrived.
    last_event_id: Option<String>,
    /// Events that count for `max`: received, or lost on the way.
    admitted: u64,
    /// Since the connection was lost, until a message has arrived again or the new connection has lasted.
    backoff: Option<Backoff>,
    /// Whether anything of this session has arrived.
    has_read: bool,
    /// Whether the new session was reported already.
    is_reopening_reported: bool,
}

/// Why the reading of a stream has stopped.
enum Left {
    /// The session has ended.
    Ended,
    /// The connection is lost, or was never made.
    Cut(Error),
    /// The session is gone.
    Gone,
    /// The receiver is gone.
    Unwanted,
}

/// Opens a session, and reads it from then on.
pub(crate) async fn open(endpoint: Endpoint, ask: SessionRequest, patience: Duration) -> Result<Opened<Remote>, Error> {
    let opened = endpoint.open(&ask).await?;
    let last_event_id = Some(before_the_first(&opened.session));
    let began = Began {
        predicate: opened.session.predicate.clone(),
        level: opened.session.level.clone(),
        spans: opened.session.spans.clone(),
        url: endpoint.base().to_string(),
        session: Some(opened.session.id.clone()),
        lasts: opened.session.lasts(),
        coverage: opened.coverage,
    };
    let now = Mutex::new(Whereabouts::of(&opened.session));
    let remote = Arc::new(Remote { endpoint, ask, now, is_closed: AtomicBool::new(false) });
    let (updates, receiver) = mpsc::channel(BATCHES);
    let reader = Reader {
        remote: Arc::clone(&remote),
        updates,
        patience,
        last_event_id,
        admitted: 0,
        backoff: None,
        has_read: false,
        is_reopening_reported: false,
    };
    let task = tokio::spawn(reader.read_to_end());
    Ok(Opened { updates: receiver, remote, task, began })
}

impl Whereabouts {
    /// By this machine's clock, from now on.
    fn of(session: &SessionInfo) -> Self {
        let ends_at = session.lasts().and_then(|lasts| Instant::now().checked_add(lasts));
        Self { session: session.id.clone(), ends_at }
    }
}

impl Remote {
    pub(crate) async fn close(&self) -> Result<(), Error> {
        // Relaxed: the reader looks after an answer to the request below, which comes later.
        self.is_closed.store(true, Ordering::Relaxed);
        match self.endpoint.close(&self.whereabouts().session).await {
            // It has ended already.
            Err(error) if error.status() == Some(404) => Ok(()),
            closed => closed,
        }
    }

    pub(crate) fn whereabouts(&self) -> Whereabouts {
        self.now().clone()
    }

    pub(crate) async fn waiting(&self) -> Result<u64, Error> {
        Ok(self.endpoint.session(&self.whereabouts().session).await?.stats.buffered)
    }

    pub(crate) async fn coverage(&self) -> Result<Coverage, Error> {
        self.endpoint.coverage(&self.ask).await
    }

    fn now(&self) -> MutexGuard<'_, Whereabouts> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    async fn read_to_end(mut self) -> Result<(), Error> {
        loop {
            match self.read_stream().await? {
                Left::Ended | Left::Unwanted => return Ok(()),
                Left::Cut(error) => self.wait_after(error).await?,
                // This program closed it.
                Left::Gone if self.remote.is_closed.load(Ordering::Relaxed) => return self.report_gone().await,
                Left::Gone => {
                    self.wait_if_never_there().await?;
                    if self.reopen().await?.is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads one connection to its end.
    async fn read_stream(&mut self) -> Result<Left, Error> {
        let session = self.remote.whereabouts().session;
        let mut body = match self.remote.endpoint.stream(&session, self.last_event_id.as_deref()).await {
            Ok(Streamed::Events(body)) => body,
            Ok(Streamed::Gone) => return Ok(Left::Gone),
            Err(error) => return left_by(error),
        };
        if self.report_continued().await.is_none() {
            return Ok(Left::Unwanted);
        }
        let mut parser = Parser::default();
        let since = Instant::now();
        loop {
            let bytes = match next_bytes(&mut body).await {
                Ok(bytes) => bytes,
                Err(error) => return Ok(Left::Cut(error)),
            };
            self.has_read = true;
            let mut messages = Vec::new();
            parser.feed(bytes, |message| messages.push(message))?;
            // Otherwise short connections with one heartbeat each would count as progress.
            if !messages.is_empty() || since.elapsed() >= LASTING {
                self.backoff = None;
            }
            if let Some(left) = self.send(messages).await? {
                return Ok(left);
            }
        }
    }

    /// Reports that the connection is back, if it was lost; `None` if the receiver is gone.
    async fn report_continued(&mut self) -> Option<()> {
        let is_reopening_reported = std::mem::take(&mut self.is_reopening_reported);
        let Some(backoff) = self.backoff.as_ref().filter(|_| !is_reopening_reported) else { return Some(()) };
        let notice = Notice::Continued { after: backoff.elapsed() };
        self.updates.send(vec![Update::Notice(notice)]).await.ok()
    }

    /// Sends what arrived at once; returns whether that was the end.
    async fn send(&mut self, messages: Vec<Message>) -> Result<Option<Left>, Error> {
        if messages.is_empty() {
            return Ok(None);
        }
        let mut batch = Vec::with_capacity(messages.len());
        let mut left = None;
        for message in messages {
            left = self.understand(message, &mut batch)?;
            if left.is_some() {
                break;
            }
        }
        Ok(if self.updates.send(batch).await.is_err() { Some(Left::Unwanted) } else { left })
    }

    fn understand(&mut self, message: Message, batch: &mut Vec<Update>) -> Result<Option<Left>, Error> {
        let Message { name, data, id } = message;
        let left = match &name[..] {
            b"" | b"timing" => {
                self.admitted = self.admitted.saturating_add(1);
                batch.push(Update::Event(data));
                None
            }
            b"joined" | b"left" | b"silent" | b"refused" | b"gap" | b"missing" | b"horizon"
                if instance_of(&data).is_some() =>
            {
                batch.push(Update::OfInstance(data));
                None
            }
            b"missing" | b"horizon" => self.understand_item(&data, batch),
            // Also with a reason of a later version: nothing follows.
            b"ended" => self.understand_item(&data, batch).or(Some(Left::Ended)),
            b"stalled" => {
                Some(Left::Cut(Error::new("read fast enough: the server has closed the connection of a slow reader")))
            }
            b"superseded" => return Err(Error::new("read the session: another client has taken it over")),
            // An event of a later version.
            _ => None,
        };
        if let Some(id) = id {
            self.last_event_id = String::from_utf8(id.to_vec()).ok();
        }
        Ok(left)
    }

    fn understand_item(&mut self, data: &[u8], batch: &mut Vec<Update>) -> Option<Left> {
        match serde_json::from_slice::<Item>(data) {
            // It may be restarted, and is waited for like one that crashed.
            Ok(Item::Ended(EndReason::Shutdown)) if self.is_to_come_back() => {
                Some(Left::Cut(Error::new("read the stream: the service is shutting down")))
            }
            Ok(item) => {
                let left = matches!(item, Item::Ended(_)).then_some(Left::Ended);
                if let Item::Missing(missing) = &item
                    && missing.reason == MissingReason::Overflow
                {
                    self.admitted = self.admitted.saturating_add(missing.count);
                }
                batch.push(Update::Item(item));
                left
            }
            Err(error) => {
                batch.push(Update::Unreadable(error.to_string()));
                None
            }
        }
    }

    /// Whether to wait for the return of a service that ends.
    fn is_to_come_back(&self) -> bool {
        !self.patience.is_zero() && !self.remote.is_closed.load(Ordering::Relaxed)
    }

    /// Waits before the next attempt.
    async fn wait_after(&mut self, error: Error) -> Result<(), Error> {
        let is_first = self.backoff.is_none();
        let backoff = self.backoff.get_or_insert_with(|| Backoff::new(self.patience));
        let Some(wait) = backoff.next() else {
            let attempt = format!(
                "resume the session: the connection was lost, and no attempt within {} succeeded",
                exact(self.patience)
            );
            return Err(Error::caused_by(error, attempt));
        };
        if is_first {
            let notice = Notice::Cut { why: error.with_causes(), patience: self.patience };
            // If the receiver is gone, the next step finds out.
            let _ = self.updates.send(vec![Update::Notice(notice)]).await;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.updates.closed() => {}
        }
        Ok(())
    }

    /// A session that is gone before anything of it arrived may be gone every time: if several servers share the URL,
    /// and none knows the others' sessions.
    async fn wait_if_never_there(&mut self) -> Result<(), Error> {
        if self.has_read {
            return Ok(());
        }
        let error = Error::new("read the session: it was gone right after it was opened");
        self.wait_after(error.advise("if several servers share the URL, give that of one")).await
    }

    /// Opens a session for what is left of the time and the events; `None` if nothing is left.
    async fn reopen(&mut self) -> Result<Option<()>, Error> {
        let Some(ask) = self.what_is_left() else { return self.report_gone().await.map(|()| None) };
        match self.remote.endpoint.open(&ask).await {
            Ok(opened) => {
                *self.remote.now() = Whereabouts::of(&opened.session);
                self.last_event_id = Some(before_the_first(&opened.session));
                (self.has_read, self.is_reopening_reported) = (false, true);
                let after = self.backoff.as_ref().map(Backoff::elapsed).unwrap_or_default();
                let is_wanted = self.updates.send(vec![Update::Notice(Notice::Reopened { after })]).await.is_ok();
                if self.remote.is_closed.load(Ordering::Relaxed) {
                    // It was closed while a new one was being opened: the request closed the one before.
                    self.remote.close().await?;
                    return Ok(None);
                }
                Ok(is_wanted.then_some(()))
            }
            Err(error) => match left_by(error)? {
                Left::Cut(error) => self.wait_after(error).await.map(Some),
                _ => Ok(Some(())),
            },
        }
    }

    /// Reports that the last session was gone before its end was read, unless all events had arrived.
    async fn report_gone(&self) -> Result<(), Error> {
        if self.remote.ask.max.is_none_or(|max| self.admitted < max) {
            let after = self.backoff.as_ref().map(Backoff::elapsed).unwrap_or_default();
            // The receiver may be gone.
            let _ = self.updates.send(vec![Update::Notice(Notice::Gone { after })]).await;
        }
        Ok(())
    }

    /// The request, reduced by what has arrived.
    fn what_is_left(&self) -> Option<SessionRequest> {
        let mut ask = self.remote.ask.clone();
        if let Some(max) = ask.max {
            ask.max = Some(max.checked_sub(self.admitted).filter(|left| *left > 0)?);
        }
        if let Some(ends_at) = self.remote.whereabouts().ends_at {
            let left = ends_at.checked_duration_since(Instant::now()).filter(|left| left.as_secs() > 0)?;
            ask.duration = Some(format!("{}ms", left.as_millis()));
        }
        Some(ask)
    }
}

/// The position before a session's first item, as the endpoint writes it.
fn before_the_first(session: &SessionInfo) -> String {
    format!("{}:-1", session.id)
}

/// Whether a failure may pass: the server cannot be reached, is shutting down, or has too many sessions.
fn left_by(error: Error) -> Result<Left, Error> {
    let passes = match error.status() {
        None => true,
        Some(status) => matches!(status, 408 | 429) || status >= 500,
    };
    if passes { Ok(Left::Cut(error)) } else { Err(error) }
}

async fn next_bytes(body: &mut Incoming) -> Result<Bytes, Error> {
    loop {
        let frame = match timeout(SILENCE, body.frame()).await {
            Ok(Some(frame)) => frame.map_err(|cause| Error::caused_by(cause, "read the stream"))?,
            Ok(None) => return Err(Error::new("read the stream: the server has ended it")),
            Err(_) => return Err(Error::new(format!("read the stream: nothing has arrived for {SILENCE:?}"))),
        };
        if let Ok(bytes) = frame.into_data() {
            return Ok(bytes);
        }
    }
}
