use super::*;
use proptest::prelude::*;

const SPAN: TimedSpan = TimedSpan { number: 7, keeper: 3 };

/// How `fmt` keeps the times of a span.
#[derive(Default)]
struct Fmt {
    idle: u64,
    busy: u64,
    last: u64,
    entered: u64,
}

impl Fmt {
    fn enter(&mut self, now: u64) {
        if self.entered == 0 {
            self.idle += now - self.last;
            self.last = now;
        }
        self.entered += 1;
    }

    fn exit(&mut self, now: u64) {
        self.entered -= 1;
        if self.entered == 0 {
            self.busy += now - self.last;
            self.last = now;
        }
    }
}

proptest! {
    /// A thread enters and leaves as often as it likes, and several are inside at once.
    #[test]
    fn the_times_are_those_that_fmt_keeps(steps in prop::collection::vec((any::<bool>(), 1..1000_u64), 0..60)) {
        let (times, mut fmt, mut now, mut polls) = (Times::default(), Fmt::default(), 0, 0);
        times.begin(SPAN, now, true);
        for (enters, passed) in steps {
            now += passed;
            if enters {
                times.enter(|| now);
                fmt.enter(now);
                polls += 1;
            } else if fmt.entered > 0 {
                times.exit(|| now);
                fmt.exit(now);
            }
        }
        while fmt.entered > 0 {
            now += 1;
            times.exit(|| now);
            fmt.exit(now);
        }
        now += 5;
        let idle = fmt.idle + now - fmt.last;
        prop_assert_eq!(times.end(now), Busy { busy: fmt.busy, polls, seen: fmt.busy + idle, is_whole: true });
    }
}

#[test]
fn an_exit_whose_enter_was_not_seen_counts_for_nothing() {
    let times = Times::default();
    assert!(times.begin(SPAN, 100, false));
    times.exit(|| 150);
    times.enter(|| 200);
    times.exit(|| 210);
    times.exit(|| 300);
    assert_eq!(times.end(400), Busy { busy: 10, polls: 1, seen: 300, is_whole: false });
}

#[test]
fn the_clock_is_read_for_the_first_one_in_and_the_last_one_out() {
    let never = || -> u64 { panic!("somebody is inside") };
    let times = Times::default();
    times.begin(SPAN, 0, true);
    times.enter(|| 1);
    times.enter(never);
    times.exit(never);
    times.exit(|| 3);
    assert_eq!(times.end(3).busy, 2);
}

#[test]
fn times_are_of_one_span_and_one_keeper() {
    let times = Times::default();
    assert!(!times.are_of(SPAN));
    times.begin(SPAN, 1, true);
    assert!(times.are_of(SPAN));
    assert!(!times.are_of(TimedSpan { number: 8, ..SPAN }));
    assert!(!times.are_of(TimedSpan { keeper: 4, ..SPAN }), "what was entered in between is not known");
}

#[test]
fn the_times_of_a_span_take_a_cache_line() {
    assert_eq!(size_of::<Times>(), 64);
}
