//! The limits of a session, and what its stream says when one is reached.
//!
//! `cargo run --example limits`

use std::time::Duration;
use tracing_subscriber::prelude::*;
use tracing_tap::{EndReason, EventStream, Item, Overflow, Predicate, SessionOptions, TapRouter};

fn main() {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let user = || SessionOptions::new(Predicate::eq("user", 42));
    let work = |events: u64| (0..events).for_each(|n| tracing::debug!(user = 42, n, "work"));

    // A reader that is too slow loses events, never the service its time. By default the oldest go: the loss is
    // announced where it happened, and the numbers of the events read after it have a gap of just that size.
    let mut newest = router.watch(user().capacity(3));
    // The other policy keeps how it began.
    let mut oldest = router.watch(user().capacity(3).overflow(Overflow::DropNewest));
    // Once it has admitted so many, a session is over.
    let mut two = router.watch(user().max_events(2));
    work(10);
    assert_eq!(shown(&mut newest), ["lost 7", "#7 n=7", "#8 n=8", "#9 n=9"]);
    assert_eq!(shown(&mut oldest), ["#0 n=0", "#1 n=1", "#2 n=2", "lost 7"]);
    assert_eq!(shown(&mut two), ["#0 n=0", "#1 n=1", "ended: reached its number of events"]);

    // Nothing goes missing from the account.
    let stats = newest.stats();
    assert_eq!((stats.matched, stats.delivered, stats.lost), (10, 3, 7));

    // What is over its rate is never captured. The reader learns of it once a second, and at the latest before the end.
    let mut none = router.watch(user().max_rate(0));
    work(10);
    router.close(none.id());
    assert_eq!(shown(&mut none), ["lost 10", "ended: closed"]);

    // A session that nobody comes back to should end by itself. `blocking_recv` waits for what comes next.
    let mut brief = router.watch(user().expires_in(Duration::from_millis(50)));
    assert!(matches!(brief.blocking_recv(), Some(Item::Ended(EndReason::Expired))));
    assert!(brief.blocking_recv().is_none());

    // The bytes that wait to be read are bounded too, per session and (on the router) over all sessions.
    let mut small = router.watch(user().capacity_bytes(1));
    work(2);
    assert_eq!(shown(&mut small), ["lost 2"]);
}

/// What the stream says now, an item a line.
fn shown(stream: &mut EventStream) -> Vec<String> {
    let line = |item| match item {
        Item::Event { sequence, event, .. } => format!("#{sequence} n={}", event.field("n").expect("all work has it")),
        Item::Missing(missing) => format!("lost {}", missing.count),
        Item::Ended(reason) => format!("ended: {reason}"),
        other => format!("{other:?}"), // Later versions may say more.
    };
    let told: Vec<_> = stream.drain().map(line).collect();
    told.iter().for_each(|line| println!("{line}"));
    told
}
