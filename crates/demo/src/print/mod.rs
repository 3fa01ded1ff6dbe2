//! Prints the events on a thread of its own: a slow terminal loses events, and does not slow the service.

use crate::error::Error;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tracing_tap::{EventStream, Item};

/// A handle of the printing thread.
#[derive(Debug)]
pub(crate) struct Printer {
    streams: Sender<EventStream>,
    give_up_at: Arc<OnceLock<Instant>>,
    thread: JoinHandle<io::Result<Account>>,
}

/// How the printing ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Printed {
    All(Account),
    /// The reader of the output has gone.
    ReaderGone,
}

/// The counts of all sessions together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    pub(crate) matched: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
}

/// What the printing thread needs.
struct Press<W: Write> {
    out: BufWriter<W>,
    give_up_at: Arc<OnceLock<Instant>>,
    account: Account,
}

impl Printer {
    /// Starts the thread, which calls `failed` if it cannot print.
    pub(crate) fn start(
        out: impl Write + Send + 'static,
        failed: impl FnOnce() + Send + 'static,
    ) -> Result<Self, Error> {
        let (streams, received) = mpsc::channel();
        let give_up_at = Arc::<OnceLock<Instant>>::default();
        let press =
            Press { out: BufWriter::new(out), give_up_at: Arc::clone(&give_up_at), account: Account::default() };
        let run = move || press.print_all(&received).inspect_err(|_| failed());
        let thread = thread::Builder::new()
            .name("printer".to_owned())
            .spawn(run)
            .map_err(|cause| Error::caused_by(cause, "start a thread to print"))?;
        Ok(Self { streams, give_up_at, thread })
    }

    /// Queues a session to be printed. If printing has failed, the session is closed.
    pub(crate) fn print(&self, stream: EventStream) {
        let _ = self.streams.send(stream);
    }

    /// Waits until everything is printed, for `grace` at most; events left then are lost.
    pub(crate) fn finish(self, grace: Duration) -> Result<Printed, Error> {
        drop(self.streams);
        let _ = self.give_up_at.set(Instant::now() + grace);
        match self.thread.join() {
            Ok(Ok(account)) => Ok(Printed::All(account)),
            Ok(Err(error)) => quiet_if_reader_is_gone(error).map(|()| Printed::ReaderGone),
            Err(_) => Err(Error::new("print the events: the printing thread panicked")),
        }
    }
}

/// Prints the summary.
pub(crate) fn last_word(word: &impl Display) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    write!(out, "{word}").and_then(|()| out.flush()).or_else(quiet_if_reader_is_gone)
}

pub(crate) fn quiet_if_reader_is_gone(error: io::Error) -> Result<(), Error> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::caused_by(error, "write to standard output")),
    }
}

impl<W: Write> Press<W> {
    fn print_all(mut self, streams: &Receiver<EventStream>) -> io::Result<Account> {
        streams.iter().try_for_each(|stream| self.print(stream))?;
        self.out.flush()?;
        Ok(self.account)
    }

    /// Prints one session to its end, or until it is time to give up.
    fn print(&mut self, mut stream: EventStream) -> io::Result<()> {
        while let Some(item) = self.next(&mut stream)? {
            match item {
                Item::Event { event, .. } => {
                    write!(self.out, "{event}\n\n")?;
                    // Not after a loss: the event that follows is counted as delivered already.
                    if self.gives_up() {
                        break;
                    }
                }
                Item::Missing(missing) => {
                    write!(self.out, "[{} events lost here: printing is too slow]\n\n", missing.count)?;
                }
                _ => {}
            }
        }
        self.account.add(&stream);
        Ok(())
    }

    /// The next item. Flushes the output before it waits.
    fn next(&mut self, stream: &mut EventStream) -> io::Result<Option<Item>> {
        if let Ok(item) = stream.try_recv() {
            return Ok(Some(item));
        }
        self.out.flush()?;
        Ok(stream.blocking_recv())
    }

    fn gives_up(&self) -> bool {
        self.give_up_at.get().is_some_and(|at| Instant::now() >= *at)
    }
}

impl Account {
    /// Adds the counts of a session that is read no further.
    fn add(&mut self, stream: &EventStream) {
        let stats = stream.stats();
        self.matched += stats.matched;
        self.delivered += stats.delivered;
        self.lost += stats.lost + stats.buffered;
    }
}

#[cfg(test)]
mod tests;
