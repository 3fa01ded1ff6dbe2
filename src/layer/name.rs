//! What names callsites, spans and decisions.

use tracing_core::Metadata;

/// The address of a callsite: its identity. (`log` builds metadata on the stack, so metadata has none.)
pub(crate) type CallsiteKey = usize;

/// The identity of the callsite behind `metadata`; never 0.
#[inline]
pub(crate) fn key_of(metadata: &Metadata<'_>) -> CallsiteKey {
    std::ptr::from_ref(metadata.callsite().0).cast::<()>().addr()
}

/// The id that no span has.
pub(super) const NO_SPAN: u64 = 0;

/// Names a span for good: its id, and the number of its use of the cell, since ids recur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpanName {
    pub(super) id: u64,
    pub(super) number: u64,
}

/// Names the span that a decision is of while that span is open.
pub(super) type Label = u64;

/// The label of no decision: the id that no span has, nor what is outside all spans.
pub(super) const NO_LABEL: Label = u64::MAX;
