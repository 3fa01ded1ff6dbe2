//! The throughput of the fleet to one watcher, compared with plain NATS publish and subscribe of the same bytes; and the
//! cost of a joined instance without any session.
//!
//! `cargo bench -p tracing-tap-nats --bench fleet [-- part of a row's name]`. Needs `nats-server`. Everything is in one
//! process, with the server next to it: on a machine of few processors they share those, in all rows alike. The rows are
//! measured in turn, several times; medians are shown, and medians of the ratios within a turn.

use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
use tracing_tap::{Format, Predicate, SessionOptions, TapRouter, write_item};
use tracing_tap_nats::{self as fleet, Config, FleetItem, FleetStream, Key};

const TURNS: usize = 7;

/// The time before events are counted, and the time in which they are.
const WARMUP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_millis(1_500);

const BATCH_BYTES: usize = 64 << 10;

/// How far the plain publisher may be ahead of its subscriber: the server cuts off subscribers 64 MiB behind.
const MAX_AHEAD_BYTES: usize = 16 << 20;

/// How far the fleet's producer may be ahead of the reader, and how much of that in the ring, so that nothing is lost.
const MAX_AHEAD: usize = 100_000;
const MAX_BUFFERED: u64 = 30_000;
const CAPACITY: usize = 1 << 16;

fn main() {
    let bench = Bench::start();
    let line = bench.line();
    println!("events of {} bytes as JSON; median of {TURNS} turns", line.len());
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let rows: [(&str, &dyn Fn() -> f64); 4] = [
        ("plain NATS, a message for each event", &|| bench.plain(&line, 1)),
        ("plain NATS, messages of 64 KiB", &|| bench.plain(&line, BATCH_BYTES / line.len())),
        ("the fleet, to items", &|| bench.through_fleet(|item, _| drop(black_box(item)))),
        ("the fleet, to lines of JSON", &|| bench.through_fleet(|item, out| item.write(out, Format::Json))),
    ];
    let rows: Vec<_> = rows.into_iter().filter(|(what, _)| what.contains(&wanted)).collect();
    let turns: Vec<Vec<f64>> = (0..TURNS).map(|_| rows.iter().map(|(_, measure)| measure()).collect()).collect();
    for (row, (what, _)) in rows.iter().enumerate() {
        let rate = median(turns.iter().map(|turn| turn[row]));
        let ratio = median(turns.iter().map(|turn| turn[row] / turn[0]));
        println!("{what}: {rate:.0} events/s, {ratio:.2} x");
    }
    if wanted.is_empty() {
        bench.idle();
    }
}

