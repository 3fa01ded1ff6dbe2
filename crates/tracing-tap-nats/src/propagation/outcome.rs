//! What becomes of tokens, counted.

use std::fmt;
use std::ops::Index;
use std::sync::atomic::{AtomicU64, Ordering};

/// What has become of a token, or of a watched request that was to carry one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenOutcome {
    /// A request went out with a token.
    Injected,
    /// A watched request went to a host that is not listed, without a token.
    UnlistedHost,
    /// A watched request went out without a token: its other baggage left no room.
    NoRoom,
    /// A watched request went out without a token: the system provides no random numbers.
    NoRandomness,
    /// A request belonged to more than eight sessions; its token names eight of them.
    TooManySessions,
    /// A token was removed from a request that went out: one that was forwarded, or a retry's.
    Removed,
    /// A request arrived with a valid token, and is followed.
    Followed,
    /// A valid token named no session that is open here.
    NotOpen,
    /// A valid token arrived where there is no current span, so there is nothing to follow.
    NoSpan,
    /// A token is not signed with an accepted key, or was changed on the way.
    Forged,
    /// A token has expired, or its sender's clock is off by more than 30 s.
    Stale,
    /// A token had been accepted before.
    Replayed,
    /// A token is for another trace, or the request has a trace and its token has none.
    OtherTrace,
    /// A token cannot be read.
    Malformed,
    /// A token is of another version.
    OtherVersion,
    /// A request arrived with more baggage than 8,192 bytes or 64 members.
    Oversize,
    /// A request arrived with several tokens.
    Duplicated,
    /// A request arrived with a token whose name has letters of the wrong case.
    WrongCase,
    /// Too many tokens were accepted within a minute to remember more.
    MemoryFull,
}

/// The counts of a [propagator](super::Propagator) so far, by [outcome](TokenOutcome).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropagationStats([u64; TokenOutcome::ALL.len()]);

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; TokenOutcome::ALL.len()]);

impl TokenOutcome {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Injected,
        Self::UnlistedHost,
        Self::NoRoom,
        Self::NoRandomness,
        Self::TooManySessions,
        Self::Removed,
        Self::Followed,
        Self::NotOpen,
        Self::NoSpan,
        Self::Forged,
        Self::Stale,
        Self::Replayed,
        Self::OtherTrace,
        Self::Malformed,
        Self::OtherVersion,
        Self::Oversize,
        Self::Duplicated,
        Self::WrongCase,
        Self::MemoryFull,
    ];

    /// The outcome in one word: `forged`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::UnlistedHost => "unlisted_host",
            Self::NoRoom => "no_room",
            Self::NoRandomness => "no_randomness",
            Self::TooManySessions => "too_many_sessions",
            Self::Removed => "removed",
            Self::Followed => "followed",
            Self::NotOpen => "not_open",
            Self::NoSpan => "no_span",
            Self::Forged => "forged",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
            Self::OtherTrace => "other_trace",
            Self::Malformed => "malformed",
            Self::OtherVersion => "other_version",
            Self::Oversize => "oversize",
            Self::Duplicated => "duplicated",
            Self::WrongCase => "wrong_case",
            Self::MemoryFull => "memory_full",
        }
    }

    /// Whether a token was refused, so that the audit logs it: `Forged` and all after it.
    pub(super) fn is_refusal(self) -> bool {
        self as usize >= Self::Forged as usize
    }
}

impl PropagationStats {
    /// Each outcome with its count.
    pub fn iter(&self) -> impl Iterator<Item = (TokenOutcome, u64)> {
        TokenOutcome::ALL.into_iter().zip(self.0)
    }
}

impl Index<TokenOutcome> for PropagationStats {
    type Output = u64;

    fn index(&self, outcome: TokenOutcome) -> &u64 {
        &self.0[outcome as usize]
    }
}

impl Counts {
    pub(super) fn count(&self, outcome: TokenOutcome) {
        // Relaxed, here and below: plain numbers on which no other memory depends.
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> PropagationStats {
        PropagationStats(std::array::from_fn(|place| self.0[place].load(Ordering::Relaxed)))
    }
}

impl fmt::Display for TokenOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_place_and_its_word() {
        let counts = Counts::default();
        for (place, outcome) in TokenOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
            (0..place).for_each(|_| counts.count(outcome));
        }
        let stats = counts.read();
        assert!(
            stats
                .iter()
                .enumerate()
                .all(|(place, (outcome, count))| { count == place as u64 && stats[outcome] == count })
        );
        let mut words = TokenOutcome::ALL.map(TokenOutcome::word);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
