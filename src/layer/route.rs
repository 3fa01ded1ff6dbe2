//! Stage 3: the exact predicate over event and scope, one capture, and a push into each ring.

use super::bits::Bits;
use super::callsite::{Callsites, key_of};
use super::capture::capture;
use super::facts::Facts;
use super::guard::Guard;
use super::instance::Instance;
use super::scope::{Candidate, Chain, Scope, Sessions, Standing, extend_from_index, satisfied_by_spans};
use super::span::Span;
use super::visit::{Sink, Visitor};
use crate::config::Config;
use crate::predicate::Test;
use crate::session::open::{Offer, OpenSession, verbosity_of};
use crate::session::snapshot::Snapshot;
use crate::value::ValueRef;
use smallvec::SmallVec;
use std::sync::Arc;
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

impl Instance {
    /// Routes an event to the sessions it matches.
    #[inline]
    pub(super) fn on_event<S>(&self, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let epoch = self.epoch();
        if epoch == 0 {
            return;
        }
        match Guard::enter() {
            Some(guard) => {
                self.route(event, epoch, context);
                drop(guard);
                self.mend(|| Facts::of(event));
            }
            None => self.shared.count_suppressed(),
        }
    }

    fn route<S>(&self, event: &Event<'_>, epoch: u64, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let metadata = event.metadata();
        let key = key_of(metadata);
        let contextual = event.is_contextual();
        self.callsites.note_parent(key, contextual);
        let snapshot = self.shared.snapshot.load();
        let clear = self.callsites.word(key).is_some_and(|word| {
            Callsites::is_clear(word, snapshot.names.generation, || snapshot.names.are_clear_of(metadata))
        });
        if clear && contextual && verbosity_of(*metadata.level()) > self.decision(epoch, context).verbosity {
            return;
        }
        let leaf = self.leaf(event, context);
        let scope = self.scope(leaf.as_ref(), epoch, &snapshot, context);
        let chain = || leaf.as_ref().map_or_else(Chain::new, |leaf| self.chain(leaf, context));
        let facts = Facts::of(event);
        let incoming = Incoming { event, facts: &facts, clear, config: &self.shared.config };
        let matched = incoming.matching(&scope, &snapshot, chain);
        if !matched.is_empty() && !self.shared.config.denies(facts.metadata().target()) {
            self.deliver(&matched, event, &facts, &scope, chain);
        }
    }

    fn deliver(
        &self,
        sessions: &[Arc<OpenSession>],
        event: &Event<'_>,
        facts: &Facts<'_>,
        scope: &Scope,
        chain: impl FnOnce() -> Chain,
    ) {
        let captured = capture(event, facts, scope.captured_spans(chain), &self.shared.config);
        let bytes = captured.held_bytes();
        let captured = Arc::new(captured);
        for session in sessions {
            if session.offer(&captured, bytes) == Offer::LastAdmitted {
                self.shared.session_is_full(session);
            }
        }
    }

    /// The innermost span around an event: its explicit parent, or the current span, or none.
    fn leaf<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<Arc<Span>>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        if event.is_contextual() {
            return self.current_span(context);
        }
        event.parent().and_then(|id| context.span(id)).map(|span| self.span_of(&span))
    }
}

/// An event on its way through the sessions.
struct Incoming<'a> {
    event: &'a Event<'a>,
    facts: &'a Facts<'a>,
    /// Whether its callsite declares nothing that any session needs from outside its scope.
    clear: bool,
    config: &'a Config,
}

/// The sessions an event matches; more than eight cost an allocation.
type Matched = SmallVec<[Arc<OpenSession>; 8]>;

impl Incoming<'_> {
    fn matching(&self, scope: &Scope, snapshot: &Snapshot, chain: impl FnOnce() -> Chain) -> Matched {
        let verbosity = verbosity_of(*self.event.metadata().level());
        let mut matched = Matched::new();
        for candidate in scope.candidates.iter().filter(|candidate| candidate.verbosity >= verbosity) {
            matched.extend(self.match_candidate(candidate));
        }
        if !self.clear {
            self.match_own_fields(scope, snapshot, chain, &mut matched);
        }
        matched
    }

    fn match_candidate(&self, candidate: &Candidate) -> Option<Arc<OpenSession>> {
        if self.clear && candidate.standing == Standing::NeedsKey {
            return None;
        }
        let session = candidate.session.upgrade()?;
        (candidate.standing == Standing::Sure || self.satisfies(&session, &candidate.satisfied)).then_some(session)
    }

    /// Sessions that the scope says nothing about, but a field of the event does.
    #[cold]
    fn match_own_fields(
        &self,
        scope: &Scope,
        snapshot: &Snapshot,
        chain: impl FnOnce() -> Chain,
        matched: &mut Matched,
    ) {
        let mut sink = IndexSink { snapshot, found: Sessions::new(), incoming: self };
        self.record(&mut sink);
        sink.found.retain(|session| !scope.is_about(session));
        if sink.found.is_empty() {
            return;
        }
        let chain = chain();
        for session in sink.found {
            if self.satisfies(&session, &satisfied_by_spans(&session.compiled, &chain)) {
                matched.push(session);
            }
        }
    }

    /// The exact predicate: tests that the scope satisfies stay satisfied, the event may satisfy more.
    fn satisfies(&self, session: &OpenSession, satisfied: &Bits) -> bool {
        let own = self.satisfied_by_fields(session);
        let metadata = self.facts.metadata();
        let tests = session.compiled.tests();
        let answer = session.compiled.evaluate(|number| match &tests[number] {
            Test::Field(_) => Some(satisfied.contains(number) || own.contains(number)),
            Test::Span(_) => Some(satisfied.contains(number)),
            test => test.of_event(*metadata.level(), metadata.target(), metadata.name(), metadata.file()),
        });
        answer == Some(true)
    }

    fn satisfied_by_fields(&self, session: &OpenSession) -> Bits {
        let mut sink = TestSink { tests: session.compiled.tests(), satisfied: Bits::default(), incoming: self };
        self.record(&mut sink);
        sink.satisfied
    }

    fn record(&self, sink: &mut impl Sink) {
        self.event.record(&mut Visitor { sink, max_value_bytes: self.config.max_value_bytes });
    }

    /// Whether a field may be tested at all.
    fn shows(&self, name: &str) -> bool {
        !self.facts.tell_field(name) && !self.config.redacts(name)
    }
}

/// Collects the sessions that the index keeps for a field of the event.
struct IndexSink<'a> {
    snapshot: &'a Snapshot,
    found: Sessions,
    incoming: &'a Incoming<'a>,
}

impl Sink for IndexSink<'_> {
    fn wants(&mut self, name: &'static str) -> bool {
        self.snapshot.names.index.contains(name) && self.incoming.shows(name)
    }

    fn take(&mut self, name: &'static str, value: ValueRef<'_>) {
        value.with_canonical(|text| extend_from_index(&mut self.found, self.snapshot, name, text));
    }
}

/// Collects the tests of one session that a field of the event satisfies.
struct TestSink<'a> {
    tests: &'a [Test],
    satisfied: Bits,
    incoming: &'a Incoming<'a>,
}

impl Sink for TestSink<'_> {
    fn wants(&mut self, name: &'static str) -> bool {
        self.tests.iter().any(|test| test.field().is_some_and(|test| test.names(name))) && self.incoming.shows(name)
    }

    fn take(&mut self, name: &'static str, value: ValueRef<'_>) {
        for (number, test) in self.tests.iter().enumerate() {
            if test.field().is_some_and(|test| test.names(name) && test.accepts(value)) {
                self.satisfied.insert(number);
            }
        }
    }
}
