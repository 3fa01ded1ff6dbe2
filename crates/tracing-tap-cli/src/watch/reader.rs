//! Reads a session over HTTP, and reads on where the connection is lost.
//!
//! The session outlives its connections, and `Last-Event-ID` says where the last one was: the server sends what is still
//! to be read, and says what is lost. Where the session itself is gone, because the service was started anew or nobody has
//! read for too long, a new one is opened for what is left to watch, and the gap is told of.

use super::backoff::Backoff;
use super::source::{Began, Handle, Notice, Source, Told};
use super::telling::exact;
use crate::error::Error;
use crate::remote::{Ask, Coverage, Endpoint, Message, Parser, SessionOptions, Streamed};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;
use tracing_tap::{EndReason, Item, MissingReason};

/// Three heartbeats of the server: who sends nothing for so long is not there.
const SILENCE: Duration = Duration::from_secs(45);
/// After how long a connection that sends only heartbeats is one that lasts.
const LASTING: Duration = Duration::from_secs(10);
/// Batches between the reader and whoever prints; each is what came from the network at once.
const BATCHES: usize = 4;

/// A session of a door, as those see it who do not read it.
#[derive(Debug)]
pub(crate) struct Remote {
    door: Endpoint,
    ask: Ask,
    now: Mutex<Whereabouts>,
    /// Whether we have closed the session, so that its being gone is no surprise.
    is_closed: AtomicBool,
}

/// Which session it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// What names it to `close`.
    session: String,
    pub(crate) ends_at: Option<Instant>,
}

/// The reading end.
struct Reader {
    remote: Arc<Remote>,
    told: Sender<Vec<Told>>,
    patience: Duration,
    /// Known from the start: without one the server begins behind what it has made ready before, whether that came or not.
    last_event_id: Option<String>,
    /// Events that count for `max`: those told and those lost on the way.
    admitted: u64,
    /// Since the connection was lost, until a message has come again or the new one has lasted.
    backoff: Option<Backoff>,
    /// Whether anything has come of this session.
    has_read: bool,
    /// Whether it was told that this session is another than before.
    is_told_anew: bool,
}

/// Why a stream is read no further.
enum Left {
    /// The session is over.
    Ended,
    /// The connection is gone, or was never there.
    Cut(Error),
    /// The session is gone.
    Gone,
    /// Nobody wants any more.
    Unwanted,
}

/// Opens a session, and reads it from then on.
pub(crate) async fn open(door: Endpoint, ask: Ask, patience: Duration) -> Result<(Source, Began), Error> {
    let opened = door.open(&ask).await?;
    let last_event_id = Some(before_the_first(&opened.session));
    let began = Began {
        predicate: opened.session.predicate.clone(),
        level: opened.session.level.clone(),
        spans: opened.session.spans.clone(),
        place: door.base().to_string(),
        session: Some(opened.session.id.clone()),
        lasts: opened.session.lasts(),
        coverage: opened.coverage,
    };
    let now = Mutex::new(Whereabouts::of(&opened.session));
    let remote = Arc::new(Remote { door, ask, now, is_closed: AtomicBool::new(false) });
    let (told, receiver) = mpsc::channel(BATCHES);
    let handle = Handle::Http(Arc::clone(&remote));
    let reader = Reader {
        remote,
        told,
        patience,
        last_event_id,
        admitted: 0,
        backoff: None,
        has_read: false,
        is_told_anew: false,
    };
    let task = tokio::spawn(reader.read_to_end());
    Ok((Source { told: receiver, handle, task }, began))
}

impl Whereabouts {
    /// By our own clock: it starts when the session is told of.
    fn of(session: &SessionOptions) -> Self {
        let ends_at = session.lasts().and_then(|lasts| Instant::now().checked_add(lasts));
        Self { session: session.id.clone(), ends_at }
    }
}

impl Remote {
    pub(crate) async fn close(&self) -> Result<(), Error> {
        // Relaxed: the answer to the request below is what tells the reader, and comes later.
        self.is_closed.store(true, Ordering::Relaxed);
        match self.door.close(&self.whereabouts().session).await {
            // It is over anyway.
            Err(error) if error.status() == Some(404) => Ok(()),
            closed => closed,
        }
    }

    pub(crate) fn whereabouts(&self) -> Whereabouts {
        self.now().clone()
    }

    pub(crate) async fn waiting(&self) -> Result<u64, Error> {
        Ok(self.door.session(&self.whereabouts().session).await?.stats.buffered)
    }

