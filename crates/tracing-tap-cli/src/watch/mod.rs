//! `tracing-tap watch`: a session read from afar, to its end.
//!
//! `arguments` is what may be asked; a `source` gives what is told: `reader` is that over HTTP, with `backoff` between its
//! tries, and `fleet` that over NATS, where the session `wanted` is opened from here; what a door to a fleet tells beside
//! events is read by `instances`; `printer` is the thread that writes it, by a `writer`, to the `output`, beside the `status` line; `observe`
//! looks after both, in the words of `telling`. Here they are put together, and taken apart at the end.

mod arguments;
mod backoff;
mod counts;
mod fleet;
mod instances;
mod observe;
mod output;
mod printer;
mod reader;
mod signals;
mod source;
mod status;
mod telling;
mod wanted;
mod writer;

pub(crate) use arguments::Arguments;
pub(crate) use signals::Signals;
pub(crate) use telling::short;

use crate::error::Error;
use crate::remote::{Ask, Client, Endpoint, Fleet, Place};
use crate::{say, terminal};
use counts::Counts;
use observe::Observer;
use output::Output;
use printer::{Job, Press, Printed, Printer};
use source::{Began, Source, Told};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tracing_tap::{EndReason, Format, Item};
use tracing_tap_nats::FleetItem;
use wanted::Wanted;
use writer::Writer;

/// Ended by the second Ctrl-C.
const INTERRUPTED: u8 = 130;
/// Nothing has matched, and something was expected to.
const NOTHING_MATCHED: u8 = 4;
/// How long a server may take to close the session, and then say nothing while something is left.
const CLOSING: Duration = Duration::from_secs(10);
/// How often it is looked whether anybody reads the output, while there is none.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to be told that a session which is over need not be kept. It is not for long anyway.
const FORGETTING: Duration = Duration::from_secs(1);

/// A watch at work.
struct Watch {
    source: Source,
    jobs: mpsc::Sender<Job>,
    done: oneshot::Receiver<Result<Printed, Error>>,
    signals: Signals,
    /// Why the session is over, once it is.
    reason: Option<EndReason>,
    is_on_stdout: bool,
    is_closing: bool,
    is_quiet: bool,
}

/// How the reading came to its end.
enum Over {
    /// All was read and handed to the printer.
    Read,
    Printer(Result<Printed, Error>),
    Failed(Error),
    Interrupted,
}

/// Watches to the end; what it gives is the exit code.
pub(crate) async fn run(arguments: Arguments) -> Result<u8, Error> {
    let ask = arguments.ask()?;
    let opening = Opening::of(&arguments, ask)?;
    // Before anything is open that would have to be closed.
    let output = output(&arguments)?;
    let mut signals = Signals::listen()?;
    let (source, began) = tokio::select! {
        opened = opening.open(arguments.reconnect_for) => match opened {
            Ok(opened) => opened,
            Err(error) => {
                output.discard();
                return Err(error);
            }
        },
        // What may have been opened is closed by the service when nobody has read it.
        () = signals.next() => {
            output.discard();
            return Ok(INTERRUPTED);
        }
    };

    let counts = Arc::<Counts>::default();
    let writer = writer(&arguments, &output);
    let press = Press { output, writer, counts: Arc::clone(&counts), is_quiet: arguments.quiet };
    let Printer { jobs, done } = Printer::start(press)?;
    let _ = jobs.send(Job::Say(telling::opened(&began))).await;
    let observer = observer(&arguments, &source, &counts, &jobs, began);
    let watch = Watch {
        source,
        jobs,
        done,
        signals,
        reason: None,
        is_on_stdout: arguments.output.is_none(),
        is_closing: false,
        is_quiet: arguments.quiet,
    };
    let code = watch.read(observer, &counts).await?;
    if code == 0 && arguments.expect && counts.matched() == 0 {
        say::tell("error: nothing has matched");
        return Ok(NOTHING_MATCHED);
    }
    Ok(code)
}

