//! The task that keeps a session of the fleet open, and receives the messages of the instances.

use super::config::Config;
use super::counts::Counts;
use super::inbox::{Arrived, Content, Inbox, Wish};
use super::item::FleetItem;
use super::key::Role;
use super::limits::Limits;
use super::merge::{Arrival, NO_INSTANCE};
use super::message::{
    Announcement, AnyVersionHeader, CloseReason, InstanceHeader, InstanceMessage, MemberId, SessionKey, WatcherHeader,
    WatcherMessage,
};
use super::messages::Messages;
use super::peer::Peer;
use super::peers::{Notice, Peers};
use super::seal::{Rejection, Unsealed, VERSION, check_fresh, now_us, seal, unseal};
use super::stats::FleetStats;
use super::subject::{MAX_NAME_BYTES, Subjects};
use async_nats::connection::State;
use async_nats::{Client, Message};
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tracing_tap::session::{EndReason, SessionOptions};

/// How long instances have to send their last messages.
const PARTING: Duration = Duration::from_secs(3);

/// How long messages are handled in a row before the task does anything else.
const HANDLED_AT_ONCE: Duration = Duration::from_millis(5);

/// How many instances of another version are reported.
const MAX_OTHER_VERSIONS: usize = 1024;

/// The longest reason and the longest error of a refusal that are kept, in bytes.
const MAX_REASON_BYTES: usize = 64;
const MAX_ERROR_BYTES: usize = 1024;

