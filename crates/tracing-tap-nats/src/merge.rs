//! Merges the items of many instances into one order.
//!
//! Items are ordered by time within a small window; items of one instance keep their own sequence. Clocks differ, so
//! an instance's times are first corrected by its clock offset: the smallest difference seen between the sending time
//! of a message and its arrival, by this process's monotonic clock. What remains is the travel time of the fastest
//! message. No item is placed behind its arrival, so it is released one window after that at the latest, and no
//! instance waits for another.

use super::item::FleetItem;
use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

/// An offset is the smallest difference of one to two of these intervals, so that it follows a clock that is set back.
const MEASURED_US: i64 = 30_000_000;

/// The line of items that belong to no known instance.
pub(super) const NO_INSTANCE: u64 = 0;

/// With more lines than this, those of instances that left are removed.
const MAX_LINES: usize = 1_024;

/// A line without items is removed when its clock was not measured for this long.
const LINE_LIFETIME_US: i64 = 60_000_000;

/// Items that wait for earlier ones: a line for each instance, since its items are in order.
#[derive(Debug)]
pub(super) struct Merge {
    window_us: i64,
    began: Instant,
    /// By the number of the instance.
    lines: HashMap<u64, Line>,
    /// How many lines lead to the next removal.
    crowded_at: usize,
    /// The place of the first item of each line that has any; equal places in the order of arrival.
    firsts: BinaryHeap<Reverse<(i64, u64, u64)>>,
    arrived: u64,
    len: usize,
    /// Items up to this place are due.
    due: i64,
}

/// The waiting items of one instance.
#[derive(Debug, Default)]
struct Line {
    clock: Option<Clock>,
    waiting: VecDeque<Waiting>,
}

/// One instance's time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// The smallest offsets of this interval and the one before. The smaller one is added to its times.
    offset: i64,
    offset_before: i64,
    interval_began: i64,
    measured_at: i64,
    /// The place of its last item.
    last: i64,
}

/// When a message arrived, and when it was sent by its sender's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// The number of the instance: 1, 2, 3…
    pub(super) peer: u64,
    pub(super) at: Instant,
    /// Microseconds since 1970, by the sender's clock; `None` if that is not known.
    pub(super) sent_us: Option<u64>,
}

#[derive(Debug)]
struct Waiting {
    place: i64,
    order: u64,
    item: FleetItem,
}

impl Merge {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window_us: micros(window),
            began: Instant::now(),
            lines: HashMap::new(),
            crowded_at: MAX_LINES,
            firsts: BinaryHeap::new(),
            arrived: 0,
            len: 0,
            due: i64::MIN,
        }
    }

    pub(super) fn set_window(&mut self, window: Duration) {
        self.window_us = micros(window);
    }

    /// Measures the sender's clock.
    pub(super) fn measure(&mut self, arrival: &Arrival) {
        let Some(sent) = arrival.sent_us.and_then(|sent| i64::try_from(sent).ok()) else { return };
        let at = self.since_begin(arrival.at);
        let offset = at - sent;
        self.remove_idle_lines(at);
        let clock = &mut self.line(arrival.peer).clock;
        clock.get_or_insert_with(|| Clock::new(at, offset)).measure(at, offset);
    }

    /// Puts an item in its place. One without a time of its own, such as a gap, comes right after the item before it.
    pub(super) fn push(&mut self, arrival: &Arrival, time: Option<SystemTime>, item: FleetItem) {
        let at = self.since_begin(arrival.at);
        self.arrived += 1;
        self.len += 1;
        let order = self.arrived;
        let line = self.line(arrival.peer);
        let place = line.clock.as_mut().map_or(at, |clock| clock.place(at, time));
        line.waiting.push_back(Waiting { place, order, item });
        if line.waiting.len() == 1 {
            self.firsts.push(Reverse((place, order, arrival.peer)));
        }
    }

    /// The next item that is due now.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<FleetItem> {
        self.due = self.since_begin(now).saturating_sub(self.window_us);
        self.pop_known_due()
    }

    /// The next item that was due at the last call of [`pop_due`](Self::pop_due), without a look at the clock.
    pub(super) fn pop_known_due(&mut self) -> Option<FleetItem> {
        let Reverse((place, ..)) = *self.firsts.peek()?;
        if place > self.due { None } else { self.pop() }
    }

    /// The next item, due or not.
    pub(super) fn pop(&mut self) -> Option<FleetItem> {
        let mut first = self.firsts.peek_mut()?;
        let Reverse((.., peer)) = *first;
        let waiting = &mut self.lines.get_mut(&peer)?.waiting;
        let popped = waiting.pop_front()?;
        match waiting.front() {
            Some(next) => *first = Reverse((next.place, next.order, peer)),
            None => drop(PeekMut::pop(first)),
        }
        self.len -= 1;
        Some(popped.item)
    }

    /// When the next item is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let Reverse((place, ..)) = *self.firsts.peek()?;
        let due = place.saturating_add(self.window_us);
        Some(self.began + Duration::from_micros(u64::try_from(due).unwrap_or(0)))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn line(&mut self, peer: u64) -> &mut Line {
        self.lines.entry(peer).or_default()
    }

    /// Removes lines that are of no more use, each time their number has doubled.
    fn remove_idle_lines(&mut self, now: i64) {
        if self.lines.len() < self.crowded_at {
            return;
        }
        let is_measured = |clock: &Clock| now - clock.measured_at <= LINE_LIFETIME_US;
        self.lines.retain(|_, line| !line.waiting.is_empty() || line.clock.as_ref().is_some_and(is_measured));
        self.crowded_at = MAX_LINES.max(2 * self.lines.len());
    }

    fn since_begin(&self, at: Instant) -> i64 {
        micros(at.saturating_duration_since(self.began))
    }
}

