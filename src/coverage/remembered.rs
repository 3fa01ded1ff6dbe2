//! Short lists of distinct things that producers have noticed.

use std::sync::{Mutex, PoisonError, TryLockError};

/// How many things are remembered in a list.
const MAX_REMEMBERED: usize = 64;

/// A bounded list of distinct things. A producer that finds it locked leaves its thing out.
#[derive(Debug)]
pub(super) struct Remembered<T>(Mutex<Vec<T>>);

impl<T: Copy> Remembered<T> {
    pub(super) fn add(&self, new: T, is_same: impl Fn(&T) -> bool) {
        let known = match self.0.try_lock() {
            Ok(known) => Some(known),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut known) = known
            && known.len() < MAX_REMEMBERED
            && !known.iter().any(is_same)
        {
            known.push(new);
        }
    }

    pub(super) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_link_costs_a_bounded_number_of_comparisons() {
        let (links, compared) = (Remembered::default(), std::cell::Cell::new(0));
        for link in 0..10_000 {
            links.add(link, |known| {
                compared.set(compared.get() + 1);
                *known == link
            });
        }
        assert_eq!(links.all().len(), MAX_REMEMBERED);
        assert!(compared.get() <= MAX_REMEMBERED * MAX_REMEMBERED, "{}", compared.get());
    }
}
