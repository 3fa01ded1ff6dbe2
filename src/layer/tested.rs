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

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::kept::NewSpan;
    use super::super::table::Spans;
    use super::*;
    use crate::config::Config;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::open::OpenSession;
    use crate::session::registry::Registry;
    use crate::session::{SessionId, SessionOptions};
    use crate::value::{PackedBytes, ValueRef};
    use std::sync::Arc;
    use tracing_core::{Callsite, Metadata};

    /// A span with these values, where a session waits for `user = 42`.
    fn looked_at<R>(
        metadata: &'static Metadata<'static>,
        values: &[(&str, u64)],
        look: impl FnOnce(&SpanCell<'_>, &Snapshot, &Shared, TestedFields) -> R,
    ) -> R {
        let (mut registry, shared) = (Registry::default(), Shared::new(Config::default()));
        let options = SessionOptions::new(Predicate::eq("user", 42));
        let session = Arc::new(OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0))));
        registry.open(&session);
        shared.sieve.add(&session);
        let mut fields = PackedBytes::new();
        for (name, value) in values {
            fields.push(metadata.fields().field(name).unwrap().index(), ValueRef::U64(*value));
        }
        let (spans, snapshot) = (Spans::default(), registry.snapshot().0);
        spans.insert_new(7, NewSpan { metadata, visible: true, fields: &fields, place: None });
        let tested = snapshot.names.judge(metadata).tested;
        spans.with(7, |cell| look(cell, &snapshot, &shared, tested)).unwrap()
    }

    /// Whether the index may have a session for the span, and how many it has.
    fn found(metadata: &'static Metadata<'static>, values: &[(&str, u64)]) -> (bool, usize) {
        looked_at(metadata, values, |cell, snapshot, shared, tested| {
            let may_be = cell.may_be_indexed(tested, &snapshot.names, shared);
            (may_be, cell.indexed_sessions(tested, None, snapshot, &shared.seen).len())
        })
    }

    fn few() -> &'static Metadata<'static> {
        tracing::callsite! { name: "few", kind: tracing::metadata::Kind::SPAN, fields: user, other }.metadata()
    }

    /// Its last fields share one bit.
    fn many() -> &'static Metadata<'static> {
        tracing::callsite! {
            name: "many", kind: tracing::metadata::Kind::SPAN,
            fields: a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, other, user
        }
        .metadata()
    }

    #[test]
    fn a_span_is_found_by_a_tested_field_at_any_place() {
        for metadata in [few(), many()] {
            assert_eq!(found(metadata, &[("other", 42), ("user", 42)]), (true, 1), "{metadata:?}");
            assert_eq!(found(metadata, &[("other", 42), ("user", 43)]), (false, 0), "{metadata:?}");
        }
    }

    #[test]
    fn only_values_of_tested_fields_are_noted_for_coverage() {
        let noted = |name: &str| {
            looked_at(many(), &[("other", 42), ("user", 43)], |cell, snapshot, shared, tested| {
                cell.indexed_sessions(tested, None, snapshot, &shared.seen);
                shared.seen.shapes_of(key_of(many()), many().fields().field(name).unwrap().index()) != 0
            })
        };
        assert_eq!(["user", "other"].map(noted), [true, false]);
    }

    #[test]
    fn a_span_satisfies_an_equality_by_one_of_its_values() {
        let satisfies = |user| {
            looked_at(few(), &[("user", user), ("other", 42)], |cell, snapshot, _, _| {
                let session = snapshot.index.into_iter().flatten().next().unwrap();
                let index = session.compiled.index().unwrap();
                cell.satisfies(session.compiled.tests()[index].field().unwrap(), None)
            })
        };
        assert!(satisfies(42) && !satisfies(43));
    }

    #[test]
    fn a_trace_satisfies_an_equality_of_its_ids() {
        let trace = TraceContext::new(7, 9, 0).unwrap();
        let satisfies = |predicate: Predicate| {
            let options = SessionOptions::new(predicate);
            let session = OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0)));
            let key = session.compiled.tests()[0].field().unwrap();
            looked_at(few(), &[], |cell, _, _, _| cell.satisfies(key, Some(&trace)))
        };
        assert!(satisfies(Predicate::eq("trace_id", trace.trace_id())));
        assert!(!satisfies(Predicate::eq("user", trace.trace_id())) && !satisfies(Predicate::eq("trace_id", 7)));
    }
}
