//! When a thread is in a span whose close the recorded session would be shown.

use super::facts::Facts;
use super::host::Host;
use super::instance::Instance;
use super::matching::Incoming;
use super::thread;
use crate::intervals::{LookedUp, WatchedSpan};
use crate::session::SessionId;
use crate::session::sample::Sampled;
use crate::session::scope::Scope;
use tracing_core::field::{Field, Value};
use tracing_core::{Event, span};

impl Instance {
    /// Records that the thread has entered a timed span.
    #[cold]
    pub(super) fn record_enter(&self, id: u64, host: &dyn Host, epoch: u64) {
        let scope = match self.spans.with(id, |cell| cell.metadata()).flatten() {
            Some(metadata) if !self.tests_traces() && self.current(epoch, host) == id => {
                self.decision(epoch, host, metadata).scope
            }
            // Entered twice, it is not where the thread is: it is looked up. So it is where a trace may decide, which is read
            // at the first event.
            _ => 0,
        };
        if scope != 0 && !Scope::is_timed(scope) {
            return;
        }
        let look_up = |session| self.watched_path(session, id, host);
        self.shared.recordings.enter(self.watched_span(id, scope), || self.now(), look_up);
    }

    /// Records that the thread has left a timed span.
    #[cold]
    pub(super) fn record_exit(&self, id: u64) {
        self.shared.recordings.exit(self.watched_span(id, 0), || self.now());
    }

    fn watched_span(&self, id: u64, scope: u64) -> WatchedSpan {
        let number = self.spans.with(id, |cell| cell.number()).unwrap_or_default();
        WatchedSpan { instance: self.number, id, number, scope }
    }

    /// The path of a span, if its close would be shown to the session.
    fn watched_path(&self, session: SessionId, id: u64, host: &dyn Host) -> LookedUp {
        let metadata = self.spans.with(id, |cell| cell.shown_metadata())??;
        let snapshot = self.shared.snapshot.load();
        let scope = self.scope(id, self.stamp(self.tree(id, host), &snapshot), &snapshot, host);
        let scope = scope.get(&snapshot);
        let nothing: [(&Field, Option<&dyn Value>); 0] = [];
        let values = metadata.fields().value_set(&nothing);
        let close = Event::new_child_of(span::Id::from_u64(id), metadata, &values);
        let facts = Facts::Callsite(metadata);
        let incoming = Incoming::new(&close, &facts, true, &self.shared);
        let is_watched = incoming
            .closes_in_scope(scope)
            .any(|matching| matching.session.id == session && matching.sampled != Sampled::Out);
        let surroundings = is_watched.then(|| self.surroundings_of(id, scope, &snapshot, host))?;
        let path = surroundings.spans.spans.clone();
        drop(incoming);
        thread::keep_surroundings(surroundings);
        Some(path)
    }
}