/// What it is called, and what is measured; it is given a number to log.
type Measure = (&'static str, fn(u32));

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = of.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A server, and a runtime and a client for each side of it.
struct Bench {
    router: TapRouter,
    near: Runtime,
    far: Runtime,
    publisher: Client,
    subscriber: Client,
    config: Config,
    _server: Server,
}

impl Bench {
    fn start() -> Self {
        let server = Server::start();
        let router = TapRouter::new();
        let printer = fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
        tracing_subscriber::registry().with(printer).with(router.layer()).init();
        let (near, far) = (runtime(), runtime());
        let publisher = near.block_on(connect(&server));
        let subscriber = far.block_on(connect(&server));
        let config = Config::new("bench", Key::new([7; 32]).expect("it is long enough")).expect("it is a name");
        Self { router, near, far, publisher, subscriber, config, _server: server }
    }

    /// One event as the fleet sends it.
    fn line(&self) -> Vec<u8> {
        let mut stream = self.router.watch(Predicate::eq("user", 42));
        emit(1);
        let item = stream.drain().next().expect("it matches");
        let mut line = Vec::new();
        write_item(&mut line, &item, Format::Json);
        line
    }

    /// Events a second, so many in a message.
    fn plain(&self, line: &[u8], batch: usize) -> f64 {
        let mut messages = self.far.block_on(subscribe(&self.subscriber));
        let payload = bytes::Bytes::from(line.repeat(batch));
        let publisher = self.publisher.clone();
        let ahead = Arc::new(Semaphore::new((MAX_AHEAD_BYTES / payload.len()).max(1)));
        let room = Arc::clone(&ahead);
        let publishing = self.near.spawn(async move {
            // Nobody gives room any more once it is over.
            while let Ok(permit) = room.acquire().await {
                permit.forget();
                publisher.publish("plain", payload.clone()).await.expect("the client is open");
            }
        });
        let rate = self.far.block_on(rate(async || {
            black_box(messages.next().await.expect("the client is open"));
            ahead.add_permits(1);
            batch
        }));
        ahead.close();
        self.near.block_on(publishing).expect("it does not panic");
        // Inside the runtime: a subscription that is dropped says so to the server on a task of its own.
        self.far.block_on(async { drop(messages) });
        rate
    }

    /// Events a second, from the macro to the reader.
    fn through_fleet(&self, read: impl Fn(FleetItem, &mut Vec<u8>)) -> f64 {
        let (client, config) = (self.publisher.clone(), self.config.clone());
        let joined = self.near.spawn(fleet::join(self.router.clone(), client, config, std::future::pending()));
        let mut stream = self.far.block_on(self.watch());
        let (ahead, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let producing = std::thread::spawn(produce(self.router.clone(), Arc::clone(&ahead), Arc::clone(&stop)));
        let mut out = Vec::new();
        let rate = self.far.block_on(rate(async || {
            let item = stream.recv().await.expect("it goes on");
            let is_event = matches!(item, FleetItem::Event(_));
            out.clear();
            read(item, &mut out);
            ahead.fetch_sub(usize::from(is_event), Ordering::Relaxed);
            usize::from(is_event)
        }));
        stop.store(true, Ordering::Relaxed);
        producing.join().expect("it does not panic");
        assert_eq!(stream.stats().lost, 0, "what is lost costs nothing");
        self.far.block_on(async { drop(stream) });
        joined.abort();
        rate
    }

    async fn watch(&self) -> FleetStream {
        let session = SessionOptions::new(Predicate::eq("user", 42)).capacity(CAPACITY);
        let watched = fleet::watch(self.subscriber.clone(), &self.config, session).await;
        let mut stream = watched.expect("it is announced");
        while !matches!(stream.recv().await, Some(FleetItem::Joined { .. })) {}
        stream
    }

    /// Nanoseconds of a producer, alone and joined to a fleet that nobody watches.
    fn idle(&self) {
        let measures: [Measure; 3] = [
            ("an event below the level, alone and joined", |attempt| tracing::debug!(attempt, "rejected")),
            ("an event that is printed", |attempt| tracing::info!(attempt, "rejected")),
            ("a span with a field", |attempt| drop(tracing::info_span!("conn", attempt))),
        ];
        for (what, measure) in measures {
            let turns: Vec<_> =
                (0..TURNS * 3).map(|_| (nanoseconds(measure), self.joined(|| nanoseconds(measure)))).collect();
            let alone = median(turns.iter().map(|(alone, _)| *alone));
            let ratio = median(turns.iter().map(|(alone, joined)| joined / alone));
            println!("{what}: {alone:.2} ns, {ratio:.3} x");
        }
    }

    /// Does something while an instance is joined.
    fn joined<T>(&self, work: impl FnOnce() -> T) -> T {
        let (client, config) = (self.publisher.clone(), self.config.clone());
        let joined = self.near.spawn(fleet::join(self.router.clone(), client, config, std::future::pending()));
        let done = work();
        joined.abort();
        done
    }
}

/// Counts a second, of what each call has done.
async fn rate(mut step: impl AsyncFnMut() -> usize) -> f64 {
    let started = Instant::now();
    while started.elapsed() < WARMUP {
        step().await;
    }
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < MEASURED {
        count += step().await;
    }
    count as f64 / started.elapsed().as_secs_f64()
}

/// Nanoseconds of one of many, in the round that was disturbed least.
fn nanoseconds(of: fn(u32)) -> f64 {
    const ROUND: u32 = 20_000;
    let rounds = (0..10).map(|_| {
        let started = Instant::now();
        (0..ROUND).for_each(|attempt| of(black_box(attempt)));
        started.elapsed().as_nanos() as f64 / f64::from(ROUND)
    });
    rounds.min_by(f64::total_cmp).expect("there are some")
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts")
}

async fn connect(server: &Server) -> Client {
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect().subscription_capacity(1 << 20);
    options.connect(format!("127.0.0.1:{}", server.port)).await.expect("the address can be read")
}

async fn subscribe(client: &Client) -> Subscriber {
    let mut messages = client.subscribe("plain").await.expect("the client is open");
    // Its own message comes back once the server knows of the subscription, which a flush does not wait for.
    client.publish("plain", "ready".into()).await.expect("the client is open");
    messages.next().await.expect("the client is open");
    messages
}

#[inline(never)]
fn emit(count: usize) {
    let span = tracing::info_span!("conn", user = 42, conn_id = 9137);
    span.in_scope(|| (0..count).for_each(|attempt| tracing::debug!(attempt, kind = "subscribe", "rejected")));
}

/// Emits as many events as the reader keeps up with, and the session's ring has room for.
fn produce(router: TapRouter, ahead: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> impl FnOnce() {
    const AT_ONCE: usize = 1_000;
    move || {
        while !stop.load(Ordering::Relaxed) {
            let has_room = || router.sessions().iter().all(|session| session.stats.buffered < MAX_BUFFERED);
            if ahead.load(Ordering::Relaxed) < MAX_AHEAD && has_room() {
                ahead.fetch_add(AT_ONCE, Ordering::Relaxed);
                emit(AT_ONCE);
            } else {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
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
