//! Recording when threads are in the spans of a session.

use super::core::Core;
use crate::audit::Audit;
use crate::intervals::{IntervalOptions, Intervals, IntervalsError};
use crate::session::SessionId;
use std::sync::Arc;

impl Core {
    pub(super) fn record_intervals(
        self: &Arc<Self>,
        session: SessionId,
        options: IntervalOptions,
    ) -> Result<Intervals, IntervalsError> {
        let open = self.state().registry.get(session).cloned().ok_or_else(|| IntervalsError::not_open(session))?;
        if !open.limits.timings {
            return Err(IntervalsError::no_timings(session));
        }
        let (recordings, origin) = (&self.shared.recordings, self.shared.clock);
        let intervals = Intervals::begin(recordings, session, options, origin)?;
        self.log_later(Audit::recorded(&open));
        Ok(intervals)
    }
}
