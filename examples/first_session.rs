//! A session in its smallest form: what one user does, down to TRACE, from connections opened long before.
//!
//! `cargo run --example first_session`

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{fmt, prelude::*};
use tracing_tap::{Item, Predicate, TapRouter};

fn main() {
    // Installation: the router's layer next to the service's own. The service's level is set on its own layer,
    // with `with_filter`; a filter set with `with` would hide events from every layer, this one included.
    let router = TapRouter::new();
    tracing_subscriber::registry().with(fmt::layer().with_filter(LevelFilter::INFO)).with(router.layer()).init();

    // The service at work: each connection is a span that says whose it is.
    let alice = tracing::info_span!("conn", conn_id = 9137, user = 42);
    let bob = tracing::info_span!("conn", conn_id = 9138, user = 43);

    // An operator asks about user 42. The connection is older than the session and matches all the same.
    let mut stream = router.watch(Predicate::eq("user", 42));
    alice.in_scope(|| tracing::debug!(channel = "orders", attempt = 3, "subscription rejected"));
    bob.in_scope(|| tracing::debug!(channel = "orders", "subscribed"));
    tracing::info!("a line of the service's own log, as ever");

    // `drain` gives what is there and never waits; an event's `Display` is made for people.
    let mut seen = Vec::new();
    for item in stream.drain() {
        if let Item::Event { sequence, event, .. } = item {
            println!("#{sequence}: {event}");
            seen.push(event);
        }
    }
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].message(), "subscription rejected");
    assert_eq!(seen[0].find("conn_id").and_then(|id| id.as_i64()), Some(9137));

    // Dropping the stream closes the session, and events cost nothing again.
    drop(stream);
    assert!(router.sessions().is_empty());
}
