//! Reads a session over all instances of a service.
//!
//! The stream itself reports on the instances, and the NATS client reconnects by itself. This source reports a lost
//! connection, and gives up after the same time as one over HTTP.

use super::duration::exact;
use super::opened::{Began, Opened};
use super::update::{Notice, Update};
use super::wanted::Wanted;
use crate::error::Error;
use crate::remote::{Coverage, Fleet, Seen};
use async_nats::{Client, Event, ServerError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, Permit, Receiver, Sender};
use tokio::sync::{Notify, watch};
use tokio::time::{interval, sleep_until, timeout};
use tracing_tap_nats::{self as fleet, FleetItem, FleetStats, FleetStream};

/// Batches between the stream and the printer, and items in each.
const BATCHES: usize = 4;
const BATCH_ITEMS: usize = 256;
/// Events of the NATS client that may wait.
const EVENTS: usize = 16;
/// How often the stream's counts are read.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the last messages may take to reach the server before the process ends.
const FLUSHING: Duration = Duration::from_secs(1);
/// After how long it is reported that no instance has answered: two renewals of a session.
const ANSWERED_WITHIN: Duration = Duration::from_secs(4);
/// Maximum number of refusals that the coverage lists.
const MAX_REFUSALS: usize = 8;

/// A session of a fleet, except its stream.
#[derive(Debug)]
pub(crate) struct Remote {
    began: Instant,
    ends_at: Option<Instant>,
    /// The services that the session is open on.
    services: Vec<String>,
    close: Notify,
    /// Closed once the session has ended and the server knows.
    over: watch::Receiver<()>,
    state: Mutex<FleetState>,
}

/// What is known of the instances.
#[derive(Debug, Default)]
struct FleetState {
    stats: FleetStats,
    has_answered: bool,
    /// Whether the connection to the server is lost.
    is_cut: bool,
    /// The services that an instance has answered for; empty if the session is on one.
    answered: BTreeSet<String>,
    /// Instances that refused the session, and why.
    refusals: BTreeMap<String, String>,
}

/// The reading end.
struct Reader {
    remote: Arc<Remote>,
    client: Client,
    stream: FleetStream,
    updates: Sender<Vec<Update>>,
    events: Receiver<Event>,
    /// To be sent before anything else.
    notices: Vec<Update>,
    patience: Duration,
    /// Since when the connection is lost.
    lost: Option<Instant>,
    _over: watch::Sender<()>,
}

