//! What an event in a watched span is matched by and captured with: made at the first such event, kept for the next.

use super::name::SpanName;
use crate::event::CapturedSpan;
use crate::session::scope::{CapturedChain, CapturedSpans, Scope};
use std::sync::Arc;

/// The scope of one span and the spans around its events, as they are while nothing is recorded on them.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) scope: Arc<Scope>,
    pub(super) spans: CapturedSpans,
    pub(super) of: Identity,
}

/// The innermost span, and how often anything has been recorded in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The layer instance. Those of one router may have the same scope, and name spans alike that they do not see alike.
    pub(super) instance: u64,
    pub(super) leaf: SpanName,
    pub(super) records: u64,
}

impl Surroundings {
    /// `chain` is what the scope was decided by: an event must show what it matched by.
    pub(super) fn new(scope: Arc<Scope>, chain: CapturedChain, of: Identity) -> Self {
        Self { scope, spans: CapturedSpans::new(chain), of }
    }

    /// Those right inside a span in these, which has the same scope.
    pub(super) fn inside(&self, span: Option<Arc<CapturedSpan>>, of: Identity) -> Self {
        Self { scope: Arc::clone(&self.scope), spans: self.spans.with(span), of }
    }

    /// Whether these are the surroundings of this span, with this scope.
    pub(super) fn are(&self, scope: u64, of: Identity) -> bool {
        self.scope.serial == scope && self.of == of
    }
}
