//! The times of watched spans: `fmt`'s, of each span in which the session matches, and of no other.

mod fmt;
mod forms;
mod matching;
mod partial;
mod threads;

use testing::wait_for;
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Item, Predicate, SessionOptions, SpanTiming, TapRouter};

fn install() -> TapRouter {
    install_with(TapRouter::new())
}

fn install_with(router: TapRouter) -> TapRouter {
    tracing_subscriber::registry().with(router.layer()).init();
    router
}

fn user(number: i64) -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", number)).timings()
}

fn timings(stream: &mut EventStream) -> Vec<SpanTiming> {
    stream.drain().filter_map(Item::into_timing).collect()
}

fn names(timings: &[SpanTiming]) -> Vec<&str> {
    timings.iter().map(SpanTiming::name).collect()
}

fn only(stream: &mut EventStream) -> SpanTiming {
    let mut timings = timings(stream);
    assert_eq!(timings.len(), 1, "{timings:?}");
    timings.remove(0)
}

/// Waits until that many timings have come.
fn wait_for_timings(stream: &mut EventStream, count: usize) -> Vec<SpanTiming> {
    let mut found = Vec::new();
    wait_for("the timings", || {
        found.extend(timings(stream));
        (found.len() >= count).then_some(())
    });
    found
}
