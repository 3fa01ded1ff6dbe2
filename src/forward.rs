//! Forwarding a session to a writer or a function, on a thread of its own, in batches.

use crate::guard::{Guard, run_user_code};
use crate::render::{FormatOptions, write_item};
use crate::session::{EndReason, SessionId};
use crate::stream::{EventStream, Item};
use std::io::{self, Write};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a stream is forwarded; made by [`EventStream::forwarder`].
///
/// A batch is handed over when it is large enough or when its first byte has waited long enough, whichever comes
/// first: a steady trickle is never held back. Batches consist of whole items. The session ends with the forwarding,
/// and the forwarding with the session.
///
/// ```
/// use tracing_tap::{Format, Predicate, TapRouter};
///
/// let router = TapRouter::new();
/// let stream = router.watch(Predicate::everything());
/// let forwarding = stream.forwarder(Format::Json).batch_bytes(1 << 20).to(Vec::new())?;
/// router.shutdown();
/// assert_eq!(forwarding.join()?.to_string(), "the router was shut down");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is forwarded until `to` or `with`"]
pub struct Forwarder {
    stream: EventStream,
    form: FormatOptions,
    batch_bytes: usize,
    batch_delay: Duration,
}

/// A session that is being forwarded.
///
/// Dropping this leaves the forwarding at work; it ends with the session, or with the first error of the writer.
#[derive(Debug)]
pub struct Forwarding {
    id: SessionId,
    thread: JoinHandle<io::Result<EndReason>>,
}

impl EventStream {
    /// Forwards every item to `writer`, in batches of 64 KiB or 250 ms, on a thread of its own.
    ///
    /// To a container's standard output, see [`FormatOptions::max_line_bytes`].
    ///
    /// # Errors
    /// The system's, where it refuses a thread; the session is closed then.
    pub fn forward_to(
        self,
        writer: impl Write + Send + 'static,
        form: impl Into<FormatOptions>,
    ) -> io::Result<Forwarding> {
        self.forwarder(form).to(writer)
    }

    /// Hands every item to `publish`, in batches of 64 KiB or 250 ms, on a thread of its own: for services with a
    /// pub/sub of their own.
    ///
    /// # Errors
    /// The system's, where it refuses a thread; the session is closed then.
    pub fn forward_with(
        self,
        form: impl Into<FormatOptions>,
        publish: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Forwarding> {
        self.forwarder(form).with(publish)
    }

    /// Sets up forwarding with other batches.
    pub fn forwarder(self, form: impl Into<FormatOptions>) -> Forwarder {
        Forwarder { stream: self, form: form.into(), batch_bytes: 64 << 10, batch_delay: Duration::from_millis(250) }
    }
}

impl Forwarder {
    /// Sets how many bytes make a batch; default 64 KiB. A batch is larger by the rest of its last item.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Sets how long the first byte of a batch may wait; default 250 ms.
    pub fn batch_delay(mut self, delay: Duration) -> Self {
        self.batch_delay = delay;
        self
    }

    /// Forwards to `writer`, which is flushed after each batch.
    ///
    /// # Errors
    /// The system's, where it refuses a thread; the session is closed then.
    pub fn to(self, mut writer: impl Write + Send + 'static) -> io::Result<Forwarding> {
        self.with(move |batch| {
            writer.write_all(batch)?;
            writer.flush()
        })
    }

    /// Hands batches to `publish`.
    ///
    /// What it logs is not routed to any session of the process: forwarding must not feed itself. A panic of it ends
    /// the forwarding as an error does.
    ///
    /// # Errors
    /// The system's, where it refuses a thread; the session is closed then.
    pub fn with(self, publish: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static) -> io::Result<Forwarding> {
        let id = self.stream.id();
        let thread = std::thread::Builder::new().name(format!("tracing-tap-{id}")).spawn(move || self.run(publish))?;
        Ok(Forwarding { id, thread })
    }

    fn run(mut self, mut publish: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<EndReason> {
        let mut batch = Vec::new();
        loop {
            let ended = self.fill(&mut batch);
            if !batch.is_empty() {
                hand_over(&mut publish, &batch)?;
                batch.clear();
            }
            if let Some(reason) = ended {
                return Ok(reason);
            }
        }
    }

    /// Fills a batch; returns the reason once the session has ended.
    fn fill(&mut self, batch: &mut Vec<u8>) -> Option<EndReason> {
        let Some(mut item) = self.stream.blocking_recv() else { return self.stream.end_reason() };
        let deadline = Instant::now().checked_add(self.batch_delay);
        loop {
            write_item(batch, &item, self.form);
            if let Item::Ended(reason) = item {
                return Some(reason);
            }
            // A delay past the end of the clock never ends.
            let remaining =
                deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            if batch.len() >= self.batch_bytes || remaining.is_zero() {
                return None;
            }
            item = self.stream.blocking_recv_timeout(remaining)?;
        }
    }
}

fn hand_over(publish: &mut impl FnMut(&[u8]) -> io::Result<()>, batch: &[u8]) -> io::Result<()> {
    let _guard = Guard::enter();
    run_user_code(|| publish(batch)).unwrap_or_else(|| Err(io::Error::other("the receiver of a batch panicked")))
}

impl Forwarding {
    /// Names the session.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whether the forwarding has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end, and says why the session ended.
    ///
    /// # Errors
    /// The error of the writer or of the function, which ended the session.
    pub fn join(self) -> io::Result<EndReason> {
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the forwarding thread panicked")))
    }
}
