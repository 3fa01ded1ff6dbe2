//! The active context of the thread.

use crate::absence;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing_core::Metadata;
use tracing_tap::{TraceContext, TraceSource};

/// The source for [`TapRouterBuilder::trace_source`](tracing_tap::TapRouterBuilder::trace_source).
pub fn traces() -> ActiveContext {
    ActiveContext(())
}

/// Reads trace contexts from OpenTelemetry's active context. Made by [`traces`].
#[derive(Clone, Copy, Debug)]
pub struct ActiveContext(());

thread_local! {
    /// Gone before the library's own: that was there before this, and destructors run in reverse order. While the thread ends,
    /// the library would panic.
    static LIBRARY: Present = Context::map_current(|_| Present);
}

struct Present;

impl Drop for Present {
    fn drop(&mut self) {}
}

impl TraceSource for ActiveContext {
    /// Takes some nanoseconds, and locks and allocates nothing. A context that came from elsewhere, and in which no span was
    /// started here, is none.
    fn active(&self) -> Option<TraceContext> {
        LIBRARY.try_with(|_| ()).ok()?;
        Context::map_current(|context| {
            if !context.has_active_span() {
                return None;
            }
            let span = context.span();
            let ids = span.span_context();
            let (trace_id, span_id) = (ids.trace_id().to_bytes(), ids.span_id().to_bytes());
            let is_own = ids.is_valid() && !ids.is_remote();
            let flags = ids.trace_flags().to_u8();
            is_own
                .then(|| TraceContext::new(u128::from_be_bytes(trace_id), u64::from_be_bytes(span_id), flags))
                .flatten()
        })
    }

    /// The library logs while it changes what is active.
    fn may_be_asked_during(&self, callsite: &Metadata<'_>) -> bool {
        !absence::is_of_library(callsite.target())
    }

    fn why_none(&self, callsites: &[&'static Metadata<'static>]) -> String {
        absence::explain(callsites)
    }
}
