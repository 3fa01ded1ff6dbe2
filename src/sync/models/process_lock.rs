//! A lock that its holders take one after the other, under `loom`.

use super::*;
use crate::sync::atomic::AtomicU64;
use crate::sync::{thread, try_all};
use std::sync::Arc;

const PROCESS: u32 = 1;

/// What one holder did, the next one sees.
#[test]
fn loom_holders_come_one_after_the_other() {
    try_all(|| {
        let shared = Arc::new((ProcessLock::default(), AtomicU64::new(0)));
        let add = |(lock, count): &(ProcessLock, AtomicU64)| {
            let _held = loop {
                match lock.try_lock(PROCESS) {
                    Some(held) => break held,
                    None => loom::thread::yield_now(),
                }
            };
            // Not one step: without the lock, one of the two would be lost.
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || add(&shared))
        };
        add(&shared);
        other.join().unwrap();
        assert_eq!(shared.1.load(Ordering::Relaxed), 2);
    });
}
