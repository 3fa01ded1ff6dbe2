//! Where one thread was when: in which watched span, and whether it was running.
//!
//! Two kinds of changes arrive, each in order: enters and exits of spans, and switches of the thread. The timeline is advanced to
//! a moment up to which both are complete; behind it nothing is kept but the state at that moment.

use std::collections::{HashMap, VecDeque};

/// Names a path of spans.
pub(super) type PathId = usize;

/// Where a thread is by its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In no watched span.
    Outside,
    /// The innermost watched span is of this path.
    Inside(PathId),
    /// Not known.
    Unknown,
}

/// The spans that a thread has entered, by its records.
#[derive(Debug, Default)]
pub(super) struct SpanStack {
    /// The paths of the spans that were named or entered last, and of those before them. A service names spans without end,
    /// and no record says which of them are gone.
    named: HashMap<u64, PathId>,
    named_before: HashMap<u64, PathId>,
    entered: Vec<(u64, Place)>,
    /// Whether records were lost while it was in spans that it may still be in.
    is_uncertain: bool,
}

/// The changes that are not used up yet, and the state before them.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Up to here all is used up.
    until: u64,
    place: Place,
    places: VecDeque<(u64, Place)>,
    /// Whether the thread was running at `until`, if it is known.
    is_running: Option<bool>,
    switches: VecDeque<(u64, bool)>,
    /// What passed since it was last known whether it runs.
    undetermined: HashMap<PathId, u64>,
    expects_switches: bool,
}

/// Time in one path, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) running: u64,
    pub(super) waiting: u64,
    pub(super) unknown: u64,
}

/// What time was spent in by path.
pub(super) type Spending = HashMap<PathId, Spent>;

/// How many spans are named before the older ones are forgotten. A thread names a span again once it has been in a few others.
const MAX_NAMED: usize = 4096;

impl SpanStack {
    pub(super) fn name(&mut self, span: u64, path: PathId) {
        if self.named.len() >= MAX_NAMED {
            self.named_before = std::mem::take(&mut self.named);
        }
        self.named.insert(span, path);
    }

    pub(super) fn enter(&mut self, span: u64) -> Place {
        let path = self.named.get(&span).or_else(|| self.named_before.get(&span)).copied();
        if let Some(path) = path {
            self.name(span, path);
        }
        self.entered.push((span, path.map_or(Place::Unknown, Place::Inside)));
        self.place()
    }

    pub(super) fn exit(&mut self, span: u64) -> Place {
        if let Some(place) = self.entered.iter().rposition(|(entered, _)| *entered == span) {
            self.entered.remove(place);
        }
        self.place()
    }

    /// From here on only what is entered is known, if the thread may be inside of something.
    pub(super) fn lose(&mut self, is_inside: bool) -> Place {
        self.entered.clear();
        self.is_uncertain = is_inside;
        self.place()
    }

    fn place(&self) -> Place {
        match self.entered.last() {
            Some((_, place)) => *place,
            // What was entered before the loss may not be left yet.
            None if self.is_uncertain => Place::Unknown,
            None => Place::Outside,
        }
    }
}

impl Timeline {
    /// Begins at a moment in a place.
    pub(super) fn new(at: u64, place: Place) -> Self {
        Self {
            until: at,
            place,
            places: VecDeque::new(),
            is_running: None,
            switches: VecDeque::new(),
            undetermined: HashMap::new(),
            expects_switches: false,
        }
    }

    /// From here on switches arrive, or not: then it stays unknown whether the thread runs.
    pub(super) fn expect_switches(&mut self, expected: bool) {
        self.expects_switches = expected;
    }

    /// From that moment on the thread is in that place.
    pub(super) fn moved(&mut self, at: u64, place: Place) {
        // A record that comes late changes what is to come.
        let at = at.max(self.places.back().map_or(self.until, |(last, _)| *last));
        self.places.push_back((at, place));
    }

    /// At that moment the thread was put on a processor, or taken off.
    pub(super) fn switched(&mut self, at: u64, is_running: bool) {
        let at = at.max(self.switches.back().map_or(self.until, |(last, _)| *last));
        self.switches.push_back((at, is_running));
    }

    /// It is not known any more whether the thread runs, until it is switched again. That switch says nothing of the time
    /// before: others are lost.
    pub(super) fn lose_switches(&mut self, spending: &mut Spending) {
        self.is_running = None;
        self.expects_switches = false;
        self.switches.clear();
        self.give_up_undetermined(spending);
    }

    /// Where the thread was at a moment that is not used up yet.
    pub(super) fn place_at(&self, at: u64) -> Place {
        let moves = self.places.partition_point(|(moved, _)| *moved <= at);
        moves.checked_sub(1).and_then(|last| self.places.get(last)).map_or(self.place, |(_, place)| *place)
    }

