//! `tracing-tap watch`: reads a session of a service to its end.
//!
//! `arguments` are the options. `reader` reads over HTTP, with `backoff` between its attempts, and `fleet` over NATS, for
//! a session `wanted`; each returns what it has `opened`, and sends every `update`. A `source` is either of them.
//! `instances` reads what an HTTP endpoint of a fleet sends about instances. `printer` is the thread that writes updates,
//! formatted by `writer`, to the `output`, and the `status` line, and sends them by `otlp`; it keeps the `counts`.
//! `observe` looks after both, in the words of `reports`. This file connects them, and ends them.

mod arguments;
mod backoff;
mod counts;
mod duration;
mod fleet;
mod instances;
mod observe;
mod opened;
mod otlp;
mod output;
mod printer;
mod reader;
mod signals;
mod source;
mod status;
mod reports;
mod update;
mod wanted;
mod writer;

pub(crate) use arguments::{Arguments, JsonLines, follow, format_parser, patience, time};
pub(crate) use counts::Counted;
pub(crate) use duration::exact;
pub(crate) use instances::OfInstance;
pub(crate) use opened::Began;
pub(crate) use output::Output;
pub(crate) use reports::short;
pub(crate) use signals::Signals;
pub(crate) use source::Source;
pub(crate) use update::Update;
pub(crate) use writer::Writer;

use crate::error::Error;
use crate::remote::{Access, Client, Destination, Endpoint, Fleet, FleetAccess, SessionRequest};
use crate::{say, terminal};
use counts::Counts;
use observe::Observer;
use printer::{Job, Press, Printed, Printer};
use source::Handle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tracing_tap::{EndReason, Format, Item};
use tracing_tap_nats::FleetItem;
use wanted::Wanted;

/// Exit code after the second Ctrl-C.
const INTERRUPTED: u8 = 130;
/// Exit code if nothing matched with `--expect`.
const NOTHING_MATCHED: u8 = 4;
/// How long a server may take to close the session, and then be silent before the end.
const CLOSING: Duration = Duration::from_secs(10);
/// How often it is checked that the output is still read, while nothing is written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the request may take that frees an ended session. The service would free it soon by itself.
const FORGETTING: Duration = Duration::from_secs(1);

/// A watch at work.
struct Watch {
    source: Source,
    jobs: mpsc::Sender<Job>,
    done: oneshot::Receiver<Result<Printed, Error>>,
    signals: Signals,
    /// Why the session has ended, once it has.
    reason: Option<EndReason>,
    is_on_stdout: bool,
    is_closing: bool,
    is_quiet: bool,
}

/// How the reading ended.
enum Over {
    /// Everything was read and sent to the printer.
    Read,
    Printer(Result<Printed, Error>),
    Failed(Error),
    Interrupted,
}

/// Watches to the end. Returns the exit code.
pub(crate) async fn run(arguments: Arguments) -> Result<u8, Error> {
    let ask = arguments.ask()?;
    let opening = Opening::of(&arguments.access, arguments.url.as_deref(), &arguments.fleet, ask)?;
    // Before a session is open that would have to be closed, and the file after all that can be refused.
    let exporter = arguments.otlp.exporter(opening.service().as_deref(), arguments.access.allows_plaintext())?;
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
        // A session that may have been opened is closed by the service because nobody reads it.
        () = signals.next() => {
            output.discard();
            return Ok(INTERRUPTED);
        }
    };

    let counts = Arc::<Counts>::default();
    let writer = writer(&arguments, &output);
    let press = Press { output, writer, exporter, counts: Arc::clone(&counts), is_quiet: arguments.quiet };
    let Printer { jobs, done } = Printer::start(press)?;
    let _ = jobs.send(Job::Say(reports::opened(&began))).await;
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
        say::report("error: nothing has matched");
        return Ok(NOTHING_MATCHED);
    }
    Ok(code)
}

/// What to open: everything is checked that can be before the service is contacted.
pub(crate) enum Opening {
    Endpoint(Box<Endpoint>, Box<SessionRequest>),
    Fleet(Box<Fleet>, Box<Wanted>),
}

impl Opening {
    pub(crate) fn of(
        access: &Access,
        url: Option<&str>,
        fleet: &FleetAccess,
        ask: SessionRequest,
    ) -> Result<Self, Error> {
        match access.destination(url, fleet)? {
            Destination::Endpoint(target) => {
                Ok(Self::Endpoint(Box::new(Endpoint::new(Client::new(target)?)), Box::new(ask)))
            }
            Destination::Fleet(fleet) => Ok(Self::Fleet(fleet, Box::new(Wanted::of(&ask)?))),
        }
    }

    /// The fleet's service, or its services with commas; `None` at an HTTP endpoint.
    fn service(&self) -> Option<String> {
        match self {
            Self::Endpoint(..) => None,
            Self::Fleet(fleet, _) => Some(fleet.url.services().join(",")),
        }
    }

