//! An instance as its watcher sees it: what it has said, and what of that has arrived.

use super::item::{FleetItem, Gap, GapPlace, InstanceAccount};
use super::message::{Farewell, FromInstance, LeaveReason, Tally};
use super::seal::Rejection;
use super::stats::FleetStats;
use crate::stream::{Item, LossReason, Lost};
use std::sync::Arc;
use std::time::Instant;

/// One instance.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) instance: Arc<str>,
    /// For the order of its items.
    pub(super) number: u64,
    pub(super) presence: Presence,
    pub(super) heard: Instant,
    pub(super) opening: u64,
    /// The number of the message that is expected next.
    next: u64,
    /// What it has sent, whether or not that arrived.
    seen: Tally,
    told_matched: u64,
    unsent: u64,
    /// Events that are missing, on the way and here.
    missing: u64,
    dropped: u64,
    /// The sums of earlier openings.
    past: Past,
    pub(super) asked: u64,
    pub(super) granted: u64,
}

/// Whether an instance takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It has said something, and not yet that it takes part.
    New,
    Here,
    Silent,
    Refused,
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
struct Past {
    matched: u64,
    seen: Tally,
    unsent: u64,
    missing: u64,
    dropped: u64,
}

impl Peer {
    pub(super) fn new(instance: Arc<str>, number: u64, opening: u64) -> Self {
        Self {
            instance,
            number,
            presence: Presence::New,
            heard: Instant::now(),
            opening,
            next: 0,
            seen: Tally::default(),
            told_matched: 0,
            unsent: 0,
            missing: 0,
            dropped: 0,
            past: Past::default(),
            asked: 0,
            granted: 0,
        }
    }

    /// Refuses what was heard before, and begins anew where the instance has opened the session anew. Returns the items
    /// that says.
    pub(super) fn note(&mut self, said: &FromInstance) -> Result<Vec<FleetItem>, Rejection> {
        if said.opening < self.opening || said.opening == self.opening && said.number < self.next {
            return Err(Rejection::Replayed);
        }
        let mut items = Vec::new();
        if said.opening > self.opening {
            items.extend(self.give_up());
            self.begin(said.opening);
        }
        self.next = said.number.saturating_add(1);
        self.heard = Instant::now();
        Ok(items)
    }

    /// Notes that it takes part.
    pub(super) fn join(&mut self) -> Option<FleetItem> {
        let is_news = self.presence != Presence::Here;
        self.presence = Presence::Here;
        is_news.then(|| FleetItem::Joined { instance: Arc::clone(&self.instance) })
    }

    /// Notes that nothing was heard of it for long.
    pub(super) fn fall_silent(&mut self) -> FleetItem {
        self.presence = Presence::Silent;
        FleetItem::Silent { instance: Arc::clone(&self.instance) }
    }

    /// Says of an instance that takes part and will not be heard again in this opening that it is gone.
    pub(super) fn give_up(&mut self) -> Option<FleetItem> {
        let was_part = matches!(self.presence, Presence::Here | Presence::Silent);
        was_part.then(|| self.leave(LeaveReason::Lost))
    }

    /// Notes its last word.
    pub(super) fn say_farewell(&mut self, farewell: &Farewell) -> Vec<FleetItem> {
        let mut items = self.catch_up(farewell.sent, farewell.matched);
        self.unsent = farewell.unsent;
        items.extend(self.gap(farewell.unsent, GapPlace::Instance));
        items.push(self.leave(farewell.reason));
        items
    }

    fn leave(&mut self, reason: LeaveReason) -> FleetItem {
        self.presence = Presence::Over;
        FleetItem::Left { instance: Arc::clone(&self.instance), reason, account: self.account() }
    }

    /// Takes note of what was sent so far, and says what of it has not arrived.
    pub(super) fn catch_up(&mut self, sent: Tally, matched: u64) -> Vec<FleetItem> {
        let missed = sent.minus(self.seen);
        self.seen = self.seen.plus(missed);
        self.told_matched = self.told_matched.max(matched);
        self.missing += missed.events;
        let gap = self.gap(missed.events, GapPlace::Network);
        gap.into_iter().chain(self.losses(missed)).collect()
    }

    /// Takes note of a batch that has arrived.
    pub(super) fn count(&mut self, count: Tally) {
        self.seen = self.seen.plus(count);
    }

    /// Says that a batch that has arrived is dropped, since there is no room.
    pub(super) fn drop_batch(&mut self, count: Tally) -> Vec<FleetItem> {
        self.dropped += count.events;
        let gap = self.gap(count.events, GapPlace::Watcher);
        gap.into_iter().chain(self.losses(count)).collect()
    }

    /// How many of the events that were granted were never seen, and will not be.
    pub(super) fn take_unused_grant(&mut self) -> u64 {
        let unused = self.granted.saturating_sub(self.seen.events);
        self.granted -= unused;
        unused
    }

    fn begin(&mut self, opening: u64) {
        let past = Past {
            matched: self.past.matched + self.matched(),
            seen: self.past.seen.plus(self.seen),
            unsent: self.past.unsent + self.unsent,
            missing: self.past.missing + self.missing,
            dropped: self.past.dropped + self.dropped,
        };
        let fresh = Self::new(Arc::clone(&self.instance), self.number, opening);
        *self = Self { past, ..fresh };
    }

    fn matched(&self) -> u64 {
        self.told_matched.max(self.seen.total().saturating_add(self.unsent))
    }

    fn account(&self) -> InstanceAccount {
        let arrived = self.seen.events - (self.missing + self.dropped).min(self.seen.events);
        let lost = self.seen.lost().saturating_add(self.unsent).saturating_add(self.missing + self.dropped);
        InstanceAccount { matched: self.matched(), arrived, lost }
    }

    /// Adds what it has counted, all openings together; what of it was read is not known here.
    pub(super) fn add_to(&self, stats: &mut FleetStats) {
        let seen = self.seen.plus(self.past.seen);
        stats.matched += self.matched() + self.past.matched;
        stats.lost_overflow += seen.overflow;
        stats.lost_rate += seen.rate;
        stats.lost_sampling += seen.sampling;
        stats.lost_at_instances += self.unsent + self.past.unsent;
        stats.lost_on_the_way += self.missing + self.past.missing;
        stats.lost_here += self.dropped + self.past.dropped;
        stats.instances += usize::from(self.presence == Presence::Here);
    }

    /// Events it has sent, all openings together, whether or not they arrived.
    pub(super) fn sent_events(&self) -> u64 {
        self.seen.events + self.past.seen.events
    }

    fn gap(&self, count: u64, place: GapPlace) -> Option<FleetItem> {
        (count > 0).then(|| FleetItem::Gap(Gap { instance: Arc::clone(&self.instance), count, place }))
    }

    fn losses(&self, tally: Tally) -> Vec<FleetItem> {
        let by_reason = [
            (LossReason::Overflow, tally.overflow),
            (LossReason::Rate, tally.rate),
            (LossReason::Sampling, tally.sampling),
        ];
        let told = by_reason.into_iter().filter(|(_, count)| *count > 0);
        let items = told.map(|(reason, count)| Item::Lost(Lost { count, reason }));
        items.map(|item| FleetItem::Item { instance: Arc::clone(&self.instance), item }).collect()
    }
}
