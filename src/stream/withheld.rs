//! Telling the reader what limits withheld: by reason, and as what came since it was last told.

use super::{LossReason, Lost};
use crate::session::withheld::Withheld;

/// What a reader was told of what was withheld, and what it is still to be told.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    told: Withheld,
    known: Withheld,
}

impl Announcer {
    /// Takes note of what was withheld so far.
    pub(super) fn note(&mut self, withheld: Withheld) {
        self.known = withheld;
    }

    /// What the reader is to be told next.
    pub(super) fn next(&mut self) -> Option<Lost> {
        let Self { told, known } = self;
        let by_rate = since(&mut told.by_rate, known.by_rate, LossReason::Rate);
        by_rate.or_else(|| since(&mut told.by_sampling, known.by_sampling, LossReason::Sampling))
    }
}

fn since(told: &mut u64, known: u64, reason: LossReason) -> Option<Lost> {
    let count = known - std::mem::replace(told, known);
    (count > 0).then_some(Lost { count, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(announcer: &mut Announcer) -> Vec<(u64, LossReason)> {
        std::iter::from_fn(|| announcer.next()).map(|lost| (lost.count, lost.reason)).collect()
    }

    #[test]
    fn each_reason_is_told_by_itself_and_once() {
        let mut announcer = Announcer::default();
        assert_eq!(told(&mut announcer), []);
        announcer.note(Withheld { by_rate: 3, by_sampling: 2 });
        assert_eq!(told(&mut announcer), [(3, LossReason::Rate), (2, LossReason::Sampling)]);
        announcer.note(Withheld { by_rate: 3, by_sampling: 7 });
        assert_eq!(told(&mut announcer), [(5, LossReason::Sampling)]);
        assert_eq!(told(&mut announcer), []);
    }
}
