//! What a kernel may refuse to a test, and what happens then.

use std::fs::OpenOptions;
use std::io::Write;

/// Whether the system permits what a test needs. Where it does not, the test is skipped and prints why; in CI it fails.
///
/// Test runners show no output of a test that passes. So the reason is also written to the file that
/// `TRACING_TAP_SKIPPED` names, if it is set: `tests/run.sh` prints that file at its end.
#[track_caller]
pub fn is_permitted(tried: Result<(), String>) -> bool {
    let Err(why) = tried else { return true };
    assert!(std::env::var_os("CI").is_none(), "the system refuses what this test needs: {why}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED {test}: {}\n", why.trim().replace('\n', " "));
    eprint!("{line}");
    if let Some(path) = std::env::var_os("TRACING_TAP_SKIPPED") {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of skipped tests can be written");
    }
    false
}

/// Whether the system permits perf events, by what a program has printed that needs them.
#[track_caller]
pub fn are_perf_events_permitted(printed: &str) -> bool {
    let refusal = printed.lines().find(|line| line.contains("perf events are forbidden"));
    is_permitted(refusal.map_or(Ok(()), |line| Err(line.to_owned())))
}
