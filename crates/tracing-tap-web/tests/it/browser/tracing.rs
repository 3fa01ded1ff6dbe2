//! Traces that the service knows of, for the page to show and link.

use std::cell::Cell;
use tracing_tap::{TraceContext, TraceSource};

thread_local! {
    static ACTIVE: Cell<Option<TraceContext>> = const { Cell::new(None) };
}

/// Knows the trace that a scenario is in.
#[derive(Debug)]
pub(crate) struct Traces;

impl TraceSource for Traces {
    fn active(&self) -> Option<TraceContext> {
        ACTIVE.get()
    }

    /// Other scenarios are in none, and miss none.
    fn may_be_asked_during(&self, _: &tracing::Metadata<'_>) -> bool {
        ACTIVE.get().is_some()
    }
}

/// Runs something in a trace.
pub(crate) fn in_trace(trace_id: u128, work: impl FnOnce()) {
    ACTIVE.set(TraceContext::new(trace_id, 7, 1));
    work();
    ACTIVE.set(None);
}
