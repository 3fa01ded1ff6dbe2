//! The service process: installs what its row says, serves until its parent closes its input, and says what it has seen.

use crate::configuration::{self, Subscriber};
use crate::log::Log;
use crate::process::Account;
use crate::workload::Workload;
use crate::{connections, readers, requests};
use std::any::Any;
use std::io::{self, Read};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};
use tracing_tap::TapRouter;

/// Leaves a core to the load. CPU time per request is the same with more; what threads pay for each other is a matter for
/// the paths bench.
const WORKERS: usize = 1;

/// What has to live as long as the service.
type Kept = Box<dyn Any>;

pub(crate) fn serve(workload: &str, configuration: &str) {
    let workload = Workload::find(workload);
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().expect("a runtime starts");
    let _context = runtime.enter();
    let router = TapRouter::new();
    let _kept = install(&configuration::find(configuration).subscriber, &router);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
    println!("{}", listener.local_addr().expect("a listener has an address"));
    runtime.spawn(async move {
        let ended = match workload {
            Workload::Requests => requests::serve(listener).await,
            Workload::Connections => connections::serve(listener).await,
        };
        panic!("the service ended: {ended:?}");
    });
    io::stdin().read_to_end(&mut Vec::new()).expect("the parent only closes it");
    let events = router.stats().events;
    println!("{}", Account { matched: events.matched, lost: events.lost, lines: Log::lines() });
}

fn install(subscriber: &Subscriber, router: &TapRouter) -> Kept {
    let registry = tracing_subscriber::registry();
    let log = fmt::layer().json();
    match subscriber {
        Subscriber::NoRouter => {
            registry.with(log.with_writer(|| Log).with_filter(LevelFilter::INFO)).init();
            Box::new(())
        }
        Subscriber::Router(sessions) => {
            let log = log.with_writer(|| Log).with_filter(LevelFilter::INFO);
            registry.with(log).with(router.layer()).init();
            readers::open(router, sessions)
        }
        Subscriber::Refusal => {
            registry.with(log.with_writer(|| Log).with_filter(LevelFilter::INFO)).with(Refuses).init();
            Box::new(())
        }
        Subscriber::EnvFilter => {
            let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
            registry.with(log.with_writer(|| Log).with_filter(filter)).init();
            let user = configuration::WATCHED;
            let directives = format!("info,[request{{user={user}}}]=trace,[conn{{user={user}}}]=trace");
            handle.reload(EnvFilter::new(directives)).expect("the subscriber is there");
            Box::new(())
        }
        Subscriber::Trace => {
            let (writer, guard) = tracing_appender::non_blocking(Log);
            registry.with(log.with_writer(writer).with_filter(LevelFilter::TRACE)).init();
            Box::new(guard)
        }
    }
}

/// Refuses what is beyond INFO, each time it is asked.
struct Refuses;

impl<S: tracing::Subscriber> Layer<S> for Refuses {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}
