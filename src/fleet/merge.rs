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
        let time = time_of(&item).or(arrival.sent_us.and_then(|sent| i64::try_from(sent).ok()));
        let clock = self.clocks.get_mut(&arrival.peer);
        let place = match clock {
            Some(clock) => {
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
