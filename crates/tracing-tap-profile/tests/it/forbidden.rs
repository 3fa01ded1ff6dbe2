//! Where perf events are forbidden, the error says by what.

use super::{install, user};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
use std::collections::BTreeMap;
use tracing_tap_profile::{CpuOptions, CpuProfiler};

/// Has the kernel answer `EPERM` to `perf_event_open` in this process from now on.
fn forbid() {
    #[cfg(target_arch = "x86_64")]
    const PERF_EVENT_OPEN: i64 = 298;
    #[cfg(target_arch = "aarch64")]
    const PERF_EVENT_OPEN: i64 = 241;
    const EPERM: u32 = 1;
    let rules = BTreeMap::from([(PERF_EVENT_OPEN, Vec::new())]);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(EPERM), arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter_all_threads(&program).unwrap();
}

isolated! {
    fn a_seccomp_filter_that_forbids_it_is_named() {
        let router = install();
        forbid();
        let error = CpuProfiler::start(&router, user(42), CpuOptions::default()).unwrap_err();
        assert!(error.is_forbidden());
        let text = error.to_string();
        assert!(text.contains("seccomp filter") && text.contains("perf_event_open"), "{text}");
        assert!(router.sessions().is_empty(), "no session was opened for nothing");
    }
}
