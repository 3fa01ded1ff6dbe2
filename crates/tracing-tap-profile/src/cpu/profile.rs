//! The finished profile.

use super::counts::SampleCounts;
use super::options::Stacks;
use std::time::{Duration, SystemTime};

/// CPU samples of the spans that a session has watched. Returned by [`CpuProfiler::finish`](crate::CpuProfiler::finish).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CpuProfile {
    /// The session's predicate.
    pub predicate: String,
    /// When it began.
    pub began_at: SystemTime,
    /// How long it took.
    pub lasted: Duration,
    /// Where the stacks come from.
    pub stacks: Stacks,
    /// Samples a second of CPU time that were asked for.
    pub asked_hz: u32,
    /// Samples a second of CPU time that were taken on the sampled threads, time in the kernel included; `None` if they used
    /// too little to tell.
    pub got_hz: Option<f64>,
    /// What became of all samples.
    pub counts: SampleCounts,
    /// The different stacks, by path and then by frames.
    pub samples: Vec<CpuStack>,
    /// Where the time of each path went, sampled or not.
    pub paths: Vec<PathTimes>,
}

/// One stack in one path of spans.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct CpuStack {
    /// The names of the spans from the root.
    pub path: Vec<String>,
    /// The functions from the outermost one.
    pub frames: Vec<String>,
    /// How many samples were taken there.
    pub samples: u64,
}

/// Where the time of the watched spans of one path went. What is inside a watched child is the child's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathTimes {
    /// The names of the spans from the root.
    pub path: Vec<String>,
    /// Spans of the path that have closed.
    pub closed: u64,
    /// Time in which a thread was in the span and running, as far as that is known.
    pub running: Duration,
    /// Time in which a thread was in the span and not running: it waited for a lock, for I/O, or for a processor.
    pub waiting: Duration,
    /// Time in which a thread was in the span, and it is not known whether it was running.
    pub unknown: Duration,
    /// Time of the closed spans in which no thread was in them: an `async` function that waits. `None` if none of them was watched
    /// from its creation on.
    pub idle: Option<Duration>,
}

impl CpuProfile {
    /// The time that one sample stands for.
    pub fn period(&self) -> Duration {
        Duration::from_nanos(1_000_000_000 / u64::from(self.asked_hz.max(1)))
    }

    /// What is to be known about the numbers: the rate, the kind of stacks, and all that is missing.
    pub fn notes(&self) -> Vec<String> {
        let got = self
            .got_hz
            .map_or_else(|| "too little CPU time to tell what came of it".to_owned(), |got| format!("{got:.1} taken"));
        let rate = format!("{} samples a second of CPU time asked for, {got}", self.asked_hz);
        let stacks = match self.stacks {
            Stacks::OneFrame => {
                "ONE FRAME DEEP: the program has neither frame pointers nor tables that work, so callers are unknown"
                    .to_owned()
            }
            stacks => format!("stacks from {stacks}"),
        };
        [rate, stacks].into_iter().chain(self.counts.notes()).collect()
    }

    /// The profile for a [form](crate::forms::Form): spans, then functions.
    #[cfg(feature = "forms")]
    pub fn to_profile(&self) -> crate::forms::Profile {
        use crate::forms::{About, Line, Measure, Profile};
        let Self { predicate, began_at, lasted, .. } = self.clone();
        let line = |stack: &CpuStack| Line {
            path: stack.path.iter().chain(&stack.frames).cloned().collect(),
            own: self.period() * u32::try_from(stack.samples).unwrap_or(u32::MAX),
            count: stack.samples,
        };
        Profile {
            measure: Measure::CPU,
            about: About { predicate, began_at, lasted, notes: self.notes() },
            lines: self.samples.iter().map(line).collect(),
        }
    }
}
