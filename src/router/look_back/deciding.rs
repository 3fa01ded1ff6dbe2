//! The events of a reading, one after the other: which of them the session gets, and what it follows.

use super::event::{EventInPast, Followed};
use super::reading::Reading;
use crate::past::{Kind, Record};

impl Reading<'_> {
    /// Marks, for producers, the spans that events so far have the session follow.
    pub(super) fn mark_followed(&mut self) {
        let mut followed = Followed::default();
        self.each_event(|reading, event| {
            reading.decide(event, &mut followed);
            true
        });
        for (instance, key) in followed {
            if let Some(instance) = self.instances.get(&instance) {
                instance.follow_from_past(key, self.session);
            }
        }
    }

    /// Gives the session the events that match it.
    pub(super) fn deliver(&mut self) {
        let mut followed = Followed::default();
        self.each_event(|reading, event| {
            if let Some(matching) = reading.decide(event, &mut followed) {
                reading.admit(matching);
            }
            reading.session.ended().is_none()
        });
    }

    /// Calls `each` for the events of the session's past by time, until it says no.
    pub(super) fn each_event(&mut self, mut each: impl FnMut(&mut Self, &EventInPast) -> bool) {
        let rings = std::mem::take(&mut self.rings);
        let until = self.session.since();
        let is_asked_for =
            |record: &Record<'_>| record.kind == Kind::Event && record.epoch <= until && record.time >= self.since;
        let of_rings = rings.iter().flat_map(|ring| Record::all(&ring.words).map(move |record| (record, ring)));
        let mut all: Vec<_> = of_rings.filter(|(record, _)| is_asked_for(record)).collect();
        // Sorting is stable, and those of one thread are in order.
        all.sort_by_key(|(record, _)| record.time);
        for (record, ring) in all {
            let event = self.event_of(&record, ring);
            if event.is_some_and(|event| !each(self, &event)) {
                break;
            }
        }
        self.rings = rings;
    }
}
