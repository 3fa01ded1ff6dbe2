//! Which tests of one predicate are true: a bit each.

use smallvec::SmallVec;

/// A set of test numbers; up to 128 without an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(SmallVec<[u64; 2]>);

impl Bits {
    pub(crate) fn contains(&self, test: usize) -> bool {
        self.0.get(test / 64).is_some_and(|word| word >> (test % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, test: usize) {
        if self.0.len() <= test / 64 {
            self.0.resize(test / 64 + 1, 0);
        }
        self.0[test / 64] |= 1 << (test % 64);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_inserted_in_as_few_words_as_it_takes() {
        for inserted in [&[0][..], &[3, 64], &[63, 65], &[127, 128], &[300, 1]] {
            let mut bits = Bits::default();
            inserted.iter().for_each(|test| bits.insert(*test));
            assert!((0..400).all(|test| bits.contains(test) == inserted.contains(&test)), "{inserted:?}");
            let last = inserted.iter().max().unwrap();
            assert_eq!(bits.0.len(), last / 64 + 1);
        }
    }
}
