//! The settings of looking back.

use crate::level::{verbosity_of, verbosity_of_filter};
use crate::predicate::target_within;
use std::time::Duration;
use tracing_core::{Level, LevelFilter};

/// How far a router can [look back](crate::TapRouterBuilder::look_back): bytes, level, age and targets.
///
/// ```
/// use std::time::Duration;
/// use tracing::Level;
/// use tracing_tap::{LookBack, TapRouter};
///
/// let past = LookBack::new(16 << 20).level(Level::DEBUG).max_age(Duration::from_secs(30)).targets(["chat", "billing"]);
/// let router = TapRouter::builder().look_back(past).build();
/// # let _ = router;
/// ```
#[derive(Clone, Debug)]
pub struct LookBack {
    pub(crate) max_bytes: usize,
    pub(crate) thread_bytes: usize,
    pub(crate) level: LevelFilter,
    pub(crate) max_age: Duration,
    pub(crate) max_value_bytes: usize,
    /// Empty: all targets.
    targets: Vec<Box<str>>,
}

impl LookBack {
    /// Keeps events in at most `max_bytes` of memory, which is allocated whole once the layer is installed.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            thread_bytes: 256 << 10,
            level: LevelFilter::DEBUG,
            max_age: Duration::from_secs(60),
            max_value_bytes: 1 << 10,
            targets: Vec::new(),
        }
    }

    /// Sets the most verbose events that are kept; default DEBUG. The service evaluates the arguments of all of them.
    #[must_use]
    pub fn level(mut self, level: impl Into<LevelFilter>) -> Self {
        self.level = level.into();
        self
    }

    /// Sets the age from which on an event is not shown any more; default one minute. The ring of a thread that has ended
    /// is kept for as long.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Keeps only events of these targets and of the modules below them; default all.
    #[must_use]
    pub fn targets<N: Into<String>>(mut self, prefixes: impl IntoIterator<Item = N>) -> Self {
        self.targets = prefixes.into_iter().map(|prefix| prefix.into().into()).collect();
        self
    }

    /// Sets the size of the ring of one thread, rounded down to a power of two; default 256 KiB, at least 4 KiB.
    ///
    /// `max_bytes` is divided into that many rings. Further threads keep nothing, which the horizon reports.
    #[must_use]
    pub fn thread_bytes(mut self, bytes: usize) -> Self {
        self.thread_bytes = bytes;
        self
    }

    /// Limits the bytes kept of one value of an event; default 1 KiB, at most 16 KiB. A longer value is cut and marked as
    /// cut.
    #[must_use]
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes.min(16 << 10);
        self
    }

    /// Whether events of this level and target are kept.
    pub(crate) fn wants(&self, level: Level, target: &str) -> bool {
        verbosity_of(level) <= verbosity_of_filter(self.level) && self.is_within(target)
    }

    fn is_within(&self, target: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|prefix| target_within(target, prefix))
    }

    /// The targets that are kept; empty: all.
    pub(crate) fn prefixes(&self) -> &[Box<str>] {
        &self.targets
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_by_level_and_target() {
        let settings = LookBack::new(1 << 20).level(Level::INFO).targets(["chat", "billing"]);
        let wanted = |level, target| settings.wants(level, target);
        assert!(wanted(Level::INFO, "chat::hub") && wanted(Level::WARN, "billing"));
        assert!(!wanted(Level::DEBUG, "chat::hub") && !wanted(Level::INFO, "chats"));
        assert!(LookBack::new(1 << 20).wants(Level::DEBUG, "chats"), "no targets are all of them");
    }
}
