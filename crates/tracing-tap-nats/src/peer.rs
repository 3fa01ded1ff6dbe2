//! An instance as its watcher sees it: what it has said, and what of that has arrived.

use super::item::{FleetItem, Gap, GapPlace, InstanceAccount};
use super::message::{Farewell, FromInstance, LeaveReason, MAX_COUNT, Tally, add_counts};
use super::seal::Rejection;
use super::stats::FleetStats;
use std::sync::Arc;
use std::time::Instant;
use tracing_tap::missing::MissingCounts;

/// One instance.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) instance: Arc<str>,
    /// For the order of its items: 1, 2, 3…
    pub(super) number: usize,
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
    not_arrived: u64,
    dropped: u64,
    /// What was dropped since there is no room, and is said once there is again: what waits is bounded.
    untold: Tally,
    /// The sums of earlier openings.
    past: Past,
    /// Why it has refused the session, in one word, as long as it does.
    refused_for: Option<String>,
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
    not_arrived: u64,
    dropped: u64,
}

impl Peer {
    pub(super) fn new(instance: Arc<str>, number: usize, opening: u64) -> Self {
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
            not_arrived: 0,
            dropped: 0,
            untold: Tally::default(),
            past: Past::default(),
            refused_for: None,
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
        self.refused_for = None;
        is_news.then(|| FleetItem::Joined { instance: Arc::clone(&self.instance) })
    }

    /// Notes that it takes no part. It tries again and again, and is told of when the reason is another.
    pub(super) fn refuse(&mut self, reason: String, error: String) -> Option<FleetItem> {
        self.presence = Presence::Refused;
        let is_news = self.refused_for.as_deref() != Some(&reason);
        self.refused_for = Some(reason.clone());
        is_news.then(|| FleetItem::Refused { instance: Arc::clone(&self.instance), reason, error })
    }

    /// Notes that nothing was heard of it for long.
    pub(super) fn fall_silent(&mut self) -> FleetItem {
        self.presence = Presence::Silent;
        FleetItem::Silent { instance: Arc::clone(&self.instance) }
    }

    /// Says of an instance that takes part and will not be heard again in this opening that it is gone.
    pub(super) fn give_up(&mut self) -> Vec<FleetItem> {
        let was_part = matches!(self.presence, Presence::Here | Presence::Silent);
        let mut items = self.tell_dropped();
        items.extend(was_part.then(|| self.leave(LeaveReason::Lost)));
        items
    }

    /// Notes its last word.
    pub(super) fn say_farewell(&mut self, farewell: &Farewell) -> Vec<FleetItem> {
        let mut items = self.tell_dropped();
        items.extend(self.catch_up(farewell.sent, farewell.matched));
        items.extend(self.leave_out(farewell.unsent));
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
        self.told_matched = self.told_matched.max(matched.min(MAX_COUNT));
        self.not_arrived = add_counts(self.not_arrived, missed.events);
        let gap = self.gap(missed.events, GapPlace::Network);
        gap.into_iter().chain(self.announced(missed.missing)).collect()
    }

    /// Takes note of what it did not send so far, and says what of it is news.
    pub(super) fn leave_out(&mut self, unsent: u64) -> Option<FleetItem> {
        let news = unsent.min(MAX_COUNT).saturating_sub(self.unsent);
        self.unsent += news;
        self.gap(news, GapPlace::Instance)
    }

    /// Takes note of a batch that has arrived.
    pub(super) fn count(&mut self, count: Tally) {
        self.seen = self.seen.plus(count);
    }

    /// Takes note of a batch that has arrived and is dropped, since there is no room.
    pub(super) fn drop_batch(&mut self, count: Tally) {
        self.dropped = add_counts(self.dropped, count.events);
        self.untold = self.untold.plus(count);
    }

    /// Says what was dropped since this was said last: before anything else that the instance says.
    pub(super) fn tell_dropped(&mut self) -> Vec<FleetItem> {
        let untold = std::mem::take(&mut self.untold);
        let gap = self.gap(untold.events, GapPlace::Watcher);
        gap.into_iter().chain(self.announced(untold.missing)).collect()
    }

