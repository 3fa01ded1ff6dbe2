use super::*;
use crate::predicate::Predicate;
use crate::queue::budget::Budget;
use crate::session::open::OpenSession;
use crate::session::registry::Registry;
use crate::session::snapshot::index_hash;
use crate::session::{SessionId, SessionOptions};
use crate::sync::atomic::{AtomicUsize, Ordering};
use proptest::prelude::*;
use std::collections::HashMap;

/// Counts how often values were cloned and dropped.
#[derive(Debug)]
struct Counted(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    clones: AtomicUsize,
    drops: AtomicUsize,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.clones.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counts {
    fn clones(&self) -> usize {
        self.clones.load(Ordering::Relaxed)
    }

    fn drops(&self) -> usize {
        self.drops.load(Ordering::Relaxed)
    }
}

/// A key whose low bits are spread, as those of a hash are.
fn hash(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26)
}

fn filled(keys: impl Iterator<Item = u64>) -> PersistentMap<u64> {
    let mut map = PersistentMap::default();
    keys.for_each(|key| map.insert(key, !key));
    map
}

fn counted(entries: u64, counts: &Arc<Counts>) -> PersistentMap<Counted> {
    let mut map = PersistentMap::default();
    (0..entries).for_each(|number| map.insert(hash(number), Counted(Arc::clone(counts))));
    map
}

