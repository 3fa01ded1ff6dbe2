//! Bytes that may be buffered: a maximum over all rings, and the part of it that one ring holds.
//!
//! A push that had to ask the shared [`Budget`] each time would move one cache line between all producers of all
//! sessions. So a ring leases bytes in chunks, spends them from its own [`Lease`], and gives the rest back when it has
//! nothing buffered.

use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// What a ring leases at once, unless it needs more for one item.
const CHUNK_BYTES: usize = 16 * 1024;

/// A small maximum is shared out in at least this many chunks, so that one ring's chunk does not starve the others.
const CHUNKS_AT_LEAST: usize = 64;

/// What the reader releases at once, or an eighth of a small capacity.
const RELEASE_BYTES: u32 = 4 * 1024;

/// The bytes that all rings of a router may hold together. Never more than the maximum is leased.
#[derive(Debug)]
pub(crate) struct Budget {
    max_bytes: usize,
    chunk_bytes: usize,
    /// Written by every ring that leases, so kept away from the fields that are only read.
    leased_bytes: CachePadded<AtomicUsize>,
}

/// One ring's part of the [`Budget`], and how much of it is in use. Dropping it gives everything back.
///
/// Always `used <= leased <= capacity_bytes`. The two numbers share one word and change together, so a reservation is
/// refused only if at some moment during the call there was no room. Two exceptions, both for as long as another thread is
/// between two instructions: it has leased the last of the budget and not yet added it here, or it has taken what the
/// reader released ([`RELEASE_BYTES`] at most) and not yet subtracted it.
#[derive(Debug)]
pub(crate) struct Lease {
    budget: Arc<Budget>,
    capacity_bytes: u32,
    /// An [`Account`], written by every push.
    account: CachePadded<AtomicU64>,
    /// Bytes that the reader has released and that still count as used. It collects them here because each write to
    /// the account takes that line from the producers (measured: about a third off a push while a reader drains).
    released: CachePadded<AtomicU32>,
}

/// The two numbers in [`Lease::account`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    used: u32,
    leased: u32,
}

// Every atomic operation on the budget and the account is relaxed. The numbers guard no memory, each decision is made by
// one compare-and-swap on one word, and all operations on one word have one order whatever their ordering argument.
// What `release` needs beyond that (its `reserve` came first) is given by the queue that carried the item, and, where
// the reader released it, by `released`.

impl Budget {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            chunk_bytes: CHUNK_BYTES.min(max_bytes / CHUNKS_AT_LEAST),
            leased_bytes: CachePadded::new(AtomicUsize::new(0)),
        }
    }

    /// Bytes that rings hold or have set aside; 0 once all rings are empty and read, or gone.
    #[cfg(test)]
    pub(crate) fn leased_bytes(&self) -> usize {
        self.leased_bytes.load(Relaxed)
    }

    /// Leases a chunk, or as much between `at_least` and `at_most` as is available.
    fn lease(&self, at_least: u32, at_most: u32) -> Option<u32> {
        let (at_least, at_most) = (at_least as usize, at_most as usize);
        let wanted = self.chunk_bytes.max(at_least).min(at_most);
        let mut granted = 0;
        self.leased_bytes
            .fetch_update(Relaxed, Relaxed, |leased| {
                granted = wanted.min(self.max_bytes - leased);
                (granted >= at_least).then_some(leased + granted)
            })
            .ok()?;
        // Not more than `at_most`, so it always fits.
        u32::try_from(granted).ok()
    }

    fn give_back(&self, bytes: u32) {
        if bytes > 0 {
            self.leased_bytes.fetch_sub(bytes as usize, Relaxed);
        }
    }
}

impl Lease {
    /// A lease of nothing yet, that will never hold more than `capacity_bytes` (and never more than 4 GiB).
    pub(crate) fn new(budget: Arc<Budget>, capacity_bytes: usize) -> Self {
        let capacity_bytes = u32::try_from(capacity_bytes.min(budget.max_bytes)).unwrap_or(u32::MAX);
        Self { budget, capacity_bytes, account: CachePadded::default(), released: CachePadded::default() }
    }

    /// The size of the largest reservation that can ever succeed.
    pub(crate) fn capacity_bytes(&self) -> u32 {
        self.capacity_bytes
    }

    /// Bytes reserved and not yet released; while others reserve and release, off by no more than they move meanwhile.
    pub(crate) fn used_bytes(&self) -> usize {
        // Relaxed: for people. The two reads may be apart, hence the saturation.
        self.load().used.saturating_sub(self.released.load(Relaxed)) as usize
    }

    /// Takes `bytes` into use, leasing more where needed. `false`: there is no room, and nothing has changed.
    pub(crate) fn reserve(&self, bytes: u32) -> bool {
        self.try_reserve(bytes) || (self.settle_released() && self.try_reserve(bytes))
    }

