//! One session over several processes, on a real `nats-server`.

#[macro_use]
extern crate testing;

#[cfg(feature = "tower")]
mod across;
mod admitting;
mod bridge;
mod emitting;
mod endpoint;
mod examples;
mod failing;
#[expect(dead_code, reason = "the tests of the endpoint use all of it")]
#[path = "../../../tracing-tap-web/tests/it/fixture.rs"]
mod fixture;
mod instance;
mod joining;
mod limiting;
mod parting;
mod past;
mod pressing;
mod process;
mod proxy;
mod road;
mod rotating;
mod sealing;
mod trusting;
mod watching;