/// The number of branches on the longest path.
fn depth<V>(link: &Link<V>) -> usize {
    match link.as_deref() {
        Some(Node::Branch(children)) => 1 + children.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Checks what the comments on `Node` promise.
#[track_caller]
fn check_shape<V>(map: &PersistentMap<V>) {
    let mut waiting: Vec<_> = map.root.iter().collect();
    while let Some(node) = waiting.pop() {
        match &**node {
            Node::Leaf(entries) => assert!((1..=ENTRIES).contains(&entries.len()), "a leaf of {}", entries.len()),
            Node::Branch(children) => {
                let leaves = children.iter().flatten().filter(|child| matches!(***child, Node::Leaf(_))).count();
                assert!(children.iter().flatten().count() > leaves || leaves > 1, "a branch of {leaves} leaves");
                waiting.extend(children.iter().flatten());
            }
        }
    }
}

#[track_caller]
fn check_same(map: &PersistentMap<u32>, model: &HashMap<u64, u32>, keys: &[u64]) {
    assert_eq!(map.is_empty(), model.is_empty());
    for key in keys {
        assert_eq!(map.get(key), model.get(key), "{key:#x}");
        assert_eq!(map.contains_key(key), model.contains_key(key), "{key:#x}");
    }
    let mut values: Vec<_> = map.into_iter().collect();
    let mut expected: Vec<_> = model.values().collect();
    values.sort_unstable();
    expected.sort_unstable();
    assert_eq!(values, expected);
    check_shape(map);
}

#[test]
fn thousands_of_keys_are_found_and_no_others() {
    let map = filled((0..5_000).map(hash));
    assert!((0..5_000).all(|number| map.get(&hash(number)) == Some(&!hash(number))));
    assert!((5_000..20_000).all(|number| !map.contains_key(&hash(number))));
    assert_eq!(map.into_iter().count(), 5_000);
    assert!(depth(&map.root) <= 5, "{}", depth(&map.root));
}

#[test]
fn keys_that_share_their_low_bits_stay_apart() {
    let keys: Vec<_> = (0..64).map(|bit| 1_u64 << bit).chain([0, u64::MAX]).collect();
    let mut map = filled(keys.iter().copied());
    assert!(keys.iter().all(|key| map.get(key) == Some(&!key)));
    // Five of them share their lowest 60 bits and differ in the last choice.
    assert_eq!(depth(&map.root), 16);
    for key in &keys {
        map.remove(key);
        assert!(!map.contains_key(key));
        check_shape(&map);
    }
    assert!(map.is_empty());
}

#[test]
fn inserting_a_key_again_replaces_its_value() {
    let mut map = filled([1, 9, 17].into_iter());
    map.insert(9, 5);
    assert_eq!((map.get(&9), map.into_iter().count()), (Some(&5), 3));
}

#[test]
fn an_unshared_value_is_freed_when_removed() {
    let counts = Arc::default();
    let mut map = counted(1_000, &counts);
    let drops = counts.drops();
    for removed in 1..=1_000 {
        map.remove(&hash(removed as u64 - 1));
        assert_eq!(counts.drops() - drops, removed);
    }
    assert!(map.is_empty());
    assert_eq!((counts.clones(), Arc::strong_count(&counts)), (0, 1), "an unshared map copies nothing");
}

#[test]
fn a_removed_value_is_freed_with_the_last_clone() {
    let counts = Arc::default();
    let mut map = counted(1_000, &counts);
    let old = map.clone();
    (0..1_000).for_each(|number| map.remove(&hash(number)));
    assert!(map.is_empty());
    assert_eq!((&old).into_iter().count(), 1_000);
    assert_eq!(Arc::strong_count(&counts), 1_001);
    drop(old);
    assert_eq!(Arc::strong_count(&counts), 1);
}

#[test]
fn a_change_copies_one_leaf_and_its_clone_frees_one() {
    let counts = Arc::default();
    let mut map = counted(10_000, &counts);
    for number in 10_000..10_500 {
        let old = map.clone();
        let (clones, drops) = (counts.clones(), counts.drops());
        map.insert(hash(number), Counted(Arc::clone(&counts)));
        map.remove(&hash(number - 10_000));
        let copied = counts.clones() - clones;
        assert!(copied <= 2 * ENTRIES, "copied {copied}");
        drop(old);
        let dropped = counts.drops() - drops;
        assert!(dropped <= 2 * ENTRIES + 1, "dropped {dropped}");
    }
    assert_eq!(Arc::strong_count(&counts), 10_001);
}

#[test]
fn removing_an_absent_key_copies_nothing() {
    let counts = Arc::default();
    let mut map = counted(100, &counts);
    let old = map.clone();
    map.remove(&hash(100));
    assert_eq!(counts.clones(), 0);
    assert!(Arc::ptr_eq(old.root.as_ref().unwrap(), map.root.as_ref().unwrap()));
}

#[test]
fn sessions_whose_values_share_a_hash_share_a_bucket() {
    let texts = ["T©g0AaaT©g1Abb", "ùzᗡDUùzᖡGV"];
    let hash = index_hash("user", texts[0]);
    assert_eq!(hash, index_hash("user", texts[1]), "the two texts collide no longer: find others");
    let ids = |registry: &mut Registry| {
        let bucket = registry.snapshot().0.index.get(&hash).cloned();
        let mut ids: Vec<_> = bucket.iter().flatten().map(|session| session.id.0).collect();
        ids.sort_unstable();
        ids
    };
    let mut registry = Registry::default();
    for (number, text) in texts.into_iter().enumerate() {
        let session = SessionOptions::new(Predicate::eq("user", text));
        registry.open(&Arc::new(OpenSession::new(SessionId(number as u64), session, Arc::new(Budget::new(0)))));
    }
    let (before, _) = registry.snapshot();
    assert_eq!(ids(&mut registry), [0, 1]);
    registry.close(SessionId(0));
    assert_eq!(ids(&mut registry), [1]);
    registry.close(SessionId(1));
    assert!(registry.snapshot().0.index.is_empty());
    assert_eq!(before.index.get(&hash).into_iter().flatten().count(), 2, "an older snapshot stays as it was");
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, u32),
    Remove(u64),
    /// Clones the map; the clone is checked at the end.
    Keep,
}

/// Few keys: small numbers, some that differ in their middle or highest bits alone, and hashes.
fn keys() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..12_u64,
        (0..12_u64).prop_map(|n| n << 60),
        (0..6_u64).prop_map(|n| n << 30),
        (0..40_u64).prop_map(hash)
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (keys(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        4 => keys().prop_map(Step::Remove),
        1 => Just(Step::Keep),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn a_map_and_its_clones_agree_with_hash_maps(steps in steps(), others in prop::collection::vec(keys(), 20)) {
        let (mut map, mut model) = (PersistentMap::default(), HashMap::new());
        let mut kept = Vec::new();
        let mut seen = others;
        for step in steps {
            match step {
                Step::Insert(key, value) => {
                    map.insert(key, value);
                    model.insert(key, value);
                    seen.push(key);
                }
                Step::Remove(key) => {
                    map.remove(&key);
                    model.remove(&key);
                }
                Step::Keep => kept.push((map.clone(), model.clone())),
            }
            check_shape(&map);
        }
        kept.push((map, model));
        for (map, model) in &kept {
            check_same(map, model, &seen);
        }
    }
}

#[test]
fn a_leaf_takes_as_many_entries_as_it_may() {
    let leaf = filled(0..ENTRIES as u64);
    assert!(matches!(leaf.root.as_deref(), Some(Node::Leaf(entries)) if entries.len() == ENTRIES));
    let branch = filled(0..=ENTRIES as u64);
    assert!(matches!(branch.root.as_deref(), Some(Node::Branch(_))));
}
