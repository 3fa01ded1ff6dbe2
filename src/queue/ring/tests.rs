use super::Overflow::{DropNewest, DropOldest};
use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// A bound on every wait; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
const PLENTY: usize = 1 << 20;

/// One call on a ring of numbered items.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Push this number with this size.
    Push(u64, usize),
    Pop,
}

/// What a step gave, in the words of the tests' tables.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// The push dropped these, in this order.
    Dropped(Vec<u64>),
    /// The pop gave this item, after this many losses.
    Item(u64, u64),
    /// The pop found nothing, after this many losses.
    Empty(u64),
}

use Outcome::{Dropped, Empty, Item};
use Step::{Pop, Push};

impl Ring<u64> {
    fn step(&self, step: Step) -> Outcome {
        match step {
            Push(item, bytes) => Dropped(self.push(item, bytes).into_iter().collect()),
            Pop => match self.pop() {
                Popped::Item { item, lost } => Item(item, lost),
                Popped::Empty { lost } => Empty(lost),
            },
        }
    }
}

fn budget_of(max_bytes: usize) -> Arc<Budget> {
    Arc::new(Budget::new(max_bytes))
}

/// Runs the table on a new ring, and checks that the budget has everything back in the end.
#[track_caller]
fn check(overflow: Overflow, capacity: usize, capacity_bytes: usize, table: &[(Step, Outcome)]) {
    let budget = budget_of(PLENTY);
    let ring = Ring::new(overflow, capacity, capacity_bytes, Arc::clone(&budget));
    for (line, (step, expected)) in table.iter().enumerate() {
        assert_eq!(ring.step(*step), *expected, "line {line} of the table, {step:?}");
    }
    drop(ring);
    assert_eq!(budget.leased_bytes(), 0);
}

fn stored() -> Outcome {
    Dropped(Vec::new())
}

#[test]
fn items_are_read_in_the_order_they_were_pushed_and_an_empty_ring_says_so() {
    for overflow in [DropOldest, DropNewest] {
        check(
            overflow,
            2,
            100,
            &[
                (Pop, Empty(0)),
                (Push(1, 10), stored()),
                (Push(2, 10), stored()),
                (Pop, Item(1, 0)),
                (Push(3, 10), stored()),
                (Pop, Item(2, 0)),
                (Pop, Item(3, 0)),
                (Pop, Empty(0)),
            ],
        );
    }
}

#[test]
fn dropping_the_oldest_announces_the_loss_before_the_oldest_that_is_left() {
    check(
        DropOldest,
        2,
        100,
        &[
            (Push(1, 10), stored()),
            (Push(2, 10), stored()),
            (Push(3, 10), Dropped(vec![1])),
            (Push(4, 10), Dropped(vec![2])),
            (Pop, Item(3, 2)),
            (Push(5, 10), stored()),
            (Push(6, 10), Dropped(vec![4])),
            (Pop, Item(5, 3)),
            (Pop, Item(6, 3)),
            (Pop, Empty(3)),
        ],
    );
}

#[test]
fn dropping_the_newest_announces_the_loss_where_the_gap_is() {
    check(
        DropNewest,
        2,
        100,
        &[
            (Push(1, 10), stored()),
            (Push(2, 10), stored()),
            (Push(3, 10), Dropped(vec![3])),
            (Push(4, 10), Dropped(vec![4])),
            (Pop, Item(1, 0)),
            (Push(5, 10), stored()),
            (Push(6, 10), Dropped(vec![6])),
            (Pop, Item(2, 0)),
            (Pop, Item(5, 2)),
            (Pop, Empty(3)),
        ],
    );
}

#[test]
fn a_ring_of_one_keeps_the_last_or_the_first() {
    check(
        DropOldest,
        1,
        100,
        &[
            (Push(1, 10), stored()),
            (Push(2, 10), Dropped(vec![1])),
            (Push(3, 10), Dropped(vec![2])),
            (Pop, Item(3, 2)),
            (Pop, Empty(2)),
        ],
    );
    check(
        DropNewest,
        1,
        100,
        &[
            (Push(1, 10), stored()),
            (Push(2, 10), Dropped(vec![2])),
            (Pop, Item(1, 0)),
            (Push(3, 10), stored()),
            (Pop, Item(3, 1)),
            (Pop, Empty(1)),
        ],
    );
}

#[test]
fn a_capacity_of_nothing_counts_as_one() {
    check(DropOldest, 0, 100, &[(Push(1, 10), stored()), (Push(2, 10), Dropped(vec![1])), (Pop, Item(2, 1))]);
}

