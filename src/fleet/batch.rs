//! Items that travel together.

use super::message::Tally;
use crate::render::{Format, write_item};
use crate::stream::{Item, LossReason, Lost};

/// Lines of items, until they are sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    pub(super) count: Tally,
    /// Behind each event: where its line ends, and what was counted so far.
    events: Vec<(usize, Tally)>,
}

impl Batch {
    pub(super) fn push(&mut self, item: &Item) {
        write_item(&mut self.lines, item, Format::Json);
        self.count.count(item);
        if matches!(item, Item::Event { .. }) {
            self.events.push((self.lines.len(), self.count));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.lines.len()
    }

    /// Keeps the first events, and returns how many were cut off. What was lost between those is told all the same.
    pub(super) fn keep_events(&mut self, kept: u64) -> u64 {
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        if kept >= self.events.len() {
            return 0;
        }
        let (end, counted) = kept.checked_sub(1).map_or((0, Tally::default()), |last| self.events[last]);
        let cut = self.count.minus(counted);
        self.lines.truncate(end);
        self.events.truncate(kept);
        self.count = counted;
        self.push_lost(LossReason::Overflow, cut.overflow);
        self.push_lost(LossReason::Rate, cut.rate);
        self.push_lost(LossReason::Sampling, cut.sampling);
        cut.events
    }

    /// Parts with the last event, and with what was lost around it, where it is not the only one: it may be what makes a
    /// batch too large.
    pub(super) fn split_last(&mut self) -> Option<Self> {
        let (_, all) = self.events.pop()?;
        let Some((end, kept)) = self.events.last().copied() else {
            self.events.push((self.lines.len(), all));
            return None;
        };
        let count = self.count.minus(kept);
        let lines = self.lines.split_off(end);
        self.count = kept;
        Some(Self { events: vec![(lines.len(), count)], lines, count })
    }

    pub(super) fn push_lost(&mut self, reason: LossReason, count: u64) {
        if count > 0 {
            self.push(&Item::Lost(Lost { count, reason }));
        }
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.events.clear();
        self.count = Tally::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(line: &str) -> Item {
        serde_json::from_str(line).expect("it is an item")
    }

    fn event(sequence: u64) -> Item {
        item(&format!(
            r#"{{"type":"event","session":1,"sequence":{sequence},"timestamp":"2026-11-20T08:15:02.123456Z","level":"INFO","fields":{{}},"target":"a"}}"#
        ))
    }

    fn lost(reason: &str) -> Item {
        item(&format!(r#"{{"type":"lost","count":3,"reason":"{reason}"}}"#))
    }

    fn batch() -> Batch {
        let mut batch = Batch::default();
        [event(0), lost("overflow"), event(4), lost("overflow"), lost("sampling"), event(8)]
            .iter()
            .for_each(|item| batch.push(item));
        batch
    }

    #[test]
    fn what_is_cut_off_is_counted_by_its_reason() {
        for (kept, events, lines) in [(9, 3, 6), (3, 3, 6), (2, 2, 5), (1, 1, 3), (0, 0, 2)] {
            let mut batch = batch();
            assert_eq!(batch.keep_events(kept), 3 - events, "{kept} kept");
            assert_eq!(batch.count, Tally { events, overflow: 6, rate: 0, sampling: 3 }, "{kept} kept");
            assert_eq!(batch.lines.split(|byte| *byte == b'\n').count() - 1, lines, "{kept} kept");
        }
    }

    #[test]
    fn the_last_event_is_parted_with_unless_it_is_the_only_one() {
        let mut first = batch();
        let (lines, count) = (first.lines.clone(), first.count);
        let last = first.split_last().expect("there are three");
        assert_eq!([first.count.events, last.count.events], [2, 1]);
        assert_eq!(first.count.plus(last.count), count);
        assert_eq!([first.lines.as_slice(), &last.lines].concat(), lines);
        let second = first.split_last().expect("there are two");
        assert!(first.split_last().is_none());
        let parts = [first.lines.as_slice(), &second.lines, &last.lines];
        assert_eq!((parts.concat(), first.count.events), (lines, 1));
    }

    #[test]
    fn a_cleared_batch_is_as_new() {
        let mut batch = batch();
        assert!(!batch.is_empty() && batch.bytes() > 0);
        batch.clear();
        assert!(batch.is_empty() && batch.count.is_empty());
        assert_eq!(batch.keep_events(0), 0);
        assert!(batch.is_empty());
    }
}
