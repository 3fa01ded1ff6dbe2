//! An instance in the fleet: it opens the sessions that watchers announce, and closes them.

use super::attention::{Attention, Control, Granted};
use super::config::Config;
use super::counts::Counts;
use super::key::Role;
use super::link::Link;
use super::local::LocalSessions;
use super::message::{
    Announcement, AnyVersionHeader, CloseReason, InstanceMessage, LeaveReason, MemberId, SessionKey, WatcherHeader,
    WatcherMessage,
};
use super::next_message;
use super::publisher::Publisher;
use super::replay::ReplayGuard;
use super::seal::{MAX_SKEW, Rejection, VERSION, check_fresh, now_us, unseal};
use async_nats::{Client, Message, Subscriber};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing_tap::TapRouter;
use tracing_tap::audit::{AuditEvent, AuditLimit};
use tracing_tap::endpoint::Quiet;

/// How many sessions are known, open and ended together.
const MAX_SESSIONS: usize = 4096;

/// How many controls may wait for one session.
const MAX_CONTROLS: usize = 64;

/// How many sessions are opened at once: each may take a thread for up to a second.
const MAX_OPENING: usize = 2;

/// A refused session is tried again at every fifth renewal.
const RENEWALS_PER_TRY: u32 = 5;

/// How long the sessions have to send their last messages when the instance leaves.
const PARTING: Duration = Duration::from_secs(5);

/// One instance, for as long as it takes part.
pub(super) struct Member {
    router: TapRouter,
    client: Client,
    config: Config,
    id: MemberId,
    instance: String,
    sessions: HashMap<SessionKey, Known>,
    running: JoinSet<Option<(SessionKey, Outcome)>>,
    openings: u64,
    room: Arc<Semaphore>,
    local: Arc<LocalSessions>,
    counts: Arc<Counts>,
    refusals: AuditLimit,
    /// Limits answers to rejected messages.
    answers: AuditLimit,
}

/// An announced session.
struct Known {
    messages: ReplayGuard,
    grants: ReplayGuard,
    last_message: Instant,
    state: State,
}

enum State {
    Open {
        controls: mpsc::Sender<Control>,
        opening: u64,
    },
    Refused {
        renewals: u32,
    },
    /// If the instance itself has ended the session, no renewal opens it again.
    Over {
        is_final: bool,
    },
}

/// The outcome of opening a session.
enum Outcome {
    Refused,
    Over(LeaveReason),
}

impl Member {
    pub(super) fn new(
        router: TapRouter,
        client: Client,
        config: Config,
        (counts, local): (Arc<Counts>, Arc<LocalSessions>),
    ) -> Option<Self> {
        let id = MemberId::random().ok()?;
        Some(Self {
            router,
            client,
            instance: config.instance.clone().unwrap_or_else(|| id.to_string()),
            config,
            id,
            sessions: HashMap::new(),
            running: JoinSet::new(),
            openings: 0,
            room: Arc::new(Semaphore::new(MAX_OPENING)),
            local,
            counts,
            refusals: AuditLimit::default(),
            answers: AuditLimit::default(),
        })
    }

