//! `cargo run --release -p demo -- --fleet 3`: the chat service as several processes, and one of its users watched over
//! all of them.
//!
//! `server` and `processes` are what is started; the binary starts itself as `instance` and as `keeper`; this file is
//! the
//! watcher; `summary` prints the totals.

mod instance;
mod keeper;
mod processes;
mod server;
mod summary;

use super::plan::{Arguments, Plan};
use super::{print, say};
use crate::error::Error;
use async_nats::ConnectOptions;
use processes::Instance;
use server::Server;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use summary::Summary;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until};
use tracing_tap::{Format, Predicate, SessionOptions};
use tracing_tap_nats::{self as fleet, Config, FleetItem, FleetStream, Key};

const SERVICE: &str = "chat";
/// How much may wait to be printed: batches, and items in each.
const BATCHES: usize = 4;
const BATCH_ITEMS: usize = 256;
/// How long after the end events that wait may still be printed.
const GRACE: Duration = Duration::from_secs(5);

/// The watcher.
struct Watcher {
    stream: FleetStream,
    lines: Sender<Vec<u8>>,
    /// Notified of each Ctrl-C.
    interrupted: Arc<Notify>,

    summary: Summary,
}

/// How the watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Read,
    /// The reader of the output has gone, or the output failed.
    NobodyReads,
    /// Ended by the second Ctrl-C.
    Interrupted,
}

/// Runs the fleet. If the reader of the output goes away, it ends silently. If the binary has started itself, this is
/// an
/// instance or the keeper.
pub(super) fn run(arguments: &Arguments, count: u64) -> Result<(), Error> {
    if let Some(kept) = keeper::Kept::read() {
        return kept.keep();
    }
    if let Some(assignment) = processes::Assignment::read()? {
        return instance::run(&Plan::share(arguments, assignment.number, count)?, &assignment);
    }
    // The smallest share has the fewest users.
    let plan = Plan::share(arguments, count, count)?;
    let runtime = Runtime::new().map_err(|cause| Error::caused_by(cause, "start the watcher's threads"))?;
    let shown = runtime.block_on(show(&plan, count));
    runtime.shutdown_background();
    shown
}

/// Everything that is started here ends with this function.
async fn show(plan: &Plan, count: u64) -> Result<(), Error> {
    let interrupted = Arc::new(Notify::new());
    let notify = Arc::clone(&interrupted);
    ctrlc::set_handler(move || notify.notify_one()).map_err(|cause| Error::caused_by(cause, "listen for Ctrl-C"))?;
    say(format_args!("Starting a NATS server and {count} instances of a chat service, each a process of its own."));
    let key = random_key()?;
    let server = tokio::select! {
        server = Server::start() => server?,
        () = interrupted.notified() => return Ok(()),
    };
    let mut instances = Instance::start_all(count, &server.url(), &key)?;
    tokio::select! {
        ready = processes::all_ready(&mut instances) => ready?,
        () = interrupted.notified() => return Ok(()),
    }
    let stream = watch(plan, &server.url(), key).await?;
    explain(plan, count, &server.url());
    let (lines, received) = mpsc::channel(BATCHES);
    let printing = print_all(received)?;
    let mut watcher = Watcher { stream, lines, interrupted, summary: Summary::new(plan.user, count) };
    let over = watcher.read(Instant::now() + plan.duration).await;
    let Watcher { stream, lines, mut summary, .. } = watcher;
    drop(lines);
    summary.finish(&stream.stats());
    if over == Over::Interrupted {
        return Ok(());
    }
    // Nothing else is left to do, so this thread may block.
    match printing.join() {
        Ok(Ok(())) => print::last_word(&summary),
        Ok(Err(error)) => print::quiet_if_reader_is_gone(error),
        Err(_) => Err(Error::new("print the events: the printing thread panicked")),
    }
}

/// A key for this run.
fn random_key() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|cause| Error::new(format!("make a key for the fleet: {cause}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn config(key: &str) -> Result<Config, Error> {
    let key = Key::new(key).map_err(|error| Error::new(error.to_string()))?;
    Config::new(SERVICE, key).map_err(|error| Error::new(error.to_string()))
}

async fn connect(url: &str) -> Result<async_nats::Client, Error> {
    let connected = ConnectOptions::new().connect(url).await;
    connected.map_err(|cause| Error::caused_by(cause, format!("connect to the NATS server at {url}")))
}

async fn watch(plan: &Plan, url: &str, key: String) -> Result<FleetStream, Error> {
    let session = SessionOptions::new(Predicate::eq("user", plan.user)).name("demo");
    let opened = fleet::watch(connect(url).await?, &config(&key)?, session).await;
    opened.map_err(|error| Error::new(error.to_string()))
}

fn explain(plan: &Plan, count: u64, url: &str) {
    let Plan { user, duration, .. } = plan;
    say(format_args!("They meet at {url}, and their clients keep them busy."));
    say(format_args!(
        "Watching user {user} at all {count} for {} s: all its events, down to TRACE, follow on standard output.",
        duration.as_secs()
    ));
}

impl Watcher {
    /// Sends what arrives to the printer until the session ends.
    async fn read(&mut self, ends_at: Instant) -> Over {
        let mut closes_at = ends_at;
        let mut is_closing = false;
        loop {
            tokio::select! {
                batch = next(&mut self.stream, &self.lines, &mut self.summary) => match batch {
                    Ok(true) => {}
                    Ok(false) => return Over::Read,
                    Err(NobodyReads) => return Over::NobodyReads,
                },
                () = self.interrupted.notified() => {
                    if is_closing {
                        return Over::Interrupted;
                    }
                    closes_at = Instant::now();
                }
                // What is left then is counted as not printed.
                () = sleep_until(closes_at) => {
                    if is_closing {
                        return Over::Read;
                    }
                    (is_closing, closes_at) = (true, Instant::now() + GRACE);
                    self.stream.close();
                }
            }
        }
    }
}

struct NobodyReads;

/// Sends the next items, once the channel has room. Returns whether there may be more. Cancel safe.
async fn next(stream: &mut FleetStream, lines: &Sender<Vec<u8>>, summary: &mut Summary) -> Result<bool, NobodyReads> {
    let permit = lines.reserve().await.map_err(|_| NobodyReads)?;
    let Some(first) = stream.recv().await else { return Ok(false) };
    let mut batch = Vec::new();
    write(&mut batch, &first, summary);
    for _ in 1..BATCH_ITEMS {
        let Ok(item) = stream.try_recv() else { break };
        write(&mut batch, &item, summary);
    }
    permit.send(batch);
    Ok(true)
}

fn write(out: &mut Vec<u8>, item: &FleetItem, summary: &mut Summary) {
    item.write(out, Format::Human);
    // An event ends without an empty line, as everywhere.
    if matches!(item, FleetItem::Event(_)) && !out.ends_with(b"\n\n") {
        out.push(b'\n');
    }
    summary.note(item);
}

/// A thread of its own, so that a slow terminal does not hold up the watcher.
fn print_all(mut lines: Receiver<Vec<u8>>) -> Result<JoinHandle<io::Result<()>>, Error> {
    let print = move || {
        while let Some(batch) = lines.blocking_recv() {
            let mut out = io::stdout().lock();
            out.write_all(&batch).and_then(|()| out.flush())?;
        }
        Ok(())
    };
    let started = thread::Builder::new().name("printer".to_owned()).spawn(print);
    started.map_err(|cause| Error::caused_by(cause, "start a thread to print"))
}