    /// Ends the use of `bytes` that were reserved; they stay leased.
    pub(crate) fn release(&self, bytes: u32) {
        // Cannot borrow from `leased` in the upper half: the reservation is in the lower half. It was made before the
        // item was pushed, and the releasing thread has popped the item, so it comes first in the order of this word too.
        self.account.fetch_sub(u64::from(bytes), Relaxed);
    }

    /// [`release`](Self::release) for the reader, which producers need not see before they run out of room.
    pub(crate) fn release_by_reader(&self, bytes: u32) {
        // Release pairs with the Acquire in `settle_released`: who subtracts the bytes comes after who reserved them. No
        // model fails otherwise, since `loom` has all changes of one word in the order in which it runs them.
        let released = self.released.fetch_add(bytes, Release) + bytes;
        if released >= RELEASE_BYTES.min(self.capacity_bytes / 8) {
            self.settle_released();
        }
    }

    /// Gives back the bytes that are leased and not in use. Writes nothing if there are none.
    pub(crate) fn give_back_unused(&self) {
        self.settle_released();
        let mut account = self.load();
        while account.leased > account.used {
            let unused = account.leased - account.used;
            match self.replace(account, Account { leased: account.used, ..account }) {
                Ok(()) => return self.budget.give_back(unused),
                Err(now) => account = now,
            }
        }
    }

    fn try_reserve(&self, bytes: u32) -> bool {
        let mut account = self.load();
        loop {
            let Some(used) = account.used.checked_add(bytes).filter(|used| *used <= self.capacity_bytes) else {
                return false;
            };
            let seen = account;
            account = if used > seen.leased {
                let extended = self.extend(used - seen.leased, self.capacity_bytes - seen.leased);
                let now = self.load();
                if !extended && now == seen {
                    return false;
                }
                now
            } else {
                match self.replace(seen, Account { used, ..seen }) {
                    Ok(()) => return true,
                    Err(now) => now,
                }
            };
        }
    }

    /// Subtracts what the reader has released from what is used; `false` if that is nothing.
    fn settle_released(&self) -> bool {
        // Relaxed: the load only spares the write; what is added just now is found by the next one who looks.
        if self.released.load(Relaxed) == 0 {
            return false;
        }
        // Acquire pairs with the Release in `release_by_reader`.
        let released = self.released.swap(0, Acquire);
        self.release(released);
        released > 0
    }

    /// Leases more from the budget; `false` if the budget cannot give `missing` bytes.
    #[cold]
    fn extend(&self, missing: u32, at_most: u32) -> bool {
        let Some(granted) = self.budget.lease(missing, at_most) else {
            return false;
        };
        // Another producer may have extended the lease meanwhile; what would pass the capacity goes straight back.
        let added_to = |account: Account| granted.min(self.capacity_bytes - account.leased);
        let mut account = self.load();
        while let Err(now) = self.replace(account, Account { leased: account.leased + added_to(account), ..account }) {
            account = now;
        }
        self.budget.give_back(granted - added_to(account));
        true
    }

    fn load(&self) -> Account {
        Account::unpack(self.account.load(Relaxed))
    }

    fn replace(&self, seen: Account, new: Account) -> Result<(), Account> {
        match self.account.compare_exchange_weak(seen.pack(), new.pack(), Relaxed, Relaxed) {
            Ok(_) => Ok(()),
            Err(now) => Err(Account::unpack(now)),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.give_back(self.load().leased);
    }
}

impl Account {
    fn pack(self) -> u64 {
        u64::from(self.leased) << 32 | u64::from(self.used)
    }

