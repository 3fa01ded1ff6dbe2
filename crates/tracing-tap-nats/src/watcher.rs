//! The task that keeps a session of the fleet open, and hears the instances.

use super::config::Config;
use super::counts::Counts;
use super::inbox::{Arrived, Content, Inbox, Wish};
use super::item::FleetItem;
use super::key::Voice;
use super::limits::Limits;
use super::merge::{Arrival, NOBODY};
use super::message::{
    Announcement, CloseReason, FromInstance, FromWatcher, InstanceWord, MemberId, OfAnyVersion, SessionKey, WatcherWord,
};
use super::peer::{Peer, Presence};
use super::seal::{Rejection, Unsealed, VERSION, check_fresh, now_us, seal, unseal};
use super::stats::FleetStats;
use super::{next_message, ready_message};
use async_nats::connection::State;
use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tracing_tap::session::{EndReason, SessionOptions};

/// An instance is silent after so many renewals in which nothing was heard of it.
const SILENT_AFTER: u32 = 5;

/// And given up after so many.
const LOST_AFTER: u32 = 30;

/// How long instances have to say farewell.
const PARTING: Duration = Duration::from_secs(3);

/// How long messages are heard, where there are as many, before anything else is done.
const HEARD_AT_ONCE: Duration = Duration::from_millis(5);

/// Of how many instances it is said that they speak another version.
const MAX_OTHER_VERSIONS: usize = 1024;

/// A session of the fleet.
pub(super) struct Watcher {
    client: Client,
    config: Config,
    key: SessionKey,
    announcement: Announcement,
    inbox: Arc<Inbox>,
    counts: Counts,
    turn: u64,
    peers: HashMap<MemberId, Peer>,
    /// Instances of which it was said that they speak another version.
    other_versions: HashSet<Arc<str>>,
    limits: Limits,
    max_events: Option<u64>,
    expires: Option<Instant>,
    /// Why the session is to end, and when at the latest.
    closing: Option<(EndReason, Instant)>,
}

impl Watcher {
    pub(super) fn new(
        client: Client,
        config: Config,
        key: SessionKey,
        (session, announcement): (&SessionOptions, Announcement),
        inbox: Arc<Inbox>,
    ) -> Self {
        Self {
            client,
            config,
            key,
            announcement,
            inbox,
            counts: Counts::default(),
            turn: 0,
            peers: HashMap::new(),
            other_versions: HashSet::new(),
            limits: Limits::of(session),
            max_events: session.max_events,
            expires: session.expires_in.and_then(|time| Instant::now().checked_add(time)),
            closing: None,
        }
    }

    /// Keeps the session open until it is to end and all instances have said farewell, or had the time to.
    pub(super) async fn run(mut self, mut messages: Subscriber) {
        let reason = self.keep(&mut messages).await;
        if self.inbox.wish() != Wish::Gone {
            self.end(reason);
        }
    }

