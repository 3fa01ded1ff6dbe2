//! A lock that a child of `fork` does not inherit as locked.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A lock of this process. A child of `fork` has none of its parent's threads, so no holder of its parent's would ever release
/// a lock there: the child has one of its own, in the next link. Guards no data: what its holder has half done, the child must
/// do again.
#[derive(Debug)]
pub(crate) struct ProcessLock {
    process: OnceLock<u32>,
    lock: Mutex<()>,
    of_child: OnceLock<Box<ProcessLock>>,
}

impl ProcessLock {
    pub(crate) const fn new() -> Self {
        Self { process: OnceLock::new(), lock: Mutex::new(()), of_child: OnceLock::new() }
    }

    /// Waits until no thread of this process holds it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.of(std::process::id()).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, process: u32) -> &Mutex<()> {
        let mut link = self;
        while *link.process.get_or_init(|| process) != process {
            link = link.of_child.get_or_init(|| Box::new(Self::new()));
        }
        &link.lock
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_holds_is_free() {
        let lock = ProcessLock::new();
        let inherited = lock.of(1).try_lock();
        assert!(inherited.is_ok() && lock.of(1).try_lock().is_err(), "a thread of this process has it");
        let own = lock.of(2).try_lock();
        assert!(own.is_ok() && lock.of(2).try_lock().is_err());
        assert!(lock.of(3).try_lock().is_ok(), "a child of the child");
        drop(own);
        assert!(lock.of(2).try_lock().is_ok() && lock.of(1).try_lock().is_err());
    }
}
