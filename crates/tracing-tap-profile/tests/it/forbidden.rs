//! Where perf events are forbidden, the error says by what.

use super::{burn, install, user};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, thread};
use testing::program::Program;
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

/// Set in the process that has no privileges.
const UNPRIVILEGED: &str = "TRACING_TAP_TEST_IS_UNPRIVILEGED";

#[test]
fn an_unprivileged_user_has_a_profile_or_learns_why_not() {
    if env::var_os(UNPRIVILEGED).is_some() {
        return profile_or_reason();
    }
    const NOBODY: u32 = 65534;
    // Where this program is, others may not read it.
    let program = env::temp_dir().join(format!("tracing-tap-unprivileged-{}", std::process::id()));
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&program);
    command.args(["forbidden::an_unprivileged_user_has_a_profile_or_learns_why_not", "--exact", "--nocapture"]);
    command.env(UNPRIVILEGED, "1").current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let ended = Program::start(&mut command).end();
    fs::remove_file(program).unwrap();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("1 passed"), "{}", ended.stdout);
}

fn profile_or_reason() {
    let router = install();
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    let may = paranoid.trim().parse::<i32>().unwrap() <= 2;
    match CpuProfiler::start(&router, user(42), CpuOptions::default()) {
        Ok(profiler) => {
            let work = || tracing::info_span!("request", user = 42).in_scope(|| burn(Duration::from_millis(200)));
            thread::spawn(work).join().unwrap();
            let profile = profiler.finish().unwrap();
            assert!(profile.counts.attributed > 0, "{profile:#?}");
        }
        Err(error) => {
            let text = error.to_string();
            assert!(error.is_forbidden() && (!may || text.contains("seccomp")), "{text}");
            assert!(["perf_event_paranoid", "seccomp"].iter().any(|setting| text.contains(setting)), "{text}");
        }
    }
}
