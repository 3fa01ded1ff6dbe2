//! Sessions that look back.

mod bounds;
mod horizon;
mod limits;
mod neighbours;
mod outcome;
mod seam;
mod spans;

use std::time::Duration;
use testing::wait_until;
use tracing_tap::{CapturedEvent, EventStream, Horizon, Item, LookBack, SessionOptions, TapRouter};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// Looking back as far as a test may need.
fn plenty() -> LookBack {
    LookBack::new(16 << 20).max_age(LONG)
}

/// A router that looks back.
fn router(past: LookBack) -> TapRouter {
    TapRouter::builder().look_back(past).build()
}

/// Waits until the router keeps events.
#[track_caller]
fn wait_for_past(router: &TapRouter) {
    wait_until("looking back to be switched on", || router.stats().look_back_bytes > 0);
}

/// A session on this predicate that looks back as far as it can.
fn looking_back(predicate: &str) -> SessionOptions {
    SessionOptions::new(predicate.parse().expect("a predicate")).look_back(LONG)
}

/// The horizon, which is the first item.
#[track_caller]
fn horizon(stream: &mut EventStream) -> Horizon {
    match stream.try_recv() {
        Ok(Item::Horizon(horizon)) => horizon,
        other => panic!("{other:?} is first"),
    }
}

/// The messages of the events available now, those of the past marked.
fn told(stream: &mut EventStream) -> Vec<String> {
    let mark = |event: &CapturedEvent| if event.is_past() { "past " } else { "" };
    stream.drain().filter_map(Item::into_event).map(|event| format!("{}{}", mark(&event), event.message())).collect()
}
