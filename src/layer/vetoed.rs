//! The span callsite that was vetoed last in each tree of spans: coverage names it if its request then turns out to match.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Under `loom` as few as there can be: it makes them again for each history.
const SLOTS: usize = if cfg!(loom) { 2 } else { 64 };

/// Kept for each layer: layers of several subscribers give the same ids to spans that have nothing to do with each other.
#[derive(Debug)]
pub(super) struct VetoedSpans(Box<[VetoedSpan; SLOTS]>);

/// A vetoed span, by its callsite, and the innermost span it was vetoed in.
#[derive(Debug, Default)]
struct VetoedSpan {
    within: AtomicU64,
    callsite: AtomicU64,
}

impl Default for VetoedSpans {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| VetoedSpan::default())))
    }
}

impl VetoedSpans {
    /// Notes a span callsite that was vetoed inside the span `within`, of the tree with this number.
    pub(super) fn note(&self, tree: usize, within: u64, callsite: usize) {
        let slot = &self.0[tree % SLOTS];
        // Relaxed: two threads of one tree may mix their notes. Then a callsite is named that was vetoed nearby.
        slot.callsite.store(callsite as u64, Ordering::Relaxed);
        slot.within.store(within, Ordering::Relaxed);
    }

    /// The span inside which a span of this tree was vetoed last, and the callsite of that; `None` if there was none.
    pub(super) fn last(&self, tree: usize) -> Option<(u64, usize)> {
        let slot = &self.0[tree % SLOTS];
        let within = slot.within.load(Ordering::Relaxed);
        (within != 0).then(|| (within, slot.callsite.load(Ordering::Relaxed) as usize))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_span_vetoed_last_is_found_for_each_tree() {
        let vetoed = VetoedSpans::default();
        let of = |tree: usize| (tree as u64 + 1, tree + 100);
        (0..SLOTS).for_each(|tree| vetoed.note(tree, of(tree).0, of(tree).1));
        assert!((0..SLOTS).all(|tree| vetoed.last(tree) == Some(of(tree))));
    }
}
