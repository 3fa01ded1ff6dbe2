//! The sessions of a row, and those who read them: tasks on the service's own runtime.

use crate::configuration::Sessions;
use std::any::Any;
use std::hint::black_box;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tracing_tap::{EventStream, Predicate, SessionOptions, TapRouter};
use tracing_tap_profile::{CpuOptions, CpuProfiler};

/// From an opening to the closing, and from there to the next opening.
const HALF_PERIOD: Duration = Duration::from_millis(250);

/// As many closes may be unread.
const CAPACITY: usize = 65_536;

/// Opens the sessions. What must be kept for them to stay open is returned.
pub(crate) fn open(router: &TapRouter, sessions: &Sessions) -> Box<dyn Any> {
    let watch = |user: u64| router.watch(Predicate::eq("user", user));
    let times = |user: u64| SessionOptions::new(Predicate::eq("user", user)).capacity(CAPACITY);
    match sessions {
        Sessions::None => {}
        Sessions::Elsewhere(count) => {
            return Box::new((0..*count).map(|user| watch(1_000_000 + user)).collect::<Vec<_>>());
        }
        Sessions::Users(users) => users.clone().map(watch).for_each(|stream| drop(tokio::spawn(read(stream)))),
        Sessions::Everything(max_rate) => {
            let session = SessionOptions::new(Predicate::everything()).max_rate(*max_rate);
            tokio::spawn(read(router.watch(session)));
        }
        Sessions::Recurring(user) => drop(tokio::spawn(recur(router.clone(), *user))),
        Sessions::Timed(user) => drop(tokio::spawn(read(router.watch(times(*user).timings().without_events())))),
        Sessions::Sampled(user) => {
            let profiler = CpuProfiler::start(router, times(*user), CpuOptions::default());
            return Box::new(profiler.expect("the system allows perf events"));
        }
    }
    Box::new(())
}

async fn read(mut stream: EventStream) {
    while let Some(item) = stream.recv().await {
        black_box(item);
        stream.drain().for_each(|item| drop(black_box(item)));
    }
}

async fn recur(router: TapRouter, user: u64) {
    loop {
        let stream = router.watch(Predicate::eq("user", user));
        // It is read until its time is over, and closed by being dropped.
        let _ = timeout(HALF_PERIOD, read(stream)).await;
        sleep(HALF_PERIOD).await;
    }
}
