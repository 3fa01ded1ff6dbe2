//! Reads a session over all instances of a service.
//!
//! The stream itself says what becomes of the instances, and the client of NATS comes back by itself; here is told when
//! it is gone, and given up after the same time as a door.

use super::source::{Began, Handle, Notice, Source, Told};
use super::telling::exact;
use super::wanted::Wanted;
use crate::error::Error;
use crate::remote::{Coverage, Fleet, Seen};
use async_nats::{Client, Event, ServerError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, Permit, Receiver, Sender};
use tokio::sync::{Notify, watch};
use tokio::time::{interval, sleep_until, timeout};
use tracing_tap_nats::{self as fleet, FleetItem, FleetStats, FleetStream};

/// Batches between the stream and whoever prints, and items in each.
const BATCHES: usize = 4;
const BATCH_ITEMS: usize = 256;
/// What the client of NATS may tell at once.
const EVENTS: usize = 16;
/// How often the stream is asked what it has counted.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long what was said last may take to the server before the process ends.
const FLUSHING: Duration = Duration::from_secs(1);
/// After how long it is odd that no instance has answered: two renewals of a session.
const ANSWERED_WITHIN: Duration = Duration::from_secs(4);
/// How many instances are told of that take no part.
const MAX_REFUSALS: usize = 8;

/// A session of a fleet, as those see it who do not read it.
#[derive(Debug)]
pub(crate) struct Remote {
    began: Instant,
    ends_at: Option<Instant>,
    close: Notify,
    /// Closed once the session is over and the server was told.
    over: watch::Receiver<()>,
    heard: Mutex<Heard>,
}

/// What was heard of the instances.
#[derive(Debug, Default)]
struct Heard {
    stats: FleetStats,
    has_answered: bool,
    /// Whether the server is gone.
    is_cut: bool,
    /// Who takes no part, and why.
    refusals: BTreeMap<String, String>,
}

/// The reading end.
struct Reader {
    remote: Arc<Remote>,
    client: Client,
    stream: FleetStream,
    told: Sender<Vec<Told>>,
    events: Receiver<Event>,
    /// To be told before anything else.
    notices: Vec<Told>,
    patience: Duration,
    /// Since when the server is gone.
    lost: Option<Instant>,
    _over: watch::Sender<()>,
}

