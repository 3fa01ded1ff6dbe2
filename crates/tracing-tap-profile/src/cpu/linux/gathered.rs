//! What was sampled so far, by path and by stack.

use super::super::SampleCounts;
use super::timeline::{PathId, Spending};
use super::unwind::Frames;
use std::collections::HashMap;
use std::time::Duration;
use tracing_tap::SpanTiming;
use tracing_tap::intervals::SpanPath;

/// More different stacks and paths than these are added up together.
const MAX_STACKS: usize = 100_000;
const MAX_PATHS: usize = 10_000;

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    paths: HashMap<Vec<String>, PathId>,
    pub(super) stacks: HashMap<(PathId, Vec<u64>), u64>,
    pub(super) spending: Spending,
    pub(super) closed: HashMap<PathId, Closed>,
    pub(super) counts: SampleCounts,
    /// The time that sampled threads have spent on processors.
    pub(super) on_cpu: Duration,
    /// The samples that they took in that time.
    pub(super) taken_on_cpu: u64,
}

/// The spans of a path that have closed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Closed {
    pub(super) count: u64,
    pub(super) idle: Option<Duration>,
}

impl Gathered {
    pub(super) fn path_of(&mut self, path: &SpanPath) -> PathId {
        self.path(path.iter().map(|span| span.name().to_owned()).collect())
    }

    /// Forgets all but which paths there are.
    pub(super) fn forget(&mut self) {
        *self = Self { paths: std::mem::take(&mut self.paths), ..Self::default() };
    }

    fn path(&mut self, names: Vec<String>) -> PathId {
        let next = self.paths.len();
        if next >= MAX_PATHS && !self.paths.contains_key(&names) {
            return *self.paths.entry(vec!["(too many paths)".to_owned()]).or_insert(next);
        }
        *self.paths.entry(names).or_insert(next)
    }

    pub(super) fn add_sample(&mut self, path: PathId, frames: Frames) {
        self.counts.attributed += 1;
        self.counts.truncated += u64::from(!frames.is_whole);
        let mut key = (path, frames.addresses);
        if self.stacks.len() >= MAX_STACKS && !self.stacks.contains_key(&key) {
            self.counts.folded_together += 1;
            key.1.clear();
        }
        *self.stacks.entry(key).or_default() += 1;
    }

    pub(super) fn add_close(&mut self, timing: &SpanTiming) {
        let path = self.path(timing.path().map(|span| span.name().to_owned()).collect());
        let closed = self.closed.entry(path).or_default();
        closed.count += 1;
        if let Some(idle) = timing.idle() {
            *closed.idle.get_or_insert_default() += idle;
        }
    }

    /// The paths by their ids.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = vec![Vec::new(); self.paths.len()];
        self.paths.iter().for_each(|(names, id)| paths[*id].clone_from(names));
        paths
    }
}
