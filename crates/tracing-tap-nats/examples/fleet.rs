//! One session over all instances of a service: two instances and a watcher, here in one process.
//!
//! `nats-server & cargo run --features nats --example fleet`; for accounts: `nats-server -c examples/fleet/nats-server.conf`

use std::error::Error;
use tracing_subscriber::prelude::*;
use tracing_tap::{Format, Predicate, SessionOptions, TapRouter};
use tracing_tap_nats::{self as fleet, Config, FleetItem, Key};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("NATS_URL").unwrap_or_else(|_| "127.0.0.1:4222".to_owned());
    // Take it from the service's secrets: the same for its instances and its watchers.
    let config = Config::new("chat", Key::new("S8uWXu0mEZzN1FbsS8uWXu0mEZzN1Fbs")?)?;

    // In each instance of the service:
    let mut stops = Vec::new();
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    for name in ["chat-1", "chat-2"] {
        let client = connect("instance", &url).await?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let instance = config.clone().instance(name)?;
        let membership = fleet::join(router.clone(), client, instance, async { drop(stopped.await) });
        stops.push((stop, tokio::spawn(membership)));
    }

    // In the watching process:
    let session = SessionOptions::remote(Predicate::eq("user", 42)).opened_by("ann").max_events(2);
    let mut stream = fleet::watch(connect("watcher", &url).await?, &config, session).await?;
    let (mut joined, mut seen) = (0, 0);
    while let Some(item) = stream.recv().await {
        let mut line = Vec::new();
        item.write(&mut line, Format::Compact);
        print!("{}", String::from_utf8_lossy(&line));
        joined += usize::from(matches!(item, FleetItem::Joined { .. }));
        if joined == 2 {
            joined = 0;
            tracing::info_span!("conn", user = 42).in_scope(|| tracing::debug!(channel = "orders", "subscribed"));
        }
        seen += usize::from(matches!(item, FleetItem::Event(_)));
    }
    assert_eq!(seen, 2, "the process has one router: both instances have the event");

    for (stop, membership) in stops {
        drop(stop);
        membership.await?;
    }
    Ok(())
}

async fn connect(user: &str, url: &str) -> Result<async_nats::Client, async_nats::ConnectError> {
    async_nats::ConnectOptions::with_user_and_password(user.to_owned(), user.to_owned()).connect(url).await
}
