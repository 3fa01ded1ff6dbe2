//! Forwarding a session to a writer or a function, on a thread of its own, in batches.

use crate::guard::{Guard, run_user_code};
use crate::render::{FormatOptions, write_item};
use crate::session::{EndReason, SessionId};
use crate::stream::{EventStream, Item};
use std::io::{self, Write};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Sets up forwarding with batches of your own size. Created by [`EventStream::forwarder`].
///
/// A batch is written when it is [large enough](Self::batch_bytes) or its first byte has waited
/// [long enough](Self::batch_delay), whichever comes first. Batches consist of whole items. An error of the writer ends the
/// session, and the end of the session ends the forwarding. Costs one thread for each session.
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

/// A handle to a session that is being forwarded.
///
/// Dropping it does not stop the forwarding, which runs until the session ends or the writer returns an error. To stop it,
/// close the session: `router.close(forwarding.id())`.
#[derive(Debug)]
pub struct Forwarding {
    id: SessionId,
    thread: JoinHandle<io::Result<EndReason>>,
}

impl EventStream {
    /// Forwards every item to `writer`, in batches of 64 KiB or 250 ms, on a thread of its own.
    ///
    /// If `writer` is a container's standard output, set [`FormatOptions::max_line_bytes`]: container runtimes split long
    /// lines.
    ///
    /// # Errors
    /// If the system cannot start a thread. The session is then closed.
    pub fn forward_to(
        self,
        writer: impl Write + Send + 'static,
        form: impl Into<FormatOptions>,
    ) -> io::Result<Forwarding> {
        self.forwarder(form).to(writer)
    }

    /// Passes every item to `publish`, in batches of 64 KiB or 250 ms, on a thread of its own. For services with a pub/sub
    /// system; see [`Forwarder::with`].
    ///
    /// # Errors
    /// If the system cannot start a thread. The session is then closed.
    pub fn forward_with(
        self,
        form: impl Into<FormatOptions>,
        publish: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Forwarding> {
        self.forwarder(form).with(publish)
    }

    /// Sets up forwarding with other batch sizes.
    pub fn forwarder(self, form: impl Into<FormatOptions>) -> Forwarder {
        Forwarder { stream: self, form: form.into(), batch_bytes: 64 << 10, batch_delay: Duration::from_millis(250) }
    }
}

impl Forwarder {
    /// Sets the size at which a batch is written; default 64 KiB. A batch may exceed it by the rest of its last item.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Sets the longest time that the first byte of a batch waits; default 250 ms.
    pub fn batch_delay(mut self, delay: Duration) -> Self {
        self.batch_delay = delay;
        self
    }

    /// Starts forwarding to `writer`, which is flushed after each batch.
    ///
    /// # Errors
    /// If the system cannot start a thread. The session is then closed.
    pub fn to(self, mut writer: impl Write + Send + 'static) -> io::Result<Forwarding> {
        self.with(move |batch| {
            writer.write_all(batch)?;
            writer.flush()
        })
    }

    /// Starts passing batches to `publish`.
    ///
    /// Events that `publish` logs reach no session of the process: forwarding must not feed itself. A panic in `publish`
    /// ends the forwarding like an error.
    ///
    /// # Errors
    /// If the system cannot start a thread. The session is then closed.
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
            // `None`: the delay is past the end of the clock, so it never elapses.
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
    /// The session's number.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whether the forwarding has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Blocks until the session has ended and every item is written. Returns the reason of the end.
    ///
    /// # Errors
    /// If the writer or the function returned an error or panicked, which ended the session.
    pub fn join(self) -> io::Result<EndReason> {
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the forwarding thread panicked")))
    }
}