/// What is to be opened, with all known that can be before anybody is asked.
enum Opening {
    Endpoint(Box<Endpoint>, Ask),
    Fleet(Box<Fleet>, Box<Wanted>),
}

impl Opening {
    fn of(arguments: &Arguments, ask: Ask) -> Result<Self, Error> {
        match arguments.access.place(arguments.url.as_deref(), &arguments.fleet)? {
            Place::Endpoint(target) => Ok(Self::Endpoint(Box::new(Endpoint::new(Client::new(target)?)), ask)),
            Place::Fleet(fleet) => Ok(Self::Fleet(fleet, Box::new(Wanted::of(&ask)?))),
        }
    }

    async fn open(self, patience: Duration) -> Result<(Source, Began), Error> {
        match self {
            Self::Endpoint(door, ask) => reader::open(*door, ask, patience).await,
            Self::Fleet(fleet, wanted) => fleet::open(&fleet, *wanted, patience).await,
        }
    }
}

fn output(arguments: &Arguments) -> Result<Output, Error> {
    match &arguments.output {
        Some(path) => Output::file(path, arguments.append),
        None => Ok(Output::Standard),
    }
}

fn writer(arguments: &Arguments, output: &Output) -> Writer {
    let usual = if output.is_terminal() { Format::Compact } else { Format::Json };
    let is_coloured = matches!(output, Output::Standard) && arguments.color.for_stdout();
    Writer { format: arguments.format.unwrap_or(usual), is_coloured, json: arguments.json() }
}

fn observer(
    arguments: &Arguments,
    source: &Source,
    counts: &Arc<Counts>,
    jobs: &mpsc::Sender<Job>,
    began: Began,
) -> Observer {
    Observer {
        handle: source.handle.clone(),
        counts: Arc::clone(counts),
        jobs: jobs.clone(),
        coverage: began.coverage,
        shows_status: !arguments.quiet && terminal::has_stderr(),
    }
}

impl Watch {
    async fn read(mut self, observer: Observer, counts: &Counts) -> Result<u8, Error> {
        let over = {
            let observing = observer.observe();
            tokio::pin!(observing);
            tokio::select! {
                over = self.read_to_end() => over,
                never = &mut observing => match never {},
            }
        };
        match over {
            Over::Interrupted => {
                status::wipe();
                Ok(INTERRUPTED)
            }
            Over::Failed(error) => {
                // So that its status line is not in the way. It may have nobody to print for.
                drop(self.jobs);
                let _ = tokio::time::timeout(FORGETTING, self.done).await;
                Err(error)
            }
            Over::Printer(printed) => self.close_after(printed).await,
            Over::Read => self.finish(counts).await,
        }
    }

    /// Hands on what is told until there is no more.
    async fn read_to_end(&mut self) -> Over {
        let (send_closed, mut closed) = mpsc::channel(1);
        let mut look = tokio::time::interval(LOOK_EVERY);
        // Since when the server says nothing, once it has closed the session.
        let mut silent_since: Option<Instant> = None;
        loop {
            tokio::select! {
                told = next(&mut self.source.told, &self.jobs) => match told {
                    Some((batch, permit)) => {
                        silent_since = silent_since.map(|_| Instant::now());
                        self.reason = self.reason.or(end_of(&batch));
                        permit.send(Job::Print(batch));
                    }
                    None => return Over::Read,
                },
                () = self.signals.next() => {
                    if self.is_closing {
                        return Over::Interrupted;
                    }
                    self.is_closing = true;
                    let _ = self.jobs.try_send(Job::Say("Closing the session; Ctrl-C again leaves at once.".to_owned()));
                    self.close(send_closed.clone());
                }
                Some(closed) = closed.recv() => match closed {
                    Ok(()) => silent_since = Some(Instant::now()),
                    Err(error) => return Over::Failed(error),
                },
                printed = &mut self.done => return Over::Printer(joined(printed)),
                // Told by no signal while nothing is written.
                _ = look.tick() => {
                    if self.is_on_stdout && output::nobody_reads() {
                        return Over::Printer(Ok(Printed::ReaderGone));
                    }
                    // Whoever reads the output slowly is waited for: the server cannot go on meanwhile.
                    if self.jobs.capacity() == 0 {
                        silent_since = silent_since.map(|_| Instant::now());
                    }
                    if silent_since.is_some_and(|since| since.elapsed() >= CLOSING) {
                        let problem = format!("read the session to its end: nothing more came for {CLOSING:?}");
                        return Over::Failed(Error::new(problem).advise(self.source.handle.left_open()));
                    }
                }
            }
        }
    }

