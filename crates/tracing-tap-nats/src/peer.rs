//! One instance as a watcher sees it: what it has sent, and what of that has arrived.

use super::item::{FleetItem, Gap, GapPlace, InstanceAccount};
use super::message::{FinalAccount, InstanceHeader, LeaveReason, MAX_COUNT, Tally, add_counts};
use super::seal::{MAX_SKEW, Rejection};
use super::stats::FleetStats;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing_tap::missing::MissingCounts;

/// One instance.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) instance: Arc<str>,
    /// Its line in the merge: 1, 2, 3…, never used again.
    pub(super) number: u64,
    pub(super) presence: Presence,
    pub(super) last_message: Instant,
    /// The latest sending time of its messages, in microseconds since 1970.
    newest_us: u64,
    pub(super) opening: u64,
    /// The number of its last message in this opening; `None` before the first.
    last_number: Option<u64>,
    /// Items sent in this opening, whether or not they arrived.
    seen: Tally,
    reported_matched: u64,
    unsent: u64,
    /// Events lost on the way, and dropped here.
    not_arrived: u64,
    dropped: u64,
    /// Dropped since the last report. One report covers all batches dropped in a row, so memory is bounded.
    unreported: Tally,
    /// The sums of earlier openings.
    past: Sums,
    /// The reason of its refusal, until it joins.
    refused_for: Option<String>,
    pub(super) asked: u64,
    pub(super) granted: u64,
}

/// Whether an instance takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It has sent a message, and has not joined yet.
    New,
    Here,
    Silent,
    Refused,
    Over,
}

/// The account of several openings or instances.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    matched: u64,
    seen: Tally,
    unsent: u64,
    not_arrived: u64,
    dropped: u64,
}

impl Peer {
    pub(super) fn new(instance: Arc<str>, number: u64, opening: u64, now: Instant) -> Self {
        Self {
            instance,
            number,
            presence: Presence::New,
            last_message: now,
            newest_us: 0,
            opening,
            last_number: None,
            seen: Tally::default(),
            reported_matched: 0,
            unsent: 0,
            not_arrived: 0,
            dropped: 0,
            unreported: Tally::default(),
            past: Sums::default(),
            refused_for: None,
            asked: 0,
            granted: 0,
        }
    }

    /// Rejects replays, and starts over if the instance has opened the session again. Returns the items that end the
    /// earlier opening.
    pub(super) fn accept(&mut self, header: &InstanceHeader, now: Instant) -> Result<Vec<FleetItem>, Rejection> {
        let is_old = Some(header.number) <= self.last_number;
        if header.opening < self.opening || header.opening == self.opening && is_old {
            return Err(Rejection::Replayed);
        }
        let mut items = Vec::new();
        if header.opening > self.opening {
            items.extend(self.give_up());
            self.begin(header.opening);
        }
        self.last_number = Some(header.number);
        self.last_message = now;
        self.newest_us = self.newest_us.max(header.time);
        Ok(items)
    }

    /// Notes that it takes part.
    pub(super) fn join(&mut self) -> Option<FleetItem> {
        let is_news = self.presence != Presence::Here;
        self.presence = Presence::Here;
        self.refused_for = None;
        is_news.then(|| FleetItem::Joined { instance: Arc::clone(&self.instance) })
    }

    /// Notes that it does not open the session. It tries again; only another reason is reported.
    pub(super) fn refuse(&mut self, reason: String, error: String) -> Option<FleetItem> {
        self.presence = Presence::Refused;
        let is_news = self.refused_for.as_deref() != Some(&reason);
        self.refused_for = Some(reason.clone());
        is_news.then(|| FleetItem::Refused { instance: Arc::clone(&self.instance), reason, error })
    }

    /// Notes that it has sent no message for long.
    pub(super) fn fall_silent(&mut self) -> FleetItem {
        self.presence = Presence::Silent;
        FleetItem::Silent { instance: Arc::clone(&self.instance) }
    }

    /// Ends this opening without a last message of the instance.
    pub(super) fn give_up(&mut self) -> Vec<FleetItem> {
        let was_part = matches!(self.presence, Presence::Here | Presence::Silent);
        let mut items = self.report_dropped();
        items.extend(was_part.then(|| self.leave(LeaveReason::Lost)));
        items
    }

    /// Ends this opening with the account of the instance.
    pub(super) fn end(&mut self, account: &FinalAccount) -> Vec<FleetItem> {
        let mut items = self.report_dropped();
        items.extend(self.catch_up(account.sent, account.matched));
        items.extend(self.note_unsent(account.unsent));
        items.push(self.leave(account.reason));
        items
    }

    fn leave(&mut self, reason: LeaveReason) -> FleetItem {
        self.presence = Presence::Over;
        FleetItem::Left { instance: Arc::clone(&self.instance), reason, account: self.account() }
    }

