//! Messages of a fleet from arbitrary bytes, signed and forged: none causes a panic, and none that is not signed counts.
//!
//! `cargo +nightly fuzz run fleet <somewhere> fuzz/corpus/fleet -- -dict=fuzz/fleet.dict`: what is new goes to the first
//! directory. The unit tests of `tracing-tap-nats` replay the corpus on stable.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracing_tap_nats::check_fuzzed(bytes));
