//! The tests of the core. Most run in a process of their own, since `tracing`'s state is the process's.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[macro_use]
extern crate testing;

mod accounting;
mod across;
mod audit;
mod axum_server;
mod catalog;
mod compiled_out;
mod cost;
mod coverage;
mod environment;
mod equality;
mod examples;
mod faults;
mod filter_bits;
mod first;
mod follow;
mod forked;
mod forward;
mod fuzz_corpus;
mod h2_load;
mod hand_written;
mod held_guards;
mod health;
mod hostile;
mod instances;
mod intervals;
mod json;
mod layout;
mod limits;
mod lineage;
mod log_bridge;
mod look_back;
mod lost_context;
mod msrv;
mod neighbours;
mod no_thread;
mod oracle;
mod outcome;
mod parents;
mod policy;
mod predicate_text;
mod rebuild;
mod request_ids;
mod stacks;
mod switches;
mod timings;
mod tokio_runtime;
mod transparency;
#[path = "../../src/wire/tests/unique.rs"]
mod unique;
#[cfg(all(target_os = "linux", target_pointer_width = "64", feature = "usdt"))]
mod usdt;
mod user_code;
mod values;
mod veto;
mod watch_text;

#[global_allocator]
static ALLOCATOR: testing::measure::Counting = testing::measure::Counting;