impl Clock {
    fn new(at: i64, offset: i64) -> Self {
        Self { offset, offset_before: offset, interval_began: at, measured_at: at, last: i64::MIN }
    }

    /// Takes in the difference between the arrival of a message and its sending time.
    fn measure(&mut self, at: i64, offset: i64) {
        let intervals = (at - self.interval_began) / MEASURED_US;
        if intervals > 0 {
            self.offset_before = if intervals == 1 { self.offset } else { offset };
            self.offset = offset;
            self.interval_began = at;
        }
        self.offset = self.offset.min(offset);
        self.measured_at = at;
    }

    /// The place of the next item, which arrived at this time: not after that, and not before the last one.
    fn place(&mut self, at: i64, time: Option<SystemTime>) -> i64 {
        let own = time
            .and_then(since_1970)
            .map_or(self.last, |time| time.saturating_add(self.offset.min(self.offset_before)));
        self.last = own.min(at).max(self.last);
        self.last
    }
}

/// In microseconds.
fn since_1970(time: SystemTime) -> Option<i64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FleetEvent;
    use proptest::prelude::*;
    use tracing_tap::wire::TimeText;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const WINDOW: Duration = Duration::from_millis(200);

    /// An event of an instance.
    fn event(time_ms: u64, name: &str) -> (FleetItem, SystemTime) {
        let time = SystemTime::UNIX_EPOCH + MILLISECOND * u32::try_from(time_ms).expect("it is small");
        let line = format!(
            r#"{{"type":"event","session":1,"sequence":0,"timestamp":"{}","level":"INFO","fields":{{"message":"{name}"}},"target":"a"}}"#,
            TimeText::new(time).as_str()
        );
        (FleetItem::Event(FleetEvent::of("chat", &line)), time)
    }

    fn name(item: FleetItem) -> String {
        let FleetItem::Event(event) = item else { panic!("only events were put in") };
        event.read().expect("it is an event").message().to_owned()
    }

    struct Scene(Merge);

    impl Scene {
        fn new() -> Self {
            Self(Merge::new(WINDOW))
        }

        fn at(&self, ms: u64) -> Instant {
            self.0.began + MILLISECOND * u32::try_from(ms).expect("it is small")
        }

        /// A batch of one event that arrives at once, from a clock that is ahead.
        fn send(&mut self, peer: u64, at_ms: u64, ahead_ms: u64, happened_ms: u64, name: &str) {
            let sent_us = Some((at_ms + ahead_ms) * 1000);
            let arrival = Arrival { peer, at: self.at(at_ms), sent_us };
            self.0.measure(&arrival);
            let (event, time) = event(happened_ms + ahead_ms, name);
            self.0.push(&arrival, Some(time), event);
        }

        fn due(&mut self, ms: u64) -> Vec<String> {
            let now = self.at(ms);
            std::iter::from_fn(|| self.0.pop_due(now)).map(name).collect()
        }
    }

    #[test]
    fn clock_offsets_do_not_change_the_order_of_events() {
        let mut scene = Scene::new();
        scene.send(1, 1060, 0, 1000, "first");
        scene.send(1, 1061, 0, 1030, "third");
        scene.send(2, 1070, 25_000, 1020, "second");
        scene.send(2, 1071, 25_000, 1040, "fourth");
        assert_eq!(scene.due(1199), [""; 0]);
        assert_eq!(scene.due(1240), ["first", "second", "third", "fourth"]);
    }

    #[test]
    fn an_item_after_its_window_is_released_at_once() {
        let mut scene = Scene::new();
        scene.send(1, 1000, 0, 1000, "in time");
        assert_eq!(scene.due(1200), ["in time"]);
        scene.send(2, 1000, 0, 1000, "another, to measure its clock");
        scene.send(2, 1500, 0, 1100, "late");
        assert_eq!(scene.due(1500), ["another, to measure its clock", "late"]);
    }

    #[test]
    fn a_time_in_the_future_delays_no_item() {
        let mut scene = Scene::new();
        scene.send(1, 1000, 0, 9_000_000, "from the future");
        scene.send(1, 1001, 0, 1001, "the one behind it");
        assert_eq!(scene.due(1201), ["from the future", "the one behind it"]);
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_within_a_minute() {
        let mut scene = Scene::new();
        scene.send(2, 1_000, 25_000, 1_000, "before");
        for second in (2..=62).step_by(4) {
            scene.send(2, second * 1_000, 5_000, second * 1_000, "after");
        }
        scene.due(65_000);
        scene.send(1, 70_060, 0, 70_000, "first");
        scene.send(2, 70_070, 5_000, 70_020, "second");
        scene.send(1, 70_080, 0, 70_040, "third");
        assert_eq!(scene.due(70_300), ["first", "second", "third"]);
    }

    #[test]
    fn a_delayed_message_does_not_change_the_offset() {
        let mut clock = Clock::new(0, 7);
        for (at, offset) in [(10, 40_000_000), (MEASURED_US, 9), (MEASURED_US + 1, 40_000_000)] {
            clock.measure(at, offset);
            assert_eq!(clock.offset.min(clock.offset_before), 7);
        }
        clock.measure(2 * MEASURED_US, 9);
        assert_eq!(clock.offset.min(clock.offset_before), 9);
    }

    #[test]
    fn lines_of_instances_that_left_are_removed() {
        let mut scene = Scene::new();
        scene.send(1, 1, 0, 1, "waiting");
        let mut most = 0;
        for peer in 2..20_000 {
            let at = peer * 1_000;
            scene.send(peer, at, 0, at, "crashed");
            if peer > 2 {
                scene.0.pop().expect("an item waits");
            }
            most = most.max(scene.0.lines.len());
        }
        assert_eq!(most, MAX_LINES);
        assert_eq!((scene.due(u64::from(u32::MAX)).len(), scene.0.len()), (2, 0));
    }

    proptest! {
        #[test]
        fn instances_keep_their_sequence_and_items_wait_one_window(
            sent in prop::collection::vec((0u64..4, 0u64..300, 0u64..500), 1..60),
        ) {
            let mut scene = Scene::new();
            let mut now = 1000;
            let mut out = Vec::new();
            for (number, (peer, pause, ago)) in sent.iter().enumerate() {
                now += pause;
                scene.send(*peer, now, *peer * 7_000, now - ago, &format!("{peer} {number:03}"));
                out.extend(scene.due(now));
            }
            out.extend(scene.due(now + 200));
            prop_assert_eq!(out.len(), sent.len());
            for peer in 0..4 {
                let own: Vec<_> = out.iter().filter(|name| name.starts_with(&format!("{peer} "))).collect();
                prop_assert!(own.is_sorted());
            }
        }
    }
}
