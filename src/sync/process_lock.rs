//! A lock that a child of `fork` does not inherit as locked.

use super::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How often a thread that waits looks again.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A lock for threads that may wait. A child of `fork` has none of its parent's threads, so no holder of its parent's would ever
/// release a lock of `std` there. This one guards no data: what its holder has half done, the child must do again.
#[derive(Debug, Default)]
pub(crate) struct ProcessLock {
    /// The process whose thread holds it; 0: none.
    holder: AtomicU32,
}

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(crate) struct ProcessGuard<'a>(&'a ProcessLock);

impl ProcessLock {
    /// Waits until no thread of this process holds it.
    pub(crate) fn lock(&self) -> ProcessGuard<'_> {
        loop {
            if let Some(guard) = self.try_lock(std::process::id()) {
                return guard;
            }
            // Not parked: that would use up a wake-up which the thread needs later.
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Takes it for a thread of this process, unless another one has it.
    fn try_lock(&self, process: u32) -> Option<ProcessGuard<'_>> {
        // Relaxed: the exchange decides.
        let holder = self.holder.load(Ordering::Relaxed);
        // Acquire pairs with the Release in `drop`: a holder comes after the one before. Fails otherwise:
        // `loom_holders_come_one_after_the_other`.
        let is_free = holder != process
            && self.holder.compare_exchange(holder, process, Ordering::Acquire, Ordering::Relaxed).is_ok();
        // Not made in vain: its drop would release what another thread holds.
        if is_free { Some(ProcessGuard(self)) } else { None }
    }
}

impl Drop for ProcessGuard<'_> {
    fn drop(&mut self) {
        self.0.holder.store(0, Ordering::Release);
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "models/process_lock.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_holds_is_free() {
        let lock = ProcessLock::default();
        let inherited = lock.try_lock(1).expect("none has it");
        assert!((0..2).all(|_| lock.try_lock(1).is_none()), "a thread of this process has it");
        let own = lock.try_lock(2).expect("its holder is in another process");
        assert!((0..2).all(|_| lock.try_lock(2).is_none()));
        std::mem::forget(inherited);
        drop(own);
        assert!(lock.try_lock(2).is_some());
    }
}