    /// Has the session closed, beside the reading of what is left; says how that went.
    fn close(&self, closed: mpsc::Sender<Result<(), Error>>) {
        let handle = self.source.handle.clone();
        tokio::spawn(async move {
            let done = tokio::time::timeout(CLOSING, handle.close()).await.unwrap_or_else(|_| {
                Err(Error::new(format!("close the session: there is no answer after {CLOSING:?}")))
            });
            // Nobody listens once all was read.
            let _ = closed.send(done.map_err(|error| error.advise(handle.left_open()))).await;
        });
    }

    /// Closes the session of an output that nobody reads, or that cannot be written to.
    async fn close_after(mut self, printed: Result<Printed, Error>) -> Result<u8, Error> {
        drop(self.source.told);
        // It is over by itself soon; and what is to be told is why the output failed.
        tokio::select! {
            _ = tokio::time::timeout(CLOSING, self.source.handle.abandon()) => {}
            () = self.signals.next() => {}
        }
        printed.map(|_| 0)
    }

    /// Waits until all is printed, and says what came of it.
    async fn finish(mut self, counts: &Counts) -> Result<u8, Error> {
        let handle = self.source.handle.clone();
        let read = self.source.task.await.map_err(|cause| Error::caused_by(cause, "read the session"))?;
        drop(self.jobs);
        let printed = tokio::select! {
            printed = &mut self.done => joined(printed),
            () = self.signals.next() => return Ok(INTERRUPTED),
        };
        if !self.is_closing {
            // One that was read to its end is kept for a while, and counts as one of ours.
            let _ = tokio::time::timeout(FORGETTING, handle.close()).await;
        }
        printed?;
        read?;
        if !self.is_quiet {
            let mut coverage = None;
            if counts.matched() == 0 {
                tokio::select! {
                    known = handle.last_coverage() => coverage = known,
                    () = self.signals.next() => return Ok(INTERRUPTED),
                }
            }
            say::tell(telling::ended(self.reason, counts, coverage.as_ref()));
        }
        match counts.unreadable() {
            0 => Ok(0),
            count => Err(Error::new(format!("read all that came: {count} lines were no events"))),
        }
    }
}

/// What is told next, once there is room to print it.
async fn next<'a>(
    told: &mut mpsc::Receiver<Vec<Told>>,
    jobs: &'a mpsc::Sender<Job>,
) -> Option<(Vec<Told>, mpsc::Permit<'a, Job>)> {
    let Ok(permit) = jobs.reserve().await else {
        // The printer is done, which says itself why.
        return std::future::pending().await;
    };
    Some((told.recv().await?, permit))
}

fn end_of(batch: &[Told]) -> Option<EndReason> {
    match batch.last()? {
        Told::Item(Item::Ended(reason)) | Told::Fleet(FleetItem::Ended(reason)) => Some(*reason),
        _ => None,
    }
}

fn joined(printed: Result<Result<Printed, Error>, oneshot::error::RecvError>) -> Result<Printed, Error> {
    printed.unwrap_or_else(|_| Err(Error::new("print the events: the printing thread panicked")))
}
