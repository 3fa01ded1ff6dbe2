//! What sessions test of a span: its fields, and its trace.

use super::name::key_of;
use super::span::SpanCell;
use crate::coverage::Seen;
use crate::predicate::FieldTest;
use crate::session::lookup::Found;
use crate::session::scope::Sessions;
use crate::session::snapshot::{Names, Snapshot, TestedFields};
use crate::shared::Shared;
use crate::trace::TraceContext;

impl SpanCell<'_> {
    /// Whether a field, or an id of the trace, satisfies an equality.
    pub(super) fn satisfies(&self, key: &FieldTest, trace: Option<&TraceContext>) -> bool {
        if !self.is_visible() {
            return false;
        }
        let mut ids = trace.into_iter().flat_map(TraceContext::fields);
        if ids.any(|(name, value)| key.names(name) && key.accepts(value)) {
            return true;
        }
        let state = self.kept.lock();
        let Some(metadata) = state.metadata else { return false };
        state.fields.named_by(metadata.fields(), |name| key.names(name)).any(|(.., value)| key.accepts(value))
    }

    /// Whether the index may keep a session for a field: what `indexed_sessions` would find, without making a list. The
    /// shapes of values that it has none for are noted for coverage.
    pub(super) fn may_be_indexed(&self, tested: TestedFields, names: &Names, shared: &Shared) -> bool {
        if !self.is_visible() {
            return false;
        }
        let state = self.kept.lock();
        let Some(metadata) = state.metadata else { return false };
        let mut fields = state.fields.tested(metadata.fields(), |place| tested.may_contain(place));
        fields.any(|(name, field, value)| {
            let is_tested = tested.are_exact() || names.test(name);
            if is_tested {
                shared.seen.note_value(key_of(metadata), field, value);
            }
            is_tested && shared.sieve.may_hold_value(name, value)
        })
    }

    /// The sessions that the index keeps for the fields and the trace. The shapes of all tested values are noted for coverage.
    pub(super) fn indexed_sessions(
        &self,
        tested: TestedFields,
        trace: Option<&TraceContext>,
        snapshot: &Snapshot,
        seen: &Seen,
    ) -> Sessions {
        let mut found = Found::default();
        if !self.is_visible() {
            return Sessions::new();
        }
        let state = self.kept.lock();
        let Some(metadata) = state.metadata else { return Sessions::new() };
        let is_tested = |place| tested.may_contain(place);
        for (name, field, value) in state.fields.tested(metadata.fields(), is_tested) {
            if !tested.are_exact() && !snapshot.names.test(name) {
                continue;
            }
            seen.note_value(key_of(metadata), field, value);
            if snapshot.names.index.contains(name) {
                found.add(snapshot, name, value);
            }
        }
        trace.inspect(|trace| found.add_trace(snapshot, trace));
        found.each_once()
    }
}
