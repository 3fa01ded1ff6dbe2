//! Any history of one thread, held against a ring as one would write it with a lock.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

/// The ring as one would write it with a lock: the gaps are in the queue itself.
#[derive(Default)]
struct Model {
    /// Each item, its bytes, and how many were refused right before it.
    queue: VecDeque<(u64, usize, u64)>,
    refused_behind: u64,
    announced: u64,
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
            self.announced += refused_before + 1;
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
        self.announced + self.refused_behind + self.queue.iter().map(|(_, _, refused)| refused).sum::<u64>()
    }

    fn pop(&mut self) -> Outcome {
        match self.queue.pop_front() {
            Some((item, _, refused_before)) => {
                self.announced += refused_before;
                Item(item, self.announced)
            }
            None => {
                self.announced += std::mem::take(&mut self.refused_behind);
                Empty(self.announced)
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![3 => (0_usize..60).prop_map(|bytes| Push(0, bytes)), 2 => Just(Pop)];
    prop::collection::vec(step, 0..200).prop_map(|mut steps| {
        // Every item is distinct from every other.
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
