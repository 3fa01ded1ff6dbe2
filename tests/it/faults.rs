//! Faults: readers that stop, die, come and go, users' code that panics. Each with its bounds: memory, descriptors and
//! threads, an exact account, and producers that are never held up. Those of the HTTP endpoint are in its own tests.

mod panics;
mod sessions;
