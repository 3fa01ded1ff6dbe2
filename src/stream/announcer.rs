//! Announcing what limits kept back: by reason, and as what was added since the last announcement.

use crate::missing::{Missing, MissingCounts};

/// The counts of kept-back events: those announced to a reader, and the latest known ones.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    announced: MissingCounts,
    known: MissingCounts,
}

impl Announcer {
    /// Takes note of what was kept back so far.
    pub(super) fn note(&mut self, counts: MissingCounts) {
        self.known = counts;
    }

    /// Whether there is more to be announced.
    pub(super) fn has_news(&self) -> bool {
        self.announced != self.known
    }

    /// The next announcement.
    pub(super) fn next(&mut self) -> Option<Missing> {
        let Self { announced, known } = self;
        let news = known.iter().find(|known| known.count > announced[known.reason])?;
        let count = news.count - std::mem::replace(&mut announced[news.reason], news.count);
        Some(Missing { count, ..news })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::missing::MissingReason::{self, RateLimited, SampledOut};

    fn announced(announcer: &mut Announcer) -> Vec<(u64, MissingReason)> {
        std::iter::from_fn(|| announcer.next()).map(|missing| (missing.count, missing.reason)).collect()
    }

    fn counts(by_rate: u64, by_sampling: u64) -> MissingCounts {
        [Missing::new(by_rate, RateLimited), Missing::new(by_sampling, SampledOut)].into_iter().collect()
    }

    #[test]
    fn each_reason_is_announced_separately_and_once() {
        let mut announcer = Announcer::default();
        assert_eq!(announced(&mut announcer), []);
        announcer.note(counts(3, 2));
        assert_eq!(announced(&mut announcer), [(3, RateLimited), (2, SampledOut)]);
        announcer.note(counts(3, 7));
        assert!(announcer.has_news());
        assert_eq!(announced(&mut announcer), [(5, SampledOut)]);
        assert!(!announcer.has_news());
        assert_eq!(announced(&mut announcer), []);
    }
}
