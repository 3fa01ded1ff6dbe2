//! What was in a recording, and what was shown of it.

use crate::watch::{Counted, Update};
use std::collections::BTreeMap;
use std::fmt;
use tracing_tap::escape::escaped;
use tracing_tap::missing::{Missing, MissingCounts};
use tracing_tap::{EndReason, Item};

/// How many unknown types are named.
const MAX_NAMED: usize = 5;
/// How many are kept, and how much of each.
const MAX_KEPT: usize = 64;
const MAX_NAME_BYTES: usize = 64;

/// What has a number in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Event,
    Timing,
}

/// How many of a kind are in the recording, and how many were shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbered {
    pub(super) there: u64,
    pub(super) shown: u64,
}

#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) lines: u64,
    pub(super) events: Numbered,
    pub(super) timings: Numbered,
    /// Whether there was a predicate or a window.
    pub(super) is_filtered: bool,
    /// The times of the first and the last event.
    pub(super) times: Option<(String, String)>,
    pub(super) missing: Vec<Missing>,
    /// Events lost between instances and their watcher, or for reasons of a later version.
    pub(super) lost_otherwise: u64,
    /// Times in which no session was open.
    pub(super) gaps: u64,
    pub(super) unreadable: u64,
    pub(super) unknown: BTreeMap<String, u64>,
    /// Whether lines of unknown types are shown, as they are in JSON.
    pub(super) shows_unknown: bool,
    /// Why the last session ended; events may follow.
    pub(super) end: Option<EndReason>,
    /// The number and the length of a last line that is incomplete.
    pub(super) cut: Option<(u64, usize)>,
}

impl Summary {
    /// The count of a kind.
    pub(super) fn of(&mut self, kind: Kind) -> &mut Numbered {
        match kind {
            Kind::Event => &mut self.events,
            Kind::Timing => &mut self.timings,
        }
    }

    /// Counts what the recording says of itself.
    pub(super) fn count(&mut self, update: &Update, counted: &Counted) {
        if let Update::Item(Item::Ended(reason)) = update {
            self.end = Some(*reason);
        }
        match counted {
            Counted::Missing(missing) => self.count_missing(*missing),
            Counted::Gap(count) => self.count_lost(*count),
            Counted::Event | Counted::Unreadable(_) | Counted::Nothing => {}
        }
    }

    /// Counts events that are lost, for a reason that is not one of the library's.
    pub(super) fn count_lost(&mut self, count: u64) {
        self.lost_otherwise = self.lost_otherwise.saturating_add(count);
    }

    fn count_missing(&mut self, missing: Missing) {
        match self.missing.iter_mut().find(|known| known.reason == missing.reason) {
            Some(known) => known.count = known.count.saturating_add(missing.count),
            None => self.missing.push(missing),
        }
    }

    pub(super) fn count_unknown(&mut self, kind: &str) {
        let kind = if self.unknown.len() < MAX_KEPT { escaped(kind, MAX_NAME_BYTES) } else { "…".to_owned() };
        *self.unknown.entry(kind).or_default() += 1;
    }

    /// The warning about an incomplete last line.
    pub(super) fn cut_short(&self) -> Option<String> {
        let (number, bytes) = self.cut?;
        Some(format!("line {number} is incomplete ({bytes} bytes) and was left out: the recording was cut short"))
    }

    fn missing(&self) -> MissingCounts {
        self.missing.iter().copied().collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let words = |Numbered { there, shown }: Numbered, of: &str| match self.is_filtered {
            true => format!("{shown} of {there} {of}{}", plural(there)),
            false => format!("{shown} {of}{}", plural(shown)),
        };
        f.write_str(&words(self.events, "event"))?;
        if self.timings.there > 0 {
            write!(f, " and {}", words(self.timings, "timing"))?;
        }
        f.write_str(if self.is_filtered { " shown" } else { "" })?;
        if let Some((from, to)) = &self.times {
            write!(f, "; the recording is from {from} to {to}")?;
        }
        let missing = self.missing();
        let lost = missing.lost().saturating_add(self.lost_otherwise);
        write!(f, ". Missing in the recording: {lost} lost{}", missing.kept_back_words())?;
        if self.gaps > 0 {
            write!(f, ", {} gap{} without a session", self.gaps, plural(self.gaps))?;
        }
        match self.end {
            Some(reason) => write!(f, ". Session over: {reason}.")?,
            None => f.write_str(". The recording has no end: it was cut short, or goes on.")?,
        }
        self.write_unknown(f)
    }
}

impl Summary {
    fn write_unknown(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: u64 = self.unknown.values().sum();
        if count == 0 {
            return Ok(());
        }
        let names: Vec<_> = self.unknown.keys().take(MAX_NAMED).map(|kind| format!("`{kind}`")).collect();
        let more = if self.unknown.len() > MAX_NAMED { ", …" } else { "" };
        let is_one = count == 1;
        let (lines, were, them) =
            if is_one { ("line of a type", "was", "it") } else { ("lines of types", "were", "them") };
        write!(f, " {count} {lines} unknown to this version {were} ")?;
        match self.shows_unknown {
            true => f.write_str("copied"),
            false => write!(f, "not shown; `--format json` copies {them}"),
        }?;
        write!(f, ": {}{more}.", names.join(", "))
    }
}