    /// Takes part until `shutdown` is done or the client is closed.
    pub(super) async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let subscriptions = async {
            let announcements = self.client.subscribe(self.config.subjects.announcements()).await.ok()?;
            Some((announcements, self.client.subscribe(self.config.subjects.grants(self.id)).await.ok()?))
        };
        let mut shutdown = std::pin::pin!(shutdown);
        let subscribed = tokio::select! {
            subscribed = subscriptions => subscribed,
            () = &mut shutdown => None,
        };
        let Some((mut announcements, mut grants)) = subscribed else { return };
        tokio::select! {
            () = self.receive_all(&mut announcements, &mut grants) => {}
            () = shutdown => {}
        }
        let leaving = self.leave(&mut grants);
        let _ = timeout(PARTING, leaving).await;
    }

    async fn receive_all(&mut self, announcements: &mut Subscriber, grants: &mut Subscriber) {
        loop {
            tokio::select! {
                message = next_message(announcements) => match message {
                    Some(message) => self.receive(&message),
                    None => return,
                },
                Some(message) = next_message(grants) => self.receive(&message),
                Some(done) = self.running.join_next() => self.note_end(done.ok().flatten()),
            }
        }
    }

    /// Ends all sessions, and waits until they have sent their last messages.
    async fn leave(&mut self, grants: &mut Subscriber) {
        self.sessions.values().for_each(|known| known.control(Control::Leave));
        loop {
            tokio::select! {
                done = self.running.join_next() => if done.is_none() { return },
                Some(message) = next_message(grants) => self.receive(&message),
            }
        }
    }

    fn receive(&mut self, message: &Message) {
        if let Err(rejection) = self.handle(message) {
            self.counts.note(rejection);
            if let Some(suppressed) = self.refusals.admit(Instant::now()) {
                let subject = message.subject.to_string();
                self.router.audit(AuditEvent::MessageIgnored { subject, reason: rejection.word(), suppressed });
            }
        }
    }

    fn handle(&mut self, message: &Message) -> Result<(), Rejection> {
        let unsealed = unseal(&self.config.keys, Role::Watcher, &message.subject, &message.payload)?;
        let header: WatcherHeader = unsealed.read().inspect_err(|rejection| {
            if let (Rejection::Version(version), Ok(any)) = (rejection, unsealed.read_any()) {
                self.refuse_version(*version, &any);
            }
        })?;
        check_fresh(header.time, now_us()).inspect_err(|_| self.refuse_clock(&header))?;
        self.check_new(&header)?;
        match &header.message {
            WatcherMessage::Open(announcement) => self.renew(&header, announcement),
            WatcherMessage::Close { reason } => self.close(header.session, *reason),
            WatcherMessage::Grant { opening, asked, granted, is_last } => {
                let granted = Granted { asked: *asked, granted: *granted, is_last: *is_last };
                self.pass_grant(header.session, *opening, granted);
            }
        }
        Ok(())
    }

    /// Grants have a subject of their own, so they are ordered apart from the other messages.
    fn check_new(&mut self, header: &WatcherHeader) -> Result<(), Rejection> {
        let Some(known) = self.sessions.get_mut(&header.session) else { return Ok(()) };
        let is_grant = matches!(header.message, WatcherMessage::Grant { .. });
        let guard = if is_grant { &mut known.grants } else { &mut known.messages };
        guard.accept(header.turn, header.time)
    }

    /// Opens a session that is not open, within the limits.
    fn renew(&mut self, header: &WatcherHeader, announcement: &Announcement) {
        let key = header.session;
        if !self.sessions.contains_key(&key) && !self.has_room() {
            let error = format!("{MAX_SESSIONS} sessions are known, which is the limit of an instance");
            return self.answer(key, "max_sessions", error);
        }
        let now = Instant::now();
        let known = self.sessions.entry(key).or_insert_with(|| Known::new(header, now));
        known.last_message = now;
        match &mut known.state {
            State::Open { .. } => known.control(Control::Renewed),
            State::Over { is_final: true } => {}
            State::Refused { renewals } if *renewals + 1 < RENEWALS_PER_TRY => *renewals += 1,
            State::Refused { .. } | State::Over { is_final: false } => self.open(key, announcement),
        }
    }

    /// Forgets ended sessions whose messages would all be stale.
    fn has_room(&mut self) -> bool {
        let now = Instant::now();
        let is_remembered = |known: &Known| known.is_open() || now - known.last_message <= 2 * MAX_SKEW;
        self.sessions.retain(|_, known| is_remembered(known));
        self.sessions.len() < MAX_SESSIONS
    }

    fn close(&mut self, key: SessionKey, reason: CloseReason) {
        if let Some(known) = self.sessions.get_mut(&key) {
            known.last_message = Instant::now();
            known.control(Control::Close(reason));
        }
    }

    /// A grant counts for its own opening only.
    fn pass_grant(&mut self, key: SessionKey, opening: u64, granted: Granted) {
        if let Some(known) = self.sessions.get(&key).filter(|known| known.is_opening(opening)) {
            known.control(Control::Granted(granted));
        }
    }

    fn open(&mut self, key: SessionKey, announcement: &Announcement) {
        let (controls, receiver) = mpsc::channel(MAX_CONTROLS);
        let opening = self.openings;
        if let Some(known) = self.sessions.get_mut(&key) {
            known.state = State::Open { controls, opening };
        }
        let link = self.link(key);
        let attention = Attention::new(receiver, announcement.every());
        let room = Arc::clone(&self.room);
        let opener = Opener { router: self.router.clone(), room, local: Arc::clone(&self.local), key };
        let opening = Quiet::new(opener.open(announcement.clone(), link, attention));
        self.running.spawn(async move { Some((key, opening.await)) });
    }

    fn link(&mut self, session: SessionKey) -> Link {
        let opening = self.openings;
        self.openings += 1;
        let subject = self.config.subjects.events(session);
        let name = (self.id, self.instance.clone());
        Link::new(self.client.clone(), self.config.keys.clone(), subject, name, opening)
    }

    fn note_end(&mut self, done: Option<(SessionKey, Outcome)>) {
        let Some((key, outcome)) = done else { return };
        let Some(known) = self.sessions.get_mut(&key) else { return };
        known.state = match outcome {
            Outcome::Refused => State::Refused { renewals: 0 },
            Outcome::Over(reason) => State::Over { is_final: reason != LeaveReason::Unrenewed },
        };
    }

    /// Answers a watcher of another version, if its header names the session.
    fn refuse_version(&mut self, version: u32, header: &AnyVersionHeader) {
        let Some(session) = header.session else { return };
        let error = format!("the announcement has version {version}; this instance reads version {VERSION}");
        self.answer(session, "version", error);
    }

    /// Answers a watcher whose session is not known here: one of the clocks is off.
    fn refuse_clock(&mut self, header: &WatcherHeader) {
        if matches!(header.message, WatcherMessage::Open(_)) && !self.sessions.contains_key(&header.session) {
            let error = format!("the announcement's time is more than {} s off", MAX_SKEW.as_secs());
            self.answer(header.session, "clock", error);
        }
    }

    /// Refuses a session whose message may be a replay. The limit bounds the answers to one that is sent many times.
    fn answer(&mut self, session: SessionKey, reason: &str, error: String) {
        if self.answers.admit(Instant::now()).is_none() {
            return;
        }
        let mut link = self.link(session);
        let refused = InstanceMessage::Refused { reason: reason.to_owned(), error };
        self.running.spawn(async move {
            let _ = link.send(refused, b"").await;
            None
        });
    }
}