/// What there is next.
enum Next<'a> {
    Items(Vec<FleetItem>, Permit<'a, Vec<Told>>),
    Notices(Permit<'a, Vec<Told>>),
    Over,
    /// Nobody wants any more.
    Unwanted,
}

/// Opens a session, and reads it from then on.
pub(crate) async fn open(fleet: &Fleet, wanted: Wanted, patience: Duration) -> Result<(Source, Began), Error> {
    let (tell_event, events) = mpsc::channel(EVENTS);
    let client = fleet.connect(tell_event).await?;
    let Wanted { session, predicate, level, spans, lasts } = wanted;
    let stream = fleet::watch(client.clone(), &fleet.config, session).await;
    let stream = stream.map_err(|error| Error::new(error.to_string()))?;
    let (over, is_over) = watch::channel(());
    let began = Instant::now();
    let remote = Arc::new(Remote {
        began,
        ends_at: began.checked_add(lasts),
        close: Notify::new(),
        over: is_over,
        heard: Mutex::default(),
    });
    let (told, receiver) = mpsc::channel(BATCHES);
    let handle = Handle::Fleet(Arc::clone(&remote));
    let reader =
        Reader { remote, client, stream, told, events, notices: Vec::new(), patience, lost: None, _over: over };
    let task = tokio::spawn(reader.read_to_end());
    let place = fleet.place.to_string();
    let coverage = Coverage::default();
    let began = Began { predicate, level, spans, place, session: None, lasts: Some(lasts), coverage };
    Ok((Source { told: receiver, handle, task }, began))
}

impl Remote {
    /// Has the session closed; its reader gets what the instances have left, and the end.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Closes it, and waits until the instances and the server know.
    pub(crate) async fn close_and_wait(&self) {
        self.close();
        let mut over = self.over.clone();
        // It changes never, and is closed in the end.
        while over.changed().await.is_ok() {}
    }

    pub(crate) fn ends_at(&self) -> Option<Instant> {
        self.ends_at
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.heard().stats.buffered
    }

    pub(crate) fn coverage(&self) -> Coverage {
        self.heard().coverage(self.began.elapsed())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn note(&mut self, item: &FleetItem) {
        let Some(instance) = item.instance() else { return };
        self.has_answered = true;
        match item {
            FleetItem::Refused { error, .. } if self.refusals.len() < MAX_REFUSALS => {
                self.refusals.insert(instance.to_owned(), error.clone());
            }
            FleetItem::Joined { .. } => drop(self.refusals.remove(instance)),
            _ => {}
        }
    }

    fn coverage(&self, open_for: Duration) -> Coverage {
        let taking_part = self.stats.instances;
        let mut coverage = Coverage::default();
        if self.has_answered {
            coverage.notes.push(taking_part_in_words(taking_part).into());
        } else if self.is_cut {
            coverage.findings.push("the connection to the server is lost".to_owned().into());
        } else if open_for >= ANSWERED_WITHIN {
            let text =
                "no instance has answered: is the service's name right, is the key the instances', and are the clocks?";
            coverage.findings.push(text.to_owned().into());
        }
        let ignored = self.stats.ignored;
        if ignored.forged > 0 {
            let text = "messages came that are not signed with this key: they are ignored";
            coverage.findings.push(text.to_owned().into());
        }
        if ignored.stale > 0 {
            let text = "messages came whose time is more than 30 s from this machine's: are the clocks right?";
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
        // So that no instance waits for the lease to end.
        let _ = timeout(FLUSHING, self.client.flush()).await;
        read
    }

    async fn read(&mut self) -> Result<(), Error> {
        let mut looks = interval(LOOK_EVERY);
        // Of its own, so that the room that is reserved there is not taken from all of this.
        let told = self.told.clone();
        loop {
            let given_up_at = self.lost.and_then(|lost| lost.checked_add(self.patience)).map(Into::into);
            tokio::select! {
                next = next(&mut self.stream, &told, !self.notices.is_empty()) => match next {
                    Next::Items(items, permit) => {
                        items.iter().for_each(|item| self.remote.heard().note(item));
                        permit.send(items.into_iter().map(Told::Fleet).collect());
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
                Some(event) = self.events.recv() => self.heed(&event)?,
                _ = looks.tick() => self.look(),
                () = sleep_until(given_up_at.unwrap_or_else(tokio::time::Instant::now)), if given_up_at.is_some() => {
                    let patience = exact(self.patience);
                    let error = format!("read on: the server is gone, and {patience} of trying were in vain");
                    return Err(Error::new(error));
                }
            }
        }
        self.look();
        Ok(())
    }

    fn look(&self) {
        let stats = self.stream.stats();
        let mut heard = self.remote.heard();
        (heard.stats, heard.is_cut) = (stats, self.lost.is_some());
    }

    /// Tells what becomes of the connection.
    fn heed(&mut self, event: &Event) -> Result<(), Error> {
        match event {
            Event::Disconnected if self.lost.is_none() => {
                self.lost = Some(Instant::now());
                let why = "keep the connection to the server".to_owned();
                self.notices.push(Told::Notice(Notice::Cut { why, patience: self.patience }));
            }
            Event::Connected => {
                let continued = self.lost.take().map(|lost| Notice::Continued { after: lost.elapsed() });
                self.notices.extend(continued.map(Told::Notice));
            }
            Event::ServerError(ServerError::Other(text)) if text.to_ascii_lowercase().contains("permissions") => {
                let advice = "a watcher's credentials must allow the fleet's subjects, see docs/fleet.md";
                return Err(Error::refused(format!("watch the fleet: the server refuses it: {text}")).advise(advice));
            }
            _ => {}
        }
        Ok(())
    }
}

/// What there is next, once there is room for it. Cancel safe.
async fn next<'a>(stream: &mut FleetStream, told: &'a Sender<Vec<Told>>, has_notices: bool) -> Next<'a> {
    let Ok(permit) = told.reserve().await else { return Next::Unwanted };
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

    fn told(heard: &Heard, seconds: u64) -> (Vec<String>, Vec<String>) {
        let Coverage { findings, notes, .. } = heard.coverage(Duration::from_secs(seconds));
        let texts = |told: Vec<Seen>| told.into_iter().map(|told| told.text).collect();
        (texts(findings), texts(notes))
    }

    #[test]
    fn that_nobody_has_answered_is_odd_after_a_while() {
        let mut heard = Heard::default();
        assert_eq!(told(&heard, 1), (Vec::new(), Vec::new()));
        let (findings, notes) = told(&heard, 5);
        assert!(findings[0].starts_with("no instance has answered:") && notes.is_empty());
        heard.has_answered = true;
        heard.stats.instances = 3;
        assert_eq!(told(&heard, 5), (Vec::new(), vec!["3 instances take part".to_owned()]));
        heard.refusals.insert("chat-1".to_owned(), "open a session: 0 are open".to_owned());
        assert_eq!(told(&heard, 5).0, ["chat-1 takes no part: open a session: 0 are open"]);
    }
}
