//! A task that reads a session while the service works: `recv().await`, and the same as a `Stream`.
//!
//! `cargo run --example async_reader`

use futures_util::StreamExt;
use tracing::Instrument;
use tracing_subscriber::prelude::*;
use tracing_tap::{EndReason, EventStream, Item, Predicate, TapRouter};

#[tokio::main]
async fn main() {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();

    // Two readers of the same user: each has a session of its own, and the events are captured once for both.
    let stream = router.watch(Predicate::eq("user", 42));
    let second = router.watch(Predicate::eq("user", 42));
    let reader = tokio::spawn(print(stream));
    let collector = tokio::spawn(second.filter_map(async |item| item.into_event()).collect::<Vec<_>>());

    // The service at work. `instrument` is what carries the user over an `await`; a span guard held across one
    // would lend the user to whatever the thread polls next.
    let mut connections = Vec::new();
    for user in [42, 43] {
        let connection = tracing::info_span!("conn", user);
        connections.push(tokio::spawn(serve().instrument(connection)));
    }
    for connection in connections {
        connection.await.expect("connections do not panic");
    }

    // Readers that wait receive the end. Without a `shutdown`, closing one session does it: `router.close(id)`.
    router.shutdown();
    assert_eq!(reader.await.expect("the reader does not panic"), 3);
    assert_eq!(collector.await.expect("the collector does not panic").len(), 3);
}

/// Prints what happens until the session ends, and says how much it was.
async fn print(mut stream: EventStream) -> u64 {
    while let Some(item) = stream.recv().await {
        match item {
            Item::Event { event, .. } => println!("{event}"),
            Item::Missing(missing) => println!("({missing})"),
            Item::Ended(reason) => assert_eq!(reason, EndReason::Shutdown),
            _ => {} // Later versions may say more.
        }
    }
    stream.stats().delivered
}

async fn serve() {
    for attempt in 0..3 {
        tracing::debug!(attempt, "serving");
        tokio::task::yield_now().await;
    }
}
