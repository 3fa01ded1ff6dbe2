//! An instance in the fleet: it hears of sessions, opens them and lets them go.

use super::attention::{Attention, Control, Granted};
use super::config::Config;
use super::counts::Counts;
use super::key::Voice;
use super::link::Link;
use super::message::{Announcement, CloseReason};
use super::message::{FromWatcher, InstanceWord, LeaveReason, MemberId, OfAnyVersion, SessionKey, WatcherWord};
use super::next_message;
use super::publisher::Publisher;
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

/// How many sessions are remembered, open and over together.
const MAX_SESSIONS: usize = 4096;

/// What waits to be heard by one session.
const MAX_CONTROLS: usize = 64;

/// How many sessions are opened at once: each may take a thread for up to a second.
const MAX_OPENING: usize = 2;

/// A refused session is tried again after so many turns.
const TURNS_PER_TRY: u64 = 5;

/// How long the sessions have to say farewell when the instance leaves.
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
    counts: Arc<Counts>,
    refusals: AuditLimit,
    /// Of answers to who is not listened to.
    answers: AuditLimit,
}

/// A session that was announced, and what has become of it.
struct Known {
    /// The last that was heeded. Nothing as old is, ever again.
    turn: u64,
    grant_turn: u64,
    heard: Instant,
    state: State,
}

enum State {
    Open {
        controls: mpsc::Sender<Control>,
        opening: u64,
    },
    /// Since this turn.
    Refused(u64),
    /// Where the instance itself has ended it, no renewal opens it again.
    Over {
        is_final: bool,
    },
}

/// What has become of a session that was to be opened.
enum Outcome {
    Refused,
    Over(LeaveReason),
}

impl Member {
    pub(super) fn new(router: TapRouter, client: Client, config: Config, counts: Arc<Counts>) -> Option<Self> {
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
            counts,
            refusals: AuditLimit::default(),
            answers: AuditLimit::default(),
        })
    }

    /// Takes part until `shutdown` is done or the client is closed.
    pub(super) async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let subscriptions = async {
            let announcements = self.client.subscribe(self.config.place.announcements()).await.ok()?;
            Some((announcements, self.client.subscribe(self.config.place.grants(self.id)).await.ok()?))
        };
        let mut shutdown = std::pin::pin!(shutdown);
        let subscribed = tokio::select! {
            subscribed = subscriptions => subscribed,
            () = &mut shutdown => None,
        };
        let Some((mut announcements, mut grants)) = subscribed else { return };
        tokio::select! {
            () = self.listen(&mut announcements, &mut grants) => {}
            () = shutdown => {}
        }
        let leaving = self.leave(&mut grants);
        let _ = timeout(PARTING, leaving).await;
    }

    async fn listen(&mut self, announcements: &mut Subscriber, grants: &mut Subscriber) {
        loop {
            tokio::select! {
                message = next_message(announcements) => match message {
                    Some(message) => self.hear(&message),
                    None => return,
                },
                Some(message) = next_message(grants) => self.hear(&message),
                Some(done) = self.running.join_next() => self.note_end(done.ok().flatten()),
            }
        }
    }

    /// Has all sessions say farewell, and waits for that.
    async fn leave(&mut self, grants: &mut Subscriber) {
        self.sessions.values().for_each(|known| known.say(Control::Leave));
        loop {
            tokio::select! {
                done = self.running.join_next() => if done.is_none() { return },
                Some(message) = next_message(grants) => self.hear(&message),
            }
        }
    }

    fn hear(&mut self, message: &Message) {
        if let Err(rejection) = self.heed(message) {
            self.counts.note(rejection);
            if let Some(suppressed) = self.refusals.admit(Instant::now()) {
                let subject = message.subject.to_string();
                self.router.audit(AuditEvent::MessageIgnored { subject, reason: rejection.word(), suppressed });
            }
        }
    }

    fn heed(&mut self, message: &Message) -> Result<(), Rejection> {
        let unsealed = unseal(&self.config.key, Voice::Watcher, &message.subject, &message.payload)?;
        let said: FromWatcher = unsealed.read().inspect_err(|rejection| {
            if let (Rejection::Version(version), Ok(any)) = (rejection, unsealed.read_any()) {
                self.refuse_version(*version, &any);
            }
        })?;
        check_fresh(said.time, now_us()).inspect_err(|_| self.refuse_clock(&said))?;
        self.check_new(&said)?;
        match said.word {
            WatcherWord::Open(announcement) => self.renew(said.session, said.turn, &announcement),
            WatcherWord::Close { reason } => self.close(said.session, reason),
            WatcherWord::Grant { opening, asked, granted, is_last } => {
                self.pass_grant(said.session, opening, Granted { asked, granted, is_last });
            }
        }
        Ok(())
    }

    /// Grants and the rest are each in order, but come on two ways.
    fn check_new(&mut self, said: &FromWatcher) -> Result<(), Rejection> {
        let Some(known) = self.sessions.get_mut(&said.session) else { return Ok(()) };
        let last = if matches!(said.word, WatcherWord::Grant { .. }) { &mut known.grant_turn } else { &mut known.turn };
        if said.turn <= *last {
            return Err(Rejection::Replayed);
        }
        *last = said.turn;
        Ok(())
    }

    /// Opens a session that is not open, as far as it may be.
    fn renew(&mut self, key: SessionKey, turn: u64, announcement: &Announcement) {
        let is_new = !self.sessions.contains_key(&key);
        if is_new && !self.has_room() {
            let error = format!("open a session: {MAX_SESSIONS} are remembered, which is the limit of an instance");
            return self.answer(key, "max_sessions", error);
        }
        let now = Instant::now();
        let over = State::Over { is_final: false };
        let new = Known { turn, grant_turn: 0, heard: now, state: over };
        let known = self.sessions.entry(key).or_insert(new);
        known.heard = now;
        match &known.state {
            State::Open { .. } => known.say(Control::Renewed),
            State::Refused(since) if turn < since + TURNS_PER_TRY => {}
            State::Over { is_final: true } => {}
            State::Refused(_) | State::Over { is_final: false } => self.open(key, announcement),
        }
    }

    /// Forgets sessions of which no message could be fresh any more.
    fn has_room(&mut self) -> bool {
        let now = Instant::now();
        let is_remembered = |known: &Known| known.is_open() || now - known.heard <= 2 * MAX_SKEW;
        self.sessions.retain(|_, known| is_remembered(known));
        self.sessions.len() < MAX_SESSIONS
    }

    fn close(&mut self, key: SessionKey, reason: CloseReason) {
        if let Some(known) = self.sessions.get_mut(&key) {
            known.heard = Instant::now();
            known.say(Control::Close(reason));
        }
    }

    /// A grant for an opening that is over counts for no other.
    fn pass_grant(&mut self, key: SessionKey, opening: u64, granted: Granted) {
        if let Some(known) = self.sessions.get(&key).filter(|known| known.is_opening(opening)) {
            known.say(Control::Granted(granted));
        }
    }

    fn open(&mut self, key: SessionKey, announcement: &Announcement) {
        let (controls, heard) = mpsc::channel(MAX_CONTROLS);
        let opening = self.openings;
        if let Some(known) = self.sessions.get_mut(&key) {
            known.state = State::Open { controls, opening };
        }
        let link = self.link(key);
        let attention = Attention::new(heard, announcement.every());
        let opening = open(self.router.clone(), announcement.clone(), Arc::clone(&self.room), link, attention);
        let opening = Quiet::new(opening);
        self.running.spawn(async move { Some((key, opening.await)) });
    }

    fn link(&mut self, session: SessionKey) -> Link {
        let opening = self.openings;
        self.openings += 1;
        let subject = self.config.place.events(session);
        let name = (self.id, self.instance.clone());
        Link::new(self.client.clone(), self.config.key.clone(), subject, name, opening)
    }

    fn note_end(&mut self, done: Option<(SessionKey, Outcome)>) {
        let Some((key, outcome)) = done else { return };
        let Some(known) = self.sessions.get_mut(&key) else { return };
        known.state = match outcome {
            Outcome::Refused => State::Refused(known.turn),
            Outcome::Over(reason) => State::Over { is_final: reason != LeaveReason::Unrenewed },
        };
    }

    /// Tells a watcher of another version that it is not understood, if it says where.
    fn refuse_version(&mut self, version: u32, said: &OfAnyVersion) {
        let Some(session) = said.session else { return };
        let error =
            format!("read the announcement: its version is {version}, and {VERSION} is what this instance knows");
        self.answer(session, "version", error);
    }

    /// Tells a watcher whose session is not known here that one of the clocks is off.
    fn refuse_clock(&mut self, said: &FromWatcher) {
        if matches!(said.word, WatcherWord::Open(_)) && !self.sessions.contains_key(&said.session) {
            let error = format!("heed the announcement: its time is more than {} s off", MAX_SKEW.as_secs());
            self.answer(said.session, "clock", error);
        }
    }

    /// Refuses what is not known to be fresh, or new: nobody gets more answers by sending it again and again.
    fn answer(&mut self, session: SessionKey, reason: &str, error: String) {
        if self.answers.admit(Instant::now()).is_none() {
            return;
        }
        let mut link = self.link(session);
        let word = InstanceWord::Refused { reason: reason.to_owned(), error };
        self.running.spawn(async move {
            let _ = link.say(word, b"").await;
            None
        });
    }
}

