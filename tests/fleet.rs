//! One session over several processes, on a real `nats-server`.
#![cfg(feature = "nats")]

#[macro_use]
#[path = "support/mod.rs"]
mod support;

#[path = "fleet/bridge.rs"]
mod bridge;
#[path = "fleet/credentials.rs"]
mod credentials;
#[path = "fleet/emitting.rs"]
mod emitting;
#[path = "fleet/instance.rs"]
mod instance;
#[path = "fleet/process.rs"]
mod process;
#[path = "fleet/proxy.rs"]
mod proxy;
#[path = "fleet/road.rs"]
mod road;
#[path = "fleet/sealing.rs"]
mod sealing;
#[path = "fleet/server.rs"]
mod server;
#[path = "fleet/watching.rs"]
mod watching;

#[cfg(feature = "web")]
#[expect(dead_code, reason = "the tests of the door use all of it")]
#[path = "web/client.rs"]
mod client;
#[cfg(feature = "web")]
#[expect(dead_code, reason = "the tests of the door use all of it")]
#[path = "web/fixture.rs"]
mod fixture;

#[path = "fleet/admitting.rs"]
mod admitting;
#[cfg(feature = "web")]
#[path = "fleet/door.rs"]
mod door;
#[path = "fleet/failing.rs"]
mod failing;
#[path = "fleet/joining.rs"]
mod joining;
#[path = "fleet/limiting.rs"]
mod limiting;
#[path = "fleet/parting.rs"]
mod parting;
#[path = "fleet/pressing.rs"]
mod pressing;
#[path = "fleet/trusting.rs"]
mod trusting;