    pub(crate) async fn coverage(&self) -> Result<Coverage, Error> {
        self.door.coverage(&self.ask).await
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
                // The end that we asked for ourselves.
                Left::Gone if self.remote.is_closed.load(Ordering::Relaxed) => return self.tell_gone().await,
                Left::Gone => {
                    self.wait_if_never_there().await?;
                    if self.open_anew().await?.is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads one connection to its end.
    async fn read_stream(&mut self) -> Result<Left, Error> {
        let session = self.remote.whereabouts().session;
        let mut body = match self.remote.door.stream(&session, self.last_event_id.as_deref()).await {
            Ok(Streamed::Events(body)) => body,
            Ok(Streamed::Gone) => return Ok(Left::Gone),
            Err(error) => return left_by(error),
        };
        if self.tell_continued().await.is_none() {
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
            // A heartbeat at the beginning of each of many short connections is no progress.
            if !messages.is_empty() || since.elapsed() >= LASTING {
                self.backoff = None;
            }
            if let Some(left) = self.tell(messages).await? {
                return Ok(left);
            }
        }
    }

    /// Says that the connection is there again, if it was not; nothing where nobody wants to know.
    async fn tell_continued(&mut self) -> Option<()> {
        let is_told_anew = std::mem::take(&mut self.is_told_anew);
        let Some(backoff) = self.backoff.as_ref().filter(|_| !is_told_anew) else { return Some(()) };
        let notice = Notice::Continued { after: backoff.elapsed() };
        self.told.send(vec![Told::Notice(notice)]).await.ok()
    }

    /// Hands over what came at once; says whether that was the end.
    async fn tell(&mut self, messages: Vec<Message>) -> Result<Option<Left>, Error> {
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
        Ok(if self.told.send(batch).await.is_err() { Some(Left::Unwanted) } else { left })
    }

    fn understand(&mut self, message: Message, batch: &mut Vec<Told>) -> Result<Option<Left>, Error> {
        let Message { name, data, id } = message;
        let left = match &name[..] {
            b"" => {
                self.admitted = self.admitted.saturating_add(1);
                batch.push(Told::Event(data));
                None
            }
            b"joined" | b"left" | b"silent" | b"refused" | b"gap" | b"missing" if Told::is_of_instance(&data) => {
                batch.push(Told::OfInstance(data));
                None
            }
            b"missing" | b"ended" => self.understand_item(&data, batch),
            b"stalled" => Some(Left::Cut(Error::new("be fast enough: the server has sent us away"))),
            b"superseded" => return Err(Error::new("read on: somebody else has taken over the session")),
            // What a later door may say.
            _ => None,
        };
        if let Some(id) = id {
            self.last_event_id = String::from_utf8(id.to_vec()).ok();
        }
        Ok(left)
    }

    fn understand_item(&mut self, data: &[u8], batch: &mut Vec<Told>) -> Option<Left> {
        match serde_json::from_slice::<Item>(data) {
            // It may be started anew, and is waited for as one that ended without a word.
            Ok(Item::Ended(EndReason::Shutdown)) if self.is_to_come_back() => {
                Some(Left::Cut(Error::new("read the stream: the service ends")))
            }
            Ok(item) => {
                let left = matches!(item, Item::Ended(_)).then_some(Left::Ended);
                if let Item::Missing(missing) = &item
                    && missing.reason == MissingReason::Overflow
                {
                    self.admitted = self.admitted.saturating_add(missing.count);
                }
                batch.push(Told::Item(item));
                left
            }
            Err(error) => {
                batch.push(Told::Unreadable(error.to_string()));
                None
            }
        }
    }

    /// Whether the end of the service is not ours.
    fn is_to_come_back(&self) -> bool {
        !self.patience.is_zero() && !self.remote.is_closed.load(Ordering::Relaxed)
    }

    /// Waits before the next try.
    async fn wait_after(&mut self, error: Error) -> Result<(), Error> {
        let is_first = self.backoff.is_none();
        let backoff = self.backoff.get_or_insert_with(|| Backoff::new(self.patience));
        let Some(wait) = backoff.next() else {
            let attempt =
                format!("read on: the connection was lost, and {} of trying were in vain", exact(self.patience));
            return Err(Error::caused_by(error, attempt));
        };
        if is_first {
            let notice = Notice::Cut { why: error.with_causes(), patience: self.patience };
            // Whether somebody listens is found out by what comes next.
            let _ = self.told.send(vec![Told::Notice(notice)]).await;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.told.closed() => {}
        }
        Ok(())
    }

    /// A session that is gone before anything came of it may be so every time: where one of many servers answers, and
    /// none knows the others' sessions.
    async fn wait_if_never_there(&mut self) -> Result<(), Error> {
        if self.has_read {
            return Ok(());
        }
        let error = Error::new("read the session: it is not there, though it was just opened");
        self.wait_after(error.advise("where there are many servers, give the URL of one")).await
    }

    /// Opens a session for what is left to watch; nothing if nothing is left.
    async fn open_anew(&mut self) -> Result<Option<()>, Error> {
        let Some(ask) = self.what_is_left() else { return self.tell_gone().await.map(|()| None) };
        match self.remote.door.open(&ask).await {
            Ok(opened) => {
                *self.remote.now() = Whereabouts::of(&opened.session);
                self.last_event_id = Some(before_the_first(&opened.session));
                (self.has_read, self.is_told_anew) = (false, true);
                let after = self.backoff.as_ref().map(Backoff::elapsed).unwrap_or_default();
                let is_wanted = self.told.send(vec![Told::Notice(Notice::Anew { after })]).await.is_ok();
                if self.remote.is_closed.load(Ordering::Relaxed) {
                    // While it was being opened; the session before was closed in its place.
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

    /// Says that the session is gone before its end was read, and that it is the last one; not where all was had.
    async fn tell_gone(&self) -> Result<(), Error> {
        if self.remote.ask.max.is_none_or(|max| self.admitted < max) {
            let after = self.backoff.as_ref().map(Backoff::elapsed).unwrap_or_default();
            // Nobody need listen.
            let _ = self.told.send(vec![Told::Notice(Notice::Gone { after })]).await;
        }
        Ok(())
    }

    /// What was asked for, less what was had.
    fn what_is_left(&self) -> Option<Ask> {
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

/// The place before a session's first item, as the door writes it.
fn before_the_first(session: &SessionOptions) -> String {
    format!("{}:-1", session.id)
}

/// Whether a failure is one that passes: the server is not there, is about to end, or has too many sessions.
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
            Err(_) => return Err(Error::new(format!("read the stream: nothing has come for {SILENCE:?}"))),
        };
        if let Ok(bytes) = frame.into_data() {
            return Ok(bytes);
        }
    }
}