    /// Takes in how much was sent so far, and reports what of it has not arrived.
    pub(super) fn catch_up(&mut self, sent: Tally, matched: u64) -> Vec<FleetItem> {
        let missed = sent.minus(self.seen);
        self.seen = self.seen.plus(missed);
        self.reported_matched = self.reported_matched.max(matched.min(MAX_COUNT));
        self.not_arrived = add_counts(self.not_arrived, missed.events);
        let gap = self.gap(missed.events, GapPlace::Network);
        gap.into_iter().chain(self.announced(missed.missing)).collect()
    }

    /// Takes in how many events the instance did not send so far, and reports the new ones.
    pub(super) fn note_unsent(&mut self, unsent: u64) -> Option<FleetItem> {
        let news = unsent.min(MAX_COUNT).saturating_sub(self.unsent);
        self.unsent += news;
        self.gap(news, GapPlace::Instance)
    }

    /// Counts a batch that has arrived.
    pub(super) fn count(&mut self, count: Tally) {
        self.seen = self.seen.plus(count);
    }

    /// Counts a batch that has arrived and is dropped because there is no room.
    pub(super) fn drop_batch(&mut self, count: Tally) {
        self.dropped = add_counts(self.dropped, count.events);
        self.unreported = self.unreported.plus(count);
    }

    /// Reports what was dropped since the last report. Its place is before all later items of the instance.
    pub(super) fn report_dropped(&mut self) -> Vec<FleetItem> {
        let unreported = std::mem::take(&mut self.unreported);
        let gap = self.gap(unreported.events, GapPlace::Watcher);
        gap.into_iter().chain(self.announced(unreported.missing)).collect()
    }

    /// Takes back the events that were granted and never sent.
    pub(super) fn take_unused_grant(&mut self) -> u64 {
        let unused = self.granted.saturating_sub(self.seen.events);
        self.granted -= unused;
        unused
    }

    /// Grants the events that were sent after their grant was taken back, and returns how many those are.
    pub(super) fn take_excess(&mut self) -> u64 {
        let excess = self.seen.events.saturating_sub(self.granted);
        self.granted += excess;
        excess
    }

    /// Whether it takes no part; one that never did is gone after this time without a message.
    pub(super) fn is_gone(&self, now: Instant, after: Duration) -> bool {
        match self.presence {
            Presence::Here | Presence::Silent => false,
            Presence::Over => true,
            Presence::New | Presence::Refused => now.saturating_duration_since(self.last_message) > after,
        }
    }

    /// Whether a replay of any of its messages would be stale, so that forgetting the instance admits none.
    pub(super) fn is_stale(&self, now: Instant, now_us: u64) -> bool {
        let skew_us = u64::try_from(MAX_SKEW.as_micros()).unwrap_or(u64::MAX);
        let is_silent = now.saturating_duration_since(self.last_message) > 2 * MAX_SKEW;
        is_silent && self.newest_us.saturating_add(skew_us) < now_us
    }

    fn begin(&mut self, opening: u64) {
        let fresh = Self::new(Arc::clone(&self.instance), self.number, opening, self.last_message);
        let (past, newest_us) = (self.sums(), self.newest_us);
        *self = Self { past, newest_us, refused_for: self.refused_for.take(), ..fresh };
    }

    fn matched(&self) -> u64 {
        self.reported_matched.max(self.seen.total().saturating_add(self.unsent))
    }

    fn account(&self) -> InstanceAccount {
        let arrived = self.seen.events - (self.not_arrived + self.dropped).min(self.seen.events);
        let missing = self.seen.missing;
        let lost = missing.lost().saturating_add(self.unsent).saturating_add(self.not_arrived + self.dropped);
        InstanceAccount { matched: self.matched(), arrived, lost, missing }
    }

    /// The account of all its openings.
    pub(super) fn sums(&self) -> Sums {
        self.past.plus(self.current())
    }

    /// The account of this opening.
    fn current(&self) -> Sums {
        Sums {
            matched: self.matched(),
            seen: self.seen,
            unsent: self.unsent,
            not_arrived: self.not_arrived,
            dropped: self.dropped,
        }
    }

    /// Adds the counts of all its openings.
    pub(super) fn add_to(&self, stats: &mut FleetStats) {
        self.past.add_to(stats);
        self.current().add_to(stats);
        stats.instances += usize::from(self.presence == Presence::Here);
    }

