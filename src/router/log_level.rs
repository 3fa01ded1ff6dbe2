//! `log::max_level`, which the bridge sets once: records above it never reach `tracing`, so a session raises it.

use log::LevelFilter;
use std::sync::{Mutex, PoisonError};
use tracing_log::AsLog;

/// What was done to `log::max_level`, so that it can be undone.
#[derive(Debug, Default)]
pub(crate) struct LogLevel(Mutex<Option<Raised>>);

#[derive(Clone, Copy, Debug)]
struct Raised {
    before: LevelFilter,
    to: LevelFilter,
}

impl LogLevel {
    /// Raises the level to what sessions want, or puts it back; not where somebody else has set it meanwhile.
    pub(crate) fn follow(&self, wanted: tracing_core::LevelFilter) {
        let mut raised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = log::max_level();
        let before = raised.filter(|raised| raised.to == now).map_or(now, |raised| raised.before);
        let to = before.max(wanted.as_log());
        log::set_max_level(to);
        *raised = (to != before).then_some(Raised { before, to });
    }
}
