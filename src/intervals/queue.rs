//! The records of one thread: it appends, one reader takes.
//!
//! A record that finds no place is counted, and before the next one that finds one a mark says how many are missing. The reader
//! must not wait for that mark: until it comes, it would take the thread to be still in a span whose exit was lost. So it
//! reads the count as well, before each look into the queue: what was counted by then, was lost after all that is still in it
//! was appended.

use super::record::IntervalRecord;
use crate::sync::ArrayQueue;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The queue between a thread and the reader.
#[derive(Debug)]
pub(super) struct ThreadQueue {
    pub(super) thread: u64,
    pub(super) name: Option<Box<str>>,
    records: ArrayQueue<IntervalRecord>,
    /// How many were lost so far. Written by the thread alone.
    lost: AtomicU64,
}

/// What a thread has lost and not marked yet.
#[derive(Debug, Default)]
pub(super) struct Unmarked {
    records: u64,
    /// Whether it is in a span whose enter it has recorded or lost.
    pub(super) is_inside: bool,
}

/// Which losses the reader knows of.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By marks.
    marked: u64,
    /// By marks or by the count.
    reported: u64,
}

impl Unmarked {
    pub(super) const NONE: Self = Self { records: 0, is_inside: false };
}

impl ThreadQueue {
    pub(super) fn new(thread: u64, name: Option<Box<str>>, capacity: usize) -> Self {
        Self { thread, name, records: ArrayQueue::new(capacity), lost: AtomicU64::new(0) }
    }

    /// Appends a record; `false` if it is lost.
    pub(super) fn push(&self, record: IntervalRecord, unmarked: &mut Unmarked) -> bool {
        let Unmarked { records, is_inside } = *unmarked;
        if records > 0 {
            if self.records.push(IntervalRecord::Lost { records, is_inside }).is_err() {
                return self.lose(unmarked);
            }
            unmarked.records = 0;
        }
        self.records.push(record).is_ok() || self.lose(unmarked)
    }

    /// Counts a loss.
    #[cold]
    fn lose(&self, unmarked: &mut Unmarked) -> bool {
        unmarked.records += 1;
        // Release pairs with the Acquire in `pop`: who sees the count finds what was appended before the loss. Fails
        // otherwise: `loom_a_lost_record_is_reported_behind_those_before_it`.
        self.lost.fetch_add(1, Ordering::Release);
        false
    }

    /// Whether nothing is left to be read.
    pub(super) fn is_empty(&self) -> bool {
        self.records.len() == 0
    }

    /// Takes the oldest record, or what is missing behind the last one.
    pub(super) fn pop(&self, known: &mut Known) -> Option<IntervalRecord> {
        loop {
            // Before the look into the queue, as said above.
            let lost = self.lost.load(Ordering::Acquire);
            let (records, is_inside) = match self.records.pop() {
                Some(IntervalRecord::Lost { records, is_inside }) => {
                    known.marked += records;
                    (known.report(known.marked), is_inside)
                }
                Some(record) => return Some(record),
                None => {
                    let news = Some(known.report(lost)).filter(|records| *records > 0);
                    return news.map(|records| IntervalRecord::Lost { records, is_inside: true });
                }
            };
            // A mark is news also where it says that the thread is outside.
            if records > 0 || !is_inside {
                return Some(IntervalRecord::Lost { records, is_inside });
            }
        }
    }
}

impl Known {
    /// Notes that so many were lost by now. Returns how many of them are news.
    fn report(&mut self, lost: u64) -> u64 {
        let news = lost.saturating_sub(self.reported);
        self.reported += news;
        news
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/intervals.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entered(at_ns: u64) -> IntervalRecord {
        IntervalRecord::Entered { span: 1, at_ns }
    }

    /// The times that are read, and how many are missing where.
    fn read(queue: &ThreadQueue, known: &mut Known) -> Vec<Result<u64, u64>> {
        let records = std::iter::from_fn(|| queue.pop(known));
        let time_or_loss = |record| match record {
            IntervalRecord::Entered { at_ns, .. } => Ok(at_ns),
            IntervalRecord::Lost { records, .. } => Err(records),
            other => panic!("{other:?}"),
        };
        records.map(time_or_loss).collect()
    }

    #[test]
    fn a_loss_is_reported_in_place_before_the_next_record() {
        let (queue, mut unmarked, mut known) = (ThreadQueue::new(7, None, 3), Unmarked::default(), Known::default());
        (1..=5).for_each(|at| _ = queue.push(entered(at), &mut unmarked));
        assert_eq!(read(&queue, &mut known), [Ok(1), Ok(2), Ok(3), Err(2)]);
        queue.push(entered(6), &mut unmarked);
        assert_eq!(read(&queue, &mut known), [Err(0), Ok(6)], "reported once; then the thread is outside");
    }

    proptest! {
        /// Whatever is appended and read, in whatever order: what is read and what is reported lost is what was appended.
        #[test]
        fn every_record_is_read_or_reported_lost_in_place(steps in prop::collection::vec(any::<bool>(), 0..80)) {
            let (queue, mut unmarked, mut known) =
                (ThreadQueue::new(7, None, 3), Unmarked::default(), Known::default());
            let (mut pushed, mut next) = (0, 0);
            let mut check = |known: &mut Known, pushed| {
                for record in read(&queue, known) {
                    match record {
                        Ok(at) => { assert_eq!(at, next); next += 1 }
                        Err(lost) => next += lost,
                    }
                }
                assert_eq!(next, pushed);
            };
            for is_push in steps {
                if is_push {
                    queue.push(entered(pushed), &mut unmarked);
                    pushed += 1;
                } else {
                    check(&mut known, pushed);
                }
            }
            check(&mut known, pushed);
        }
    }
}
