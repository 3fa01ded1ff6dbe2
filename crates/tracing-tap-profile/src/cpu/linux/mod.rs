//! CPU samples by perf events.
//!
//! | file | what it is |
//! |---|---|
//! | `perf` | the perf events of one thread, and what they have recorded |
//! | `timeline` | in which span a thread was when, and whether it was running |
//! | `sampled`, `rounds` | both of one thread, and of all of them, joined every few milliseconds |
//! | `gathered` | the sums |
//! | `selftest` | which stacks are to be had |
//! | `unwind`, `modules` | unwinding copied stacks |
//! | `symbols` | names of addresses |
//! | `forbidden` | which setting forbids perf events |
//! | `profiler` | starting and finishing |

mod clock;
mod forbidden;
mod gathered;
mod modules;
mod perf;
mod profiler;
mod rounds;
mod sampled;
mod selftest;
mod symbols;
mod timeline;
mod unwind;

pub(super) use profiler::Profiler;