    /// Events sent in all its openings, whether or not they arrived.
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

impl Sums {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            matched: add_counts(self.matched, other.matched),
            seen: self.seen.plus(other.seen),
            unsent: add_counts(self.unsent, other.unsent),
            not_arrived: add_counts(self.not_arrived, other.not_arrived),
            dropped: add_counts(self.dropped, other.dropped),
        }
    }

    /// Events sent, whether or not they arrived.
    pub(super) fn sent_events(&self) -> u64 {
        self.seen.events
    }

    /// Adds the counts; how many of the events were read is not known here.
    pub(super) fn add_to(&self, stats: &mut FleetStats) {
        stats.matched += self.matched;
        stats.missing.add(&self.seen.missing);
        stats.lost_at_instances += self.unsent;
        stats.lost_on_the_way += self.not_arrived;
        stats.lost_here += self.dropped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{InstanceMessage, MemberId};
    use tracing_tap::{Missing, MissingReason};

    fn peer() -> Peer {
        Peer::new("chat-1".into(), 1, 0, Instant::now())
    }

    fn header(opening: u64, number: u64) -> InstanceHeader {
        let member = MemberId::random().expect("there is randomness");
        InstanceHeader { member, opening, number, time: 0, instance: String::new(), message: InstanceMessage::Joined }
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
    fn a_message_accepted_before_is_a_replay() {
        let mut peer = peer();
        assert!(peer.accept(&header(0, 0), Instant::now()).is_ok());
        assert_eq!(peer.accept(&header(0, 0), Instant::now()).err(), Some(Rejection::Replayed));
        assert!(peer.accept(&header(0, 5), Instant::now()).is_ok(), "what is missing shows in the account");
        assert_eq!(peer.accept(&header(0, 4), Instant::now()).err(), Some(Rejection::Replayed));
        assert!(peer.accept(&header(1, 0), Instant::now()).is_ok(), "the session was opened again");
        assert_eq!(peer.accept(&header(0, 9), Instant::now()).err(), Some(Rejection::Replayed));
        assert!(peer.accept(&header(1, u64::MAX), Instant::now()).is_ok());
        assert_eq!(peer.accept(&header(1, u64::MAX), Instant::now()).err(), Some(Rejection::Replayed));
    }

    #[test]
    fn each_loss_is_reported_once_announced_ones_included() {
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
        assert_eq!(
            peer.accept(&header(1, 0), Instant::now()).map(|items| items.len()),
            Ok(1),
            "the first opening is over"
        );
        peer.join();
        peer.count(tally(5, 0));
        (0..3).for_each(|_| peer.drop_batch(tally(1, 0)));
        assert_eq!(texts(&peer.report_dropped()), ["chat-1: 3 events lost here: the stream was not read"]);
        assert!(peer.report_dropped().is_empty(), "it is reported once");
        peer.count(tally(3, 0));
        let account = FinalAccount { reason: LeaveReason::Closed, sent: tally(8, 0), matched: 11, unsent: 3 };
        let items = peer.end(&account);
        let left = "chat-1: takes no more part: the watcher closed the session; 11 matched, 5 arrived, 6 lost";
        assert_eq!(texts(&items), ["chat-1: 3 events lost at the instance: they were not sent", left]);
        let stats = stats(&peer);
        assert_eq!((stats.matched, stats.lost), (23, 2 + 3 + 3));
        assert_eq!(stats.matched - stats.lost, 15);
    }

    #[test]
    fn unsent_events_are_reported_once() {
        let mut peer = peer();
        peer.join();
        peer.catch_up(tally(0, 0), 5);
        assert_eq!(
            peer.note_unsent(5).map(|item| texts(&[item]).concat()),
            Some("chat-1: 5 events lost at the instance: they were not sent".to_owned(),)
        );
        assert!(peer.note_unsent(5).is_none());
        assert_eq!((stats(&peer).matched, stats(&peer).lost), (5, 5));
        let account = FinalAccount { reason: LeaveReason::Closed, sent: tally(0, 0), matched: 6, unsent: 6 };
        assert_eq!(peer.end(&account).len(), 2, "one more, and that it has left");
        assert_eq!((stats(&peer).matched, stats(&peer).lost), (6, 6));
    }

    #[test]
    fn an_unused_grant_is_taken_back_once() {
        let mut peer = peer();
        peer.granted = 10;
        peer.count(tally(7, 0));
        assert_eq!([peer.take_unused_grant(), peer.take_unused_grant()], [3, 0]);
    }

    #[test]
    fn a_refusal_is_reported_once_for_each_reason() {
        let mut peer = peer();
        let mut refuse = |opening, reason: &str| {
            assert!(peer.accept(&header(opening, 0), Instant::now()).is_ok_and(|items| items.is_empty()));
            peer.refuse(reason.to_owned(), "no".to_owned()).is_some()
        };
        assert!(refuse(0, "max_sessions"));
        assert!(!refuse(1, "max_sessions"));
        assert!(refuse(2, "redacted_field"));
        peer.join();
        assert!(peer.refuse("redacted_field".to_owned(), "no".to_owned()).is_some());
    }

    #[test]
    fn extreme_numbers_cause_no_panic() {
        let mut peer = peer();
        let extreme = Tally::try_from(vec![u64::MAX; 1 + MissingReason::ALL.len()]).expect("there is a count for each");
        for _ in 0..3 {
            peer.catch_up(extreme, u64::MAX);
            peer.count(extreme);
            peer.drop_batch(extreme);
            peer.end(&FinalAccount { reason: LeaveReason::Closed, sent: extreme, matched: u64::MAX, unsent: u64::MAX });
            let _ = peer.accept(&header(peer.opening + 1, 0), Instant::now());
            stats(&peer);
        }
    }
}
