//! A ring under `loom`: every interleaving of a few calls, and every value that an ordering lets a load see.

use super::Overflow::{DropNewest, DropOldest};
use super::*;
use loom::thread;

const PLENTY: usize = 1 << 20;

/// Threads are preempted at most so often in each history; most errors need two.
const PREEMPTIONS: usize = 3;

fn model(history: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(history);
}

fn ring(overflow: Overflow, capacity: usize) -> Arc<Ring<u64>> {
    Arc::new(Ring::new(overflow, capacity, PLENTY, Arc::new(Budget::new(PLENTY))))
}

/// What a reader was given, and how many losses it was told of.
#[derive(Debug, Default)]
struct Read {
    items: Vec<u64>,
    told: u64,
}

impl Read {
    /// Reads once. Whoever has read an item knows of all that was lost before it.
    fn once(&mut self, ring: &Ring<u64>) -> bool {
        let (item, lost) = match ring.pop() {
            Popped::Item { item, lost } => (Some(item), lost),
            Popped::Empty { lost } => (None, lost),
        };
        assert!(lost >= self.told, "a loss was taken back");
        self.told = lost;
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
    model(move || {
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
        assert_eq!((read.told, ring.lost()), (dropped, dropped));
        assert_eq!((ring.len(), ring.bytes()), (0, 0));
    });
}

#[test]
fn loom_oldest_are_lost_in_their_places() {
    numbered_items_of_one_producer(DropOldest, 1, 3);
}

#[test]
fn loom_newest_are_lost_in_their_places() {
    numbered_items_of_one_producer(DropNewest, 1, 3);
}
