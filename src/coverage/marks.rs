//! Sets of names in a few bits.

use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// Some names, by a bit for each: two names may share theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameMarks(pub(crate) u32);

impl NameMarks {
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        names.into_iter().fold(Self::default(), |marks, name| {
            let mut hasher = FxHasher::default();
            name.hash(&mut hasher);
            Self(marks.0 | 1 << ((hasher.finish() >> 32) as u32 % u32::BITS))
        })
    }

    /// Whether they may have a name in common.
    pub(crate) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_given_twice_is_in_the_set() {
        assert_eq!(NameMarks::of(["user", "user"]), NameMarks::of(["user"]));
        assert!(NameMarks::of(["user", "path", "user"]).meet(NameMarks::of(["user"])));
    }
}