    fn unpack(word: u64) -> Self {
        Self { used: word as u32, leased: (word >> 32) as u32 }
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/budget.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::sync::tries;
    use std::thread;

    fn lease_of(budget: &Arc<Budget>, capacity_bytes: usize) -> Lease {
        Lease::new(Arc::clone(budget), capacity_bytes)
    }

    #[test]
    fn a_ring_leases_in_chunks_and_gives_the_unused_part_back() {
        let budget = Arc::new(Budget::new(64 * CHUNK_BYTES));
        let lease = lease_of(&budget, 10 * CHUNK_BYTES);
        assert_eq!(budget.leased_bytes(), 0);
        assert!(lease.reserve(100) && lease.reserve(200));
        assert_eq!((lease.used_bytes(), budget.leased_bytes()), (300, CHUNK_BYTES));
        lease.release(100);
        assert_eq!((lease.used_bytes(), budget.leased_bytes()), (200, CHUNK_BYTES));
        lease.give_back_unused();
        assert_eq!(budget.leased_bytes(), 200);
        lease.release(200);
        lease.give_back_unused();
        assert_eq!(budget.leased_bytes(), 0);
    }

    #[test]
    fn an_item_larger_than_a_chunk_leases_what_it_needs() {
        let budget = Arc::new(Budget::new(64 * CHUNK_BYTES));
        let lease = lease_of(&budget, 10 * CHUNK_BYTES);
        assert!(lease.reserve(3 * CHUNK_BYTES as u32));
        assert_eq!(budget.leased_bytes(), 3 * CHUNK_BYTES);
    }

    #[test]
    fn the_capacity_is_used_to_the_last_byte_and_never_passed() {
        let budget = Arc::new(Budget::new(1000));
        let lease = lease_of(&budget, 100);
        assert!(lease.reserve(99) && !lease.reserve(2) && lease.reserve(1) && !lease.reserve(1));
        assert!(lease.reserve(0));
        assert_eq!((lease.used_bytes(), budget.leased_bytes()), (100, 100));
        assert!(!lease.reserve(u32::MAX));
    }

    #[test]
    fn the_budget_is_used_to_the_last_byte_and_never_passed() {
        let budget = Arc::new(Budget::new(100));
        let (first, second) = (lease_of(&budget, 80), lease_of(&budget, 80));
        assert!(first.reserve(80) && !second.reserve(21) && second.reserve(20) && !second.reserve(1));
        assert_eq!(budget.leased_bytes(), 100);
    }

    #[test]
    fn a_lease_that_is_dropped_in_use_gives_everything_back() {
        let budget = Arc::new(Budget::new(1 << 20));
        let lease = lease_of(&budget, 1 << 20);
        assert!(lease.reserve(50_000));
        drop(lease);
        assert_eq!(budget.leased_bytes(), 0);
    }

    #[test]
    fn a_capacity_past_the_budget_or_past_4_gib_is_cut() {
        let small = Arc::new(Budget::new(100));
        assert_eq!(lease_of(&small, 1 << 20).capacity_bytes(), 100);
        let endless = Arc::new(Budget::new(usize::MAX));
        assert_eq!(lease_of(&endless, usize::MAX).capacity_bytes(), u32::MAX);
        let nothing = Arc::new(Budget::new(0));
        assert!(!lease_of(&nothing, 1 << 20).reserve(1));
    }

    #[test]
    fn what_the_reader_released_is_room_as_soon_as_it_is_needed() {
        let budget = Arc::new(Budget::new(1 << 20));
        let lease = lease_of(&budget, 100_000);
        assert!(lease.reserve(100_000));
        lease.release_by_reader(1);
        assert_eq!(lease.used_bytes(), 99_999);
        assert!(!lease.reserve(2) && lease.reserve(1));
        assert_eq!(lease.used_bytes(), 100_000);
        lease.release_by_reader(100);
        lease.release_by_reader(99_900);
        lease.give_back_unused();
        assert_eq!((lease.used_bytes(), budget.leased_bytes()), (0, 0));
    }

    #[test]
    fn what_the_reader_released_is_settled_in_portions() {
        for (capacity_bytes, portion) in [(1 << 20, RELEASE_BYTES), (800, 100)] {
            let lease = lease_of(&Arc::new(Budget::new(1 << 20)), capacity_bytes);
            assert!(lease.reserve(2 * portion));
            lease.release_by_reader(portion - 1);
            assert_eq!(lease.load().used, 2 * portion, "collected, so the producers' line stays with them");
            lease.release_by_reader(1);
            assert_eq!(lease.load().used, portion);
        }
    }

    #[test]
    fn threads_that_reserve_stay_in_bounds_and_end_at_zero() {
        const MAX_BYTES: usize = 10_000;
        const CAPACITY_BYTES: usize = 4_000;
        let budget = Arc::new(Budget::new(MAX_BYTES));
        let leases: Vec<Lease> = (0..3).map(|_| lease_of(&budget, CAPACITY_BYTES)).collect();
        thread::scope(|scope| {
            for thread_index in 0..4 {
                let (leases, budget) = (&leases, &budget);
                scope.spawn(move || {
                    for round in 0..tries(20_000) as usize {
                        let lease = &leases[(round + thread_index) % leases.len()];
                        let bytes = (round * 37 % 1_500) as u32;
                        let reserved = lease.reserve(bytes);
                        assert!(budget.leased_bytes() <= MAX_BYTES);
                        assert!(lease.used_bytes() <= CAPACITY_BYTES);
                        match (reserved, round % 2) {
                            (false, _) => {}
                            (true, 0) => lease.release(bytes),
                            (true, _) => lease.release_by_reader(bytes),
                        }
                        if round % 5 == 0 {
                            lease.give_back_unused();
                        }
                    }
                });
            }
        });
        assert_eq!(leases.iter().map(Lease::used_bytes).sum::<usize>(), 0);
        leases.iter().for_each(Lease::give_back_unused);
        assert_eq!(budget.leased_bytes(), 0);
    }
}
