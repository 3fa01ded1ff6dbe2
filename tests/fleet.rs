//! One session over several processes, on a real `nats-server`.
#![cfg(feature = "nats")]

#[macro_use]
#[path = "support/mod.rs"]
mod support;

#[path = "fleet/instance.rs"]
mod instance;
#[path = "fleet/server.rs"]
mod server;
#[path = "fleet/watching.rs"]
mod watching;

#[path = "fleet/joining.rs"]
mod joining;
