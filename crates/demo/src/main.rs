//! A busy chat service, and one of its users watched: `cargo run --release -p demo`.
//!
//! `chat` is the service and knows nothing of sessions; `clients` keep it busy; `watch` opens the session and measures;
//! `endpoint` serves HTTP; `log` is the service's own log; `print` prints the events, and `summary` the totals. `fleet`
//! is
//! the same with several services, each a process, and one watcher; `fleet_build` builds that for `--fleet`.

mod chat;
mod clients;
mod count;
mod descriptors;
mod endpoint;
mod error;
#[cfg(feature = "fleet")]
mod fleet;
#[cfg(not(feature = "fleet"))]
mod fleet_build;
mod log;
mod plan;
mod print;
mod summary;
mod watch;

use chat::Service;
use clap::Parser;
use clients::Clients;
use error::Error;
use plan::{Arguments, Plan};
use print::Printed;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use summary::{Summary, grouped};
use tokio::runtime::Runtime;
use tracing_tap::TapRouter;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            say(format_args!("error: failed to {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    match arguments.fleet {
        #[cfg(feature = "fleet")]
        Some(count) => fleet::run(arguments, count).map(|()| ExitCode::SUCCESS),
        #[cfg(not(feature = "fleet"))]
        Some(_) => fleet_build::run(),
        None => run_alone(arguments).map(|()| ExitCode::SUCCESS),
    }
}

/// One service in this process. If the reader of the output goes away, it ends silently.
fn run_alone(arguments: &Arguments) -> Result<(), Error> {
    let plan = Plan::new(arguments)?;
    descriptors::allow_for(plan.connections)?;
    let router = TapRouter::new();
    log::install(&router);

    let runtime = Runtime::new().map_err(|cause| Error::caused_by(cause, "start the service's threads"))?;
    say(format_args!("Starting a chat service and {} clients, all in this process.", grouped(plan.connections)));
    let (address, mut clients) = runtime.block_on(start(&plan))?;
    explain(&plan, address);
    invite(runtime.block_on(endpoint::open(&router, plan.http_port))?, plan.user);
    let (measured, printed) = watch::watch(&router, &plan)?;
    if let Some(cause) = clients.first_failure() {
        return Err(Error::caused_by(cause, "keep all clients connected"));
    }
    runtime.shutdown_background();

    match printed {
        Printed::All(account) => print::last_word(&Summary { plan: &plan, measured, account }),
        Printed::ReaderGone => Ok(()),
    }
}

/// Starts the service, connects all its clients, and only then sets them to work.
async fn start(plan: &Plan) -> Result<(SocketAddr, Clients), Error> {
    let service = Service::bind(plan.port).await?;
    let address = service.address();
    let accepting = tokio::spawn(service.accept());
    tokio::select! {
        clients = clients::connect(address, plan) => Ok((address, clients?.set_to_work())),
        ended = accepting => Err(match ended {
            Ok(cause) => Error::caused_by(cause, "accept connections"),
            Err(cause) => Error::caused_by(cause, "keep the service running"),
        }),
    }
}

fn explain(plan: &Plan, address: SocketAddr) {
    say(format_args!("All are connected to {address} and keep it busy, each as one of {} users.", grouped(plan.users)));
    say(format_args!(
        "Watching user {} ({} of the connections) for {} s: all its events, down to TRACE, follow on standard output.",
        plan.user,
        plan.watched_connections(),
        plan.duration.as_secs(),
    ));
    say(format_args!(
        "Every {} ms the session is closed or opened again, to compare the service's speed; while it is closed, \
         nothing is shown.",
        plan.slice().as_millis(),
    ));
}

fn invite(address: SocketAddr, user: u64) {
    say(format_args!("Watch it from elsewhere on this machine, at the same time:"));
    say(format_args!("  tracing-tap watch http://{address} 'user = {user}'"));
    say(format_args!("  curl -N 'http://{address}/watch?q=user%3D{user}&format=compact'"));
    say(format_args!("or in a browser: http://{address}/"));
}

/// Prints a line on standard error, if that is still open.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
