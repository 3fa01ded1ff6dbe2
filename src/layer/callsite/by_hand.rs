//! Callsites that no macro has written: several may have one address, of which the list of callsites has one.

use rustc_hash::FxHashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_core::Metadata;
use tracing_core::callsite::DefaultCallsite;

/// The callsites written by hand, by the address of their metadata: there may be thousands.
#[derive(Debug, Default)]
pub(super) struct ByHand(Mutex<FxHashMap<Address, &'static Metadata<'static>>>);

/// Where metadata is in memory.
#[derive(Clone, Copy, Debug, Eq)]
struct Address(usize);

impl ByHand {
    pub(super) fn note(&self, metadata: &'static Metadata<'static>) {
        self.lock().insert(Address::of(metadata), metadata);
    }

    /// Adds those that are missing in a list of callsites.
    pub(super) fn add_missing(&self, all: &mut Vec<&'static Metadata<'static>>) {
        let mut missing = self.lock().clone();
        if !missing.is_empty() {
            for metadata in all.iter() {
                missing.remove(&Address::of(metadata));
            }
            all.extend(missing.into_values());
        }
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<Address, &'static Metadata<'static>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether no macro of `tracing` has written this callsite, as far as its size tells: the macros' remember their interest
/// and where they are listed. One written by hand may have no memory, and so its address with others, and may give its
/// events a parent or not.
pub(super) fn is_written_by_hand(metadata: &Metadata<'_>) -> bool {
    size_of_val(metadata.callsite().0) != size_of::<DefaultCallsite>()
}

impl Address {
    fn of(metadata: &'static Metadata<'static>) -> Self {
        Self(std::ptr::from_ref(metadata).addr())
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_usize(self.0);
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        #[cfg(all(test, not(loom)))]
        tests::COMPARISONS.set(tests::COMPARISONS.get() + 1);
        self.0 == other.0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tracing_core::field::FieldSet;
    use tracing_core::metadata::Kind;
    use tracing_core::{Level, callsite::Identifier};

    thread_local! {
        pub(super) static COMPARISONS: Cell<usize> = const { Cell::new(0) };
    }

    fn written(count: usize) -> Vec<&'static Metadata<'static>> {
        let known = tracing_core::Callsite::metadata(tracing::callsite! {
            name: "event", kind: Kind::EVENT, fields:
        });
        let fields = || FieldSet::new(&[], Identifier(known.callsite().0));
        let new = || Metadata::new("written by hand", "it", Level::DEBUG, None, None, None, fields(), Kind::EVENT);
        (0..count).map(|_| &*Box::leak(Box::new(new()))).collect()
    }

    /// How often addresses are compared where so many callsites are registered twice and listed.
    fn comparisons(count: usize) -> usize {
        let (written, by_hand) = (written(count), ByHand::default());
        COMPARISONS.set(0);
        written.iter().chain(&written).for_each(|metadata| by_hand.note(metadata));
        let mut all = written[..count / 2].to_vec();
        by_hand.add_missing(&mut all);
        assert_eq!(all.len(), count);
        COMPARISONS.get()
    }

    #[test]
    fn comparisons_of_callsites_grow_with_their_number() {
        let (some, many) = (comparisons(500), comparisons(4_000));
        assert!(many < 12 * some, "{some} for 500 callsites, {many} for 4,000");
    }
}
