//! Faults: readers that stop, die, come and go, users' code that panics, a server that ends. Each with its bounds:
//! memory, descriptors and threads, an exact account, and producers that are never held up.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[macro_use]
mod support;

#[cfg(feature = "web")]
#[expect(dead_code, reason = "the door's own tests use the rest")]
#[path = "web/client.rs"]
mod client;
#[cfg(feature = "web")]
#[expect(dead_code, reason = "the door's own tests use the rest")]
#[path = "web/fixture.rs"]
mod fixture;
#[path = "faults/measure.rs"]
mod measure;

#[path = "faults/panics.rs"]
mod panics;
#[path = "faults/sessions.rs"]
mod sessions;

#[cfg(feature = "web")]
#[path = "faults/ending.rs"]
mod ending;
#[cfg(feature = "web")]
#[path = "faults/hooks.rs"]
mod hooks;
#[cfg(feature = "web")]
#[path = "faults/readers.rs"]
mod readers;
