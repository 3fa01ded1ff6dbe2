//! The most verbose spans allowed while sessions are open, for layers that do not state their interest.
//!
//! An absent layer (`None`), or one in a `reload::Layer`, turns no callsite off: without a session only the most verbose
//! level of all layers prevents verbose spans. A session widens that level. So the level is noted before the first session
//! opens, and more verbose spans are created only if a session asks for them.

use crate::sync::Counts;
use crate::sync::atomic::{AtomicU8, Ordering};

/// The routers of this process whose sessions ask for spans, by the most verbose: a layer of one router must not prevent
/// what another router asks for.
static ASKING: Counts = Counts::new();

/// The most verbose spans that may be made, as a number.
#[derive(Debug)]
pub(crate) struct SpanLimit(AtomicU8);

/// Whatever others want.
const NONE: u8 = u8::MAX;

impl SpanLimit {
    /// Notes the maximum level of `tracing` while no session is open.
    pub(crate) fn set(&self, verbosity: u8) {
        // Relaxed, here and below: a span made while this changes is one of before or after.
        self.0.store(verbosity, Ordering::Relaxed);
    }

    /// Forgets the level: another layer's filter has changed, so the level without sessions is unknown.
    pub(crate) fn lift(&self) {
        self.0.store(NONE, Ordering::Relaxed);
    }

    /// Whether spans of this verbosity would not be made without a session, and no router asks for them.
    #[inline]
    pub(crate) fn excludes(&self, verbosity: u8) -> bool {
        verbosity > self.0.load(Ordering::Relaxed) && !ASKING.is_any_from(verbosity)
    }
}

/// The most verbose spans that the sessions of one router ask for; 0: none.
#[derive(Debug, Default)]
pub(crate) struct AskedSpans(u8);

impl AskedSpans {
    /// The router's sessions ask for spans of this verbosity from now on; 0: for none.
    pub(crate) fn set(&mut self, verbosity: u8) {
        let before = std::mem::replace(&mut self.0, verbosity);
        if verbosity > 0 {
            ASKING.add(verbosity);
        }
        if before > 0 {
            ASKING.remove(before);
        }
    }
}

impl Drop for AskedSpans {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Default for SpanLimit {
    fn default() -> Self {
        Self(AtomicU8::new(NONE))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    // One test: the routers of a process share what is asked for.
    #[test]
    fn spans_above_the_limit_are_excluded_unless_a_router_asks() {
        let limit = SpanLimit::default();
        let excluded = || (0..=5).filter(|verbosity| limit.excludes(*verbosity)).collect::<Vec<_>>();
        assert!(excluded().is_empty());
        limit.set(3);
        assert_eq!(excluded(), [4, 5]);
        let (mut one, mut other) = (AskedSpans::default(), AskedSpans::default());
        one.set(4);
        assert_eq!(excluded(), [5]);
        other.set(5);
        one.set(0);
        assert!(excluded().is_empty());
        other.set(4);
        assert_eq!(excluded(), [5]);
        drop(other);
        assert_eq!(excluded(), [4, 5]);
        limit.lift();
        assert!(excluded().is_empty());
    }
}
