//! What the process holds, sample by sample, and whether it grows.

use std::fs;
use std::time::Duration;
use tracing_tap::TapRouter;

/// What the allocator may keep for itself, and how much the readers that are there at a sample's moment vary.
const MEMORY_SLACK_KIB: u64 = 4 << 10;
const COUNT_SLACK: u64 = 8;

const LEAST_WARM_UP: Duration = Duration::from_secs(20);

pub(crate) struct Samples {
    warm_up: Duration,
    all: Vec<Sample>,
}

struct Sample {
    at: Duration,
    /// Memory of its own: what is mapped from files is the system's to keep or not.
    memory_kib: u64,
    descriptors: u64,
    threads: u64,
    sessions: usize,
    opened: u64,
    matched: u64,
    lost: u64,
}

impl Samples {
    pub(crate) fn new(duration: Duration) -> Self {
        Self { warm_up: (duration / 10).max(LEAST_WARM_UP), all: Vec::new() }
    }

    pub(crate) fn take(&mut self, at: Duration, router: &TapRouter) {
        let stats = router.stats();
        self.all.push(Sample {
            at,
            memory_kib: of_status("RssAnon:"),
            descriptors: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
            sessions: stats.open_sessions,
            opened: stats.opened_sessions,
            matched: stats.events.matched,
            lost: stats.events.lost,
        });
    }

    pub(crate) fn print(&self) {
        println!("| after, s | memory, KiB | descriptors | threads | sessions | opened | matched | lost |");
        println!("|---------:|------------:|------------:|--------:|---------:|-------:|--------:|-----:|");
        for sample in self.all.iter().step_by(4) {
            let Sample { at, memory_kib, descriptors, threads, sessions, opened, matched, lost } = sample;
            let at = at.as_secs();
            println!(
                "| {at:>8} | {memory_kib:>11} | {descriptors:>11} | {threads:>7} | {sessions:>8} | {opened:>6} | {matched:>7} | {lost:>4} |"
            );
        }
    }

    /// What has grown, in words.
    pub(crate) fn growth(&self) -> Vec<String> {
        let warm: Vec<_> = self.all.iter().filter(|sample| sample.at > self.warm_up).collect();
        let quarter = warm.len() / 4;
        if quarter < 3 {
            return vec!["too few samples after the warm-up: run it for two minutes or longer".to_owned()];
        }
        let (first, last) = (&warm[..quarter], &warm[warm.len() - quarter..]);
        let grown = |what: &str, of: fn(&Sample) -> u64, slack: u64| {
            let (before, after) = (median(first, of), median(last, of));
            println!("{what}: {before} after the warm-up, {after} at the end; {slack} more are allowed");
            (after > before + slack).then(|| format!("{what} have grown from {before} to {after}"))
        };
        let memory_slack = median(first, |sample| sample.memory_kib) / 20 + MEMORY_SLACK_KIB;
        let memory = grown("KiB of memory", |sample| sample.memory_kib, memory_slack);
        let descriptors = grown("descriptors", |sample| sample.descriptors, COUNT_SLACK);
        let threads = grown("threads", |sample| sample.threads, COUNT_SLACK);
        [memory, descriptors, threads].into_iter().flatten().collect()
    }
}

fn median(samples: &[&Sample], of: fn(&Sample) -> u64) -> u64 {
    let mut numbers: Vec<_> = samples.iter().map(|sample| of(sample)).collect();
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}

fn entries(folder: &str) -> u64 {
    fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

fn of_status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the system describes its processes");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it has their memory");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}
