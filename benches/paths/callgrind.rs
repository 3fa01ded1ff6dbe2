//! One child under valgrind's callgrind, and what it counted.

use crate::measure::CALLS;
use crate::table::{Path, Variant};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, process};

/// Only what the measuring thread executes inside this function is counted: other threads, the start of the process
/// and opening of sessions are not.
const COUNTED: &str = "*measure::counted*";

/// Has the C library find most memory in the thread's own lists. Otherwise it merges and splits free pieces now and then, as
/// they happen to lie: the same program counted 690 instructions more for a span in 1,000 calls and 753 in 2,000.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=2000:glibc.malloc.mxfast=0");

/// Instructions per call. Those of the loop around the calls are the same for every variant of a path.
pub(crate) fn instructions_per_call(path: &Path, variant: Variant, calls: u64) -> f64 {
    let counts = Counts::new(&format!("{}-{}-{calls}", path.name, variant.name()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--fair-sched=yes"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", counts.0.display()))
        .arg(env::current_exe().expect("a bench is a file"))
        .args(["--child", path.name, variant.name()])
        .env(CALLS, calls.to_string())
        .env(TUNABLES.0, TUNABLES.1)
        .output()
        .expect("valgrind is installed: apt-get install valgrind");
    assert!(output.status.success(), "{}: {}", path.name, String::from_utf8_lossy(&output.stderr));
    counts.total() as f64 / calls as f64
}

/// The file of one child's counts, removed afterwards.
struct Counts(PathBuf);

impl Counts {
    fn new(name: &str) -> Self {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        Self(env::temp_dir().join(format!("tracing-tap-callgrind-{}-{name}", process::id())))
    }

    fn total(&self) -> u64 {
        let text = fs::read_to_string(&self.0).expect("callgrind writes what it counted");
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("the counts have a total");
        total.trim().parse().expect("a total is a number")
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        // What cannot be removed does no harm there.
        let _ = fs::remove_file(&self.0);
    }
}
