//! All instances of a session as its watcher sees them: bounded in number, with an account that forgets nothing.
//!
//! An instance that crashes and starts again is a new one each time. Those that are gone are forgotten, the oldest
//! first; their sums are kept.

use super::item::FleetItem;
use super::limits::Limits;
use super::message::{InstanceHeader, MemberId};
use super::peer::{Peer, Presence, Sums};
use super::seal::Rejection;
use super::stats::FleetStats;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An instance is silent after so many renewals without a message.
const SILENT_AFTER: u32 = 5;

/// It is given up after so many.
const LOST_AFTER: u32 = 30;

/// The most instances known at once. Messages of further ones are rejected.
pub(super) const MAX_PEERS: usize = 65_536;

/// The most gone instances that are kept for longer than replays of their messages are fresh.
const MAX_GONE: usize = 1_024;

/// The instances of a session.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: HashMap<MemberId, Peer>,
    last_number: u64,
    forgotten: Sums,
}

/// An item about an instance that no message of it caused.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) number: u64,
    pub(super) instance: Arc<str>,
    pub(super) item: FleetItem,
}

impl Peers {
    /// The sender of a message.
    ///
    /// # Errors
    /// If it is new, and too many are known.
    pub(super) fn sender(&mut self, header: &InstanceHeader, now: Instant) -> Result<&mut Peer, Rejection> {
        if self.known.len() >= MAX_PEERS && !self.is_known(header.member) {
            return Err(Rejection::TooMany);
        }
        let last_number = &mut self.last_number;
        Ok(self.known.entry(header.member).or_insert_with(|| {
            *last_number += 1;
            Peer::new(header.instance.as_str().into(), *last_number, header.opening, now)
        }))
    }

    /// Notes which instances sent no message for long, takes back what was granted to lost ones, and forgets.
    pub(super) fn look_after(
        &mut self,
        (now, now_us): (Instant, u64),
        renewal: Duration,
        limits: &mut Limits,
    ) -> Vec<Notice> {
        let mut notices = Vec::new();
        for peer in self.known.values_mut() {
            let silence = now.saturating_duration_since(peer.last_message);
            let items = match peer.presence {
                Presence::Here if silence > renewal * SILENT_AFTER => vec![peer.fall_silent()],
                Presence::Silent if silence > renewal * LOST_AFTER => {
                    limits.give_back(peer.take_unused_grant());
                    peer.give_up()
                }
                _ => Vec::new(),
            };
            notices.extend(items.into_iter().map(|item| Notice::of(peer, item)));
        }
        self.forget_gone((now, now_us), renewal * LOST_AFTER, limits);
        notices
    }

    /// Keeps those that went last, and those whose messages could be replayed.
    fn forget_gone(&mut self, (now, now_us): (Instant, u64), after: Duration, limits: &mut Limits) {
        let gone = self.known.iter().filter(|(_, peer)| peer.is_gone(now, after));
        let mut gone: Vec<_> = gone.map(|(member, peer)| (peer.last_message, *member)).collect();
        let Some(excess) = gone.len().checked_sub(MAX_GONE).filter(|excess| *excess > 0) else { return };
        gone.select_nth_unstable_by_key(excess - 1, |(last_message, _)| *last_message);
        for (_, member) in &gone[..excess] {
            let is_stale = |peer: &Peer| peer.is_stale(now, now_us);
            if !self.known.get(member).is_some_and(is_stale) {
                continue;
            }
            if let Some(mut peer) = self.known.remove(member) {
                limits.give_back(peer.take_unused_grant());
                self.forgotten = self.forgotten.plus(peer.sums());
            }
        }
    }

    /// Ends the session at all instances that have not ended it themselves.
    pub(super) fn give_up(&mut self) -> Vec<Notice> {
        let give_up = |peer: &mut Peer| {
            let items = peer.give_up();
            items.into_iter().map(|item| Notice::of(peer, item)).collect::<Vec<_>>()
        };
        self.known.values_mut().flat_map(give_up).collect()
    }

    pub(super) fn is_known(&self, member: MemberId) -> bool {
        self.known.contains_key(&member)
    }

    pub(super) fn is_anybody_here(&self) -> bool {
        self.known.values().any(|peer| peer.presence == Presence::Here)
    }

    /// Events that all instances have sent, whether or not they arrived.
    pub(super) fn sent_events(&self) -> u64 {
        self.forgotten.sent_events() + self.known.values().map(Peer::sent_events).sum::<u64>()
    }

    /// Adds the account of all instances, forgotten ones included.
    pub(super) fn add_to(&self, stats: &mut FleetStats) {
        self.forgotten.add_to(stats);
        self.known.values().for_each(|peer| peer.add_to(stats));
    }
}