    async fn keep(&mut self, messages: &mut Subscriber) -> EndReason {
        let mut renewals = renewals(self.announcement.every());
        let inbox = Arc::clone(&self.inbox);
        loop {
            if let Some(reason) = self.over() {
                return reason;
            }
            self.close_if_due().await;
            let wakes_at = self.wakes_at();
            tokio::select! {
                biased;
                () = inbox.wish.notified() => {}
                _ = renewals.tick(), if self.closing.is_none() => self.renew(messages).await,
                message = next_message(messages) => match message {
                    Some(message) => self.hear_all(message, messages).await,
                    None => return EndReason::Shutdown,
                },
                () = sleep_until(wakes_at.unwrap_or_else(Instant::now)), if wakes_at.is_some() => {}
            }
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.closing.map(|(_, deadline)| deadline).or(self.expires)
    }

    /// Why the session is over, once it is.
    fn over(&self) -> Option<EndReason> {
        let (reason, deadline) = self.closing?;
        let is_over = !self.is_anybody_here() || deadline <= Instant::now() || self.inbox.wish() == Wish::Gone;
        is_over.then_some(reason)
    }

    fn is_anybody_here(&self) -> bool {
        self.peers.values().any(|peer| peer.presence == Presence::Here)
    }

    async fn close_if_due(&mut self) {
        if self.closing.is_some() {
            return;
        }
        let reason = match self.inbox.wish() {
            Wish::Close(reason) => reason,
            Wish::Gone => EndReason::Closed,
            Wish::Open if self.has_reached_max() => EndReason::MaxEvents,
            Wish::Open if self.expires.is_some_and(|expires| expires <= Instant::now()) => EndReason::Expired,
            Wish::Open => return,
        };
        // Where nobody has answered a whole renewal, there is nobody to wait for.
        let is_alone = self.turn > 1 && !self.is_anybody_here();
        let parting = if is_alone { Duration::ZERO } else { PARTING };
        self.closing = Some((reason, Instant::now() + parting));
        let reason = if reason == EndReason::MaxEvents { CloseReason::MaxEvents } else { CloseReason::Closed };
        self.say(self.config.place.announcements(), WatcherWord::Close { reason }).await;
    }

    fn has_reached_max(&self) -> bool {
        let sent = || self.peers.values().map(Peer::sent_events).sum::<u64>();
        self.max_events.is_some_and(|max| sent() >= max)
    }

    async fn renew(&mut self, messages: &mut Subscriber) {
        // A renewal that waits in the client is stale when the server is back, and is room that the service needs.
        if self.turn == 0 || self.client.connection_state() == State::Connected {
            let word = WatcherWord::Open(Box::new(self.announcement.clone()));
            self.say(self.config.place.announcements(), word).await;
        }
        // Nobody is silent who has spoken and was not heard yet.
        if self.hear_ready(messages).await {
            self.look_after_peers();
        }
        self.tell_stats();
    }

    /// Says of whom nothing was heard for long.
    fn look_after_peers(&mut self) {
        let every = self.announcement.every();
        let mut items = Vec::new();
        for peer in self.peers.values_mut() {
            let silence = peer.heard.elapsed();
            let told = match peer.presence {
                Presence::Here if silence > every * SILENT_AFTER => vec![peer.fall_silent()],
                Presence::Silent if silence > every * LOST_AFTER => {
                    self.limits.give_back(peer.take_unused_grant());
                    peer.give_up()
                }
                _ => Vec::new(),
            };
            items.extend(told.into_iter().map(|item| (peer.number, Arc::clone(&peer.instance), item)));
        }
        for (number, instance, item) in items {
            self.inbox.leave(told(number, None, &instance, item));
        }
    }

    async fn hear_all(&mut self, first: Message, messages: &mut Subscriber) {
        self.hear(&first).await;
        self.hear_ready(messages).await;
        self.tell_stats();
    }

    /// Hears what there is, as far as the others of the task's work can wait for it. Whether that was all.
    async fn hear_ready(&mut self, messages: &mut Subscriber) -> bool {
        let until = Instant::now() + HEARD_AT_ONCE;
        while Instant::now() < until {
            let Some(message) = ready_message(messages).await else { return true };
            self.hear(&message).await;
        }
        false
    }

    async fn hear(&mut self, message: &Message) {
        match self.heed(message) {
            Ok(None) => {}
            Ok(Some((member, grant))) => self.say(self.config.place.grants(member), grant).await,
            Err(rejection) => self.counts.note(rejection),
        }
    }

    /// Returns what is to be said to whom, if anything is.
    fn heed(&mut self, message: &Message) -> Result<Option<(MemberId, WatcherWord)>, Rejection> {
        let unsealed = unseal(&self.config.key, Voice::Instance, &message.subject, &message.payload)?;
        let said: FromInstance = unsealed.read().inspect_err(|rejection| {
            if let (Rejection::Version(version), Ok(any)) = (rejection, unsealed.read_any()) {
                self.tell_version(*version, any);
            }
        })?;
        // What an instance says that is known is no replay if its number is new, however late it comes: after a long
        // time without the server that is its account.
        if !self.peers.contains_key(&said.member) {
            check_fresh(said.time, now_us())?;
        }
        self.note(said, unsealed)
    }

    fn note(&mut self, said: FromInstance, unsealed: Unsealed) -> Result<Option<(MemberId, WatcherWord)>, Rejection> {
        let number = self.peers.len() + 1;
        let new = || Peer::new(said.instance.as_str().into(), number, said.opening);
        let peer = self.peers.entry(said.member).or_insert_with(new);
        if said.opening > peer.opening {
            // Where its last word was lost, what it was granted before and has not sent is for others.
            self.limits.give_back(peer.take_unused_grant());
        }
        let mut items = peer.note(&said)?;
        let has_room = self.inbox.has_room(unsealed.lines.len());
        if has_room {
            items.extend(peer.tell_dropped());
        }
        if !matches!(said.word, InstanceWord::Refused { .. } | InstanceWord::Ended(_)) {
            items.extend(peer.join());
        }
        let mut answer = None;
        let mut lines = None;
        match said.word {
            InstanceWord::Joined => {}
            InstanceWord::Refused { reason, error } => items.extend(peer.refuse(reason, error)),
            InstanceWord::Batch { before, count, unpacked } => {
                items.extend(peer.catch_up(before, 0));
                peer.count(count);
                if has_room {
                    lines = Some(Content::Lines { lines: unsealed.lines, unpacked, events: count.events });
                } else {
                    peer.drop_batch(count);
                }
            }
            InstanceWord::Beat { sent, matched, unsent } => {
                items.extend(peer.catch_up(sent, matched));
                items.extend(peer.leave_out(unsent));
            }
            InstanceWord::Ask { asked } => {
                let word = grant(&mut self.limits, peer, asked);
                answer = Some((said.member, word));
            }
            InstanceWord::Ended(farewell) => {
                items.extend(peer.say_farewell(&farewell));
                self.limits.give_back(peer.take_unused_grant());
            }
        }
        let (number, instance) = (peer.number, Arc::clone(&peer.instance));
        for item in items {
            self.inbox.leave(told(number, Some(said.time), &instance, item));
        }
        if let Some(content) = lines {
            let arrival = arrival(number, Some(said.time));
            self.inbox.leave(Arrived { arrival, instance, content });
        }
        Ok(answer)
    }

    /// An instance speaks another version: said once of each.
    fn tell_version(&mut self, version: u32, said: OfAnyVersion) {
        let instance: Arc<str> = said.instance.unwrap_or_else(|| "an instance".to_owned()).into();
        if self.other_versions.len() >= MAX_OTHER_VERSIONS || !self.other_versions.insert(Arc::clone(&instance)) {
            return;
        }
        let error = format!("read what it says: its version is {version}, and {VERSION} is what this watcher knows");
        let item = FleetItem::Refused { instance: Arc::clone(&instance), reason: "version".to_owned(), error };
        self.inbox.leave(told(NOBODY, None, &instance, item));
    }

    /// While the server is away the client keeps what is said, as far as it has room: the first announcement and the end.
    async fn say(&mut self, subject: String, word: WatcherWord) {
        self.turn += 1;
        let said = FromWatcher { session: self.key, turn: self.turn, time: now_us(), word };
        let message: Bytes = seal(&self.config.key, Voice::Watcher, &subject, &said, b"");
        // A client that is closed gives no messages any more, which ends this task.
        let _ = self.client.publish(subject, message).await;
    }

    fn tell_stats(&self) {
        let mut stats = FleetStats { ignored: self.counts.read(), ..FleetStats::default() };
        self.peers.values().for_each(|peer| peer.add_to(&mut stats));
        self.inbox.set_stats(stats.summed());
    }

    fn end(&mut self, reason: EndReason) {
        for peer in self.peers.values_mut() {
            for item in peer.give_up() {
                self.inbox.leave(told(peer.number, None, &peer.instance, item));
            }
        }
        self.tell_stats();
        self.inbox.end(reason);
    }
}

fn grant(limits: &mut Limits, peer: &mut Peer, asked: u64) -> WatcherWord {
    peer.granted += limits.take(asked.saturating_sub(peer.asked));
    peer.asked = peer.asked.max(asked);
    let is_last = limits.is_used_up();
    WatcherWord::Grant { opening: peer.opening, asked: peer.asked, granted: peer.granted, is_last }
}

fn renewals(every: Duration) -> Interval {
    let mut renewals = interval(every);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewals
}

fn arrival(peer: usize, sent_us: Option<u64>) -> Arrival {
    Arrival { peer, at: std::time::Instant::now(), sent_us }
}

fn told(peer: usize, sent_us: Option<u64>, instance: &Arc<str>, item: FleetItem) -> Arrived {
    Arrived { arrival: arrival(peer, sent_us), instance: Arc::clone(instance), content: Content::Item(item) }
}
