//! The last field of each name: few names are compared, many are hashed.

use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};

/// How many names are compared each with each.
const FEW: usize = 16;

/// Where among some fields the last of each name is.
#[derive(Debug)]
pub(super) struct LastPlaces<'a> {
    /// The names by place, as far as they are few.
    few: SmallVec<[&'a str; FEW]>,
    /// By name, if there are more.
    many: Option<HashMap<&'a str, usize>>,
}

impl<'a> LastPlaces<'a> {
    pub(super) fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let mut places = Self { few: SmallVec::new(), many: None };
        names.enumerate().for_each(|(place, name)| places.push(place, name));
        places
    }

    fn push(&mut self, place: usize, name: &'a str) {
        if place < FEW {
            return self.few.push(name);
        }
        let few = || self.few.iter().enumerate().map(|(place, name)| (*name, place)).collect();
        self.many.get_or_insert_with(few).insert(name, place);
    }

    /// The place of the last field of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        match &self.many {
            Some(many) => many.get(name).copied(),
            None => self.few.iter().rposition(|known| {
                count_step();
                *known == name
            }),
        }
    }
}

/// Whether some name is there more than once.
pub(super) fn has_repeated<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let names: SmallVec<[&str; FEW]> = names.collect();
    if names.len() <= FEW {
        return names.iter().enumerate().any(|(place, name)| names[place + 1..].contains(name));
    }
    let mut earlier = HashSet::with_capacity(names.len());
    !names.into_iter().all(|name| earlier.insert(name))
}

#[cfg(all(test, not(loom)))]
thread_local! {
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Tests count the steps that searches by name and by place take.
#[inline]
pub(super) fn count_step() {
    #[cfg(all(test, not(loom)))]
    STEPS.set(STEPS.get() + 1);
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_name_is_found_among_few_and_many() {
        for count in [0, 1, FEW, FEW + 1, 5 * FEW] {
            let names: Vec<String> = (0..count).map(|number| format!("f{}", number % 11)).collect();
            let places = LastPlaces::of(names.iter().map(String::as_str));
            for name in names.iter().chain([&"other".to_owned()]) {
                assert_eq!(places.find(name), names.iter().rposition(|known| known == name), "{name} of {count}");
            }
            assert_eq!(has_repeated(names.iter().map(String::as_str)), count > 11);
            assert!(!has_repeated(names.iter().take(11).map(String::as_str)));
            let distinct: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            assert!(!has_repeated(distinct.iter().map(String::as_str)));
        }
    }
}
