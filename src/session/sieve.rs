//! Which values the index may have sessions for, as bits: a value that nobody watches is found to be none without a look
//! at the snapshot.
//!
//! A session's bits are set before the epoch moves that makes it known. They stay when it ends, and are cleared before the
//! first session is opened after all have ended. So a bit may be there for nothing, which costs a look into the index, and
//! is missing for no session of an epoch that has been seen.

use super::open::OpenSession;
use super::snapshot::index_hash;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::value::ValueRef;

/// 8 KiB: of 1,000 values that sessions wait for, one in 65 others is looked for in vain. Under `loom` as few as there can
/// be: it makes them again for each history.
const WORDS: usize = if cfg!(loom) { 1 } else { 1024 };

/// A set of hashes of keys with values, which may say yes to more than are in it.
#[derive(Debug)]
pub(crate) struct Sieve(Box<[AtomicU64; WORDS]>);

impl Default for Sieve {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

impl Sieve {
    /// Adds what the index will find a session by. Called before it is made known.
    pub(crate) fn add(&self, session: &OpenSession) {
        let key = session.compiled.index().and_then(|index| session.compiled.tests()[index].field());
        let entries = key.into_iter().flat_map(|key| key.index_entries());
        entries.for_each(|(key, text)| self.add_hash(index_hash(key, text)));
    }

    /// Empties it. Called while no session is open, and before the next one is added.
    pub(crate) fn clear(&self) {
        // Relaxed: as in `may_hold`.
        self.0.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Whether the index may have a session for this hash of a key and a value.
    #[inline]
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        // Relaxed: who has seen an epoch sees the bits that were set before it. Fails where they are set later:
        // `loom_who_sees_an_epoch_finds_its_sessions_in_the_sieve`.
        self.0[word_of(hash)].load(Ordering::Relaxed) & bit_of(hash) != 0
    }

    /// Whether the index may have a session for this value of a field.
    #[inline]
    pub(crate) fn may_hold_value(&self, key: &str, value: ValueRef<'_>) -> bool {
        value.with_canonical(|text| text.is_some_and(|text| self.may_hold(index_hash(key, text))))
    }

    fn add_hash(&self, hash: u64) {
        self.0[word_of(hash)].fetch_or(bit_of(hash), Ordering::Relaxed);
    }
}

/// The lowest bits choose the word, and the highest the bit.
#[inline]
fn word_of(hash: u64) -> usize {
    hash as usize % WORDS
}

#[inline]
fn bit_of(hash: u64) -> u64 {
    1 << (hash >> 58)
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/sieve.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::{SessionId, SessionOptions};
    use std::sync::Arc;

    fn session(predicate: Predicate) -> OpenSession {
        OpenSession::new(SessionId(1), SessionOptions::new(predicate), Arc::new(Budget::new(0)))
    }

    #[test]
    fn it_holds_each_key_with_each_value_and_little_else() {
        let sieve = Sieve::default();
        sieve.add(&session(Predicate::any_of(["user", "owner"], [1, 2])));
        sieve.add(&session(Predicate::ge("status", 500)));
        let holds = |key: &str, text: &str| sieve.may_hold(index_hash(key, text));
        assert!(["user", "owner"].iter().all(|key| holds(key, "1") && holds(key, "2")));
        let others = (3..10_003).filter(|user| holds("user", &user.to_string())).count();
        assert!(others < 10, "{others}");
        sieve.clear();
        assert!(!holds("user", "1"));
    }

    #[test]
    fn a_value_is_looked_up_as_the_index_keeps_it() {
        let sieve = Sieve::default();
        sieve.add(&session(Predicate::eq("user", 42)));
        let holds = |value: crate::Value| sieve.may_hold_value("user", value.view());
        assert!(holds(42.into()) && holds("42".into()));
        assert!(!holds(43.into()) && !sieve.may_hold_value("owner", ValueRef::U64(42)));
    }
}
