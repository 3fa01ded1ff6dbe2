//! A ring under `loom`: every interleaving of a few calls, and every value that an ordering lets a load see.

use super::Overflow::{DropNewest, DropOldest};
use super::*;
use crate::sync::{thread, try_all};

const PLENTY: usize = 1 << 20;

fn ring(overflow: Overflow, capacity: usize) -> Arc<Ring<u64>> {
    Arc::new(Ring::new(overflow, capacity, PLENTY, Arc::new(Budget::new(PLENTY))))
}

/// What a reader was given, and how many losses were announced to it.
#[derive(Debug, Default)]
struct Read {
    items: Vec<u64>,
    announced: u64,
}

impl Read {
    /// Reads once. The reader of an item knows of all losses before it.
    fn once(&mut self, ring: &Ring<u64>) -> bool {
        let (item, lost) = match ring.pop() {
            Popped::Item { item, lost } => (Some(item), lost),
            Popped::Empty { lost } => (None, lost),
        };
        assert!(lost >= self.announced, "a loss was taken back");
        self.announced = lost;
        let Some(item) = item else { return false };
        let before = self.items.last().map_or(0, |last| last + 1);
        assert!(item >= before, "{item} after {:?}", self.items);
        self.items.push(item);
        assert!(
            lost + self.items.len() as u64 > item,
            "{item} was read with {lost} losses announced: {:?}",
            self.items
        );
        true
    }
}

/// One producer's items come in order, and a gap is announced before what follows it.
fn numbered_items_of_one_producer(overflow: Overflow, capacity: usize, items: u64) {
    try_all(move || {
        let ring = ring(overflow, capacity);
        let pushing = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (0..items).map(|item| ring.push(item, 1).len() as u64).sum::<u64>())
        };
        let mut read = Read::default();
        read.once(&ring);
        read.once(&ring);
        let dropped = pushing.join().unwrap();
        while read.once(&ring) {}
        assert_eq!(read.items.len() as u64 + dropped, items);
        assert_eq!((read.announced, ring.lost()), (dropped, dropped));
        assert_eq!((ring.len(), ring.bytes()), (0, 0));
    });
}

#[test]
fn loom_the_oldest_losses_are_in_their_places() {
    numbered_items_of_one_producer(DropOldest, 1, 3);
}

#[test]
fn loom_the_newest_losses_are_in_their_places() {
    numbered_items_of_one_producer(DropNewest, 1, 3);
}

/// Neither of the two items was pushed by who displaces the first.
#[test]
fn loom_a_displacement_is_reported_before_the_next_item() {
    try_all(|| {
        let ring = ring(DropOldest, 2);
        ring.push(0, 1);
        ring.push(1, 1);
        let displacing = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.push(2, 1).len())
        };
        let mut read = Read::default();
        while read.once(&ring) {}
        displacing.join().unwrap();
    });
}

/// What any thread has pushed is afterwards in one place, and a push that makes room first is like any other.
fn two_producers_and_a_reader(overflow: Overflow, capacity_bytes: usize, push: fn(&Ring<u64>, u64) -> u64) {
    try_all(move || {
        let budget = Arc::new(Budget::new(PLENTY));
        let ring = Arc::new(Ring::new(overflow, 1, capacity_bytes, Arc::clone(&budget)));
        let pushing = [1, 2].map(|item| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || push(&ring, item))
        });
        let mut read = 0;
        let mut pop = || match ring.pop() {
            Popped::Item { lost, .. } => {
                read += 1;
                (true, lost)
            }
            Popped::Empty { lost } => (false, lost),
        };
        let (_, announced) = pop();
        assert!(announced <= 2);
        let dropped: u64 = pushing.map(|thread| thread.join().unwrap()).iter().sum();
        while pop().0 {}
        assert_eq!((read + dropped, ring.lost()), (2, dropped));
        assert_eq!((ring.bytes(), budget.leased_bytes()), (0, 0));
    });
}

#[test]
fn loom_two_producers_lose_and_duplicate_no_item() {
    for overflow in [DropOldest, DropNewest] {
        two_producers_and_a_reader(overflow, PLENTY, |ring, item| ring.push(item, 1).len() as u64);
    }
}

#[test]
fn loom_two_producers_stay_within_the_byte_limit() {
    for overflow in [DropOldest, DropNewest] {
        two_producers_and_a_reader(overflow, 1, |ring, item| {
            let dropped = ring.push(item, 1).len() as u64;
            assert!(ring.bytes() <= 1);
            dropped
        });
    }
}

#[test]
fn loom_displaced_items_are_counted() {
    two_producers_and_a_reader(DropOldest, PLENTY, |ring, item| {
        ring.seemed_full.store(true, Relaxed);
        match ring.make_room() {
            Made::Nothing => ring.push(item, 1).len() as u64,
            Made::Room { room, .. } => 1 + ring.push_into(room, item, 1).len() as u64,
            Made::Loss => 1,
        }
    });
}

#[test]
fn loom_a_loss_is_reported_after_earlier_pushes() {
    try_all(|| {
        let ring = ring(DropNewest, 1);
        let pushing = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || [1, 2].map(|item| ring.push(item, 1).len()))
        };
        let (first, second) = (ring.pop(), ring.pop());
        assert_ne!(first, Popped::Empty { lost: 1 }, "the item before the loss is still there");
        assert!(first != Popped::Empty { lost: 0 } || second != Popped::Empty { lost: 1 });
        pushing.join().unwrap();
    });
}
