//! CPU samples of the requests that a session of `tracing-tap` watches, and the forms that profiles are written in.
//!
//! A profiler of the process says which functions are slow for everybody. This one says which are slow for user 42: the kernel
//! interrupts the threads that have watched spans on them so many times a second of CPU time and notes where they are, and
//! what is not inside a watched span is dropped before anybody sees it.
//!
//! ```no_run
//! use tracing_tap::{Predicate, SessionOptions, TapRouter};
//! use tracing_tap_profile::forms::Form;
//! use tracing_tap_profile::{CpuOptions, CpuProfiler};
//!
//! let router = TapRouter::new();
//! // … the service is at work …
//! let session = SessionOptions::new(Predicate::eq("user", 42)).opened_by("alice");
//! let profiler = CpuProfiler::start(&router, session, CpuOptions::default())?;
//! std::thread::sleep(std::time::Duration::from_secs(30));
//! let profile = profiler.finish()?;
//! for note in profile.notes() {
//!     eprintln!("{note}");
//! }
//! std::fs::write("slow.pb.gz", Form::Pprof.write(&profile.to_profile())?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Flame graphs need the feature `flamegraph`, which is off by default: the licence of `inferno`, which draws them, is the CDDL.
//!
//! # How it works
//! - The session has [timings](tracing_tap::SessionOptions::timings), and the router
//!   [records](tracing_tap::TapRouter::intervals) when each thread is in a span that it watches. That is all that the service's
//!   own threads do for it: no signal handler, no lock, no stack walk.
//! - A thread of this crate opens a perf event (`cpu-clock`, of user code alone) on each of those threads, reads the samples,
//!   and keeps those that fall into an interval. It looks up names once, at the end.
//! - Stacks come from the kernel if the program has frame pointers. Otherwise the kernel copies the top of the stack with each
//!   sample, and this crate's thread unwinds it. A test when the profiler starts finds out which; [`CpuProfile::stacks`] says.
//!
//! # Limits
//! - Linux, on x86-64 and ARM64. Elsewhere, and where the system forbids perf events, [`CpuProfiler::start`] returns an
//!   error that names the setting.
//! - One profiler at a time for each router. It opens its session by [`try_watch`](tracing_tap::TapRouter::try_watch), so the
//!   router's limits apply, and the [audit](tracing_tap::audit) logs `session opened` and `session profiled`.
//! - What a thread does in the kernel is not sampled.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "forms")]
pub mod forms;

#[cfg(feature = "cpu")]
pub use cpu::{CpuError, CpuOptions, CpuProfile, CpuProfiler, CpuStack, PathTimes, SampleCounts, Stacks};