    /// Uses up everything until then, and adds up what time went by.
    pub(super) fn advance(&mut self, until: u64, spending: &mut Spending) {
        loop {
            let moved = self.places.front().map(|(at, _)| *at).filter(|at| *at <= until);
            let switched = self.switches.front().map(|(at, _)| *at).filter(|at| *at <= until);
            match (moved, switched) {
                (None, None) => break self.pass(until, spending),
                (Some(moved), switched) if switched.is_none_or(|switched| moved <= switched) => {
                    self.pass(moved, spending);
                    if let Some((_, place)) = self.places.pop_front() {
                        self.place = place;
                    }
                }
                _ => {
                    let Some((at, is_running)) = self.switches.pop_front() else { break };
                    self.pass(at, spending);
                    self.determine(!is_running, spending);
                    self.is_running = Some(is_running);
                }
            }
        }
    }

    /// Ends: what is still undetermined stays unknown.
    pub(super) fn end(mut self, spending: &mut Spending) {
        self.give_up_undetermined(spending);
    }

    fn pass(&mut self, until: u64, spending: &mut Spending) {
        let passed = until.saturating_sub(self.until);
        self.until = self.until.max(until);
        let Place::Inside(path) = self.place else { return };
        let spent = spending.entry(path).or_default();
        match self.is_running {
            Some(true) => spent.running += passed,
            Some(false) => spent.waiting += passed,
            None if self.expects_switches => *self.undetermined.entry(path).or_default() += passed,
            None => spent.unknown += passed,
        }
    }

    /// A thread that is taken off a processor has been on it since the switch before, and the other way round.
    fn determine(&mut self, was_running: bool, spending: &mut Spending) {
        for (path, passed) in self.undetermined.drain() {
            let spent = spending.entry(path).or_default();
            *if was_running { &mut spent.running } else { &mut spent.waiting } += passed;
        }
    }

    fn give_up_undetermined(&mut self, spending: &mut Spending) {
        for (path, passed) in self.undetermined.drain() {
            spending.entry(path).or_default().unknown += passed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PathId = 0;
    const B: PathId = 1;

    fn spent(running: u64, waiting: u64, unknown: u64) -> Spent {
        Spent { running, waiting, unknown }
    }

    #[test]
    fn time_is_the_innermost_span_s() {
        let (mut timeline, mut spending) = (Timeline::new(0, Place::Outside), Spending::new());
        for (at, place) in
            [(10, Place::Inside(A)), (20, Place::Inside(B)), (25, Place::Inside(A)), (30, Place::Outside)]
        {
            timeline.moved(at, place);
        }
        let places = [9, 10, 19, 24, 29, 30].map(|at| timeline.place_at(at));
        let inside = Place::Inside;
        assert_eq!(places, [Place::Outside, inside(A), inside(A), inside(B), inside(A), Place::Outside]);
        timeline.advance(22, &mut spending);
        timeline.advance(100, &mut spending);
        assert_eq!((spending[&A], spending[&B]), (spent(0, 0, 15), spent(0, 0, 5)));
    }

    #[test]
    fn a_switch_tells_what_was_before_it_and_after() {
        let (mut timeline, mut spending) = (Timeline::new(0, Place::Inside(A)), Spending::new());
        timeline.expect_switches(true);
        timeline.advance(5, &mut spending);
        assert!(spending.values().all(|spent| *spent == Spent::default()), "it is not known yet");
        timeline.switched(10, false);
        timeline.switched(17, true);
        timeline.advance(20, &mut spending);
        assert_eq!(spending[&A], spent(13, 7, 0));
        timeline.lose_switches(&mut spending);
        timeline.advance(30, &mut spending);
        timeline.switched(35, false);
        timeline.advance(40, &mut spending);
        timeline.end(&mut spending);
        assert_eq!(spending[&A], spent(13, 12, 15), "what was before the first switch after a loss is not known");
    }

    #[test]
    fn after_a_loss_only_what_is_entered_is_known() {
        let mut stack = SpanStack::default();
        stack.name(1, A);
        stack.name(2, B);
        assert_eq!(stack.enter(1), Place::Inside(A));
        assert_eq!(stack.lose(true), Place::Unknown);
        assert_eq!(stack.enter(2), Place::Inside(B));
        assert_eq!(stack.exit(2), Place::Unknown, "it may still be in the first");
        assert_eq!(stack.exit(1), Place::Unknown);
        assert_eq!(stack.lose(false), Place::Outside);
        assert_eq!(stack.enter(3), Place::Unknown, "its path is lost");
    }

    #[test]
    fn spans_that_were_not_entered_for_long_are_forgotten() {
        let mut stack = SpanStack::default();
        stack.name(0, A);
        for span in 1..3 * MAX_NAMED as u64 {
            stack.name(span, B);
            assert_eq!((stack.enter(0), stack.exit(0)), (Place::Inside(A), Place::Outside));
        }
        assert!(stack.named.len() + stack.named_before.len() <= 2 * MAX_NAMED);
        assert_eq!(stack.enter(1), Place::Unknown);
    }

    #[test]
    fn a_record_that_comes_late_changes_nothing_that_is_over() {
        let (mut timeline, mut spending) = (Timeline::new(0, Place::Inside(A)), Spending::new());
        timeline.advance(50, &mut spending);
        timeline.moved(45, Place::Outside);
        timeline.advance(60, &mut spending);
        assert_eq!(spending[&A], spent(0, 0, 50));
    }
}
