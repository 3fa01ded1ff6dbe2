//! `tracing-tap demo`: a busy chat service, and one of its users watched.
//!
//! `chat` is the service and knows nothing of sessions; `clients` keep it busy; `watch` opens the session and
//! measures; `door` lets others watch over HTTP; `log` is what the service
//! itself logs; `print` shows what comes of it; `summary` is the last word. `fleet` is
//! the same with several services, each a process, and a watcher of them all.

mod chat;
mod clients;
mod count;
mod descriptors;
mod door;
mod fleet;
mod log;
mod plan;
mod print;
mod summary;
mod watch;

pub(crate) use plan::Arguments;

use crate::error::Error;
use chat::Service;
use clients::Clients;
use plan::Plan;
use print::Printed;
use std::io::{self, Write};
use std::net::SocketAddr;
use summary::{Summary, grouped};
use tokio::runtime::Runtime;
use tracing_tap::TapRouter;

/// Runs the demo to its end; the end of whoever reads its output is a quiet one.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    if let Some(count) = arguments.fleet {
        return fleet::run(arguments, count);
    }
    let plan = Plan::new(arguments)?;
    descriptors::allow_for(plan.connections)?;
    let router = TapRouter::new();
    log::install(&router);

    let runtime = Runtime::new().map_err(|cause| Error::caused_by(cause, "start the service's threads"))?;
    say(format_args!("Starting a chat service and {} clients, all in this process.", grouped(plan.connections)));
    let (address, mut clients) = runtime.block_on(start(&plan))?;
    explain(&plan, address);
    invite(runtime.block_on(door::open(&router, plan.door_port))?, plan.user);
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
        "Every {} ms the session is closed or opened anew, to compare the service's speed; while it is closed, \
         nothing is shown.",
        plan.slice().as_millis(),
    ));
}

fn invite(door: SocketAddr, user: u64) {
    say(format_args!("Watch it from elsewhere on this machine, at the same time:"));
    say(format_args!("  tracing-tap watch http://{door} 'user = {user}'"));
    say(format_args!("  curl -N 'http://{door}/watch?q=user%3D{user}&format=compact'"));
    say(format_args!("or in a browser: http://{door}/"));
}

/// Tells whoever started the demo, if anybody still listens.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