/// What a session is opened with.
struct Opener {
    router: TapRouter,
    room: Arc<Semaphore>,
    local: Arc<LocalSessions>,
    key: SessionKey,
}

impl Opener {
    /// Opens a session at this instance, and sends its items.
    async fn open(self, announcement: Announcement, mut link: Link, mut attention: Attention) -> Outcome {
        let Self { router, room, local, key } = self;
        let limit = announcement.is_limited.then(Granted::default);
        let is_across = announcement.across_services;
        let opening = {
            let router = router.clone();
            async move {
                let _room = room.acquire_owned().await;
                spawn_blocking(move || try_open(&router, &announcement)).await
            }
        };
        match attention.during(opening).await {
            Ok(Ok(Ok(stream))) => {
                let _listed = is_across.then(|| local.list(key, stream.id()));
                Outcome::Over(Publisher::new(router, stream, link, attention, limit).run().await)
            }
            Ok(Ok(Err((reason, error)))) => {
                let _ = link.send(InstanceMessage::Refused { reason, error }, b"").await;
                Outcome::Refused
            }
            Ok(Err(_)) => Outcome::Refused,
            Err(end) => Outcome::Over(end.reason),
        }
    }
}

/// Opens a session within the policy of the instance.
///
/// # Errors
/// The reason in one word, and in words.
fn try_open(router: &TapRouter, announcement: &Announcement) -> Result<tracing_tap::EventStream, (String, String)> {
    let session = announcement.session().map_err(|error| ("invalid_session".to_owned(), error.to_string()))?;
    router.try_watch(session).map_err(|error| {
        let otherwise = match () {
            () if error.is_too_costly() => "too_costly",
            () if error.is_without_past() => "no_look_back",
            () if error.is_hold_too_long() => "max_hold_time",
            () => "redacted_field",
        };
        let reason = error.limit_name().unwrap_or(otherwise);
        (reason.to_owned(), error.to_string())
    })
}

