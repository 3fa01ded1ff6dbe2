//! The service: its router, its endpoint, and one reader that is there from the first event to the last.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{Item, Predicate, SessionOptions, TapRouter};
use tracing_tap_web::{Auth, Endpoint};

/// Who is watched from the first event to the last.
pub(crate) const WITNESSED: u64 = 7;

const WITHIN: Duration = Duration::from_secs(60);

pub(crate) struct Service {
    pub(crate) router: TapRouter,
    pub(crate) address: SocketAddr,
    /// How many events of the user who is witnessed were emitted.
    pub(crate) emitted: Arc<AtomicU64>,
    stop: Arc<Notify>,
    runtime: Runtime,
    endpoint: tokio::task::JoinHandle<()>,
    witness: JoinHandle<Witnessed>,
}

#[derive(Debug, Default)]
struct Witnessed {
    events: u64,
    lost: u64,
}

impl Service {
    pub(crate) fn start() -> Self {
        let router = TapRouter::builder().max_sessions_per_opener(1_000).build();
        let logs = tracing_subscriber::fmt::layer().with_writer(io::sink).with_filter(LevelFilter::INFO);
        tracing_subscriber::registry().with(logs).with(router.layer()).init();
        let runtime = Runtime::new().expect("a runtime starts");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let grace = Duration::from_secs(1);
        let endpoint = Endpoint::new(router.clone(), Auth::loopback_only()).grace_period(grace).stall_timeout(grace);
        let endpoint = runtime.spawn(async move {
            endpoint.serve(listener, async move { stopped.notified().await }).await.expect("it is a loopback address");
        });
        let witness = witness(&router);
        Self { router, address, emitted: Arc::default(), stop, runtime, endpoint, witness }
    }

    /// Ends it all, and says what does not add up.
    pub(crate) fn end(self) -> Vec<String> {
        let mut problems = Vec::new();
        let emitted = self.emitted.load(Ordering::SeqCst);
        self.router.shutdown();
        self.stop.notify_one();
        if self.runtime.block_on(async { tokio::time::timeout(WITHIN, self.endpoint).await }).is_err() {
            problems.push("the endpoint does not end".to_owned());
        }
        let Witnessed { events, lost } = self.witness.join().expect("the witness only reads");
        println!("witnessed: {emitted} emitted, {events} read, {lost} announced as lost");
        if events + lost != emitted {
            problems.push(format!("of {emitted} events {events} were read and {lost} announced as lost"));
        }
        problems.extend(account(&self.router));
        problems
    }
}

/// Reads all the while and counts.
fn witness(router: &TapRouter) -> JoinHandle<Witnessed> {
    let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", WITNESSED)).capacity(1 << 16));
    std::thread::spawn(move || {
        let mut seen = Witnessed::default();
        while let Some(item) = stream.blocking_recv() {
            match item {
                Item::Event { sequence, .. } => {
                    assert_eq!(sequence, seen.events + seen.lost, "a gap that was not announced");
                    seen.events += 1;
                }
                Item::Missing(missing) => seen.lost += missing.count,
                _ => {}
            }
        }
        seen
    })
}

/// What the sum over all sessions says once all are gone.
fn account(router: &TapRouter) -> Option<String> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let stats = router.stats();
        let events = stats.events;
        if stats.open_sessions == 0 && events.buffered == 0 && stats.buffered_bytes == 0 {
            println!("all sessions: {} opened, {events:?}", stats.opened_sessions);
            let adds_up = events.matched == events.delivered + events.missing.total();
            return (!adds_up).then(|| format!("the account does not add up: {events:?}"));
        }
        if Instant::now() > deadline {
            return Some(format!("sessions are left behind: {stats:?}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