/// What comes next.
enum Next<'a> {
    Items(Vec<FleetItem>, Permit<'a, Vec<Update>>),
    Notices(Permit<'a, Vec<Update>>),
    Over,
    /// The receiver is gone.
    Unwanted,
}

/// Opens a session, and reads it from then on.
pub(crate) async fn open(fleet: &Fleet, wanted: Wanted, patience: Duration) -> Result<Opened<Remote>, Error> {
    let (event_sender, events) = mpsc::channel(EVENTS);
    let client = fleet.connect(event_sender).await?;
    let Wanted { session, predicate, level, spans, lasts } = wanted;
    let stream = fleet::watch(client.clone(), &fleet.config, session).await;
    let stream = stream.map_err(|error| Error::new(format!("watch the fleet: {error}")))?;
    let (over, is_over) = watch::channel(());
    let began = Instant::now();
    let remote = Arc::new(Remote {
        began,
        ends_at: began.checked_add(lasts),
        services: fleet.url.services().to_vec(),
        close: Notify::new(),
        over: is_over,
        state: Mutex::default(),
    });
    let (updates, receiver) = mpsc::channel(BATCHES);
    let reader = Reader {
        remote: Arc::clone(&remote),
        client,
        stream,
        updates,
        events,
        notices: Vec::new(),
        patience,
        lost: None,
        _over: over,
    };
    let task = tokio::spawn(reader.read_to_end());
    let url = fleet.url.to_string();
    let coverage = Coverage::default();
    let began = Began { predicate, level, spans, url, session: None, lasts: Some(lasts), coverage };
    Ok(Opened { updates: receiver, remote, task, began })
}

impl Remote {
    /// Requests that the session is closed; its reader gets what the instances have left, then the end.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Closes it, and waits until the instances and the server know.
    pub(crate) async fn close_and_wait(&self) {
        self.close();
        let mut over = self.over.clone();
        // It never changes, and is closed in the end.
        while over.changed().await.is_ok() {}
    }

    pub(crate) fn ends_at(&self) -> Option<Instant> {
        self.ends_at
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.state().stats.buffered
    }

    pub(crate) fn coverage(&self) -> Coverage {
        self.state().coverage(&self.services, self.began.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, FleetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FleetState {
    fn note(&mut self, services: &[String], item: &FleetItem) {
        let Some(instance) = item.instance() else { return };
        self.has_answered = true;
        let is_of = |service: &&String| instance.strip_prefix(&***service).is_some_and(|rest| rest.starts_with('/'));
        if let Some(service) = services.iter().find(is_of).filter(|service| !self.answered.contains(*service)) {
            self.answered.insert(service.clone());
        }
        match item {
            FleetItem::Refused { error, .. } if self.refusals.len() < MAX_REFUSALS => {
                self.refusals.insert(instance.to_owned(), error.clone());
            }
            FleetItem::Joined { .. } => drop(self.refusals.remove(instance)),
            _ => {}
        }
    }

    fn coverage(&self, services: &[String], open_for: Duration) -> Coverage {
        let taking_part = self.stats.instances;
        let mut coverage = Coverage::default();
        if self.has_answered {
            coverage.notes.push(taking_part_in_words(taking_part).into());
        } else if self.is_cut {
            coverage.findings.push("the connection to the server is lost".to_owned().into());
        } else if open_for >= ANSWERED_WITHIN {
            let text = "no instance has answered: the service's name, the key or a clock may be wrong";
            coverage.findings.push(text.to_owned().into());
        }
        if self.has_answered && open_for >= ANSWERED_WITHIN && services.len() > 1 {
            let silent = services.iter().filter(|service| !self.answered.contains(*service));
            coverage.findings.extend(silent.map(|service| format!("no instance of {service} has answered").into()));
        }
        let ignored = self.stats.ignored;
        if ignored.forged > 0 {
            let text = "messages that are not signed with this key arrived, and were ignored";
            coverage.findings.push(text.to_owned().into());
        }
        if ignored.stale > 0 {
            let text = "messages whose time is more than 30 s from this machine's arrived: a clock may be wrong";
            coverage.findings.push(text.to_owned().into());
        }
        let refused = self.refusals.iter().map(|(instance, error)| format!("{instance} takes no part: {error}"));
        coverage.findings.extend(refused.map(Seen::from));
        coverage
    }
}

fn taking_part_in_words(instances: usize) -> String {
    match instances {
        0 => "no instance takes part now".to_owned(),
        1 => "1 instance takes part".to_owned(),
        _ => format!("{instances} instances take part"),
    }
}

impl Reader {
    async fn read_to_end(mut self) -> Result<(), Error> {
        let read = self.read().await;
        // Otherwise the instances would wait for the lease to end.
        let _ = timeout(FLUSHING, self.client.flush()).await;
        read
    }

    async fn read(&mut self) -> Result<(), Error> {
        let mut looks = interval(LOOK_EVERY);
        // A clone, because a permit borrows the sender, and the rest of `self` is used meanwhile.
        let updates = self.updates.clone();
        loop {
            let given_up_at = self.lost.and_then(|lost| lost.checked_add(self.patience)).map(Into::into);
            tokio::select! {
                next = next(&mut self.stream, &updates, !self.notices.is_empty()) => match next {
                    Next::Items(items, permit) => {
                        items.iter().for_each(|item| self.remote.state().note(&self.remote.services, item));
                        permit.send(items.into_iter().map(Update::Fleet).collect());
                    }
                    Next::Notices(permit) => permit.send(std::mem::take(&mut self.notices)),
                    Next::Over => break,
                    Next::Unwanted => {
                        self.stream.close();
                        while self.stream.recv().await.is_some() {}
                        break;
                    }
                },
                () = self.remote.close.notified() => self.stream.close(),
                Some(event) = self.events.recv() => self.on_event(&event)?,
                _ = looks.tick() => self.look(),
                () = sleep_until(given_up_at.unwrap_or_else(tokio::time::Instant::now)), if given_up_at.is_some() => {
                    let patience = exact(self.patience);
                    let why = format!("the server is gone, and no attempt within {patience} succeeded");
                    return Err(Error::new(format!("resume the session: {why}")));
                }
            }
        }
        self.look();
        Ok(())
    }

    fn look(&self) {
        let stats = self.stream.stats();
        let mut state = self.remote.state();
        (state.stats, state.is_cut) = (stats, self.lost.is_some());
    }

    /// Reports what happens to the connection.
    fn on_event(&mut self, event: &Event) -> Result<(), Error> {
        match event {
            Event::Disconnected if self.lost.is_none() => {
                self.lost = Some(Instant::now());
                let why = "keep the connection to the server".to_owned();
                self.notices.push(Update::Notice(Notice::Cut { why, patience: self.patience }));
            }
            Event::Connected => {
                let continued = self.lost.take().map(|lost| Notice::Continued { after: lost.elapsed() });
                self.notices.extend(continued.map(Update::Notice));
            }
            Event::ServerError(ServerError::Other(text)) if text.to_ascii_lowercase().contains("permissions") => {
                let advice = "a watcher's credentials must allow the fleet's subjects, see docs/fleet.md";
                return Err(Error::refused(format!("watch the fleet: the server refuses: {text}")).advise(advice));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The next items, once the channel has room. Cancel safe.
async fn next<'a>(stream: &mut FleetStream, updates: &'a Sender<Vec<Update>>, has_notices: bool) -> Next<'a> {
    let Ok(permit) = updates.reserve().await else { return Next::Unwanted };
    if has_notices {
        return Next::Notices(permit);
    }
    let Some(first) = stream.recv().await else { return Next::Over };
    let mut items = vec![first];
    while items.len() < BATCH_ITEMS {
        let Ok(item) = stream.try_recv() else { break };
        items.push(item);
    }
    Next::Items(items, permit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(state: &FleetState, seconds: u64) -> (Vec<String>, Vec<String>) {
        let services = ["edge", "orders"].map(str::to_owned);
        let Coverage { findings, notes, .. } = state.coverage(&services, Duration::from_secs(seconds));
        let text = |seen: Vec<Seen>| seen.into_iter().map(|seen| seen.text).collect();
        (text(findings), text(notes))
    }

    #[test]
    fn no_answer_is_a_finding_after_a_while() {
        let mut state = FleetState::default();
        assert_eq!(texts(&state, 1), (Vec::new(), Vec::new()));
        let (findings, notes) = texts(&state, 5);
        assert!(findings[0].starts_with("no instance has answered:") && notes.is_empty());
        state.has_answered = true;
        state.answered.insert("edge".to_owned());
        assert_eq!(texts(&state, 5).0, ["no instance of orders has answered"]);
        state.answered.insert("orders".to_owned());
        state.stats.instances = 3;
        assert_eq!(texts(&state, 5), (Vec::new(), vec!["3 instances take part".to_owned()]));
        state.refusals.insert("chat-1".to_owned(), "the session was not opened: 0 are open".to_owned());
        assert_eq!(texts(&state, 5).0, ["chat-1 takes no part: the session was not opened: 0 are open"]);
    }
}
