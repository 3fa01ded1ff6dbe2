//! Readers that are stopped, killed, or leave in the middle, while others log without a pause.

use crate::fixture::{Served, Service, TOKEN};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use testing::client::{Curl, connect};
use testing::measure::{Growth, descriptors, final_account, live_bytes, threads, wait_for_at_most};
use testing::wait_until;
use tracing_tap::MissingReason;

/// For how many seconds a reader is stopped, and that the endpoint then has its usual patience. Not said: until the endpoint,
/// which has little patience then, has given up on it.
const STOPPED_SECONDS: &str = "TRACING_TAP_TEST_STOPPED_SECONDS";

/// The byte bound of a session, by default.
const RING_BYTES: usize = 16 << 20;

/// The rest of what one reader may cost: a batch of 64 KiB being made, one being sent and its text before that, what the
/// connection buffers, events that producers are making. And what the test's own log holds.
const BESIDE_RING_BYTES: usize = 2 << 20;

/// Threads that log for user 42 without a pause, 4 KiB an event.
struct Pressing {
    stop: Arc<AtomicBool>,
    emitted: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Pressing {
    fn start() -> Self {
        let (stop, emitted): (Arc<AtomicBool>, Arc<AtomicU64>) = Default::default();
        let threads = (0..2).map(|_| {
            let (stop, emitted) = (Arc::clone(&stop), Arc::clone(&emitted));
            std::thread::spawn(move || {
                let long = "x".repeat(4096);
                while !stop.load(Ordering::SeqCst) {
                    tracing::debug!(user = 42, long, "pressing");
                    emitted.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        Self { threads: threads.collect(), stop, emitted }
    }

    /// Waits until so many more were emitted: nobody holds the producers up.
    fn goes_on(&self, events: u64) {
        let before = self.emitted.load(Ordering::SeqCst);
        wait_until("the producers to go on", || self.emitted.load(Ordering::SeqCst) >= before + events);
    }

    fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// How long to leave a reader stopped; nothing: until it is given up.
fn stopped_for() -> Option<Duration> {
    let seconds = std::env::var(STOPPED_SECONDS).ok()?;
    Some(Duration::from_secs(seconds.parse().expect("it is a number of seconds")))
}

/// Asks for a stream and reads a little of it.
fn reads_a_little(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    let head = format!("GET /watch?q=user%3D42 HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut buffer = [0; 8192];
    assert!(stream.read(&mut buffer).unwrap() > 0, "the endpoint answers");
    stream
}

isolated! {
    fn a_stopped_reader_costs_bounded_memory_and_others_nothing() {
        let service = Service::start();
        let time = stopped_for();
        let endpoint = if time.is_some() { service.endpoint() } else { service.endpoint().stall_timeout(Duration::from_millis(500)) };
        let served = Served::start(endpoint);
        let mut other = Curl::get(served.address, "/watch?q=user%3D43");
        service.wait_for_sessions(1);
        let growth = Growth::from_here();
        let mut stopped = Curl::get(served.address, "/watch?q=user%3D42&rate=1000000");
        service.wait_for_sessions(2);
        let pressing = Pressing::start();
        assert_eq!(stopped.json()["fields"]["message"], "pressing");
        stopped.stop();
        let begin = Instant::now();
        wait_until("what it is sent to be lost", || service.router.stats().events.missing[MissingReason::Overflow] > 5_000);
        // While it does not read: others read, producers go on, the account is that of the events that were emitted.
        wait_until("its time to be over", || {
            let is_over = time.map_or_else(|| service.router.sessions().len() == 1, |time| begin.elapsed() >= time);
            std::thread::park_timeout(Duration::from_millis(5));
            is_over
        });
        (0..10).for_each(|n| tracing::info!(user = 43, n, "at ease"));
        for n in 0..10 {
            assert_eq!((&other.json()["fields"]["n"], n), (&n.into(), n));
        }
        pressing.goes_on(1_000);
        growth.check_at_most(RING_BYTES + BESIDE_RING_BYTES);
        stopped.go_on();
        // It gets what was on its way to it, and that it was given up; what that left behind is counted.
        stopped.rest();
        service.wait_for_sessions(1);
        pressing.stop();
        assert_eq!(service.audit("reader closed").len(), 1, "{:#?}", service.log.all_lines());
        service.router.shutdown();
        served.stop();
        let account = final_account(&service.router);
        assert!(account.missing[MissingReason::Overflow] > 5_000 && account.delivered > 10, "{account:?}");
        println!("stopped for {:?}: {account:?}", begin.elapsed());
    }

    fn a_killed_reader_leaves_a_closed_session_and_exact_counts() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let pressing = Pressing::start();
        let growth = Growth::from_here();
        for _ in 0..10 {
            let mut killed = Curl::get(served.address, "/watch?q=user%3D42&rate=1000000");
            assert_eq!(killed.json()["fields"]["message"], "pressing");
            // Without a word, as `kill -9` does it.
            drop(killed);
            service.wait_for_sessions(0);
        }
        pressing.goes_on(1_000);
        pressing.stop();
        // Two at once: one that is being taken apart while the next is open.
        growth.check_at_most(2 * (RING_BYTES + BESIDE_RING_BYTES));
        let account = final_account(&service.router);
        assert!(account.delivered >= 10 && account.missing[MissingReason::Closed] > 0, "{account:?}");
        served.stop();
    }

    fn a_thousand_readers_that_leave_mid_stream_leave_nothing() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let pressing = Pressing::start();
        drop(reads_a_little(served.address));
        service.wait_for_sessions(0);
        let (descriptors_before, threads_before, before) = (descriptors(), threads(), live_bytes());
        let growth = Growth::from_here();
        for _ in 0..100 {
            let readers: Vec<_> = (0..10).map(|_| reads_a_little(served.address)).collect();
            drop(readers);
            service.wait_for_sessions(0);
        }
        pressing.goes_on(1_000);
        // The router's own bound for all rings together, and what each of those at once costs beside it.
        growth.check_at_most((64 << 20) + 20 * BESIDE_RING_BYTES);
        pressing.stop();
        assert_eq!(service.router.stats().opened_sessions, 1_001);
        let account = final_account(&service.router);
        assert!(account.matched >= 1_001, "{account:?}");
        wait_until("the descriptors to be back", || descriptors() <= descriptors_before);
        assert!(threads() <= threads_before + 4, "{} threads, {threads_before} before", threads());
        // The log has two lines for each session, the endpoint remembers the last 1,024.
        wait_for_at_most(before + BESIDE_RING_BYTES);
        served.stop();
    }
}
