//! A thread's records and losses under `loom`.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

#[test]
fn loom_a_lost_record_is_reported_behind_those_before_it() {
    try_all(|| {
        let queue = Arc::new(ThreadQueue::new(1, None, 1));
        let writing = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut unmarked = Unmarked::default();
                queue.push(IntervalRecord::Entered { span: 1, at_ns: 1 }, &mut unmarked);
                queue.push(IntervalRecord::Exited { span: 1, at_ns: 2 }, &mut unmarked)
            })
        };
        let mut known = Known::default();
        let first = queue.pop(&mut known);
        let is_lost = matches!(first, Some(IntervalRecord::Lost { .. }));
        assert!(!is_lost, "the enter is read later, and the thread taken to be inside");
        let is_kept = writing.join().unwrap();
        let left = std::iter::from_fn(|| queue.pop(&mut known));
        let read =
            first.into_iter().chain(left).map(|record| matches!(record, IntervalRecord::Lost { records: 1, .. }));
        assert_eq!(read.collect::<Vec<_>>(), [false, !is_kept]);
    });
}
