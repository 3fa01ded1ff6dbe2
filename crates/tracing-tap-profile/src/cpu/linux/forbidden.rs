//! Which setting forbids perf events.

use super::super::error::{CpuError, Why};
use std::{fs, io};

/// From here on Debian's and Android's kernels refuse everything; the mainline kernel stops at 2, which allows what is needed.
const REFUSES_ALL: i32 = 3;

/// The error for an attempt that the kernel refused.
pub(super) fn explain(cause: io::Error) -> CpuError {
    if !matches!(cause.kind(), io::ErrorKind::PermissionDenied) {
        return CpuError::new(Why::Failed("open a perf event", cause));
    }
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok();
    let paranoid = paranoid.and_then(|text| text.trim().parse().ok());
    CpuError::new(Why::Forbidden(reason(paranoid, seccomp_mode()), cause))
}

/// In words: what forbids it, and what to change.
fn reason(paranoid: Option<i32>, seccomp: Option<u32>) -> String {
    match (paranoid, seccomp) {
        (Some(paranoid), _) if paranoid >= REFUSES_ALL => format!(
            "the setting kernel.perf_event_paranoid is {paranoid}; `sysctl kernel.perf_event_paranoid=2` allows a process to sample \
             itself, as does the capability CAP_PERFMON"
        ),
        (_, Some(mode)) if mode != 0 => {
            let level = paranoid.map_or_else(String::new, |paranoid| {
                format!(" (kernel.perf_event_paranoid is {paranoid}, which allows it)")
            });
            format!(
                "a seccomp filter of this process refuses perf_event_open{level}; in a container allow that system call in the seccomp \
                 profile, or add the capability CAP_PERFMON"
            )
        }
        _ => {
            let level = paranoid.map_or_else(|| "not readable".to_owned(), |paranoid| paranoid.to_string());
            format!(
                "kernel.perf_event_paranoid is {level} and no seccomp filter is set, so a security module refuses it"
            )
        }
    }
}

/// The `Seccomp` line of this thread's status: 0 without a filter.
fn seccomp_mode() -> Option<u32> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Seccomp:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_forbids_it_is_named() {
        assert!(reason(Some(3), Some(0)).contains("kernel.perf_event_paranoid is 3"));
        assert!(reason(Some(2), Some(2)).starts_with("a seccomp filter"));
        assert!(reason(Some(2), Some(0)).contains("a security module"));
        assert!(reason(None, None).contains("is not readable"));
    }
}