/// Opens a session at this instance, and sends what it gives.
async fn open(
    router: TapRouter,
    announcement: Announcement,
    room: Arc<Semaphore>,
    mut link: Link,
    mut attention: Attention,
) -> Outcome {
    let limit = announcement.is_limited.then(Granted::default);
    let opening = {
        let router = router.clone();
        async move {
            let _room = room.acquire_owned().await;
            spawn_blocking(move || try_open(&router, &announcement)).await
        }
    };
    match attention.during(opening).await {
        Ok(Ok(Ok(stream))) => Outcome::Over(Publisher::new(router, stream, link, attention, limit).run().await),
        Ok(Ok(Err((reason, error)))) => {
            let _ = link.say(InstanceWord::Refused { reason, error }, b"").await;
            Outcome::Refused
        }
        Ok(Err(_)) => Outcome::Refused,
        Err(end) => Outcome::Over(end.reason),
    }
}

/// The reason as a word and in words, where the instance will not open it.
fn try_open(router: &TapRouter, announcement: &Announcement) -> Result<tracing_tap::EventStream, (String, String)> {
    let session = announcement.session().map_err(|error| ("invalid_session".to_owned(), error.to_string()))?;
    router.try_watch(session).map_err(|error| {
        let otherwise = if error.is_too_costly() { "too_costly" } else { "redacted_field" };
        let reason = error.limit_name().unwrap_or(otherwise);
        (reason.to_owned(), error.to_string())
    })
}

impl Known {
    fn is_open(&self) -> bool {
        // Nobody hears any more where the session's task has panicked.
        matches!(&self.state, State::Open { controls, .. } if !controls.is_closed())
    }

    fn is_opening(&self, number: u64) -> bool {
        matches!(self.state, State::Open { opening, .. } if opening == number)
    }

    /// Where so much waits to be heard that there is no room, it is as if the message had been lost on its way.
    fn say(&self, control: Control) {
        if let State::Open { controls, .. } = &self.state {
            let _ = controls.try_send(control);
        }
    }
}
