//! What a ring does, step by step; `model` tries any history of one thread, `stress` many threads.

mod model;
mod stress;

use super::Overflow::{DropNewest, DropOldest};
use super::*;

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
fn items_are_read_in_the_order_they_were_pushed() {
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
fn drop_oldest_reports_the_loss_before_the_oldest_left() {
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
fn an_item_larger_than_the_ring_is_reported_in_its_place() {
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
fn displaced_and_refused_gaps_are_reported_in_their_place() {
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
fn a_ring_without_budget_loses_by_its_policy_until_there_is() {
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
    assert!(ring.is_too_large(101) && !ring.is_too_large(100));
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

#[test]
fn a_ring_seems_full_until_more_than_an_eighth_is_free() {
    let ring = Ring::new(DropOldest, 16, PLENTY, budget_of(PLENTY));
    (0..17).for_each(|item| drop(ring.step(Push(item, 10))));
    for (left, seems_full) in [(15, true), (14, true), (13, false)] {
        assert_eq!(ring.step(Pop), Item(16 - left, 1));
        assert!(matches!(ring.make_room(), Made::Nothing), "there is room for {}", 16 - left);
        assert_eq!(ring.seemed_full.load(Relaxed), seems_full, "{left} are left");
    }
}

#[test]
fn an_item_of_another_size_than_its_room_is_counted_by_its_own() {
    for bytes in [5, 10, 30, 70] {
        let ring = Ring::new(DropOldest, 2, 80, budget_of(PLENTY));
        (0..3).for_each(|item| drop(ring.step(Push(item, 10))));
        let Made::Room { oldest: 1, room } = ring.make_room() else { panic!("the oldest makes room") };
        assert!(ring.push_into(room, 3, bytes).is_empty());
        assert_eq!((ring.len(), ring.bytes()), (2, 10 + bytes));
    }
    let ring = Ring::new(DropOldest, 2, 80, budget_of(PLENTY));
    (0..3).for_each(|item| drop(ring.step(Push(item, 10))));
    let Made::Room { room, .. } = ring.make_room() else { panic!("the oldest makes room") };
    assert_eq!(ring.push_into(room, 3, 75).into_vec(), [2], "the one left makes way");
    assert_eq!((ring.len(), ring.bytes()), (1, 75));
}

#[cfg(feature = "usdt")]
#[test]
fn probes_name_the_session_of_a_ring() {
    let ring = Ring::<u64>::new(DropOldest, 1, PLENTY, Arc::new(Budget::new(PLENTY)));
    assert_eq!((ring.session, ring.of_session(7).session), (0, 7));
}