/// A session of the fleet.
pub(super) struct Watcher {
    client: Client,
    config: Config,
    key: SessionKey,
    announcement: Announcement,
    inbox: Arc<Inbox>,
    counts: Counts,
    /// The subject of each service's events, in the order of the configuration.
    events: Vec<String>,
    turn: u64,
    /// How often the session was announced to all services.
    renewals: u64,
    peers: Peers,
    /// Reported instances of another version.
    other_versions: HashSet<Arc<str>>,
    limits: Limits,
    max_events: Option<u64>,
    expires: Option<Instant>,
    /// Why the session ends, and its deadline.
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
            events: config.services().map(|service| service.events(key)).collect(),
            config,
            key,
            announcement,
            inbox,
            counts: Counts::default(),
            turn: 0,
            renewals: 0,
            peers: Peers::default(),
            other_versions: HashSet::new(),
            limits: Limits::of(session),
            max_events: session.max_events,
            expires: session.expires_in.and_then(|time| Instant::now().checked_add(time)),
            closing: None,
        }
    }

    /// Keeps the session open until it ends, and all instances have sent their last messages or their time is over.
    pub(super) async fn run(mut self, mut messages: Messages) {
        let reason = self.keep(&mut messages).await;
        if self.inbox.wish() != Wish::Gone {
            self.end(reason);
        }
    }

    async fn keep(&mut self, messages: &mut Messages) -> EndReason {
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
                message = messages.next() => match message {
                    Some(message) => self.receive_all(message, messages).await,
                    None => return EndReason::Shutdown,
                },
                () = sleep_until(wakes_at.unwrap_or_else(Instant::now)), if wakes_at.is_some() => {}
            }
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.closing.map(|(_, deadline)| deadline).or(self.expires)
    }

    /// The reason of the end; `None` while the session goes on.
    fn over(&self) -> Option<EndReason> {
        let (reason, deadline) = self.closing?;
        let is_over = !self.peers.is_anybody_here() || deadline <= Instant::now() || self.inbox.wish() == Wish::Gone;
        is_over.then_some(reason)
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
        // If no instance has answered within a whole renewal, there is none to wait for.
        let is_alone = self.renewals > 1 && !self.peers.is_anybody_here();
        let parting = if is_alone { Duration::ZERO } else { PARTING };
        self.closing = Some((reason, Instant::now() + parting));
        let reason = if reason == EndReason::MaxEvents { CloseReason::MaxEvents } else { CloseReason::Closed };
        self.announce(&WatcherMessage::Close { reason }).await;
    }

    fn has_reached_max(&self) -> bool {
        self.max_events.is_some_and(|max| self.peers.sent_events() >= max)
    }

    async fn renew(&mut self, messages: &mut Messages) {
        // While the server is away, a renewal would be stale when it is sent, and takes room in the client.
        if self.renewals == 0 || self.client.connection_state() == State::Connected {
            self.renewals += 1;
            self.announce(&WatcherMessage::Open(Box::new(self.announcement.clone()))).await;
        }
        // An instance whose messages still wait here is not silent.
        if self.receive_ready(messages).await {
            self.look_after_peers();
        }
        self.publish_stats();
    }

    fn look_after_peers(&mut self) {
        let now = (std::time::Instant::now(), now_us());
        let notices = self.peers.look_after(now, self.announcement.every(), &mut self.limits);
        self.deliver(notices);
    }

    fn deliver(&self, notices: Vec<Notice>) {
        for Notice { number, instance, item } in notices {
            self.inbox.put(notice(number, None, &instance, item));
        }
    }

    async fn receive_all(&mut self, first: Message, messages: &mut Messages) {
        self.receive(&first).await;
        self.receive_ready(messages).await;
        self.publish_stats();
    }

    /// Handles waiting messages, for a bounded time. Returns whether those were all.
    async fn receive_ready(&mut self, messages: &mut Messages) -> bool {
        let until = Instant::now() + HANDLED_AT_ONCE;
        while Instant::now() < until {
            let Some(message) = messages.ready().await else { return true };
            self.receive(&message).await;
        }
        false
    }

    async fn receive(&mut self, message: &Message) {
        match self.accept(message) {
            Ok(None) => {}
            Ok(Some((member, grant))) => {
                let subject = self.service_of(message).grants(member);
                self.send(subject, &grant).await;
            }
            Err(rejection) => self.counts.note(rejection),
        }
    }

    /// Returns a grant and its receiver if the message asks for one.
    pub(super) fn accept(&mut self, message: &Message) -> Result<Option<(MemberId, WatcherMessage)>, Rejection> {
        let unsealed = unseal(&self.config.keys, Role::Instance, &message.subject, &message.payload)?;
        let mut header: InstanceHeader = unsealed.read().inspect_err(|rejection| {
            if let (Rejection::Version(version), Ok(any)) = (rejection, unsealed.read_any()) {
                self.report_version(*version, any, message);
            }
        })?;
        if header.instance.len() > MAX_NAME_BYTES {
            return Err(Rejection::Malformed);
        }
        header.instance = self.shown_name(header.instance, message);
        // A message of a known instance is no replay if its number is new, however late it arrives: after a long time
        // without the server, that is its account.
        if !self.peers.is_known(header.member) {
            check_fresh(header.time, now_us())?;
        }
        self.handle(header, unsealed)
    }

    fn handle(
        &mut self,
        header: InstanceHeader,
        unsealed: Unsealed,
    ) -> Result<Option<(MemberId, WatcherMessage)>, Rejection> {
        let now = std::time::Instant::now();
        let peer = self.peers.sender(&header, now)?;
        if header.opening > peer.opening {
            // If its last message was lost, the unused part of its grant is for others.
            self.limits.give_back(peer.take_unused_grant());
        }
        let mut items = peer.accept(&header, now)?;
        let has_room = self.inbox.has_room(unsealed.lines.len());
        if has_room {
            items.extend(peer.report_dropped());
        }
        if !matches!(header.message, InstanceMessage::Refused { .. } | InstanceMessage::Ended(_)) {
            items.extend(peer.join());
        }
        let mut answer = None;
        let mut lines = None;
        match header.message {
            InstanceMessage::Joined => {}
            InstanceMessage::Refused { reason, error } => {
                items.extend(peer.refuse(cut(reason, MAX_REASON_BYTES), cut(error, MAX_ERROR_BYTES)));
            }
            InstanceMessage::Batch { before, count, unpacked } => {
                items.extend(peer.catch_up(before, 0));
                peer.count(count);
                if has_room {
                    lines = Some(Content::Lines { lines: unsealed.lines, unpacked, events: count.events });
                } else {
                    peer.drop_batch(count);
                }
            }
            InstanceMessage::Beat { sent, matched, unsent } => {
                items.extend(peer.catch_up(sent, matched));
                items.extend(peer.note_unsent(unsent));
            }
            InstanceMessage::Ask { asked } => {
                let grant = grant(&mut self.limits, peer, asked);
                answer = Some((header.member, grant));
            }
            InstanceMessage::Ended(account) => {
                items.extend(peer.end(&account));
                self.limits.give_back(peer.take_unused_grant());
            }
        }
        // A batch can arrive after its instance was given up and its grant was given back.
        self.limits.charge(peer.take_excess());
        let (number, instance) = (peer.number, Arc::clone(&peer.instance));
        for item in items {
            self.inbox.put(notice(number, Some(header.time), &instance, item));
        }
        if let Some(content) = lines {
            let arrival = arrival(number, Some(header.time));
            self.inbox.put(Arrived { arrival, instance, content });
        }
        Ok(answer)
    }

    /// Reports an instance of another version, once.
    fn report_version(&mut self, version: u32, header: AnyVersionHeader, message: &Message) {
        let instance = header.instance.unwrap_or_else(|| "an instance".to_owned());
        let instance: Arc<str> = self.shown_name(cut(instance, MAX_NAME_BYTES), message).into();
        if self.other_versions.len() >= MAX_OTHER_VERSIONS || !self.other_versions.insert(Arc::clone(&instance)) {
            return;
        }
        let error = format!("its messages have version {version}; this watcher reads version {VERSION}");
        let item = FleetItem::Refused { instance: Arc::clone(&instance), reason: "version".to_owned(), error };
        self.inbox.put(notice(NO_INSTANCE, None, &instance, item));
    }

    /// While the server is away, the client keeps the message as far as it has room: the first announcement and the end.
    async fn send(&mut self, subject: String, message: &WatcherMessage) {
        self.turn += 1;
        let header = WatcherHeader { session: self.key, turn: self.turn, time: now_us(), message: message.clone() };
        let message: Bytes = seal(&self.config.keys, Role::Watcher, &subject, &header, b"");
        // An error means that the client is closed. It then gives no more messages, which ends this task.
        let _ = self.client.publish(subject, message).await;
    }

    /// Sends to all instances of all services.
    async fn announce(&mut self, message: &WatcherMessage) {
        let subjects: Vec<_> = self.config.services().map(Subjects::announcements).collect();
        for subject in subjects {
            self.send(subject, message).await;
        }
    }

    /// The service whose instance has sent a message.
    fn service_of(&self, message: &Message) -> &Subjects {
        let place = self.events.iter().position(|subject| **subject == *message.subject);
        self.config.services().nth(place.unwrap_or_default()).unwrap_or(&self.config.subjects)
    }

    /// The name of an instance in items: with its service if there are several.
    fn shown_name(&self, instance: String, message: &Message) -> String {
        match self.config.is_on_several() {
            true => format!("{}/{instance}", self.service_of(message).name()),
            false => instance,
        }
    }

    fn publish_stats(&self) {
        let mut stats = FleetStats { ignored: self.counts.read(), ..FleetStats::default() };
        self.peers.add_to(&mut stats);
        self.inbox.set_stats(stats.summed());
    }

    pub(super) fn end(&mut self, reason: EndReason) {
        let notices = self.peers.give_up();
        self.deliver(notices);
        self.publish_stats();
        self.inbox.end(reason);
    }
}

fn grant(limits: &mut Limits, peer: &mut Peer, asked: u64) -> WatcherMessage {
    peer.granted += limits.take(asked.saturating_sub(peer.asked));
    peer.asked = peer.asked.max(asked);
    let is_last = limits.is_used_up();
    WatcherMessage::Grant { opening: peer.opening, asked: peer.asked, granted: peer.granted, is_last }
}

/// The beginning of a text, of at most this many bytes.
fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rfind(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

fn renewals(every: Duration) -> Interval {
    let mut renewals = interval(every);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewals
}

fn arrival(peer: u64, sent_us: Option<u64>) -> Arrival {
    Arrival { peer, at: std::time::Instant::now(), sent_us }
}

fn notice(peer: u64, sent_us: Option<u64>, instance: &Arc<str>, item: FleetItem) -> Arrived {
    Arrived { arrival: arrival(peer, sent_us), instance: Arc::clone(instance), content: Content::Item(item) }
}
