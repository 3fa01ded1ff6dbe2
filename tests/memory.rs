//! Where memory of a session goes: all of it back, and never by a producer's hand.
#![expect(unsafe_code, reason = "an allocator is unsafe")]

#[macro_use]
extern crate testing;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, RwLock};
use testing::{events, wait_until};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

/// A ring of this many entries is one block that nothing else here comes near.
const ENTRIES: usize = 1 << 16;
const LARGE_BYTES: usize = ENTRIES * size_of::<usize>();

static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);
static LARGE_BLOCKS: AtomicUsize = AtomicUsize::new(0);
static FREED_BY_PRODUCERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IS_PRODUCER: Cell<bool> = const { Cell::new(false) };
}

/// Counts what is allocated, and who frees large blocks.
struct Counting;

// SAFETY: all of it is the system's allocator's, called with what we were called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        LARGE_BLOCKS.fetch_add(usize::from(layout.size() >= LARGE_BYTES), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        if layout.size() >= LARGE_BYTES && IS_PRODUCER.try_with(Cell::get).unwrap_or(true) {
            FREED_BY_PRODUCERS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn install() -> TapRouter {
    let router = TapRouter::new();
    // What is printed, the audit among it, must not count as left behind.
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(logs).with(router.layer()).init();
    router
}

/// Opens sessions that match, and some that do not, and closes them after some of their events were read.
fn use_sessions(router: &TapRouter, spans: &[tracing::Span]) {
    let mut hers = router.watch(SessionOptions::new(Predicate::eq("user", 42)).capacity(ENTRIES));
    let mut linear = router.watch(SessionOptions::new(Predicate::starts_with("path", "/")).capacity(ENTRIES));
    let others: Vec<_> = (0..20).map(|user| router.watch(Predicate::eq("user", 100 + user))).collect();
    for span in spans {
        span.in_scope(|| tracing::debug!(path = "/", text = "x".repeat(1000), "hers"));
    }
    assert_eq!(hers.drain().take(2).count(), 2);
    assert_eq!(events(&mut linear).len(), spans.len());
    drop((hers, linear, others));
}

isolated! {
    fn closed_sessions_leave_nothing_in_spans_and_threads() {
        let router = install();
        let spans: Vec<_> = (0..50).map(|_| tracing::info_span!("conn", user = 42)).collect();
        let (idle, end) = (Arc::new(Barrier::new(5)), Arc::new(Barrier::new(5)));
        let stop = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (span, idle, end, stop) = (spans[0].clone(), Arc::clone(&idle), Arc::clone(&end), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let _inside = span.enter();
                    while !stop.load(Ordering::SeqCst) {
                        tracing::debug!(path = "/", "from a thread that will idle");
                    }
                    idle.wait();
                    end.wait();
                })
            })
            .collect();
        let mut stream = router.watch(Predicate::eq("user", 42));
        wait_until("events of the threads", || events(&mut stream).len() > 100);
        drop(stream);
        stop.store(true, Ordering::SeqCst);
        idle.wait();

        // Tables and thread-locals reach their size in the first rounds.
        for _ in 0..20 {
            use_sessions(&router, &spans);
        }
        wait_until("rest", || router.sessions().is_empty() && router.stats().events.buffered == 0);
        let level = steady_live_bytes();
        for _ in 0..50 {
            use_sessions(&router, &spans);
        }
        wait_until("the memory to be back", || LIVE_BYTES.load(Ordering::SeqCst) < level + 64 * 1024);
        assert!(LARGE_BLOCKS.load(Ordering::SeqCst) >= 70, "no rings were made: this test shows nothing");
        end.wait();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    fn no_producer_frees_a_session_that_closes_meanwhile() {
        let router = install();
        let stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).capacity(ENTRIES));
        tracing::debug!(user = 42, "makes the ring");
        let barrier = Arc::new(Barrier::new(2));
        let at_work = Arc::clone(&barrier);
        let producer = std::thread::spawn(move || {
            IS_PRODUCER.set(true);
            tracing::debug!(user = 42, value = ?Waits(&at_work), "on its way");
        });
        barrier.wait();
        drop(stream);
        // The control thread frees after it has rebuilt: by the second rebuild it has looked at the closed session.
        let _rebuilds = ["first", "second"].map(|target| router.watch(Predicate::target(target)));
        barrier.wait();
        producer.join().unwrap();
        wait_until("the session to be freed", || router.stats().events.buffered == 0);
        assert_eq!(FREED_BY_PRODUCERS.load(Ordering::SeqCst), 0);
    }

    fn a_producer_never_frees_a_session() {
        let router = install();
        let stop = Arc::new(AtomicBool::new(false));
        // Several first matches at once make a ring each, of which all but one are freed where they were made. So the
        // first match happens while nobody else emits.
        let first_match = Arc::new(RwLock::new(()));
        let producers: Vec<_> = (0..3)
            .map(|_| {
                let (stop, first_match) = (Arc::clone(&stop), Arc::clone(&first_match));
                std::thread::spawn(move || {
                    IS_PRODUCER.set(true);
                    let span = tracing::info_span!("conn", user = 42);
                    while !stop.load(Ordering::SeqCst) {
                        let _no_first_match = first_match.read().unwrap();
                        span.in_scope(|| tracing::debug!("hers"));
                        tracing::debug!(path = "/", "hers too");
                    }
                })
            })
            .collect();
        let before = LARGE_BLOCKS.load(Ordering::SeqCst);
        for _ in 0..200 {
            let alone = first_match.write().unwrap();
            let sessions = [Predicate::eq("user", 42), Predicate::starts_with("path", "/")]
                .map(|predicate| router.watch(SessionOptions::new(predicate).capacity(ENTRIES)));
            let limited = router.watch(SessionOptions::new(Predicate::eq("user", 42)).capacity(ENTRIES).max_events(2));
            tracing::debug!(user = 42, path = "/", "makes the rings");
            drop(alone);
            wait_until("a match", || sessions.iter().all(|stream| stream.stats().matched > 10));
            drop((limited, sessions));
        }
        assert_eq!(LARGE_BLOCKS.load(Ordering::SeqCst) - before, 3 * 200);
        stop.store(true, Ordering::SeqCst);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert_eq!(FREED_BY_PRODUCERS.load(Ordering::SeqCst), 0);
    }
}

/// A value whose `Debug` waits for the test.
struct Waits<'a>(&'a Barrier);

impl fmt::Debug for Waits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.wait();
        self.0.wait();
        f.write_str("waited")
    }
}

/// The bytes allocated once the control thread has freed what there is to free.
fn steady_live_bytes() -> isize {
    let mut last = 0;
    let mut same = 0;
    wait_until("steady memory", || {
        let now = LIVE_BYTES.load(Ordering::SeqCst);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same > 100
    });
    last
}