impl Notice {
    fn of(peer: &Peer, item: FleetItem) -> Self {
        Self { number: peer.number, instance: Arc::clone(&peer.instance), item }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{InstanceMessage, Tally};
    use tracing_tap::{Missing, MissingReason, Predicate, SessionOptions};

    const RENEWAL: Duration = Duration::from_secs(2);
    const SECOND_US: u64 = 1_000_000;

    /// A session whose clocks the test sets.
    struct Session {
        peers: Peers,
        limits: Limits,
        began: Instant,
        seconds: u32,
    }

    impl Session {
        fn new(options: SessionOptions) -> Self {
            Self { peers: Peers::default(), limits: Limits::of(&options), began: Instant::now(), seconds: 0 }
        }

        fn now(&self) -> (Instant, u64) {
            (self.began + Duration::from_secs(self.seconds.into()), u64::from(self.seconds) * SECOND_US)
        }

        fn header(&self, member: MemberId, number: u64) -> InstanceHeader {
            let message = InstanceMessage::Joined;
            let time = self.now().1;
            InstanceHeader { member, opening: 0, number, time, instance: "chat".to_owned(), message }
        }

        /// A message of an instance.
        fn receive(&mut self, member: MemberId, number: u64) -> Result<&mut Peer, Rejection> {
            let (header, (now, _)) = (self.header(member, number), self.now());
            let peer = self.peers.sender(&header, now)?;
            peer.accept(&header, now)?;
            peer.join();
            Ok(peer)
        }

        /// Seconds pass, one after the other.
        fn pass(&mut self, seconds: u32) -> Vec<Notice> {
            (0..seconds).flat_map(|_| self.jump(1)).collect()
        }

        /// Seconds pass at once.
        fn jump(&mut self, seconds: u32) -> Vec<Notice> {
            self.seconds += seconds;
            self.peers.look_after(self.now(), RENEWAL, &mut self.limits)
        }

        fn stats(&self) -> FleetStats {
            let mut stats = FleetStats::default();
            self.peers.add_to(&mut stats);
            stats.summed()
        }
    }

    fn member() -> MemberId {
        MemberId::random().expect("there is randomness")
    }

    fn tally(events: u64, overflow: u64) -> Tally {
        Tally { events, missing: [Missing::new(overflow, MissingReason::Overflow)].into_iter().collect() }
    }

    fn left(notices: &[Notice]) -> usize {
        notices.iter().filter(|notice| matches!(notice.item, FleetItem::Left { .. })).count()
    }

    fn everything() -> SessionOptions {
        SessionOptions::new(Predicate::everything())
    }

    #[test]
    fn thousands_of_crashes_keep_memory_bounded_and_sums_exact() {
        const CRASHES: u64 = 4_000;
        let mut session = Session::new(everything());
        let (mut lost, mut most) = (0, 0);
        for _ in 0..CRASHES {
            let peer = session.receive(member(), 0).expect("it is new");
            peer.count(tally(3, 1));
            peer.catch_up(tally(5, 1), 7);
            lost += left(&session.pass(1));
            most = most.max(session.peers.known.len());
        }
        lost += left(&session.pass(61));
        let bound = MAX_GONE + 2 * (LOST_AFTER * 2) as usize;
        assert!(most <= bound, "{most} instances are kept, of {bound}");
        assert_eq!(lost, CRASHES as usize, "each is reported as lost");
        let stats = session.stats();
        assert_eq!((stats.matched, stats.lost_on_the_way, stats.instances), (7 * CRASHES, 2 * CRASHES, 0));
        assert_eq!(stats.missing[MissingReason::Overflow], CRASHES);
        assert_eq!(session.peers.sent_events(), 5 * CRASHES);
    }

    #[test]
    fn an_instance_is_kept_while_its_messages_can_be_replayed() {
        let mut session = Session::new(everything());
        let first = member();
        let replayed = |session: &mut Session| session.receive(first, 0).err();
        session.receive(first, 0).expect("it is new");
        session.peers.give_up();
        for _ in 0..2 * MAX_GONE {
            session.receive(member(), 0).expect("it is new");
        }
        session.peers.give_up();
        session.pass(60);
        assert_eq!(replayed(&mut session), Some(Rejection::Replayed));
        assert_eq!(session.peers.known.len(), 1 + 2 * MAX_GONE);
        session.pass(1);
        assert_eq!(session.peers.known.len(), MAX_GONE);
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_its_instance_known() {
        let mut session = Session::new(everything());
        for _ in 0..=MAX_GONE {
            let header = InstanceHeader { time: 3_600 * SECOND_US, ..session.header(member(), 0) };
            let (now, _) = session.now();
            session.peers.sender(&header, now).and_then(|peer| peer.accept(&header, now)).expect("it is new");
        }
        session.jump(3_630);
        assert_eq!(session.peers.known.len(), 1 + MAX_GONE, "a replay would still be fresh");
        session.pass(1);
        assert_eq!(session.peers.known.len(), MAX_GONE);
    }

    #[test]
    fn the_grant_of_a_lost_instance_goes_to_others() {
        let mut session = Session::new(everything().max_events(10));
        let granted = session.limits.take(10);
        let peer = session.receive(member(), 0).expect("it is new");
        peer.granted = granted;
        peer.count(tally(4, 0));
        session.pass(60);
        assert_eq!(session.limits.take(10), 0, "it may still send");
        session.pass(1);
        assert_eq!(session.limits.take(10), 6);
    }

    #[test]
    fn messages_of_more_instances_than_the_limit_are_rejected() {
        let mut session = Session::new(everything());
        let first = member();
        session.receive(first, 0).expect("it is new");
        for _ in 1..MAX_PEERS {
            session.receive(member(), 0).expect("there is room");
        }
        assert_eq!(session.receive(member(), 0).err(), Some(Rejection::TooMany));
        assert!(session.receive(first, 1).is_ok(), "it is known");
    }
}
