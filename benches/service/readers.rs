//! The sessions of a row, and those who read them: tasks on the service's own runtime.

use crate::configuration::Sessions;
use std::hint::black_box;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tracing_tap::{EventStream, Predicate, SessionOptions, TapRouter};

/// From an opening to the closing, and from there to the next opening.
const HALF_PERIOD: Duration = Duration::from_millis(250);

/// Opens the sessions. Those that nobody matches are returned, to be kept open.
pub(crate) fn open(router: &TapRouter, sessions: &Sessions) -> Vec<EventStream> {
    let watch = |user: u64| router.watch(Predicate::eq("user", user));
    match sessions {
        Sessions::None => Vec::new(),
        Sessions::Elsewhere(count) => (0..*count).map(|user| watch(1_000_000 + user)).collect(),
        Sessions::Users(users) => {
            users.clone().map(watch).for_each(|stream| drop(tokio::spawn(read(stream))));
            Vec::new()
        }
        Sessions::Everything(max_rate) => {
            let session = SessionOptions::new(Predicate::everything()).max_rate(*max_rate);
            tokio::spawn(read(router.watch(session)));
            Vec::new()
        }
        Sessions::Recurring(user) => {
            tokio::spawn(recur(router.clone(), *user));
            Vec::new()
        }
    }
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
