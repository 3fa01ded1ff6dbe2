//! The lock-free structures of others as their documentation has them, for models.
//!
//! Each call takes effect in one step, and between a call and another there is the happens-before that is written here
//! and no more. What is stored is kept behind locks that `loom` does not see: they are held for no operation that it
//! does see, so they neither block nor order anything.

mod flag;
mod queue;
mod swap;
pub(crate) mod thread;
mod waker;

pub(crate) use flag::AtomicBool;
pub(crate) use queue::ArrayQueue;
pub(crate) use swap::{ArcSwap, OnceBox};
pub(crate) use waker::AtomicWaker;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tries every history of these threads in which each is preempted twice at most: few errors need more, and each more
/// costs ten times the time.
#[cfg(test)]
pub(crate) fn try_all(history: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(history);
}

/// Storage without ordering.
fn stored<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
