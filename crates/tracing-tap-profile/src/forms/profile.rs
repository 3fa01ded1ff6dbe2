//! A profile, whatever it measures.

use super::about::About;
use std::time::Duration;

/// Times by path, to be written in some [form](super::Form).
#[derive(Clone, Debug)]
pub struct Profile {
    /// What it measures.
    pub measure: Measure,
    /// What it is of.
    pub about: About,
    /// Each path once.
    pub lines: Vec<Line>,
}

/// What a profile measures, in words.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// The time: `busy`, `cpu`.
    pub time: &'static str,
    /// What is counted: `spans`, `samples`.
    pub count: &'static str,
    /// The time for a title: `Busy time`, `CPU time`.
    pub title: &'static str,
    /// The name of a part of a path: `Span`, `Frame`.
    pub part: &'static str,
}

/// One path, and what belongs to it and to none of the paths that it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From the root.
    pub path: Vec<String>,
    /// Its own time.
    pub own: Duration,
    /// Its own count.
    pub count: u64,
}

impl Measure {
    /// Of spans: the time in which some thread was in them.
    pub const BUSY: Self = Self { time: "busy", count: "spans", title: "Busy time", part: "Span" };
    /// Of samples: the time in which a thread was running.
    pub const CPU: Self = Self { time: "cpu", count: "samples", title: "CPU time", part: "Frame" };
}

impl Profile {
    /// What was measured of what.
    pub(super) fn title(&self) -> String {
        format!("{} of {}", self.measure.title, on_one_line(&self.about.predicate))
    }

    /// The title, and then what is to be known about the numbers.
    pub(super) fn comments(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.title()).chain(self.about.notes.iter().cloned())
    }
}

/// A name with what a terminal or a viewer would obey or not show as escapes.
pub(super) fn on_one_line(name: &str) -> String {
    const MAX_BYTES: usize = 4096;
    tracing_tap::escape::escaped(name, MAX_BYTES)
}

#[cfg(test)]
pub(super) fn example() -> Profile {
    let line = |path: &[&str], micros, count| Line {
        path: path.iter().map(|&name| name.to_owned()).collect(),
        own: Duration::from_micros(micros),
        count,
    };
    let about = About {
        predicate: "user = 42".to_owned(),
        began_at: std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        lasted: Duration::from_secs(30),
        notes: vec!["3 closed spans are missing".to_owned()],
    };
    let lines = vec![line(&["clean up; now"], 7, 1), line(&["request"], 1400, 2), line(&["request", "query"], 600, 4)];
    Profile { measure: Measure::BUSY, about, lines }
}
