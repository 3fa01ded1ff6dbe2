//! One thread that is sampled: what it has recorded, and what the kernel has recorded of it.

use super::clock::Clock;
use super::gathered::Gathered;
use super::perf::{RawStack, Recorded, ThreadSamples, ThreadSwitches, Wanted, time_on_cpu};
use super::timeline::{Place, SpanStack, Spending, Timeline};
use super::unwind::Unwinder;
use std::collections::VecDeque;
use std::time::Duration;
use tracing_tap::intervals::{IntervalRecord, ThreadIntervals};

/// One thread that has entered a watched span.
pub(super) struct Sampled {
    intervals: ThreadIntervals,
    stack: SpanStack,
    timeline: Timeline,
    /// `None` if the kernel refused.
    events: Option<Events>,
    /// When the kernel began, until it is past.
    unsampled_until: Option<u64>,
    rounds: u64,
    /// Samples that are too young to be joined, with their times.
    young: VecDeque<(u64, RawStack)>,
}

struct Events {
    samples: ThreadSamples,
    switches: Option<ThreadSwitches>,
    /// How many samples were taken so far.
    taken: u64,
    on_cpu: Option<OnCpu>,
}

/// The time that a thread spends on processors, and its samples in that time.
struct OnCpu {
    before: Duration,
    last: Duration,
    taken: u64,
}

/// The time on processors is read from a file, so not in each round. A thread that is gone has none.
const ROUNDS_A_LOOK: u64 = 16;

impl Events {
    fn look_at_time(&mut self, thread: u64) {
        if let (Some(on_cpu), Some(now)) = (&mut self.on_cpu, time_on_cpu(thread)) {
            (on_cpu.last, on_cpu.taken) = (now, self.taken);
        }
    }
}

impl Sampled {
    /// Begins to sample a thread.
    pub(super) fn new(intervals: ThreadIntervals, wanted: Wanted, clock: Clock) -> Self {
        let thread = intervals.thread();
        let on_cpu = time_on_cpu(thread).map(|before| OnCpu { before, last: before, taken: 0 });
        let events = ThreadSamples::open(thread, wanted).ok().map(|samples| Events {
            samples,
            switches: ThreadSwitches::open(thread).ok(),
            taken: 0,
            on_cpu,
        });
        let unsampled_until = Some(clock.now());
        // What it was in before is not in its records.
        let (stack, timeline) = (SpanStack::default(), Timeline::new(0, Place::Outside));
        Self { intervals, stack, timeline, events, unsampled_until, rounds: 0, young: VecDeque::new() }
    }

    /// Whether the thread is gone.
    pub(super) fn is_over(&self) -> bool {
        self.intervals.is_over() && self.young.is_empty()
    }

    /// Reads what was recorded by now.
    pub(super) fn read(&mut self, clock: Clock, gathered: &mut Gathered) {
        self.read_places(gathered);
        self.read_events(clock, gathered);
    }

    fn read_places(&mut self, gathered: &mut Gathered) {
        let mut last = 0;
        while let Some(record) = self.intervals.pop() {
            match record {
                IntervalRecord::Watched { span, path } => self.stack.name(span, gathered.path_of(&path)),
                IntervalRecord::Entered { span, at_ns } => {
                    last = at_ns;
                    self.timeline.moved(at_ns, self.stack.enter(span));
                }
                IntervalRecord::Exited { span, at_ns } => {
                    last = at_ns;
                    self.timeline.moved(at_ns, self.stack.exit(span));
                }
                IntervalRecord::Lost { records, is_inside } => {
                    gathered.counts.lost_intervals += records;
                    self.timeline.moved(last, self.stack.lose(is_inside));
                }
                _ => {}
            }
        }
    }

    fn read_events(&mut self, clock: Clock, gathered: &mut Gathered) {
        let Some(events) = &mut self.events else { return };
        let (counts, young) = (&mut gathered.counts, &mut self.young);
        let taken = &mut events.taken;
        events.samples.read(|recorded| match recorded {
            Recorded::Sample { at, stack } => {
                *taken += 1;
                young.push_back((clock.of_kernel(at), stack));
            }
            Recorded::Lost(samples) => counts.lost += samples,
            Recorded::Throttled => counts.throttled += 1,
            Recorded::Switched { .. } => {}
        });
        let mut lost = 0;
        if let Some(switches) = &mut events.switches {
            switches.read(|recorded| match recorded {
                Recorded::Switched { at, is_running } => self.timeline.switched(clock.of_kernel(at), is_running),
                Recorded::Lost(records) => lost += records,
                Recorded::Sample { .. } | Recorded::Throttled => {}
            });
        }
        if lost > 0 {
            counts.lost_switches += lost;
            self.timeline.lose_switches(&mut gathered.spending);
        }
        self.rounds += 1;
        if self.rounds.is_multiple_of(ROUNDS_A_LOOK) {
            events.look_at_time(self.intervals.thread());
        }
    }

    /// Joins both up to a moment up to which both are there.
    pub(super) fn join(&mut self, until: u64, gathered: &mut Gathered, unwinder: &mut Unwinder) {
        self.pass_until_sampled(until, gathered);
        while let Some((at, stack)) = self.young.front().filter(|(at, _)| *at <= until) {
            match self.timeline.place_at(*at) {
                Place::Inside(path) => gathered.add_sample(path, unwinder.frames(stack)),
                Place::Outside => gathered.counts.outside += 1,
                Place::Unknown => gathered.counts.unattributed += 1,
            }
            self.young.pop_front();
        }
        self.timeline.advance(until, &mut gathered.spending);
    }

    /// Before it was sampled, it is not known whether the thread was running.
    fn pass_until_sampled(&mut self, until: u64, gathered: &mut Gathered) {
        let Some(since) = self.unsampled_until else { return };
        let mut before = Spending::new();
        self.timeline.advance(until.min(since), &mut before);
        for (path, spent) in before {
            gathered.counts.before_sampling += Duration::from_nanos(spent.unknown);
            let sum = gathered.spending.entry(path).or_default();
            // Switches are seen a moment earlier.
            sum.running += spent.running;
            sum.waiting += spent.waiting;
            sum.unknown += spent.unknown;
        }
        if until >= since {
            self.unsampled_until = None;
            let has_switches = self.events.as_ref().is_some_and(|events| events.switches.is_some());
            self.timeline.expect_switches(has_switches);
        }
    }

    /// Adds up what is left when the thread is gone, or the profile ends.
    pub(super) fn finish(mut self, gathered: &mut Gathered) {
        gathered.counts.unattributed += self.young.len() as u64;
        if let Some(events) = &mut self.events {
            events.look_at_time(self.intervals.thread());
            gathered.counts.lost += events.samples.lost_at_the_end();
            let switches = events.switches.as_mut().map(ThreadSwitches::lost_at_the_end);
            gathered.counts.lost_switches += switches.unwrap_or_default();
        }
        match &self.events {
            Some(Events { on_cpu: Some(OnCpu { before, last, taken }), .. }) => {
                gathered.on_cpu += last.saturating_sub(*before);
                gathered.taken_on_cpu += taken;
            }
            Some(_) => {}
            None => gathered.counts.unsampled_threads += 1,
        }
        self.timeline.end(&mut gathered.spending);
    }
}
