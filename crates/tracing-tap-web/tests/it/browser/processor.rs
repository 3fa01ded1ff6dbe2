//! How long the page's own thread has worked, apart from how long it had to wait for a processor.
//!
//! A browser measures its tasks by the clock: on a machine that has more to do than processors, short ones look long.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often the system is asked what a thread has used.
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// A moment in milliseconds since 1970, and the milliseconds that each renderer's main thread had worked by then.
type Sample = (f64, HashMap<u32, f64>);

/// Watches the renderers of a browser.
pub(crate) struct Processor {
    is_done: Arc<AtomicBool>,
    watching: JoinHandle<Vec<Sample>>,
}

impl Processor {
    /// Watches the renderers below a process.
    pub(crate) fn watch(driver: u32) -> Self {
        let renderers = renderers_below(driver);
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let watching = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !done.load(Ordering::Relaxed) {
                samples.push((now_ms(), renderers.iter().filter_map(|id| Some((*id, worked_ms(*id)?))).collect()));
                std::thread::park_timeout(LOOK_EVERY);
            }
            samples
        });
        Self { is_done, watching }
    }

    /// Of each of these tasks, by their begin and how long the clock says they took, for how long a processor worked at
    /// most. Where the system does not tell, the clock counts.
    pub(crate) fn worked(self, tasks: &[(f64, f64)]) -> Vec<f64> {
        self.is_done.store(true, Ordering::Relaxed);
        let samples = self.watching.join().expect("it only looks");
        tasks.iter().map(|(begin, took)| worked_between(&samples, *begin, begin + took).unwrap_or(*took)).collect()
    }
}

fn worked_between(samples: &[Sample], begin: f64, end: f64) -> Option<f64> {
    let before = &samples.iter().rev().find(|(at, _)| *at <= begin)?.1;
    let after = &samples.iter().find(|(at, _)| *at >= end).or(samples.last())?.1;
    let worked = after.iter().map(|(id, worked)| worked - before.get(id).copied().unwrap_or_default());
    worked.reduce(f64::max)
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs_f64() * 1000.0
}

/// What the main thread of a process has used of a processor.
fn worked_ms(process: u32) -> Option<f64> {
    let told = std::fs::read_to_string(format!("/proc/{process}/task/{process}/schedstat")).ok()?;
    let nanoseconds: f64 = told.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

fn renderers_below(driver: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    ids.filter(|id| is_renderer(*id) && is_below(*id, driver)).collect()
}

fn is_renderer(process: u32) -> bool {
    let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains("--type=renderer")
}

fn is_below(process: u32, ancestor: u32) -> bool {
    std::iter::successors(Some(process), |process| parent(*process)).any(|process| process == ancestor)
}

fn parent(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
    (parent > 0).then_some(parent)
}
