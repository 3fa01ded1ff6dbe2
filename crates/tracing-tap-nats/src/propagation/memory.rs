//! The tokens that were accepted, so that none counts twice.

use super::outcome::TokenOutcome;
use crate::key::SIGNATURE_BYTES;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest time for which an accepted token may still be fresh: its own 30 s, the 30 s that its sender's clock may be
/// off, and the rest of the last second, since tokens expire by whole seconds.
const FRESH: Duration = Duration::from_secs(61);

/// How many tokens are remembered for each minute; 2 MB. Further ones are refused: a thousand watched requests a second.
const MAX_TOKENS: usize = 1 << 16;

/// The signatures of the tokens accepted lately. Bounded, and never forgets one that is fresh.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Generations>);

/// Two sets. The older one is forgotten once all of it is stale.
#[derive(Debug, Default)]
struct Generations {
    newer: HashSet<[u8; SIGNATURE_BYTES]>,
    older: HashSet<[u8; SIGNATURE_BYTES]>,
    /// When `newer` was begun.
    began: Option<Instant>,
}

impl Memory {
    /// Remembers a token.
    ///
    /// # Errors
    /// If it was accepted before, or there is no room for it.
    pub(super) fn remember(&self, signature: [u8; SIGNATURE_BYTES], now: Instant) -> Result<(), TokenOutcome> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = known.turn(now);
        let outcome = known.add(signature);
        drop(known);
        // Outside the lock.
        drop(forgotten);
        outcome
    }
}

impl Generations {
    /// Begins a new set when the last one is old enough, and returns what is forgotten.
    fn turn(&mut self, now: Instant) -> HashSet<[u8; SIGNATURE_BYTES]> {
        let age = self.began.map(|began| now.saturating_duration_since(began));
        if age.is_some_and(|age| age < FRESH) {
            return HashSet::new();
        }
        self.began = Some(now);
        let newer = std::mem::take(&mut self.newer);
        // It was last added to at least `FRESH` ago, so all of it is stale.
        std::mem::replace(&mut self.older, newer)
    }

    fn add(&mut self, signature: [u8; SIGNATURE_BYTES]) -> Result<(), TokenOutcome> {
        match () {
            () if self.older.contains(&signature) || self.newer.contains(&signature) => Err(TokenOutcome::Replayed),
            () if self.newer.len() >= MAX_TOKENS => Err(TokenOutcome::MemoryFull),
            () => {
                self.newer.insert(signature);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(number: u64) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        signature[..8].copy_from_slice(&number.to_le_bytes());
        signature
    }

    #[test]
    fn a_token_counts_once_while_it_is_fresh() {
        // From the beginning of a second to the end of the 60th after it.
        const LAST: u64 = 60_999;
        for accepted_at in [0, 30_000, 59_999, 60_000, LAST, 61_000, 121_999] {
            let (memory, began) = (Memory::default(), Instant::now());
            let remember = |number, at| memory.remember(signature(number), began + Duration::from_millis(at));
            assert_eq!(remember(0, 0), Ok(()));
            assert_eq!(remember(1, accepted_at), Ok(()));
            for later in (0..LAST).step_by(500).chain([LAST]) {
                assert_eq!(remember(1, accepted_at + later), Err(TokenOutcome::Replayed), "{accepted_at} and {later}");
            }
        }
    }

    #[test]
    fn a_token_of_a_minute_ago_is_still_known() {
        let (memory, began) = (Memory::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(memory.remember(signature(1), at(0)), Ok(()));
        assert_eq!(memory.remember(signature(2), at(59)), Ok(()));
        assert_eq!(memory.remember(signature(2), at(118)), Err(TokenOutcome::Replayed));
        assert_eq!(memory.remember(signature(3), at(180)), Ok(()));
        assert!(memory.0.lock().unwrap().older.len() < 3);
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing() {
        let (memory, began) = (Memory::default(), Instant::now());
        for number in 0..MAX_TOKENS as u64 {
            assert_eq!(memory.remember(signature(number), began), Ok(()));
        }
        assert_eq!(memory.remember(signature(u64::MAX), began), Err(TokenOutcome::MemoryFull));
        assert_eq!(memory.remember(signature(0), began), Err(TokenOutcome::Replayed));
        assert_eq!(memory.remember(signature(u64::MAX), began + FRESH), Ok(()));
    }
}