impl Known {
    fn new(header: &WatcherHeader, now: Instant) -> Self {
        Self {
            messages: ReplayGuard::new(header.turn, header.time),
            grants: ReplayGuard::default(),
            last_message: now,
            state: State::Over { is_final: false },
        }
    }

    fn is_open(&self) -> bool {
        // The channel is closed if the session's task has panicked.
        matches!(&self.state, State::Open { controls, .. } if !controls.is_closed())
    }

    fn is_opening(&self, number: u64) -> bool {
        matches!(self.state, State::Open { opening, .. } if opening == number)
    }

    /// Passes a control to the session's task. If too many wait, it counts as lost on the way.
    fn control(&self, control: Control) {
        if let State::Open { controls, .. } = &self.state {
            let _ = controls.try_send(control);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Key;
    use super::*;
    use serde_json::{Value, json};

    /// Without a server: the client keeps what the member sends.
    async fn member() -> Member {
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let client = options.connect("127.0.0.1:1").await.expect("it does not wait for a server");
        let config = Config::new("chat", Key::new([7; 32]).expect("it is long enough")).expect("it is a name");
        Member::new(TapRouter::new(), client, config, <_>::default()).expect("there is randomness")
    }

    fn key() -> SessionKey {
        SessionKey::random().expect("there is randomness")
    }

    fn announcement(json: Value) -> Announcement {
        serde_json::from_value(json).expect("it is one")
    }

    fn header(session: SessionKey, message: WatcherMessage) -> WatcherHeader {
        WatcherHeader { session, turn: 1, time: now_us(), message }
    }

    fn opens(session: SessionKey) -> WatcherHeader {
        header(session, WatcherMessage::Open(Box::new(announcement(json!({"predicate": "user = 42"})))))
    }

    impl Member {
        fn renew_by(&mut self, header: &WatcherHeader) {
            let WatcherMessage::Open(announcement) = &header.message else { panic!("it is an announcement") };
            self.renew(header, announcement);
        }

        fn has_opened(&self, key: SessionKey) -> bool {
            self.sessions.get(&key).is_some_and(|known| matches!(known.state, State::Open { .. }))
        }
    }

    fn over(is_final: bool, last_message: Instant) -> Known {
        Known { last_message, ..known(State::Over { is_final }) }
    }

    fn known(state: State) -> Known {
        let (messages, grants) = (ReplayGuard::new(1, 100), ReplayGuard::default());
        Known { messages, grants, last_message: Instant::now(), state }
    }

    #[test]
    fn a_session_is_open_until_it_is_over_or_its_task_is_gone() {
        let (controls, receiver) = mpsc::channel(1);
        let open = known(State::Open { controls, opening: 7 });
        assert!(open.is_open() && open.is_opening(7));
        assert!(!open.is_opening(8), "a grant counts for its own opening only");
        drop(receiver);
        assert!(!open.is_open());
        for state in [State::Refused { renewals: 0 }, State::Over { is_final: true }] {
            let ended = known(state);
            assert!(!ended.is_open() && !ended.is_opening(7));
        }
    }

    #[tokio::test]
    async fn a_refused_session_is_tried_at_each_fifth_renewal() {
        let (mut member, key) = (member().await, key());
        member.sessions.insert(key, known(State::Refused { renewals: 0 }));
        let mut is_tried = || {
            member.renew_by(&opens(key));
            member.has_opened(key)
        };
        assert_eq!([(); 5].map(|()| is_tried()), [false, false, false, false, true]);
    }

    #[tokio::test]
    async fn only_an_unrenewed_session_is_opened_again() {
        for (reason, is_opened) in
            [(LeaveReason::Unrenewed, true), (LeaveReason::Closed, false), (LeaveReason::TooCostly, false)]
        {
            let (mut member, key) = (member().await, key());
            member.renew_by(&opens(key));
            member.note_end(Some((key, Outcome::Over(reason))));
            assert!(!member.has_opened(key));
            member.renew_by(&opens(key));
            assert_eq!(member.has_opened(key), is_opened, "{reason:?}");
        }
    }

    #[tokio::test]
    async fn each_opening_has_its_own_number() {
        let (mut member, keys) = (member().await, [key(), key()]);
        keys.iter().for_each(|key| member.renew_by(&opens(*key)));
        assert!(member.sessions[&keys[0]].is_opening(0) && member.sessions[&keys[1]].is_opening(1));
    }

    #[tokio::test]
    async fn a_full_instance_opens_only_sessions_that_it_knows() {
        let (mut member, [ended, late, new]) = (member().await, [key(), key(), key()]);
        member.sessions.insert(ended, over(false, Instant::now()));
        member.sessions.extend((2..MAX_SESSIONS).map(|_| (key(), over(true, Instant::now()))));
        member.renew_by(&opens(late));
        assert_eq!((member.has_opened(late), member.sessions.len()), (true, MAX_SESSIONS));
        member.renew_by(&opens(new));
        assert_eq!((member.has_opened(new), member.sessions.len()), (false, MAX_SESSIONS));
        member.renew_by(&opens(ended));
        assert!(member.has_opened(ended));
    }

    #[tokio::test]
    async fn ended_sessions_are_forgotten_when_messages_are_stale() {
        let (mut member, [ended, open, recent]) = (member().await, [key(), key(), key()]);
        let Some(long_ago) = Instant::now().checked_sub(2 * MAX_SKEW + Duration::from_secs(1)) else { return };
        member.renew_by(&opens(open));
        member.sessions.get_mut(&open).expect("it is known").last_message = long_ago;
        member.sessions.extend([(ended, over(true, long_ago)), (recent, over(true, Instant::now()))]);
        assert!(member.has_room());
        assert_eq!([ended, open, recent].map(|key| member.sessions.contains_key(&key)), [false, true, true]);
    }

    #[tokio::test]
    async fn a_wrong_clock_is_answered_to_new_sessions_alone() {
        let (mut member, [known, new]) = (member().await, [key(), key()]);
        member.sessions.insert(known, over(true, Instant::now()));
        let close = WatcherMessage::Close { reason: CloseReason::Closed };
        for (header, answers) in [(opens(known), 0), (header(new, close), 0), (opens(new), 1)] {
            member.refuse_clock(&header);
            assert_eq!(member.running.len(), answers, "{header:?}");
        }
    }

    #[test]
    fn a_refusal_has_the_name_of_the_limit() {
        let refusal = |builder: tracing_tap::TapRouterBuilder, json| {
            try_open(&builder.build(), &announcement(json)).err().map(|(reason, _)| reason)
        };
        let router = TapRouter::builder;
        let is_slow = json!({"predicate": "*", "slower_than_us": 7_200_000_000_u64});
        for (builder, json, reason) in [
            (router(), is_slow, "max_hold_time"),
            (router(), json!({"predicate": "*", "look_back_ms": 1000}), "no_look_back"),
            (router().redact_fields(["secret"]), json!({"predicate": "secret = 1"}), "redacted_field"),
            (router().max_sessions(0), json!({"predicate": "user = 42"}), "max_sessions"),
            (router(), json!({"predicate": "user ="}), "invalid_session"),
        ] {
            assert_eq!(refusal(builder, json).as_deref(), Some(reason));
        }
    }
}
