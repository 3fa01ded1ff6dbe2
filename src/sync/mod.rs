//! What the protocols between threads are made of: atomics, fences, locks, and the lock-free structures of others.
//!
//! This is the only module that names them. In an ordinary build they are what they are called. Under `--cfg loom` they
//! are those of `loom`, which tries every interleaving of a small model and every value that an ordering allows a load
//! to see, and the structures of others are modelled as weak as their documentation lets them be.
//!
//! `models/` has the models of all these protocols. Each is a child module of the one that it is about, by `#[path]`, so
//! that it sees what is private there.
//!
//! Reference counts stay `std`'s: there is no unsafe code here, so what they order is the freeing of memory and nothing
//! that a model could get wrong.

mod counts;
#[cfg(loom)]
mod modelled;
mod numbers;
mod process_lock;

#[cfg(not(loom))]
pub(crate) use {
    arc_swap::ArcSwap,
    atomic_waker::AtomicWaker,
    crossbeam_queue::ArrayQueue,
    once_cell::race::OnceBox,
    std::sync::{Mutex, MutexGuard},
};
#[cfg(loom)]
pub(crate) use {
    loom::sync::{Mutex, MutexGuard},
    modelled::{ArcSwap, ArrayQueue, AtomicWaker, OnceBox},
};

pub(crate) use counts::Counts;
pub(crate) use numbers::Numbers;
pub(crate) use process_lock::ProcessLock;

/// So many words of zeros.
///
/// Allocated in blocks: a loop over words takes an unoptimized build 20 ns each, a fifth of a second for 64 MiB.
pub(crate) fn zeros(words: usize) -> Box<[atomic::AtomicU64]> {
    #[cfg(loom)]
    return (0..words).map(|_| atomic::AtomicU64::new(0)).collect();
    #[cfg(not(loom))]
    {
        const BLOCK: usize = 512;
        let blocks = (0..words.div_ceil(BLOCK)).map(|_| [const { atomic::AtomicU64::new(0) }; BLOCK]);
        let mut zeros = blocks.collect::<Vec<_>>().into_flattened();
        zeros.truncate(words);
        zeros.into_boxed_slice()
    }
}

/// How often a test with several threads tries what it is about: Miri takes thousands of times as long, and finds in few
/// tries what a machine needs many for.
#[cfg(test)]
#[cfg(not(loom))]
pub(crate) const fn tries(natively: u64) -> u64 {
    if cfg!(miri) { natively / 5_000 } else { natively }
}

#[cfg(test)]
#[cfg(loom)]
pub(crate) use modelled::try_all;

/// As in `std`, as far as threads wait for each other.
pub(crate) mod thread {
    #[cfg(loom)]
    pub(crate) use super::modelled::thread::*;
    #[cfg(not(loom))]
    pub(crate) use std::thread::{Thread, current, park, park_timeout};
}

/// As in `std::sync`.
pub(crate) mod atomic {
    #[cfg(loom)]
    pub(crate) use super::modelled::AtomicBool;
    #[cfg(loom)]
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
    #[cfg(not(loom))]
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
}
