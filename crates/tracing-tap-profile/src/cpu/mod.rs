//! CPU samples.

mod counts;
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod elsewhere;
mod error;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;
mod options;
mod profile;

pub use counts::SampleCounts;
pub use error::CpuError;
pub use options::{CpuOptions, Stacks};
pub use profile::{CpuProfile, CpuStack, PathTimes};

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
use elsewhere as system;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
use linux as system;

use std::fmt;
use tracing_tap::{SessionId, SessionOptions, TapRouter};

/// Takes CPU samples of the spans that a session watches, until it is finished or dropped.
pub struct CpuProfiler(system::Profiler);

impl CpuProfiler {
    /// Opens a session and begins to sample the threads that are in its spans.
    ///
    /// Takes up to a second: it finds out what stacks are to be had, and waits until all callsites know of the session. The session's
    /// options are used as they are, but for [timings](SessionOptions::timings), which it has, and
    /// [events](SessionOptions::without_events), which it has not.
    ///
    /// # Errors
    /// - If there are no perf events: not on Linux on x86-64 or ARM64, or the system forbids them. The text names the setting.
    /// - If the router refuses the session, or another profiler is at work.
    pub fn start(router: &TapRouter, session: SessionOptions, options: CpuOptions) -> Result<Self, CpuError> {
        system::Profiler::start(router, session.timings().without_events(), options).map(Self)
    }

    /// The session, for example to [close](TapRouter::close) it, which ends the profile early.
    pub fn session(&self) -> SessionId {
        self.0.session()
    }

    /// Whether the session has ended, by its own limits or by [`TapRouter::close`], and the profile is there:
    /// [`finish`](Self::finish) does not wait.
    pub fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    /// Ends the session and returns what was sampled. Looks up the names of functions, which may take seconds for a large
    /// program; another thread does it.
    ///
    /// # Errors
    /// If the sampling thread has panicked.
    pub fn finish(self) -> Result<CpuProfile, CpuError> {
        self.0.finish()
    }
}

impl fmt::Debug for CpuProfiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuProfiler").finish_non_exhaustive()
    }
}
