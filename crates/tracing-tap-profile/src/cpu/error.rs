//! Why there is no profile.

use std::error::Error;
use std::{fmt, io};
use tracing_tap::WatchError;
use tracing_tap::intervals::IntervalsError;

/// Why samples are not taken. The text says what to change.
#[derive(Debug)]
pub struct CpuError(Why);

#[derive(Debug)]
pub(super) enum Why {
    /// What forbids perf events, and what to change.
    Forbidden(String, io::Error),
    Failed(&'static str, io::Error),
    Refused(WatchError),
    InUse(IntervalsError),
    Panicked,
}

impl CpuError {
    /// For a system without perf events.
    #[cfg_attr(
        all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
        expect(dead_code, reason = "elsewhere it is the only error")
    )]
    pub(super) fn unsupported() -> Self {
        let cause = io::Error::new(io::ErrorKind::Unsupported, "this needs Linux, on x86-64 or ARM64");
        Self(Why::Failed("take CPU samples", cause))
    }

    pub(super) fn new(why: Why) -> Self {
        Self(why)
    }

    /// Whether the system forbids perf events. The text names the setting.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.0, Why::Forbidden(..))
    }

    /// Whether there are no perf events on this system: it is not Linux.
    pub fn is_unsupported(&self) -> bool {
        matches!(&self.0, Why::Failed(_, cause) if cause.kind() == io::ErrorKind::Unsupported)
    }

    /// Whether another profiler of the same router is at work.
    pub fn is_in_use(&self) -> bool {
        matches!(&self.0, Why::InUse(error) if error.is_in_use())
    }

    /// The router's refusal of the session.
    pub fn as_refused(&self) -> Option<&WatchError> {
        match &self.0 {
            Why::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WatchError> for CpuError {
    fn from(error: WatchError) -> Self {
        Self(Why::Refused(error))
    }
}

impl From<IntervalsError> for CpuError {
    fn from(error: IntervalsError) -> Self {
        Self(Why::InUse(error))
    }
}

impl fmt::Display for CpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Forbidden(by, cause) => write!(f, "perf events are forbidden: {by} ({cause})"),
            Why::Failed(what, cause) => write!(f, "cannot {what}: {cause}"),
            Why::Refused(error) => write!(f, "the session was refused: {error}"),
            Why::InUse(error) => error.fmt(f),
            Why::Panicked => f.write_str("the sampling thread has panicked"),
        }
    }
}

impl Error for CpuError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Why::Forbidden(_, cause) | Why::Failed(_, cause) => Some(cause),
            Why::Refused(error) => Some(error),
            Why::InUse(error) => Some(error),
            Why::Panicked => None,
        }
    }
}
