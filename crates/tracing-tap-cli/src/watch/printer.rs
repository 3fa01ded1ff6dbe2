//! Prints updates on a thread of its own, so that a slow or absent reader cannot keep the session from being closed.

use super::counts::{Counted, Counts};
use super::otlp;
use super::output::Output;
use super::status::{Status, StatusLine};
use super::update::{Notice, Update};
use super::writer::Writer;
use crate::error::Error;
use crate::say;
use crate::shown;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tracing_tap_otel::otlp::Exporter;

/// Batches that wait to be printed.
const JOBS: usize = 4;
/// How much is written at once; more only if one event is larger.
const WRITE_BYTES: usize = 64 << 10;

/// A job of the printing thread. It writes to both outputs, because they may be the same terminal.
#[derive(Debug)]
pub(crate) enum Job {
    Print(Vec<Update>),
    /// A message for standard error.
    Say(String),
    Show(Status),
}

/// How the printing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Printed {
    All,
    /// The reader of the output has gone.
    ReaderGone,
}

/// A handle of the printing thread.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) jobs: Sender<Job>,
    /// Completes when everything is printed, or when printing fails.
    pub(crate) done: oneshot::Receiver<Result<Printed, Error>>,
}

/// What the printing thread needs.
pub(crate) struct Press {
    pub(crate) output: Output,
    pub(crate) writer: Writer,
    /// Gets every update as well, if there is an OTLP endpoint.
    pub(crate) exporter: Option<Exporter>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) is_quiet: bool,
}

/// A press at work.
struct Running {
    press: Press,
    status: StatusLine,
    buffer: Vec<u8>,
    is_on_terminal: bool,
}

impl Printer {
    pub(crate) fn start(press: Press) -> Result<Self, Error> {
        let (jobs, received) = mpsc::channel(JOBS);
        let (send_done, done) = oneshot::channel();
        let is_on_terminal = press.output.is_terminal();
        let running = Running { press, status: StatusLine::default(), buffer: Vec::new(), is_on_terminal };
        thread::Builder::new()
            .name("printer".to_owned())
            // Nobody receives if the program exits before the end.
            .spawn(move || drop(send_done.send(running.print_all(received))))
            .map_err(|cause| Error::caused_by(cause, "start a thread to print"))?;
        Ok(Self { jobs, done })
    }
}

impl Running {
    fn print_all(mut self, mut jobs: Receiver<Job>) -> Result<Printed, Error> {
        let printed = self.print_jobs(&mut jobs);
        self.status.clear();
        let sent = self.press.exporter.take().map(Exporter::finish);
        match printed {
            Ok(()) => match sent.filter(|delivery| !delivery.is_complete()) {
                Some(delivery) => Err(Error::new(format!("send everything to the OTLP endpoint: {delivery}"))),
                None => Ok(Printed::All),
            },
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Printed::ReaderGone),
            Err(error) => Err(self.press.output.failed(error)),
        }
    }

    fn print_jobs(&mut self, jobs: &mut Receiver<Job>) -> io::Result<()> {
        while let Some(job) = jobs.blocking_recv() {
            match job {
                Job::Print(batch) => self.print(&batch)?,
                Job::Say(text) => self.say(&text),
                Job::Show(status) => self.status.show(&status),
            }
        }
        Ok(())
    }

    fn print(&mut self, batch: &[Update]) -> io::Result<()> {
        for update in batch {
            if let Some(exporter) = &self.press.exporter {
                otlp::record_of(update).into_iter().for_each(|record| exporter.send(record));
            }
            let counted = self.press.writer.write(&mut self.buffer, update);
            self.press.counts.count(&counted);
            match (update, counted) {
                (Update::Notice(notice), _) => self.say_notice(notice)?,
                (_, Counted::Unreadable(why)) if self.press.counts.unreadable() == 1 => {
                    let why = shown::line(&why);
                    self.say(&format!("Unreadable data arrived, and is reported in the output: {why}"));
                }
                _ => {}
            }
            if self.buffer.len() >= WRITE_BYTES {
                self.write()?;
            }
        }
        self.write()
    }

    /// Prints a notice on standard error. On a terminal the output has it already, except for a lost connection.
    fn say_notice(&mut self, notice: &Notice) -> io::Result<()> {
        self.write()?;
        if !self.is_on_terminal || matches!(notice, Notice::Cut { .. }) {
            self.say(&notice.to_string());
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.is_on_terminal {
            self.status.clear();
        }
        self.press.output.write(&self.buffer)?;
        self.buffer.clear();
        if self.is_on_terminal {
            self.status.draw();
        }
        Ok(())
    }

    fn say(&mut self, text: &str) {
        if !self.press.is_quiet {
            self.status.clear();
            say::report(text);
            self.status.draw();
        }
    }
}
