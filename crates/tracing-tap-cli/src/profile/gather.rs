//! Reads a session of times to its end, and adds them up.

use super::tree::Tree;
use crate::error::Error;
use crate::say;
use crate::watch::{Began, Opening, Signals, Source, Update, exact};
use std::time::{Duration, Instant, SystemTime};
use tracing_tap::missing::{MissingCounts, MissingReason};
use tracing_tap::{EndReason, Item, SpanTiming};
use tracing_tap_nats::FleetItem;
use tracing_tap_profile::forms::{About, Measure, Profile};

/// How long a lost connection is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may take to close the session, and to send what is left.
const CLOSING: Duration = Duration::from_secs(10);

/// A profile before it is written.
pub(crate) struct Gathered {
    pub(crate) tree: Tree,
    about: About,
    counts: Counts,
}

/// What came other than times that could be read.
#[derive(Debug, Default)]
struct Counts {
    missing: MissingCounts,
    /// Lost between an instance and this program.
    lost_on_the_way: u64,
    unreadable: u64,
    /// Connections after which it is not known what is missing.
    gaps: u64,
    reason: Option<EndReason>,
}

/// Opens a session and reads it until it ends or a signal comes.
pub(crate) async fn gather(opening: Opening, signals: &mut Signals, is_quiet: bool) -> Result<Gathered, Error> {
    let interrupted = || Error::new("profile: interrupted before the session was open");
    let (mut source, began) = tokio::select! {
        opened = opening.open(PATIENCE) => opened?,
        () = signals.next() => return Err(interrupted()),
    };
    if !is_quiet {
        say::report(words_of(&began));
    }
    let (began_at, start) = (SystemTime::now(), Instant::now());
    let (mut tree, mut counts) = (Tree::default(), Counts::default());
    read(&mut source, signals, |update| counts.take(update, &mut tree)).await?;
    drop(source.updates);
    let handle = source.handle.clone();
    // The service would free it soon by itself.
    let _ = tokio::time::timeout(CLOSING, handle.close()).await;
    source.task.await.map_err(|cause| Error::caused_by(cause, "read the session"))??;
    let about = About { predicate: began.predicate, began_at, lasted: start.elapsed(), notes: counts.notes(&tree) };
    Ok(Gathered { tree, about, counts })
}

/// Hands on what arrives until nothing more does. The first signal closes the session; the second one leaves it.
async fn read(source: &mut Source, signals: &mut Signals, mut take: impl FnMut(Update)) -> Result<(), Error> {
    let mut closing = None;
    loop {
        let deadline = async {
            match closing {
                Some(since) => tokio::time::sleep_until(since).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            batch = source.updates.recv() => match batch {
                Some(batch) => batch.into_iter().for_each(&mut take),
                None => return Ok(()),
            },
            () = signals.next() => {
                if closing.is_some() {
                    return Ok(());
                }
                closing = Some(tokio::time::Instant::now() + CLOSING);
                let handle = source.handle.clone();
                tokio::spawn(async move { handle.close().await });
            }
            () = deadline => return Ok(()),
        }
    }
}

fn words_of(began: &Began) -> String {
    let lasts = began.lasts.map_or_else(String::new, |lasts| format!(" for {}", exact(lasts)));
    let predicate = crate::shown::line(&began.predicate);
    format!("Profiling {predicate} at {}{lasts}; Ctrl-C ends it and writes the profile.", began.url)
}

impl Counts {
    fn take(&mut self, update: Update, tree: &mut Tree) {
        match update {
            Update::Event(line) => match serde_json::from_slice::<Item>(&line) {
                Ok(item) => self.take_item(item, tree),
                Err(_) => self.unreadable += 1,
            },
            Update::Item(item) => self.take_item(item, tree),
            Update::Fleet(item) => self.take_fleet(item, tree),
            Update::OfInstance(line) => self.take_of_instance(&line),
            Update::Unreadable(_) => self.unreadable += 1,
            Update::Notice(notice) => self.gaps += u64::from(notice.leaves_a_gap()),
        }
    }

    fn take_item(&mut self, item: Item, tree: &mut Tree) {
        match item {
            Item::Timing { timing, .. } => tree.add(&timing),
            Item::Missing(missing) => self.missing[missing.reason] += missing.count,
            Item::Ended(reason) => self.reason = Some(reason),
            // A service that does not know the option sends events as well.
            _ => {}
        }
    }

    fn take_fleet(&mut self, item: FleetItem, tree: &mut Tree) {
        match item {
            FleetItem::Event(event) => match event.timing() {
                Ok(timing) => timing.iter().for_each(|timing: &SpanTiming| tree.add(timing)),
                Err(_) => self.unreadable += 1,
            },
            FleetItem::Missing { missing, .. } => self.missing[missing.reason] += missing.count,
            FleetItem::Gap(gap) => self.lost_on_the_way += gap.count,
            FleetItem::Ended(reason) => self.reason = Some(reason),
            _ => {}
        }
    }

    fn take_of_instance(&mut self, line: &[u8]) {
        use crate::watch::{Counted, OfInstance};
        match serde_json::from_slice::<OfInstance<'_>>(line).map(|about| about.counted()) {
            Ok(Counted::Missing(missing)) => self.missing[missing.reason] += missing.count,
            Ok(Counted::Gap(count)) => self.lost_on_the_way += count,
            Ok(_) => {}
            Err(_) => self.unreadable += 1,
        }
    }

    /// What is to be known of the numbers.
    fn notes(&self, tree: &Tree) -> Vec<String> {
        let lost = self.missing.lost() + self.lost_on_the_way + self.unreadable;
        let partial = tree.sum().partial;
        let counted = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        [
            counted(lost, "closed spans are missing: they were lost"),
            counted(self.missing[MissingReason::RateLimited], "closed spans are missing: over the rate"),
            counted(self.missing[MissingReason::SampledOut], "closed spans were sampled out"),
            counted(partial, "spans were not watched from their creation on: they were busy for longer than is shown"),
            counted(self.gaps, "times the session was gone: what closed meanwhile is missing"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Gathered {
    pub(crate) fn profile(&self) -> Profile {
        Profile { measure: Measure::BUSY, about: self.about.clone(), lines: self.tree.lines() }
    }

    /// The report at the end.
    pub(crate) fn words(&self) -> String {
        let sum = self.tree.sum();
        let reason = self.counts.reason.map_or_else(|| "ended".to_owned(), |reason| reason.to_string());
        let own = self.tree.own_sum();
        let mut text =
            format!("Session over: {reason}. {} spans have closed, busy for {own:.1?} together.", sum.closed);
        self.about.notes.iter().for_each(|note| text.push_str(&format!("\n  ! {note}")));
        text
    }
}