#[test]
fn as_many_oldest_are_dropped_as_a_large_item_needs() {
    check(
        DropOldest,
        10,
        100,
        &[
            (Push(1, 30), stored()),
            (Push(2, 30), stored()),
            (Push(3, 40), stored()),
            (Push(4, 50), Dropped(vec![1, 2])),
            (Push(5, 10), stored()),
            (Push(6, 100), Dropped(vec![3, 4, 5])),
            (Pop, Item(6, 5)),
            (Pop, Empty(5)),
        ],
    );
}

#[test]
fn a_new_item_is_dropped_where_its_bytes_do_not_fit() {
    check(
        DropNewest,
        10,
        100,
        &[
            (Push(1, 60), stored()),
            (Push(2, 41), Dropped(vec![2])),
            (Push(3, 40), stored()),
            (Push(4, 1), Dropped(vec![4])),
            (Pop, Item(1, 0)),
            (Push(5, 60), stored()),
            (Pop, Item(3, 1)),
            (Pop, Item(5, 2)),
            (Pop, Empty(2)),
        ],
    );
}

#[test]
fn an_item_larger_than_the_ring_is_lost_alone_and_announced_in_its_place() {
    for overflow in [DropOldest, DropNewest] {
        check(
            overflow,
            10,
            100,
            &[
                (Push(1, 101), Dropped(vec![1])),
                (Push(2, 50), stored()),
                (Push(3, usize::MAX), Dropped(vec![3])),
                (Push(4, 50), stored()),
                (Pop, Item(2, 1)),
                (Pop, Item(4, 2)),
                (Pop, Empty(2)),
            ],
        );
    }
}

#[test]
fn a_displaced_gap_and_a_refused_one_are_each_announced_in_their_place() {
    check(
        DropOldest,
        2,
        100,
        &[
            (Push(1, 10), stored()),
            (Push(2, 10), stored()),
            (Push(3, 101), Dropped(vec![3])),
            (Push(4, 10), Dropped(vec![1])),
            (Pop, Item(2, 1)),
            (Pop, Item(4, 2)),
            (Pop, Empty(2)),
        ],
    );
}

#[test]
fn a_ring_counts_what_it_holds() {
    let ring = Ring::new(DropOldest, 2, 100, budget_of(PLENTY));
    assert_eq!((ring.len(), ring.bytes(), ring.lost()), (0, 0, 0));
    ring.push(1, 10);
    ring.push(2, 20);
    assert_eq!((ring.len(), ring.bytes(), ring.lost()), (2, 30, 0));
    ring.push(3, 40);
    assert_eq!((ring.len(), ring.bytes(), ring.lost()), (2, 60, 1));
    ring.pop();
    assert_eq!((ring.len(), ring.bytes(), ring.lost()), (1, 40, 1));
    assert_eq!(format!("{ring:?}"), "Ring { len: 1, bytes: 40, lost: 1, overflow: DropOldest, .. }");
}

#[test]
fn a_ring_without_bytes_left_in_the_budget_loses_by_its_policy_until_the_other_gives_back() {
    let budget = budget_of(100);
    let hoarder = Ring::new(DropNewest, 10, 100, Arc::clone(&budget));
    assert_eq!(hoarder.step(Push(1, 70)), stored());

    let oldest = Ring::new(DropOldest, 10, 100, Arc::clone(&budget));
    assert_eq!(oldest.step(Push(1, 20)), stored());
    assert_eq!(oldest.step(Push(2, 30)), Dropped(vec![1]), "its own oldest");
    assert_eq!(oldest.step(Push(3, 40)), Dropped(vec![2, 3]), "its own oldest, and then the new one");
    assert_eq!(oldest.step(Pop), Empty(3));

    let newest = Ring::new(DropNewest, 10, 100, Arc::clone(&budget));
    assert_eq!(newest.step(Push(1, 31)), Dropped(vec![1]));
    assert_eq!(newest.step(Push(2, 30)), stored());
    assert_eq!(budget.leased_bytes(), 100);

    assert_eq!(hoarder.step(Pop), Item(1, 0));
    assert_eq!(budget.leased_bytes(), 100, "kept for the next push, until found empty");
    assert_eq!(hoarder.step(Pop), Empty(0));
    assert_eq!(oldest.step(Push(4, 40)), stored());
    assert_eq!(oldest.step(Pop), Item(4, 3));
    drop((hoarder, oldest, newest));
    assert_eq!(budget.leased_bytes(), 0);
}

#[test]
fn an_item_larger_than_the_whole_budget_displaces_nothing() {
    let ring = Ring::new(DropOldest, 10, PLENTY, budget_of(100));
    assert_eq!(ring.step(Push(1, 10)), stored());
    assert_eq!(ring.step(Push(2, 101)), Dropped(vec![2]));
    assert_eq!(ring.step(Pop), Item(1, 0));
    assert_eq!(ring.step(Pop), Empty(1));
}

