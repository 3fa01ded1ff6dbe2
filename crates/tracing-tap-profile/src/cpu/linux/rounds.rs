//! What the sampling thread does every few milliseconds: it reads what threads and the kernel have recorded, and joins it.

use super::clock::Clock;
use super::gathered::Gathered;
use super::perf::Wanted;
use super::sampled::Sampled;
use super::unwind::Unwinder;
use tracing_tap::intervals::Intervals;

/// Everything about the threads that are sampled.
pub(super) struct Rounds {
    intervals: Intervals,
    wanted: Wanted,
    unwinder: Unwinder,
    threads: Vec<Sampled>,
    clock: Clock,
    pub(super) gathered: Gathered,
}

/// How far the join stays behind, so that what is on its way has arrived.
const BEHIND_NS: u64 = 2_000_000;

impl Rounds {
    pub(super) fn new(intervals: Intervals, wanted: Wanted, unwinder: Unwinder) -> Self {
        let clock = Clock::new(intervals.origin());
        Self { intervals, wanted, unwinder, threads: Vec::new(), clock, gathered: Gathered::default() }
    }

    /// One round.
    pub(super) fn go(&mut self) {
        let until = self.clock.now().saturating_sub(BEHIND_NS);
        self.join(until);
        let (over, left) = std::mem::take(&mut self.threads).into_iter().partition(Sampled::is_over);
        self.threads = left;
        self.finish(over);
    }

    /// The last round: what is not known by now will not be.
    pub(super) fn end(&mut self) {
        self.join(self.clock.now());
        let all = std::mem::take(&mut self.threads);
        self.finish(all);
        self.gathered.counts.unsampled_threads += self.intervals.left_out_threads();
    }

    /// Ends the recording.
    pub(super) fn into_gathered(self) -> Gathered {
        self.gathered
    }

    fn join(&mut self, until: u64) {
        let (clock, wanted) = (self.clock, self.wanted);
        self.threads.extend(self.intervals.new_threads().map(|thread| Sampled::new(thread, wanted, clock)));
        for sampled in &mut self.threads {
            sampled.read(clock, &mut self.gathered);
            sampled.join(until, &mut self.gathered, &mut self.unwinder);
        }
    }

    fn finish(&mut self, threads: Vec<Sampled>) {
        threads.into_iter().for_each(|sampled| sampled.finish(&mut self.gathered));
    }
}
