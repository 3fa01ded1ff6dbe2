//! Keys of fields in an object of JSON, of which no two are the same.
//!
//! The last field of a name has the name as its key: it is the one that people are shown. Each one before it has its
//! place among them behind the name, `name#1` the first. A key that the object has for itself is one more field behind
//! all others. A name that looks numbered is followed by `#0`, so that whatever is at the end of a key is no part of the
//! name.

use super::Fields;
use crate::value::ValueRef;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::fmt;

/// A key: a field's name, and where that would not do its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    pub(crate) name: &'a str,
    pub(crate) number: Option<usize>,
}

/// More fields than this are counted by name at once.
const FEW: usize = 64;

impl Fields {
    /// Calls `write` with each value and its key, in order, in an object that has the key `own` for itself.
    pub(crate) fn try_for_each_key<E>(
        &self,
        own: Option<&str>,
        mut write: impl FnMut(Key<'_>, ValueRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.needs_numbers(own) {
            return self.try_for_each_numbered(own, &mut write);
        }
        self.iter().try_for_each(|(name, value)| write(Key { name, number: None }, value))
    }

    /// Whether some key is not its field's name.
    #[inline(never)]
    pub(crate) fn needs_numbers(&self, own: Option<&str>) -> bool {
        let mut earlier = SmallVec::<[&str; 16]>::new();
        earlier.extend(own);
        self.names().any(|name| {
            let is_repeated = earlier.len() > FEW || earlier.contains(&name);
            earlier.push(name);
            is_repeated || without_number(name).is_some()
        })
    }

    #[cold]
    fn try_for_each_numbered<E>(
        &self,
        own: Option<&str>,
        write: &mut dyn FnMut(Key<'_>, ValueRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut still_to_come = HashMap::<&str, usize>::new();
        for name in self.names().chain(own) {
            *still_to_come.entry(name).or_default() += 1;
        }
        let mut numbers = HashMap::<&str, usize>::new();
        self.iter().try_for_each(|(name, value)| {
            let number = numbers.entry(name).or_default();
            *number += 1;
            let is_last = still_to_come.get(name) == Some(number);
            let number = match without_number(name) {
                _ if !is_last => Some(*number),
                Some(_) => Some(0),
                None => None,
            };
            write(Key { name, number }, value)
        })
    }
}

/// The name of the field that has this key.
pub(crate) fn name_of_key(key: &str) -> &str {
    without_number(key).unwrap_or(key)
}

/// What is before the number of a key that has one.
fn without_number(key: &str) -> Option<&str> {
    let digits = key.bytes().rev().take_while(u8::is_ascii_digit).count();
    if digits == 0 { None } else { key[..key.len() - digits].strip_suffix('#') }
}

/// What the names of one object look like at their ends, which mostly says that all have themselves as keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    marks: u64,
    are_plain: bool,
}

impl Ends {
    pub(crate) fn new(own: Option<&str>) -> Self {
        Self { marks: own.map_or(0, mark), are_plain: true }
    }

    #[inline]
    pub(crate) fn add(&mut self, name: &str) {
        let mark = mark(name);
        self.are_plain &= self.marks & mark == 0 && !name.as_bytes().last().is_some_and(u8::is_ascii_digit);
        self.marks |= mark;
    }

    /// Whether no name is there twice or looks numbered; where not, one may.
    pub(crate) fn are_plain(self) -> bool {
        self.are_plain
    }
}

/// One bit of 64: most names that differ have another.
#[inline]
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let ends = bytes.first().zip(bytes.last()).map_or(0, |(first, last)| first.wrapping_mul(5) ^ last);
    1 << (ends.wrapping_add(name.len() as u8) % 64)
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.number.map_or(Ok(()), |number| write!(f, "#{number}"))
    }
}

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.number {
            None => serializer.serialize_str(self.name),
            Some(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::value::Value;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn keys(names: &[&str], own: Option<&str>) -> Vec<String> {
        let values = names.iter().map(|name| ((*name).to_owned().into(), Value::Null)).collect();
        let mut keys = Vec::new();
        let Ok(()) = Fields::listed(values).try_for_each_key(own, |key, _| -> Result<(), Infallible> {
            keys.push(key.to_string());
            Ok(())
        });
        keys
    }

    #[test]
    fn the_last_of_a_name_has_it_as_its_key() {
        assert_eq!(keys(&["a", "b", "a", "a"], None), ["a#1", "b", "a#2", "a"]);
        assert_eq!(keys(&["name", "user"], None), ["name", "user"]);
        assert_eq!(keys(&["name", "user", "name"], Some("name")), ["name#1", "user", "name#2"]);
    }

    #[test]
    fn a_name_that_looks_numbered_is_none() {
        assert_eq!(keys(&["a#1", "a", "a"], None), ["a#1#0", "a#1", "a"]);
        assert_eq!(keys(&["a#1", "a#1", "#7", "a#", "a1"], None), ["a#1#1", "a#1#0", "#7#0", "a#", "a1"]);
        assert_eq!(keys(&["name#1", "name"], Some("name")), ["name#1#0", "name#1"]);
    }

    #[test]
    fn more_fields_than_a_few_have_the_same_keys() {
        let names: Vec<String> = (0..=3 * FEW).map(|number| format!("f{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(keys(&names, Some("name")), names);
    }

    proptest! {
        #[test]
        fn no_key_is_there_twice_and_each_says_its_name(
            names in vec("(a|b|name|)(#|#0|#1|#2|#01|#1#1)?", 0..80), own in any::<bool>(),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let own = own.then_some("name");
            let keys = keys(&names, own);
            let mut all: Vec<&str> = keys.iter().map(String::as_str).chain(own).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), count);
            prop_assert_eq!(keys.iter().map(|key| name_of_key(key)).collect::<Vec<_>>(), names);
        }
    }
}