    /// How many of the events that were granted were never seen, and will not be.
    pub(super) fn take_unused_grant(&mut self) -> u64 {
        let unused = self.granted.saturating_sub(self.seen.events);
        self.granted -= unused;
        unused
    }

    fn begin(&mut self, opening: u64) {
        let past = Past {
            matched: add_counts(self.past.matched, self.matched()),
            seen: self.past.seen.plus(self.seen),
            unsent: add_counts(self.past.unsent, self.unsent),
            not_arrived: add_counts(self.past.not_arrived, self.not_arrived),
            dropped: add_counts(self.past.dropped, self.dropped),
        };
        let fresh = Self::new(Arc::clone(&self.instance), self.number, opening);
        *self = Self { past, refused_for: self.refused_for.take(), ..fresh };
    }

    fn matched(&self) -> u64 {
        self.told_matched.max(self.seen.total().saturating_add(self.unsent))
    }

    fn account(&self) -> InstanceAccount {
        let arrived = self.seen.events - (self.not_arrived + self.dropped).min(self.seen.events);
        let missing = self.seen.missing;
        let lost = missing.lost().saturating_add(self.unsent).saturating_add(self.not_arrived + self.dropped);
        InstanceAccount { matched: self.matched(), arrived, lost, missing }
    }

    /// Adds what it has counted, all openings together; what of it was read is not known here.
    pub(super) fn add_to(&self, stats: &mut FleetStats) {
        let seen = self.seen.plus(self.past.seen);
        stats.matched += self.matched() + self.past.matched;
        stats.missing.add(&seen.missing);
        stats.lost_at_instances += self.unsent + self.past.unsent;
        stats.lost_on_the_way += self.not_arrived + self.past.not_arrived;
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

    fn announced(&self, missing: MissingCounts) -> impl Iterator<Item = FleetItem> + use<'_> {
        let announced = missing.iter().filter(|missing| missing.count > 0);
        announced.map(|missing| FleetItem::Missing { instance: Arc::clone(&self.instance), missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{InstanceWord, MemberId};
    use tracing_tap::{Missing, MissingReason};

    fn peer() -> Peer {
        Peer::new("chat-1".into(), 1, 0)
    }

    fn said(opening: u64, number: u64) -> FromInstance {
        let member = MemberId::random().expect("there is randomness");
        FromInstance { member, opening, number, time: 0, instance: String::new(), word: InstanceWord::Joined }
    }

    fn tally(events: u64, overflow: u64) -> Tally {
        Tally { events, missing: [Missing::new(overflow, MissingReason::Overflow)].into_iter().collect() }
    }

    fn stats(peer: &Peer) -> FleetStats {
        let mut stats = FleetStats::default();
        peer.add_to(&mut stats);
        stats.summed()
    }

    fn texts(items: &[FleetItem]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_was_heard_before_is_a_replay() {
        let mut peer = peer();
        assert!(peer.note(&said(0, 0)).is_ok());
        assert_eq!(peer.note(&said(0, 0)).err(), Some(Rejection::Replayed));
        assert!(peer.note(&said(0, 5)).is_ok(), "what is missing shows in the account");
        assert_eq!(peer.note(&said(0, 4)).err(), Some(Rejection::Replayed));
        assert!(peer.note(&said(1, 0)).is_ok(), "the session was opened anew");
        assert_eq!(peer.note(&said(0, 9)).err(), Some(Rejection::Replayed));
        assert!(peer.note(&said(1, u64::MAX)).is_ok());
    }

    #[test]
    fn what_is_missing_is_said_once_losses_that_were_announced_on_the_way_too() {
        let mut peer = peer();
        peer.count(tally(10, 0));
        let items = peer.catch_up(tally(15, 3), 18);
        assert_eq!(texts(&items), ["chat-1: 5 events lost on the way", "chat-1: 3 events lost: the buffer was full"]);
        assert!(peer.catch_up(tally(15, 3), 18).is_empty());
        let stats = stats(&peer);
        assert_eq!((stats.matched, stats.lost_on_the_way, stats.missing[MissingReason::Overflow]), (18, 5, 3));
    }

    #[test]
    fn the_account_of_all_openings_is_one() {
        let mut peer = peer();
        peer.join();
        peer.count(tally(10, 2));
        assert_eq!(peer.note(&said(1, 0)).map(|items| items.len()), Ok(1), "the first opening is over");
        peer.join();
        peer.count(tally(5, 0));
        (0..3).for_each(|_| peer.drop_batch(tally(1, 0)));
        assert_eq!(texts(&peer.tell_dropped()), ["chat-1: 3 events lost here: the stream was not read"]);
        assert!(peer.tell_dropped().is_empty(), "it is said once");
        peer.count(tally(3, 0));
        let farewell = Farewell { reason: LeaveReason::Closed, sent: tally(8, 0), matched: 11, unsent: 3 };
        let items = peer.say_farewell(&farewell);
        let left = "chat-1: takes no more part: the watcher closed the session; 11 matched, 5 arrived, 6 lost";
        assert_eq!(texts(&items), ["chat-1: 3 events lost at the instance: they were not sent", left]);
        let stats = stats(&peer);
        assert_eq!((stats.matched, stats.lost, stats.instances), (23, 2 + 3 + 3, 0));
        assert_eq!(stats.matched - stats.lost, 15);
    }

    #[test]
    fn what_an_instance_did_not_send_is_said_when_it_tells_and_not_again_with_its_last_word() {
        let mut peer = peer();
        peer.join();
        peer.catch_up(tally(0, 0), 5);
        assert_eq!(
            peer.leave_out(5).map(|item| texts(&[item]).concat()),
            Some("chat-1: 5 events lost at the instance: they were not sent".to_owned(),)
        );
        assert!(peer.leave_out(5).is_none());
        assert_eq!((stats(&peer).matched, stats(&peer).lost), (5, 5));
        let farewell = Farewell { reason: LeaveReason::Closed, sent: tally(0, 0), matched: 6, unsent: 6 };
        assert_eq!(peer.say_farewell(&farewell).len(), 2, "one more, and that it has left");
        assert_eq!((stats(&peer).matched, stats(&peer).lost), (6, 6));
    }

    #[test]
    fn what_was_granted_and_not_used_can_be_granted_again_once() {
        let mut peer = peer();
        peer.granted = 10;
        peer.count(tally(7, 0));
        assert_eq!([peer.take_unused_grant(), peer.take_unused_grant()], [3, 0]);
    }

    #[test]
    fn a_refusal_is_said_once_for_each_reason() {
        let mut peer = peer();
        let mut refuse = |opening, reason: &str| {
            assert!(peer.note(&said(opening, 0)).is_ok_and(|items| items.is_empty()));
            peer.refuse(reason.to_owned(), "no".to_owned()).is_some()
        };
        assert!(refuse(0, "max_sessions"));
        assert!(!refuse(1, "max_sessions"));
        assert!(refuse(2, "redacted_field"));
        peer.join();
        assert!(peer.refuse("redacted_field".to_owned(), "no".to_owned()).is_some());
    }

    #[test]
    fn absurd_numbers_panic_nobody() {
        let mut peer = peer();
        let absurd = Tally::from([u64::MAX; 1 + MissingReason::ALL.len()]);
        for _ in 0..3 {
            peer.catch_up(absurd, u64::MAX);
            peer.count(absurd);
            peer.drop_batch(absurd);
            peer.say_farewell(&Farewell {
                reason: LeaveReason::Closed,
                sent: absurd,
                matched: u64::MAX,
                unsent: u64::MAX,
            });
            let _ = peer.note(&said(peer.opening + 1, 0));
            stats(&peer);
        }
    }
}
