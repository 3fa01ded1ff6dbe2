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
    /// Samples that are too young to be joined, with their times.
    young: VecDeque<(u64, RawStack)>,
}

struct Events {
    samples: ThreadSamples,
    switches: Option<ThreadSwitches>,
    /// The time that the thread had spent on processors then, and lately.
    on_cpu: Option<(Duration, Duration)>,
}

impl Sampled {
    /// Begins to sample a thread.
    pub(super) fn new(intervals: ThreadIntervals, wanted: Wanted, clock: Clock) -> Self {
        let thread = intervals.thread();
        let events = ThreadSamples::open(thread, wanted).ok().map(|samples| Events {
            samples,
            switches: ThreadSwitches::open(thread).ok(),
            on_cpu: time_on_cpu(thread).map(|before| (before, before)),
        });
        let unsampled_until = Some(clock.now());
        // What it was in before is not in its records.
        let (stack, timeline) = (SpanStack::default(), Timeline::new(0, Place::Outside));
        Self { intervals, stack, timeline, events, unsampled_until, young: VecDeque::new() }
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
        events.samples.read(|recorded| match recorded {
            Recorded::Sample { at, stack } => young.push_back((clock.of_kernel(at), stack)),
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
        if let (Some((_, last)), Some(now)) = (&mut events.on_cpu, time_on_cpu(self.intervals.thread())) {
            *last = now;
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
            gathered.spending.entry(path).or_default().unknown += spent.unknown;
        }
        if until >= since {
            self.unsampled_until = None;
            let has_switches = self.events.as_ref().is_some_and(|events| events.switches.is_some());
            self.timeline.expect_switches(has_switches);
        }
    }

    /// Adds up what is left when the thread is gone, or the profile ends.
    pub(super) fn finish(self, gathered: &mut Gathered) {
        gathered.counts.unattributed += self.young.len() as u64;
        match &self.events {
            Some(events) => gathered.on_cpu += events.on_cpu.map_or(Duration::ZERO, |(before, last)| last - before),
            None => gathered.counts.unsampled_threads += 1,
        }
        self.timeline.end(&mut gathered.spending);
    }
}