    pub(crate) async fn open(self, patience: Duration) -> Result<(Source, Began), Error> {
        match self {
            Self::Endpoint(endpoint, ask) => {
                Ok(Source::of(reader::open(*endpoint, *ask, patience).await?, Handle::Http))
            }
            Self::Fleet(fleet, wanted) => Ok(Source::of(fleet::open(&fleet, *wanted, patience).await?, Handle::Fleet)),
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
    Writer { format: arguments.format.unwrap_or(usual), is_coloured, json: arguments.json.options() }
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
                // So that the status line is gone before the error. The output may be stuck, so not for long.
                drop(self.jobs);
                let _ = tokio::time::timeout(FORGETTING, self.done).await;
                Err(error)
            }
            Over::Printer(printed) => self.close_after(printed).await,
            Over::Read => self.finish(counts).await,
        }
    }

    /// Sends updates to the printer until there are no more.
    async fn read_to_end(&mut self) -> Over {
        let (send_closed, mut closed) = mpsc::channel(1);
        let mut look = tokio::time::interval(LOOK_EVERY);
        // Since when the server is silent, once it has closed the session.
        let mut silent_since: Option<Instant> = None;
        loop {
            tokio::select! {
                batch = next(&mut self.source.updates, &self.jobs) => match batch {
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
                    let _ = self.jobs.try_send(Job::Say("Closing the session; Ctrl-C again exits at once.".to_owned()));
                    self.close(send_closed.clone());
                }
                Some(closed) = closed.recv() => match closed {
                    Ok(()) => silent_since = Some(Instant::now()),
                    Err(error) => return Over::Failed(error),
                },
                printed = &mut self.done => return Over::Printer(joined(printed)),
                // No error reports this while nothing is written.
                _ = look.tick() => {
                    if self.is_on_stdout && output::nobody_reads() {
                        return Over::Printer(Ok(Printed::ReaderGone));
                    }
                    // A slow reader of the output holds up the server, whose silence does not count then.
                    if self.jobs.capacity() == 0 {
                        silent_since = silent_since.map(|_| Instant::now());
                    }
                    if silent_since.is_some_and(|since| since.elapsed() >= CLOSING) {
                        let problem = format!("read the session to its end: nothing arrived for {CLOSING:?}");
                        return Over::Failed(Error::new(problem).advise(self.source.handle.left_open()));
                    }
                }
            }
        }
    }

    /// Closes the session while what is left is read; `closed` gets the result.
    fn close(&self, closed: mpsc::Sender<Result<(), Error>>) {
        let handle = self.source.handle.clone();
        tokio::spawn(async move {
            let done = tokio::time::timeout(CLOSING, handle.close())
                .await
                .unwrap_or_else(|_| Err(Error::new(format!("close the session: no answer after {CLOSING:?}"))));
            // Nobody receives once everything was read.
            let _ = closed.send(done.map_err(|error| error.advise(handle.left_open()))).await;
        });
    }

    /// Closes the session if the output has no reader, or cannot be written to.
    async fn close_after(mut self, printed: Result<Printed, Error>) -> Result<u8, Error> {
        drop(self.source.updates);
        // The session ends by itself soon; the error to report is that of the output.
        tokio::select! {
            _ = tokio::time::timeout(CLOSING, self.source.handle.abandon()) => {}
            () = self.signals.next() => {}
        }
        printed.map(|_| 0)
    }

    /// Waits until everything is printed, and reports the totals.
    async fn finish(mut self, counts: &Counts) -> Result<u8, Error> {
        let handle = self.source.handle.clone();
        let read = self.source.task.await.map_err(|cause| Error::caused_by(cause, "read the session"))?;
        drop(self.jobs);
        let printed = tokio::select! {
            printed = &mut self.done => joined(printed),
            () = self.signals.next() => return Ok(INTERRUPTED),
        };
        if !self.is_closing {
            // The service keeps an ended session for a while, and counts it against the limit of its opener.
            let _ = tokio::time::timeout(FORGETTING, handle.close()).await;
        }
        printed?;
        read?;
        if !self.is_quiet {
            let coverage = match self.reason {
                // A service that is shutting down may not answer any more.
                Some(EndReason::Shutdown) => None,
                _ => tokio::select! {
                    known = handle.last_coverage() => known,
                    () = self.signals.next() => return Ok(INTERRUPTED),
                },
            };
            say::report(reports::ended(self.reason, counts, coverage.as_ref()));
        }
        match counts.unreadable() {
            0 => Ok(0),
            count => Err(Error::new(format!("read everything that arrived: {count} lines were no events"))),
        }
    }
}

/// The next batch, once the printer has room for it.
async fn next<'a>(
    updates: &mut mpsc::Receiver<Vec<Update>>,
    jobs: &'a mpsc::Sender<Job>,
) -> Option<(Vec<Update>, mpsc::Permit<'a, Job>)> {
    let Ok(permit) = jobs.reserve().await else {
        // The printer has ended, and reports why itself.
        return std::future::pending().await;
    };
    Some((updates.recv().await?, permit))
}

fn end_of(batch: &[Update]) -> Option<EndReason> {
    match batch.last()? {
        Update::Item(Item::Ended(reason)) | Update::Fleet(FleetItem::Ended(reason)) => Some(*reason),
        _ => None,
    }
}

fn joined(printed: Result<Result<Printed, Error>, oneshot::error::RecvError>) -> Result<Printed, Error> {
    printed.unwrap_or_else(|_| Err(Error::new("print the events: the printing thread panicked")))
}
