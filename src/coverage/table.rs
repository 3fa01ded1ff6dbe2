//! A table from callsites to numbers that producers write without a lock.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Under `loom` as few as there can be: it makes them again for each history.
const SLOTS: usize = if cfg!(loom) { 4 } else { 1024 };
const WINDOW: usize = 4;

/// A lock-free table of numbers that only grows, up to a bound; each key is looked for in one window.
#[derive(Debug)]
pub(super) struct Table(Box<[Slot; SLOTS]>);

#[derive(Debug, Default)]
struct Slot {
    key: AtomicU64,
    number: AtomicU64,
}

impl Default for Table {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Slot::default())))
    }
}

impl Table {
    /// The number of a key, added if need be; `None` if there is no room around it.
    #[inline]
    pub(super) fn find(&self, key: u64) -> Option<&AtomicU64> {
        let first = &self.0[start_of_window(key)];
        // Relaxed, here and below: a key says nothing but whose the number is, and that starts at 0 before any key is here.
        if first.key.load(Ordering::Relaxed) == key { Some(&first.number) } else { self.add(key) }
    }

    #[inline(never)]
    fn add(&self, key: u64) -> Option<&AtomicU64> {
        window(&self.0[..], key).find_map(|slot| {
            match slot.key.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => Some(&slot.number),
                Err(found) => (found == key).then_some(&slot.number),
            }
        })
    }

    /// The number of a key, 0 if it was never added.
    pub(super) fn get(&self, key: u64) -> u64 {
        let slot = window(&self.0[..], key).find(|slot| slot.key.load(Ordering::Relaxed) == key);
        slot.map_or(0, |slot| slot.number.load(Ordering::Relaxed))
    }
}

fn window(slots: &[Slot], key: u64) -> impl Iterator<Item = &Slot> {
    let start = start_of_window(key);
    (0..WINDOW).map(move |offset| &slots[(start + offset) % SLOTS])
}

fn start_of_window(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % SLOTS
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_notes_no_more_and_keeps_what_it_has() {
        let table = Table::default();
        let kept: Vec<_> = (1..=4 * SLOTS as u64).filter(|key| table.find(*key).is_some()).collect();
        assert!(kept.len() <= SLOTS && kept.len() > SLOTS / 2, "{}", kept.len());
        kept.iter().for_each(|key| table.find(*key).unwrap().store(*key, Ordering::Relaxed));
        assert!(kept.iter().all(|key| table.get(*key) == *key));
    }
}
