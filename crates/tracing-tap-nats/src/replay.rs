//! Telling new messages of a watcher from replays.

use super::seal::Rejection;

/// The highest turn and the latest time accepted so far.
///
/// An accepted message is higher than the last ones in at least one of them, so none is accepted twice. The turn alone
/// would do for a watcher whose clock is set back. The time is for a session whose turn was driven up, by a fault or by
/// another holder of the key: it goes on as soon as the watcher's clock is past that message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReplayGuard {
    turn: u64,
    time_us: u64,
}

impl ReplayGuard {
    /// After the first message.
    pub(super) fn new(turn: u64, time_us: u64) -> Self {
        Self { turn, time_us }
    }

    /// Accepts a message that cannot have been accepted before.
    pub(super) fn accept(&mut self, turn: u64, time_us: u64) -> Result<(), Rejection> {
        if turn <= self.turn && time_us <= self.time_us {
            return Err(Rejection::Replayed);
        }
        self.turn = self.turn.max(turn);
        self.time_us = self.time_us.max(time_us);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_highest_turn_locks_a_session_for_no_longer_than_its_time() {
        let mut guard = ReplayGuard::new(1, 100);
        assert_eq!(guard.accept(u64::MAX, 130), Ok(()));
        assert_eq!(guard.accept(2, 130), Err(Rejection::Replayed));
        assert_eq!(guard.accept(2, 131), Ok(()));
        assert_eq!(guard.accept(u64::MAX, 130), Err(Rejection::Replayed));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_no_session() {
        let mut guard = ReplayGuard::new(1, 100);
        assert_eq!(guard.accept(2, 50), Ok(()));
        assert_eq!(guard.accept(3, 51), Ok(()));
        assert_eq!(guard.accept(3, 51), Err(Rejection::Replayed));
    }

    proptest! {
        #[test]
        fn no_message_is_accepted_twice(messages in prop::collection::vec((0u64..20, 0u64..20), 1..60)) {
            let mut guard = ReplayGuard::default();
            let mut accepted = std::collections::HashSet::new();
            for (turn, time) in messages {
                if guard.accept(turn, time).is_ok() {
                    prop_assert!(accepted.insert((turn, time)));
                }
            }
        }
    }
}
