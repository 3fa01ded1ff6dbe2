//! Many threads at once: the account is exact at the end and plausible meanwhile.

use super::*;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use crate::sync::tries;
use std::thread;
use std::time::{Duration, Instant};

/// A bound on every wait; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(if cfg!(miri) { 600 } else { 60 });

/// What one run of many threads is about.
#[derive(Clone, Copy, Debug)]
struct Stress {
    overflow: Overflow,
    producers: u64,
    capacity: usize,
    capacity_bytes: usize,
    max_bytes: usize,
}

const EACH: u64 = tries(30_000);

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

/// The account of a reader, which checks what it can know: order and announcements.
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
                    reader.learn_of(lost);
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
        self.learn_of(lost);
        let next = &mut self.next[producer as usize];
        assert!(number >= *next, "producer {producer} is out of order: {number} after {next}");
        self.missing += number - *next;
        *next = number + 1;
        self.read += 1;
        // Never late: a gap that the reader can see has been announced.
        assert!(self.missing <= lost, "{} items are missing, {lost} losses announced", self.missing);
    }

    fn learn_of(&mut self, lost: u64) {
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
    // Miri has no need of many threads to have them meet.
    for producers in 2..=(if cfg!(miri) { 2 } else { 4 }) {
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
fn rings_that_share_a_budget_never_pass_it_and_give_it_back() {
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
