//! Counters of `Span::record` calls, one pair per span tree (or a few trees): what invalidates cached scopes.
//!
//! A record changes what the recorded span and all its descendants say, on every thread. Telling every thread
//! through the epoch would empty all caches each time; a counter per tree empties only those it concerns.

use crate::sync::atomic::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;

/// The tree of events outside any span: nothing is ever recorded on it.
pub(crate) const NO_TREE: usize = 0;

/// Under `loom` as few as possible: it creates them again for each history.
const TREES: usize = if cfg!(loom) { 2 } else { 128 };

/// Spans note their tree in a byte.
const _: () = assert!(TREES <= 1 << 8);

#[derive(Debug)]
pub(crate) struct Trees {
    /// Records that may change which sessions match: what vetoes rely on.
    deciding: Box<[CachePadded<AtomicU64>; TREES]>,
    /// All records: what captured spans rely on. Apart, so that harmless records cost deciders no cache miss.
    all: Box<[CachePadded<AtomicU64>; TREES]>,
}

impl Default for Trees {
    fn default() -> Self {
        let counters = || Box::new(std::array::from_fn(|_| CachePadded::default()));
        Self { deciding: counters(), all: counters() }
    }
}

impl Trees {
    /// The tree of a root span. Ids recur and trees share counters: either only costs a cache.
    pub(crate) fn of_root(id: u64) -> usize {
        1 + (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % (TREES - 1)
    }

    #[inline]
    pub(crate) fn deciding(&self, tree: usize) -> u64 {
        // Acquire pairs with the Release in `count_deciding`: a thread that sees the count sees that a span is followed. (Recorded
        // values are read under a lock that orders them as well.) Fails otherwise:
        // `loom_a_span_that_is_followed_shares_no_scope_for_good`.
        self.deciding[tree % TREES].load(Ordering::Acquire)
    }

    pub(crate) fn all(&self, tree: usize) -> u64 {
        // Relaxed: what is captured after this is read under the lock under which it was recorded before it was counted. A thread
        // that sees the count cannot have had that lock first. The model is `loom_a_kept_value_is_the_last_recorded`.
        self.all[tree % TREES].load(Ordering::Relaxed)
    }

    /// Counts a record, after its values are in place.
    pub(crate) fn count(&self, tree: usize) {
        // Relaxed: as in `all`.
        self.all[tree].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a record that may change which sessions match, after its values are in place.
    pub(crate) fn count_deciding(&self, tree: usize) {
        self.deciding[tree].fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/tree.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn roots_are_spread_over_all_trees_but_that_of_none() {
        let trees: std::collections::BTreeSet<_> = (1..10_000).map(Trees::of_root).collect();
        assert!(trees.into_iter().eq(1..TREES));
    }
}
