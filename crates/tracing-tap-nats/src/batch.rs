//! Items that are sent in one message.

use super::message::Tally;
use tracing_tap::render::{Format, write_item};
use tracing_tap::{Item, Missing};

/// Lines of items, until they are sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    pub(super) count: Tally,
    /// For each event: the end of its line, and the counts up to there.
    events: Vec<(usize, Tally)>,
}

/// The first lines of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) end: usize,
    pub(super) count: Tally,
}

impl Batch {
    pub(super) fn push(&mut self, item: &Item) {
        write_item(&mut self.lines, item, Format::Json);
        self.count.count(item);
        if item.is_numbered() {
            self.events.push((self.lines.len(), self.count));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.lines.len()
    }

    /// Keeps the first events, and returns how many were cut off. The missing events between those are still announced.
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
        cut.missing.iter().for_each(|missing| self.push_missing(missing));
        cut.events
    }

    pub(super) fn whole(&self) -> Part {
        Part { end: self.lines.len(), count: self.count }
    }

    /// All up to the last event, unless it is the only one: it may be the one that makes a batch too large.
    pub(super) fn before_last(&self) -> Option<Part> {
        let (end, count) = *self.events.iter().rev().nth(1)?;
        Some(Part { end, count })
    }

    /// Removes a part that was sent, or is given up.
    pub(super) fn remove(&mut self, part: Part) {
        self.lines.drain(..part.end);
        self.events.retain(|(end, _)| *end > part.end);
        for (end, counted) in &mut self.events {
            *end -= part.end;
            *counted = counted.minus(part.count);
        }
        self.count = self.count.minus(part.count);
    }

    /// Announces missing events; no line if there are none.
    pub(super) fn push_missing(&mut self, missing: Missing) {
        if missing.count > 0 {
            self.push(&Item::Missing(missing));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_tap::MissingReason;

    fn item(line: &str) -> Item {
        serde_json::from_str(line).expect("it is an item")
    }

    fn event(sequence: u64) -> Item {
        item(&format!(
            r#"{{"type":"event","session":1,"sequence":{sequence},"timestamp":"2026-11-20T08:15:02.123456Z","level":"INFO","fields":{{}},"target":"a"}}"#
        ))
    }

    fn missing(reason: MissingReason) -> Item {
        Item::Missing(Missing::new(3, reason))
    }

    fn tally(events: u64) -> Tally {
        let missing = [Missing::new(6, MissingReason::Overflow), Missing::new(3, MissingReason::SampledOut)];
        Tally { events, missing: missing.into_iter().collect() }
    }

    fn batch() -> Batch {
        let mut batch = Batch::default();
        let [overflow, sampled_out] = [MissingReason::Overflow, MissingReason::SampledOut].map(missing);
        [event(0), overflow.clone(), event(4), overflow, sampled_out, event(8)]
            .iter()
            .for_each(|item| batch.push(item));
        batch
    }

    #[test]
    fn missing_events_that_are_cut_off_are_still_announced() {
        for (kept, events, lines) in [(9, 3, 6), (3, 3, 6), (2, 2, 5), (1, 1, 3), (0, 0, 2)] {
            let mut batch = batch();
            assert_eq!(batch.keep_events(kept), 3 - events, "{kept} kept");
            assert_eq!(batch.count, tally(events), "{kept} kept");
            assert_eq!(batch.lines.split(|byte| *byte == b'\n').count() - 1, lines, "{kept} kept");
        }
    }

    #[test]
    fn the_last_event_is_split_off_unless_it_is_the_only_one() {
        let mut batch = batch();
        let (lines, count) = (batch.lines.clone(), batch.count);
        let first = batch.before_last().expect("there are three");
        assert_eq!(first.count.events, 2);
        batch.remove(first);
        assert_eq!((batch.count.events, batch.count.plus(first.count)), (1, count));
        assert_eq!(batch.lines, lines[first.end..]);
        assert!(batch.before_last().is_none());
        assert_eq!(batch.keep_events(0), 1);
        batch.remove(batch.whole());
        assert!(batch.is_empty() && batch.count.is_empty() && batch.events.is_empty());
    }

    #[test]
    fn a_batch_is_cut_correctly_after_a_removal() {
        let mut removed = batch();
        let first = removed.events[0];
        removed.remove(Part { end: first.0, count: first.1 });
        assert_eq!(removed.keep_events(1), 1);
        assert_eq!(removed.count, tally(1));
    }
}
