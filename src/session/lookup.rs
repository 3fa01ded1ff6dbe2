//! Looks fields up in the index of open sessions.

use super::scope::{Sessions, compared};
use super::snapshot::{Snapshot, index_hash};
use crate::event::{CapturedSpan, Fields};
use crate::trace::TraceContext;
use crate::value::ValueRef;

/// The sessions that the index keeps for some fields.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Once for each field.
    sessions: Sessions,
    fields: usize,
}

impl Found {
    fn of(snapshot: &Snapshot, fields: &Fields) -> Self {
        let mut found = Self::default();
        for (name, value) in fields.named_by(|name| snapshot.names.index.contains(name)) {
            found.add(snapshot, name, value);
        }
        found
    }

    /// Adds the sessions that the index keeps for this key and value.
    pub(crate) fn add(&mut self, snapshot: &Snapshot, key: &str, value: ValueRef<'_>) {
        let bucket = value.with_canonical(|text| snapshot.index.get(&index_hash(key, text?)));
        if let Some(bucket) = bucket {
            self.fields += 1;
            self.sessions.extend(bucket.into_iter().cloned());
        }
    }

    /// The same for the ids of a trace.
    pub(crate) fn add_trace(&mut self, snapshot: &Snapshot, trace: &TraceContext) {
        for (name, value) in trace.fields().filter(|(name, _)| snapshot.names.index.contains(name)) {
            self.add(snapshot, name, value);
        }
    }

    /// Each of them once. One sort for all fields, so that many fields with many sessions cost their sum.
    pub(crate) fn each_once(mut self) -> Sessions {
        // A field has each session once.
        if self.fields > 1 {
            self.sessions.sort_unstable_by_key(|session| compared(session.id));
            self.sessions.dedup_by_key(|session| session.id);
        }
        self.sessions
    }
}

/// The sessions that the index keeps for the fields of a span and for its trace, each once.
pub(crate) fn sessions_of_span(snapshot: &Snapshot, span: &CapturedSpan) -> Sessions {
    let mut found = Found::of(snapshot, &span.fields);
    if let Some(trace) = &span.trace {
        found.add_trace(snapshot, trace);
    }
    found.each_once()
}

/// The sessions that the index keeps for these fields, each once.
#[cfg(all(test, not(loom)))]
pub(crate) fn indexed_sessions(snapshot: &Snapshot, fields: &Fields) -> Sessions {
    Found::of(snapshot, fields).each_once()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::open::OpenSession;
    use crate::session::registry::Registry;
    use crate::session::{SessionId, SessionOptions};
    use std::sync::Arc;

    #[test]
    fn a_span_is_found_by_the_ids_of_its_trace() {
        let trace = TraceContext::new(7, 9, 0).unwrap();
        let mut registry = Registry::new(true);
        let options = SessionOptions::new(Predicate::eq("trace_id", trace.trace_id()));
        registry.open(&Arc::new(OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0)))));
        let snapshot = registry.snapshot().0;
        let found = |trace| {
            let (level, fields) = (tracing_core::Level::INFO, Fields::listed(Vec::new()));
            let span =
                CapturedSpan { name: "request".into(), level, target: "it".into(), fields, trace, request: None };
            sessions_of_span(&snapshot, &span).len()
        };
        assert_eq!([Some(trace), TraceContext::new(8, 9, 0), None].map(found), [1, 0, 0]);
    }
}
