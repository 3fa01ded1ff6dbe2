//! Processor time of threads in nanoseconds, from Linux's `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

/// Sums over the threads of a process that `is_counted` accepts; `None` where there is no such `/proc`.
///
/// Threads that have ended are not in it. A thread that is running may be a few milliseconds behind, one that sleeps is exact.
pub(crate) fn nanoseconds_of_threads(process: &Path, is_counted: impl Fn(&Path) -> bool) -> Option<f64> {
    let threads = fs::read_dir(process.join("task")).ok()?.filter_map(Result::ok).map(|thread| thread.path());
    threads.filter(|thread| is_counted(thread)).map(of_thread).sum()
}

fn of_thread(thread: PathBuf) -> Option<f64> {
    fs::read_to_string(thread.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
}