#[test]
fn a_ring_dropped_with_items_in_it_drops_them() {
    let item = Arc::new(());
    let ring = Ring::new(DropOldest, 10, 100, budget_of(100));
    ring.push(Arc::clone(&item), 10);
    drop(ring);
    assert_eq!(Arc::strong_count(&item), 1);
}

/// The ring as one would write it with a lock: the gaps are in the queue itself.
#[derive(Default)]
struct Model {
    /// Each item, its bytes, and how many were refused right before it.
    queue: VecDeque<(u64, usize, u64)>,
    refused_behind: u64,
    told: u64,
}

impl Model {
    fn step(&mut self, step: Step, (overflow, capacity, capacity_bytes): (Overflow, usize, usize)) -> Outcome {
        let (item, bytes) = match step {
            Push(item, bytes) => (item, bytes),
            Pop => return self.pop(),
        };
        let mut dropped = Vec::new();
        while overflow == DropOldest && bytes <= capacity_bytes && !self.fits(bytes, capacity, capacity_bytes) {
            let (oldest, _, refused_before) = self.queue.pop_front().unwrap();
            self.told += refused_before + 1;
            dropped.push(oldest);
        }
        if self.fits(bytes, capacity, capacity_bytes) {
            self.queue.push_back((item, bytes, std::mem::take(&mut self.refused_behind)));
        } else {
            self.refused_behind += 1;
            dropped.push(item);
        }
        Dropped(dropped)
    }

    fn fits(&self, bytes: usize, capacity: usize, capacity_bytes: usize) -> bool {
        self.queue.len() < capacity && self.bytes() + bytes <= capacity_bytes
    }

    fn bytes(&self) -> usize {
        self.queue.iter().map(|(_, bytes, _)| bytes).sum()
    }

    fn lost(&self) -> u64 {
        self.told + self.refused_behind + self.queue.iter().map(|(_, _, refused)| refused).sum::<u64>()
    }

