//! Sessions that come and go by the thousand while others log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use testing::measure::{Growth, check_account, final_account, live_bytes, threads, wait_for_at_most};
use testing::{Output, info_printer, wait_until};
use tracing_subscriber::prelude::*;
use tracing_tap::{Item, Predicate, SessionOptions, TapRouter};

const SESSIONS: usize = 10_000;

/// So many are taken apart later than they are closed, at most a few milliseconds' worth.
const NOT_YET_FREED: usize = 256;

/// What one of these holds, generously: 64 places of 32 bytes, and 64 events with what is around them.
const SESSION_BYTES: usize = 128 << 10;

/// What sinks hold that grow while the test runs: the log, above all, which has two lines for each session.
const LOG_LINE_BYTES: usize = 512;

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router
}

/// Threads that log without a pause, and how many events of user 42 they have begun and finished.
struct Producers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    finished: Arc<AtomicU64>,
}

impl Producers {
    fn start(count: usize) -> Self {
        let (stop, finished) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..count)
            .map(|_| {
                let (stop, finished) = (Arc::clone(&stop), Arc::clone(&finished));
                std::thread::spawn(move || {
                    let mine = tracing::info_span!("conn", user = 42);
                    while !stop.load(Ordering::SeqCst) {
                        mine.in_scope(|| tracing::debug!(text = "x".repeat(100), "of 42"));
                        tracing::debug!(user = 43, "of another user");
                        finished.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        Self { stop, threads, finished }
    }

    fn finished(&self) -> u64 {
        self.finished.load(Ordering::SeqCst)
    }

    fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// Reads some of what is there, and checks what it gets.
fn read_some(stream: &mut tracing_tap::EventStream) {
    for item in stream.drain().take(16) {
        assert!(matches!(item, Item::Event { .. } | Item::Missing(_)), "{item:?} while the session is open");
    }
}

isolated! {
    fn ten_thousand_sessions_beside_two_threads_count_everything() {
        let router = install();
        let producers = Producers::start(2);
        // One that stays, so that events are being routed to it all the while.
        let mut stays = router.watch(SessionOptions::new(Predicate::eq("user", 42)).capacity(64));
        wait_until("the first events", || stays.stats().matched > 100);
        let (before, threads_before, growth) = (live_bytes(), threads(), Growth::from_here());
        for number in 0..SESSIONS {
            let predicate = if number % 2 == 0 { Predicate::eq("user", 42) } else { Predicate::starts_with("text", "x") };
            let mut stream = router.watch(SessionOptions::new(predicate).capacity(64));
            read_some(&mut stream);
            read_some(&mut stays);
        }
        let finished = producers.finished();
        wait_until("the producers to go on", || producers.finished() > finished);
        producers.stop();
        check_account(stays.stats());
        assert_eq!(router.stats().opened_sessions, SESSIONS as u64 + 1);
        growth.check_at_most(NOT_YET_FREED * SESSION_BYTES + 2 * SESSIONS * LOG_LINE_BYTES);
        assert_eq!(threads(), threads_before - 2, "the producers are gone, and nobody came");
        drop(stays);
        let account = final_account(&router);
        assert!(account.matched > SESSIONS as u64 && account.delivered > 0, "{account:?}");
        wait_for_at_most(before + 2 * SESSIONS * LOG_LINE_BYTES + SESSION_BYTES);
    }
}
