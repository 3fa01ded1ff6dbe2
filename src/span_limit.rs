//! How verbose spans may be while sessions are open, where other layers do not say what they want.
//!
//! A layer that is not there (`None`), or one in a `reload::Layer`, turns no callsite off: without a session the most
//! verbose level of all layers is all that keeps verbose spans from being made. A session widens that level. So it is
//! noted before the first session is opened, and what is more verbose stays away unless a session asks for it.

use crate::sync::atomic::{AtomicU8, Ordering};

/// The most verbose spans that may be made, as a number.
#[derive(Debug)]
pub(crate) struct SpanLimit(AtomicU8);

/// Whatever others want.
const NONE: u8 = u8::MAX;

impl SpanLimit {
    /// Notes the level that `tracing` was told while no session was open.
    pub(crate) fn set(&self, verbosity: u8) {
        // Relaxed, here and below: a span made while this changes is one of before or after.
        self.0.store(verbosity, Ordering::Relaxed);
    }

    /// Forgets it: somebody's filter has changed, and what `tracing` would be told without us is not known.
    pub(crate) fn lift(&self) {
        self.0.store(NONE, Ordering::Relaxed);
    }

    /// Whether spans of this verbosity would not be made without a session.
    #[inline]
    pub(crate) fn excludes(&self, verbosity: u8) -> bool {
        verbosity > self.0.load(Ordering::Relaxed)
    }
}

impl Default for SpanLimit {
    fn default() -> Self {
        Self(AtomicU8::new(NONE))
    }
}