    fn pop(&mut self) -> Outcome {
        match self.queue.pop_front() {
            Some((item, _, refused_before)) => {
                self.told += refused_before;
                Item(item, self.told)
            }
            None => {
                self.told += std::mem::take(&mut self.refused_behind);
                Empty(self.told)
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![3 => (0_usize..60).prop_map(|bytes| Push(0, bytes)), 2 => Just(Pop)];
    prop::collection::vec(step, 0..200).prop_map(|mut steps| {
        // Every item is told from every other.
        for (number, step) in steps.iter_mut().enumerate() {
            if let Push(item, _) = step {
                *item = number as u64;
            }
        }
        steps
    })
}

proptest! {
    #[test]
    fn any_history_of_one_thread_is_that_of_the_model(
        overflow in prop_oneof![Just(DropOldest), Just(DropNewest)],
        capacity in 1_usize..8,
        capacity_bytes in 0_usize..150,
        steps in steps(),
    ) {
        let budget = budget_of(PLENTY);
        let ring = Ring::new(overflow, capacity, capacity_bytes, Arc::clone(&budget));
        let mut model = Model::default();
        for step in steps {
            prop_assert_eq!(ring.step(step), model.step(step, (overflow, capacity, capacity_bytes)), "{:?}", step);
            prop_assert_eq!(
                (ring.len(), ring.bytes(), ring.lost()),
                (model.queue.len(), model.bytes(), model.lost())
            );
            prop_assert!(budget.leased_bytes() >= ring.bytes());
        }
        drop(ring);
        prop_assert_eq!(budget.leased_bytes(), 0);
    }
}

/// What one run of many threads is about.
#[derive(Clone, Copy, Debug)]
struct Stress {
    overflow: Overflow,
    producers: u64,
    capacity: usize,
    capacity_bytes: usize,
    max_bytes: usize,
}

const EACH: u64 = 30_000;

/// Producers push numbered items while a reader reads; the account must be exact at the end and plausible meanwhile.
fn stress(stress: Stress) {
    let budget = budget_of(stress.max_bytes);
    let ring = Ring::new(stress.overflow, stress.capacity, stress.capacity_bytes, Arc::clone(&budget));
    let (dropped, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let reader = thread::scope(|scope| {
        let reading = scope.spawn(|| Reader::read_until(&ring, &done));
        let watching = scope.spawn(|| watch_counters(&ring, &budget, stress, &done));
        let pushing: Vec<_> = (0..stress.producers)
            .map(|producer| {
                let (ring, dropped) = (&ring, &dropped);
                scope.spawn(move || {
                    for number in 0..EACH {
                        let lost = ring.push((producer, number), (number % 100) as usize).len();
                        dropped.fetch_add(lost as u64, SeqCst);
                    }
                })
            })
            .collect();
        for thread in pushing {
            thread.join().unwrap();
        }
        done.store(true, SeqCst);
        watching.join().unwrap();
        reading.join().unwrap()
    });
    let pushed = stress.producers * EACH;
    assert_eq!(pushed, reader.read + ring.lost() + ring.len() as u64, "{stress:?}");
    assert_eq!((ring.len(), ring.bytes(), budget.leased_bytes()), (0, 0, 0), "{stress:?}");
    assert_eq!(reader.announced, ring.lost(), "{stress:?}");
    assert_eq!(dropped.into_inner(), ring.lost(), "every lost item was handed back, {stress:?}");
}

/// The account of a reader, who checks what it can tell: order and announcements.
#[derive(Default)]
struct Reader {
    read: u64,
    announced: u64,
    /// Per producer, the number that comes next if nothing is lost.
    next: [u64; 4],
    /// Items known to be missing because a producer's later item was read.
    missing: u64,
}

impl Reader {
    fn read_until(ring: &Ring<(u64, u64)>, done: &AtomicBool) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let mut reader = Self::default();
        loop {
            let ending = done.load(SeqCst);
            match ring.pop() {
                Popped::Item { item, lost } => reader.see(item, lost),
                Popped::Empty { lost } => {
                    reader.hear(lost);
                    if ending {
                        return reader;
                    }
                    thread::yield_now();
                }
            }
            assert!(Instant::now() < deadline, "the producers did not come to an end");
        }
    }

    fn see(&mut self, (producer, number): (u64, u64), lost: u64) {
        self.hear(lost);
        let next = &mut self.next[producer as usize];
        assert!(number >= *next, "producer {producer} is out of order: {number} after {next}");
        self.missing += number - *next;
        *next = number + 1;
        self.read += 1;
        // Never late: a gap that the reader can see has been announced.
        assert!(self.missing <= lost, "{} items are missing, {lost} losses announced", self.missing);
    }

    fn hear(&mut self, lost: u64) {
        assert!(lost >= self.announced, "a loss was taken back");
        self.announced = lost;
    }
}

fn watch_counters(ring: &Ring<(u64, u64)>, budget: &Budget, stress: Stress, done: &AtomicBool) {
    let deadline = Instant::now() + PATIENCE;
    let mut lost_before = 0;
    while !done.load(SeqCst) {
        assert!(Instant::now() < deadline, "the producers did not come to an end");
        let lost = ring.lost();
        assert!(lost >= lost_before && lost <= stress.producers * EACH * 2);
        lost_before = lost;
        assert!(ring.len() <= stress.capacity);
        assert!(ring.bytes() <= stress.capacity_bytes.min(stress.max_bytes));
        assert!(budget.leased_bytes() <= stress.max_bytes);
        thread::yield_now();
    }
}

/// Small and large rings, bound by their entries, their bytes or the budget.
fn stress_all(overflow: Overflow) {
    let bounds = [(1, PLENTY, PLENTY), (2, PLENTY, PLENTY), (64, PLENTY, PLENTY), (64, 500, PLENTY), (64, PLENTY, 700)];
    for producers in 2..=4 {
        for (capacity, capacity_bytes, max_bytes) in bounds {
            stress(Stress { overflow, producers, capacity, capacity_bytes, max_bytes });
        }
    }
}

#[test]
fn dropping_the_oldest_is_exact_with_many_producers() {
    stress_all(DropOldest);
}

#[test]
fn dropping_the_newest_is_exact_with_many_producers() {
    stress_all(DropNewest);
}

#[test]
fn rings_that_fight_for_one_budget_never_pass_it_and_give_it_back() {
    const MAX_BYTES: usize = 2_000;
    let budget = budget_of(MAX_BYTES);
    let rings: Vec<Ring<u64>> =
        [DropOldest, DropNewest].map(|overflow| Ring::new(overflow, 32, MAX_BYTES, Arc::clone(&budget))).into();
    let reads: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = rings
            .iter()
            .map(|ring| {
                let budget = &budget;
                scope.spawn(move || {
                    let mut read = 0;
                    for number in 0..EACH {
                        ring.push(number, (number % 300) as usize);
                        assert!(budget.leased_bytes() <= MAX_BYTES);
                        while number % 40 == 0 && matches!(ring.pop(), Popped::Item { .. }) {
                            read += 1;
                        }
                    }
                    read
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (ring, read) in rings.iter().zip(reads) {
        assert_eq!(EACH, read + ring.lost() + ring.len() as u64);
    }
    drop(rings);
    assert_eq!(budget.leased_bytes(), 0);
}
