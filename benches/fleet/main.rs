//! What the fleet delivers to one watcher, beside plain NATS publish and subscribe of the same bytes; and what it costs
//! a producer to be joined while nobody watches.
//!
//! `cargo bench --features nats --bench fleet`. Needs `nats-server`. All of it is in one process, and the server beside
//! it: on a machine of few processors they share those, in the plain rows as in the fleet's.

use async_nats::Client;
use futures_util::StreamExt;
use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
use tracing_tap::fleet::{self, Config, FleetItem, Key};
use tracing_tap::{Format, Item, Predicate, Session, TapRouter, write_item};

const EVENTS: usize = 300_000;
const BATCH_BYTES: usize = 64 << 10;

/// How far the plain publisher may be ahead of its subscriber.
const MAX_AHEAD_BYTES: usize = 16 << 20;

/// Of every so many measurements the median is shown.
const TRIALS: usize = 5;

fn main() {
    let server = Server::start();
    let router = TapRouter::new();
    let quiet = fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(quiet).with(router.layer()).init();
    let (near, far) = (runtime(), runtime());
    let publisher = near.block_on(connect(&server));
    let subscriber = far.block_on(connect(&server));
    let line = line(&router);
    println!("{EVENTS} events of {} bytes as JSON, median of {TRIALS}", line.len());
    let one_by_one = median(|| plain(&near, &far, &publisher, &subscriber, &line, 1));
    report("plain NATS, a message for each event", one_by_one, None);
    let per_batch = BATCH_BYTES / line.len();
    let in_batches = median(|| plain(&near, &far, &publisher, &subscriber, &line, per_batch));
    report("plain NATS, messages of 64 KiB", in_batches, Some(one_by_one));
    let not_joined = idle();
    let config = Config::new("bench", Key::new([7; 32]).expect("it is long enough")).expect("it is a name");
    let joined = near.spawn(fleet::join(router.clone(), publisher, config.clone(), std::future::pending()));
    let through_fleet = median(|| through_fleet(&router, &far, &subscriber, &config));
    report("the fleet, to items that are read", through_fleet, Some(one_by_one));
    let idle_joined = idle();
    let ratio = idle_joined / not_joined;
    println!("an event nobody wants: {not_joined:.2} ns alone, {idle_joined:.2} ns joined and idle, {ratio:.3} x");
    joined.abort();
}

fn report(what: &str, rate: f64, beside: Option<f64>) {
    let ratio = beside.map_or(String::new(), |beside| format!(", {:.2} x", rate / beside));
    println!("{what}: {rate:.0} events/s{ratio}");
}

fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut rates: Vec<_> = (0..TRIALS).map(|_| measure()).collect();
    rates.sort_by(f64::total_cmp);
    rates[TRIALS / 2]
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts")
}

async fn connect(server: &Server) -> Client {
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect().subscription_capacity(1 << 20);
    options.connect(format!("127.0.0.1:{}", server.port)).await.expect("the address can be read")
}

/// One event as the fleet sends it.
fn line(router: &TapRouter) -> Vec<u8> {
    let mut stream = router.watch(Predicate::eq("user", 42));
    emit(1);
    let item = stream.drain().next().expect("it matches");
    let mut line = Vec::new();
    write_item(&mut line, &item, Format::Json);
    line
}

#[inline(never)]
fn emit(count: usize) {
    let span = tracing::info_span!("conn", user = 42, conn_id = 9137);
    span.in_scope(|| (0..count).for_each(|attempt| tracing::debug!(attempt, kind = "subscribe", "rejected")));
}

/// Events a second, so many in a message.
fn plain(near: &Runtime, far: &Runtime, publisher: &Client, subscriber: &Client, line: &[u8], batch: usize) -> f64 {
    let mut messages = far.block_on(async {
        let messages = subscriber.subscribe("plain").await.expect("the client is open");
        subscriber.flush().await.expect("the server is there");
        messages
    });
    let payload = bytes::Bytes::from(line.repeat(batch));
    let publisher = publisher.clone();
    // The server cuts off who is 64 MiB behind, and what it has dropped would be waited for.
    let ahead = Arc::new(Semaphore::new((MAX_AHEAD_BYTES / payload.len()).max(1)));
    let room = Arc::clone(&ahead);
    let started = Instant::now();
    near.spawn(async move {
        for _ in 0..EVENTS / batch {
            room.acquire().await.expect("it is not closed").forget();
            publisher.publish("plain", payload.clone()).await.expect("the client is open");
        }
        publisher.flush().await.expect("the server is there");
    });
    far.block_on(async {
        for _ in 0..EVENTS / batch {
            black_box(messages.next().await.expect("the client is open"));
            ahead.add_permits(1);
        }
        // Inside the runtime: a subscription that is dropped says so to the server on a task of its own.
        drop(messages);
    });
    EVENTS as f64 / started.elapsed().as_secs_f64()
}

/// Events a second, from the macro to the item.
fn through_fleet(router: &TapRouter, far: &Runtime, subscriber: &Client, config: &Config) -> f64 {
    far.block_on(async {
        let session = Session::new(Predicate::eq("user", 42)).capacity(1 << 16);
        let mut stream = fleet::watch(subscriber.clone(), config, session).await.expect("it is announced");
        while !matches!(stream.recv().await, Some(FleetItem::Joined { .. })) {}
        let stop = Arc::new(AtomicBool::new(false));
        let started = Instant::now();
        let producing = std::thread::spawn(produce(router.clone(), Arc::clone(&stop)));
        let mut read = 0;
        while read < EVENTS {
            let item = stream.recv().await.expect("it goes on");
            read += usize::from(matches!(item, FleetItem::Item { item: Item::Event { .. }, .. }));
            black_box(item);
        }
        let elapsed = started.elapsed();
        stop.store(true, Ordering::Relaxed);
        producing.join().expect("it does not panic");
        // The window is waited for once, whatever comes.
        EVENTS as f64 / (elapsed - Duration::from_millis(200)).as_secs_f64()
    })
}

/// Emits as many events as the session's ring has room for.
fn produce(router: TapRouter, stop: Arc<AtomicBool>) -> impl FnOnce() {
    move || {
        while !stop.load(Ordering::Relaxed) {
            if router.sessions().iter().all(|session| session.stats.buffered < 8_000) {
                emit(1_000);
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// Nanoseconds of an event that nobody wants.
fn idle() -> f64 {
    const ROUND: u32 = 1_000_000;
    let rounds = (0..30).map(|_| {
        let started = Instant::now();
        for attempt in 0..ROUND {
            tracing::debug!(attempt = black_box(attempt), "rejected");
        }
        started.elapsed().as_nanos() as f64 / f64::from(ROUND)
    });
    rounds.min_by(f64::total_cmp).expect("there are some")
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let mut command = Command::new("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().expect("`nats-server` is installed"), port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
