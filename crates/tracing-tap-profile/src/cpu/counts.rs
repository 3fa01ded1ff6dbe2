//! What became of all samples.

use std::time::Duration;

/// What became of the samples, and what was not sampled. The whole is
/// `attributed + outside + unattributed + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SampleCounts {
    /// In a watched span: the samples of the profile.
    pub attributed: u64,
    /// On a sampled thread outside of all watched spans that it has entered since the profile began. Nothing but their number
    /// is kept.
    pub outside: u64,
    /// Taken where it is not known in which span the thread was: intervals were lost, or the profile ended.
    pub unattributed: u64,
    /// That the kernel had no room for.
    pub lost: u64,
    /// Attributed samples whose copied stack is not whole: it is deeper than what was copied, or its tables are incomplete.
    /// Frame pointers do not show whether a caller is missing.
    pub truncated: u64,
    /// Attributed samples without a stack of their own in the profile, since there were too many different ones.
    pub folded_together: u64,
    /// How often the kernel has paused sampling because it took too long.
    pub throttled: u64,
    /// Records of enters and exits that found no place.
    pub lost_intervals: u64,
    /// Closes of spans that are missing in the times of paths.
    pub lost_closes: u64,
    /// Records of when threads were running that found no place.
    pub lost_switches: u64,
    /// Threads that entered watched spans and were not sampled, because there were too many or the kernel refused.
    pub unsampled_threads: u64,
    /// Time in watched spans before the sampling of their thread began.
    pub before_sampling: Duration,
}

impl SampleCounts {
    /// The notes on what is missing, each a sentence without a full stop.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let counted = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let before = (!self.before_sampling.is_zero()).then(|| {
            format!("{:.1?} in watched spans were over before their thread was sampled", self.before_sampling)
        });
        [
            counted(self.lost, "samples are missing: the kernel had no room for them"),
            counted(self.unattributed, "samples are missing: it is not known in which span they were taken"),
            counted(self.truncated, "stacks are not whole"),
            counted(self.folded_together, "samples have no stack: there are too many different ones"),
            counted(self.throttled, "times the kernel has paused sampling, since it took too long"),
            counted(self.lost_intervals, "enters and exits of spans are missing: a thread's queue was full"),
            counted(self.lost_closes, "closes of spans are missing: idle times are more than is shown"),
            counted(self.lost_switches, "records of when threads were running are missing"),
            counted(self.unsampled_threads, "threads were not sampled"),
            before,
        ]
        .into_iter()
        .flatten()
    }
}
