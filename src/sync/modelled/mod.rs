//! The lock-free structures of others as their documentation has them, for models.
//!
//! Each call takes effect in one step, and between a call and another there is the happens-before that is written here
//! and no more. What is stored is kept behind locks that `loom` does not see: they are held for no operation that it
//! does see, so they neither block nor order anything.

mod queue;
mod swap;
mod waker;

pub(crate) use queue::ArrayQueue;
pub(crate) use swap::{ArcSwap, OnceBox};
pub(crate) use waker::AtomicWaker;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Storage without ordering.
fn stored<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
