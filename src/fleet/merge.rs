//! Putting what comes from many instances into one order.
//!
//! By time, as far as a small window allows; of one instance always in its own sequence. Clocks differ, so an
//! instance's times are first moved by what its clock is off: the least difference between when it says that it sent
//! something and when that arrived, by this process's monotonic clock. What remains is the time the fastest message
//! took. No place in the order lies behind an item's arrival, so a window after that it is out: nobody waits for
//! anybody.

use super::item::FleetItem;
use crate::stream::Item;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant, SystemTime};

/// A clock that is off by more and more is followed at one thousandth of the time passed.
const DRIFT_DIVISOR: i64 = 1_000;

/// Items that wait for others that are to be before them.
#[derive(Debug)]
pub(super) struct Merge {
    window_us: i64,
    began: Instant,
    waiting: BinaryHeap<Waiting>,
    clocks: HashMap<u64, Clock>,
    arrived: u64,
}

/// One instance's time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// What is to be added to its times.
    offset: i64,
    measured_at: i64,
    /// The place of its last item.
    last: i64,
}

/// When something came, and when its sender says that it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Which instance.
    pub(super) peer: u64,
    pub(super) at: Instant,
    /// Microseconds since 1970, by the sender's clock; nothing where it is not known.
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
            waiting: BinaryHeap::new(),
            clocks: HashMap::new(),
            arrived: 0,
        }
    }

    pub(super) fn set_window(&mut self, window: Duration) {
        self.window_us = micros(window);
    }

    /// Takes note of what a sender's clock says.
    pub(super) fn measure(&mut self, arrival: &Arrival) {
        let Some(sent) = arrival.sent_us.and_then(|sent| i64::try_from(sent).ok()) else { return };
        let at = self.since_begin(arrival.at);
        let offset = at - sent;
        let clock = self.clocks.entry(arrival.peer).or_insert(Clock { offset, measured_at: at, last: i64::MIN });
        let drift = (at - clock.measured_at) / DRIFT_DIVISOR;
        clock.offset = offset.min(clock.offset + drift);
        clock.measured_at = at;
    }

    /// Puts an item in its place.
    pub(super) fn push(&mut self, arrival: &Arrival, item: FleetItem) {
        let at = self.since_begin(arrival.at);
        let time = time_of(&item);
        let clock = self.clocks.get_mut(&arrival.peer);
        let place = match clock {
            Some(clock) => {
                // What has no time of its own, a loss or a gap, is right behind what was before it.
                let own = time.map_or(clock.last, |time| time.saturating_add(clock.offset));
                clock.last = own.min(at).max(clock.last);
                clock.last
            }
            None => at,
        };
        self.arrived += 1;
        self.waiting.push(Waiting { place, order: self.arrived, item });
    }

    /// The next item whose time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<FleetItem> {
        let due = self.since_begin(now).saturating_sub(self.window_us);
        if self.waiting.peek()?.place > due {
            return None;
        }
        self.pop()
    }

    /// The next item, whether or not its time has come.
    pub(super) fn pop(&mut self) -> Option<FleetItem> {
        self.waiting.pop().map(|waiting| waiting.item)
    }

    /// When the next item is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let place = self.waiting.peek()?.place.saturating_add(self.window_us);
        Some(self.began + Duration::from_micros(u64::try_from(place).unwrap_or(0)))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn since_begin(&self, at: Instant) -> i64 {
        micros(at.saturating_duration_since(self.began))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}

/// An item's own time, in microseconds since 1970.
fn time_of(item: &FleetItem) -> Option<i64> {
    let FleetItem::Item { item: Item::Event { event, .. }, .. } = item else { return None };
    let since = event.time().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

/// The least place first, and of one place what came first.
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.place, other.order).cmp(&(self.place, self.order))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::time::TimeText;
    use proptest::prelude::*;
    use std::sync::Arc;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const WINDOW: Duration = Duration::from_millis(200);

    /// An event of an instance; its clock is off by so many milliseconds from the one the test tells time by.
    fn event(time_ms: u64, name: &str) -> FleetItem {
        let time = SystemTime::UNIX_EPOCH + MILLISECOND * u32::try_from(time_ms).expect("it is small");
        let line = format!(
            r#"{{"type":"event","session":1,"sequence":0,"timestamp":"{}","level":"INFO","fields":{{"message":"{name}"}},"target":"a"}}"#,
            TimeText::new(time).as_str()
        );
        let item = serde_json::from_str(&line).expect("it is an item");
        FleetItem::Item { instance: Arc::from("chat"), item }
    }

    fn name(item: FleetItem) -> String {
        let FleetItem::Item { item, .. } = item else { panic!("only events were put in") };
        item.into_event().expect("it is an event").message().to_owned()
    }

    struct Scene(Merge);

    impl Scene {
        fn new() -> Self {
            Self(Merge::new(WINDOW))
        }

        fn at(&self, ms: u64) -> Instant {
            self.0.began + MILLISECOND * u32::try_from(ms).expect("it is small")
        }

        /// A batch of one event that arrives at once, from a clock that is ahead by so much.
        fn send(&mut self, peer: u64, at_ms: u64, ahead_ms: u64, happened_ms: u64, name: &str) {
            let sent_us = Some((at_ms + ahead_ms) * 1000);
            let arrival = Arrival { peer, at: self.at(at_ms), sent_us };
            self.0.measure(&arrival);
            self.0.push(&arrival, event(happened_ms + ahead_ms, name));
        }

        fn due(&mut self, ms: u64) -> Vec<String> {
            let now = self.at(ms);
            std::iter::from_fn(|| self.0.pop_due(now)).map(name).collect()
        }
    }

    #[test]
    fn events_of_instances_whose_clocks_differ_come_in_the_order_they_happened() {
        let mut scene = Scene::new();
        scene.send(1, 1060, 0, 1000, "first");
        scene.send(1, 1061, 0, 1030, "third");
        scene.send(2, 1070, 25_000, 1020, "second");
        scene.send(2, 1071, 25_000, 1040, "fourth");
        assert_eq!(scene.due(1199), [""; 0]);
        assert_eq!(scene.due(1240), ["first", "second", "third", "fourth"]);
    }

    #[test]
    fn what_comes_after_its_window_comes_at_once() {
        let mut scene = Scene::new();
        scene.send(1, 1000, 0, 1000, "in time");
        assert_eq!(scene.due(1200), ["in time"]);
        scene.send(2, 1000, 0, 1000, "another, which tells its clock");
        scene.send(2, 1500, 0, 1100, "late");
        assert_eq!(scene.due(1500), ["another, which tells its clock", "late"]);
    }

    #[test]
    fn a_time_in_the_future_holds_nobody_up() {
        let mut scene = Scene::new();
        scene.send(1, 1000, 0, 9_000_000, "from the future");
        scene.send(1, 1001, 0, 1001, "the one behind it");
        assert_eq!(scene.due(1201), ["from the future", "the one behind it"]);
    }

    proptest! {
        #[test]
        fn every_instance_is_in_sequence_and_nothing_waits_longer_than_the_window(
            sent in prop::collection::vec((0u64..4, 0u64..300, 0u64..500), 1..60),
        ) {
            let mut scene = Scene::new();
            let mut now = 1000;
            let mut out = Vec::new();
            for (number, (peer, pause, ago)) in sent.iter().enumerate() {
                now += pause;
                scene.send(*peer, now, peer * 7_000, now - ago, &format!("{peer} {number:03}"));
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
