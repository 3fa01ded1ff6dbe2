//! A persistent map: a clone shares everything with the original, and a change copies one path from the root.
//!
//! It is a trie over the bits of the key, lowest first. The registry clones the map for producers after each change, so
//! the next change copies every node on one path: 5 at 100,000 entries. Copying a node raises the reference count of
//! each of its children, most of them outside the cache, while a lookup follows one pointer a level: 16 children take a
//! change no longer than 8, and make a lookup a third faster; 32 make a change half as long again.

use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// How many bits of the key choose among a branch's children.
const BITS: u32 = 4;
const CHILDREN: usize = 1 << BITS;
/// How many entries a leaf holds; one more makes it a branch.
const ENTRIES: usize = 4;

/// A map from keys whose lowest bits differ, such as hashes and serial numbers.
#[derive(Clone, Debug)]
pub(crate) struct PersistentMap<V> {
    root: Link<V>,
}

type Link<V> = Option<Arc<Node<V>>>;

#[derive(Clone, Debug)]
enum Node<V> {
    /// Holds at least two entries, and not all of them in one leaf.
    Branch([Link<V>; CHILDREN]),
    /// Holds at least one entry.
    Leaf(SmallVec<[(u64, V); ENTRIES]>),
}

/// The values of a map, in no order.
#[derive(Debug)]
pub(crate) struct Values<'a, V> {
    entries: std::slice::Iter<'a, (u64, V)>,
    waiting: SmallVec<[&'a Node<V>; CHILDREN]>,
}

impl<V> PersistentMap<V> {
    pub(crate) fn get(&self, key: &u64) -> Option<&V> {
        let mut node = self.root.as_deref()?;
        let mut bits = *key;
        loop {
            match node {
                Node::Branch(children) => node = children[child_of(bits)].as_deref()?,
                Node::Leaf(entries) => return entries.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            }
            bits >>= BITS;
        }
    }

    pub(crate) fn contains_key(&self, key: &u64) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }
}

impl<V: Clone> PersistentMap<V> {
    /// Adds a value, in place of the one that this key had.
    pub(crate) fn insert(&mut self, key: u64, value: V) {
        insert(&mut self.root, 0, (key, value));
    }

    pub(crate) fn remove(&mut self, key: &u64) {
        // An absent key copies nothing.
        if self.contains_key(key) {
            remove(&mut self.root, 0, *key);
        }
    }
}

impl<V> Default for PersistentMap<V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<'a, V> IntoIterator for &'a PersistentMap<V> {
    type Item = &'a V;
    type IntoIter = Values<'a, V>;

    fn into_iter(self) -> Values<'a, V> {
        let mut values = Values { entries: [].iter(), waiting: SmallVec::new() };
        self.root.iter().for_each(|root| values.enter(root));
        values
    }
}

impl<'a, V> Values<'a, V> {
    fn enter(&mut self, node: &'a Node<V>) {
        match node {
            Node::Branch(children) => self.waiting.extend(children.iter().flatten().map(Arc::as_ref)),
            Node::Leaf(entries) => self.entries = entries.iter(),
        }
    }
}

impl<'a, V> Iterator for Values<'a, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        loop {
            if let Some((_, value)) = self.entries.next() {
                return Some(value);
            }
            let node = self.waiting.pop()?;
            self.enter(node);
        }
    }
}

/// Adds an entry below this link, which is under `depth` branches. Two keys differ in at least one of the 16 groups of
/// bits, so a path has at most 16 branches.
fn insert<V: Clone>(link: &mut Link<V>, depth: u32, entry: (u64, V)) {
    let Some(node) = link else {
        *link = Some(Arc::new(Node::Leaf(smallvec![entry])));
        return;
    };
    let node = Arc::make_mut(node);
    match node {
        Node::Branch(children) => insert(&mut children[child_at(depth, entry.0)], depth + 1, entry),
        Node::Leaf(entries) => {
            if let Some(known) = entries.iter_mut().find(|(key, _)| *key == entry.0) {
                *known = entry;
            } else if entries.len() < ENTRIES {
                entries.push(entry);
            } else {
                let mut children = [const { None }; CHILDREN];
                for entry in entries.drain(..).chain([entry]) {
                    insert(&mut children[child_at(depth, entry.0)], depth + 1, entry);
                }
                *node = Node::Branch(children);
            }
        }
    }
}

/// Removes an entry below this link, which is under `depth` branches. A branch left with one leaf becomes that leaf.
fn remove<V: Clone>(link: &mut Link<V>, depth: u32, key: u64) {
    let Some(node) = link else { return };
    match Arc::make_mut(node) {
        Node::Branch(children) => {
            remove(&mut children[child_at(depth, key)], depth + 1, key);
            if let Some(leaf) = only_leaf(children) {
                *link = Some(leaf);
            }
        }
        Node::Leaf(entries) => {
            entries.retain(|(known, _)| *known != key);
            if entries.is_empty() {
                *link = None;
            }
        }
    }
}

/// The one child of a branch, if that is a leaf.
fn only_leaf<V>(children: &[Link<V>; CHILDREN]) -> Link<V> {
    let mut present = children.iter().flatten();
    let first = present.next().filter(|child| matches!(***child, Node::Leaf(_)))?;
    present.next().is_none().then(|| Arc::clone(first))
}

/// Which child of a branch that is under `depth` others.
fn child_at(depth: u32, key: u64) -> usize {
    child_of(key >> (depth * BITS))
}

fn child_of(bits: u64) -> usize {
    bits as usize % CHILDREN
}

#[cfg(all(test, not(loom)))]
mod tests;
