//! A service built with `tracing`'s `max_level_info`: run by `tests/compiled_out.rs`.

use tracing::Level;
use tracing_subscriber::prelude::*;
use tracing_tap::{Item, Predicate, TapRouter};
use tracing_tap::coverage::Finding;

fn main() {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let user = || Predicate::eq("user", 42);

    let mut stream = router.watch(user());
    let coverage = stream.coverage();
    assert_eq!(coverage.findings(), [Finding::CompiledOut { max_level: "INFO".to_owned() }], "{coverage}");
    assert!(coverage.to_string().contains("build without the `max_level_*` features"), "{coverage}");
    tracing::debug!(user = 42, "compiled out");
    tracing::info!(user = 42, "left");
    let events: Vec<_> = stream.drain().filter_map(Item::into_event).collect();
    assert_eq!(events.iter().map(|event| event.message()).collect::<Vec<_>>(), ["left"], "the finding is true");

    let coverage = router.watch(user().and(Predicate::level(Level::INFO))).coverage();
    assert!(coverage.is_clear(), "what is left can be had: {coverage}");
}
