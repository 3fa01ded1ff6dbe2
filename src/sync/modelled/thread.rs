//! `std::thread`, where there is no time: who waits for a while waits until it is woken.

#[cfg(test)]
pub(crate) use loom::thread::{JoinHandle, spawn};

use loom::sync::{Condvar, Mutex};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A thread that may park. As documented, an `unpark` happens before the return from the `park` that it ends, also from
/// one that begins later. (`loom`'s own forgets an `unpark` that comes too early.)
#[derive(Clone, Debug)]
pub(crate) struct Thread(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    is_there: Mutex<bool>,
    came: Condvar,
}

loom::thread_local! {
    static CURRENT: Thread = Thread(Arc::default());
}

pub(crate) fn current() -> Thread {
    CURRENT.with(Clone::clone)
}

pub(crate) fn park() {
    let Thread(token) = current();
    let mut is_there = token.is_there.lock().unwrap_or_else(PoisonError::into_inner);
    while !*is_there {
        is_there = token.came.wait(is_there).unwrap_or_else(PoisonError::into_inner);
    }
    *is_there = false;
}

pub(crate) fn park_timeout(_: Duration) {
    park();
}

impl Thread {
    pub(crate) fn unpark(&self) {
        *self.0.is_there.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.came.notify_one();
    }
}
