//! Sessions on behalf of others: what they may see, how many they may have, and what the service's logs say of it.
//!
//! `cargo run --example on_behalf`

use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
use tracing_tap::{Item, Predicate, SessionOptions, TapRouter};

fn main() {
    let router = TapRouter::builder()
        .deny_targets(["service::keys"]) // nobody sees these,
        .redact_fields(["password"]) // nor the values of those
        .max_sessions_per_opener(1)
        .build();
    tracing_subscriber::registry().with(fmt::layer().with_filter(LevelFilter::INFO)).with(router.layer()).init();

    // What a person asks for is text. What they may see at all is the service's to say, and nothing relaxes it.
    let asked = "@level >= debug and not user = 7".parse::<Predicate>().expect("it is a predicate");
    let session = |asked| SessionOptions::new(asked).opened_by("ann").confined_to(Predicate::eq("tenant", 7));
    let mut stream = router.try_watch(session(asked.clone())).expect("it is the first");
    tracing::debug!(tenant = 7, user = 42, password = "hunter2", "logged in");
    tracing::debug!(tenant = 8, user = 42, "another tenant");
    tracing::debug!(target: "service::keys", tenant = 7, user = 42, "denied");
    let seen: Vec<_> = stream.drain().filter_map(Item::into_event).collect();
    assert_eq!(seen.len(), 1);
    println!("{}", seen[0]);
    assert_eq!(seen[0].field("password").expect("it is shown to be there").to_string(), "<redacted>");

    // A refusal says which limit it was and who holds what.
    let error = router.try_watch(session(asked)).expect_err("one is what she may have");
    assert_eq!(
        error.to_string(),
        "the session was not opened: 1 of `ann` are open, which is the limit `max_sessions_per_opener`"
    );
    let error = router.try_watch(Predicate::eq("password", "hunter2")).expect_err("nobody may test it");
    assert_eq!(error.field(), Some("password"));

    // The log of this service has told all of that by now: one opened, two refused, one ended.
    router.shutdown();
}
