//! Stage 3: the exact predicate over event and scope, one capture, and a push into each ring.

use super::callsite::{Callsites, key_of};
use super::capture::capture;
use super::facts::Facts;
use super::instance::Instance;
use super::span::Span;
use super::thread::{self, Decision};
use super::visit::{Sink, Visitor};
use crate::event::CapturedEvent;
use crate::guard::Guard;
use crate::level::verbosity_of;
use crate::predicate::{Bits, Test};
use crate::session::buffer::Buffer;
use crate::session::open::OpenSession;
use crate::session::scope::{
    Candidate, CapturedSpans, Chain, Scope, Sessions, Standing, extend_from_index, satisfied_by_spans,
};
use crate::session::snapshot::Snapshot;
use crate::shared::Shared;
use crate::value::ValueRef;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
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
        let Some(word) = self.callsites.word(key_of(event.metadata())) else {
            return self.route_anywhere(event, None, epoch, context);
        };
        Callsites::note_parent(word, event.is_contextual());
        if !event.is_contextual() {
            return self.route_anywhere(event, Some(word), epoch, context);
        }
        let decision = self.decision(epoch, context);
        if !Callsites::is_known_clear(word, decision.vetoable) {
            return self.route_anywhere(event, Some(word), epoch, context);
        }
        if verbosity_of(*event.metadata().level()) <= decision.verbosity {
            self.route_in_scope(event, epoch, decision, context);
        }
    }

    /// Routes an event whose callsite supplies nothing: only what the scope names can match it.
    fn route_in_scope<S>(&self, event: &Event<'_>, epoch: u64, decision: Decision, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let scope = self.current_scope(epoch, decision, context);
        let facts = Facts::Callsite(event.metadata());
        let incoming = Incoming { event, facts: &facts, clear: true, shared: &self.shared };
        let admitted = incoming.admitted_in_scope(&scope);
        if !admitted.is_empty() {
            let chain = || self.current_span(context).map_or_else(Chain::new, |leaf| self.chain(&leaf, context));
            self.deliver(admitted, &incoming, scope.captured_spans(chain));
        }
        thread::keep_scope(scope);
    }

    /// Routes an event that may match by what it brings itself, or whose parent is not the current span.
    #[inline(never)]
    fn route_anywhere<S>(&self, event: &Event<'_>, word: Option<&AtomicU64>, epoch: u64, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let metadata = event.metadata();
        let snapshot = self.shared.snapshot.load();
        let names = &snapshot.names;
        let clear =
            word.is_some_and(|word| Callsites::is_clear(word, names.generation, || names.are_clear_of(metadata)));
        let leaf = self.leaf(event, context);
        let scope = self.scope(leaf.as_ref(), epoch, &snapshot, context);
        let chain = || leaf.as_ref().map_or_else(Chain::new, |leaf| self.chain(leaf, context));
        let facts = Facts::of(event);
        let incoming = Incoming { event, facts: &facts, clear, shared: &self.shared };
        let mut admitted = incoming.admitted_in_scope(&scope);
        if !clear {
            let root = || leaf.as_ref().map(|leaf| self.root_serial(leaf, context));
            for session in incoming.matching_by_own_fields(&scope, &snapshot, chain) {
                if self.shared.admits(&session, session.sampled(root)) {
                    admitted.push(session);
                }
            }
        }
        if !admitted.is_empty() {
            self.deliver(admitted, &incoming, scope.captured_spans(chain));
        }
    }

    /// The scope of the current span: the one kept, if the thread's decision was made by it and nothing has been
    /// recorded since.
    #[inline]
    fn current_scope<S>(&self, epoch: u64, decision: Decision, context: &Context<'_, S>) -> Arc<Scope>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let is_current = |scope: &Arc<Scope>| {
            Arc::as_ptr(scope).addr() == decision.scope && scope.stamp.all_records == self.trees.all(decision.tree)
        };
        thread::take_scope().filter(is_current).unwrap_or_else(|| {
            let leaf = self.current_span(context);
            self.scope(leaf.as_ref(), epoch, &self.shared.snapshot.load(), context)
        })
    }

    /// Captures an event once for all sessions that admit it.
    fn deliver(&self, sessions: Admitted, incoming: &Incoming<'_>, spans: &CapturedSpans) {
        let Incoming { event, facts, shared, .. } = *incoming;
        let spare = sessions[0].buffer().and_then(Buffer::spare);
        let captured = capture(event, facts, spans, &shared.config, spare);
        let bytes = captured.held_bytes();
        for session in &sessions[1..] {
            self.push(session, Arc::clone(&captured), bytes);
        }
        self.push(&sessions[0], captured, bytes);
    }

    fn push(&self, session: &OpenSession, captured: Arc<CapturedEvent>, bytes: usize) {
        if session.push(captured, bytes) {
            self.shared.session_is_full(session);
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
    shared: &'a Shared,
}

/// The sessions that an event matches and that admit it: they are owed it. More than eight cost an allocation.
type Admitted = SmallVec<[Arc<OpenSession>; 8]>;

impl Incoming<'_> {
    /// The sessions that the scope has not ruled out and that the event matches, as far as they admit it: others it
    /// costs no look at its values.
    fn admitted_in_scope(&self, scope: &Scope) -> Admitted {
        let verbosity = verbosity_of(*self.event.metadata().level());
        let mut admitted = Admitted::new();
        if scope.candidates.is_empty() || self.is_denied() {
            return admitted;
        }
        for candidate in scope.candidates.iter().filter(|candidate| candidate.verbosity >= verbosity) {
            if let Some(session) = self.match_candidate(candidate)
                && self.shared.admits(&session, candidate.sampled)
            {
                admitted.push(session);
            }
        }
        admitted
    }

    fn is_denied(&self) -> bool {
        self.shared.config.denies(self.facts.metadata().target())
    }

    fn match_candidate(&self, candidate: &Candidate) -> Option<Arc<OpenSession>> {
        if self.clear && candidate.standing == Standing::NeedsKey {
            return None;
        }
        let session = candidate.session.upgrade()?;
        (candidate.standing == Standing::Sure || self.satisfies(&session, &candidate.satisfied)).then_some(session)
    }

    /// Sessions that the scope says nothing about, but a field of the event does, and that the event matches.
    #[cold]
    fn matching_by_own_fields(&self, scope: &Scope, snapshot: &Snapshot, chain: impl FnOnce() -> Chain) -> Sessions {
        let mut sink = IndexSink { snapshot, found: Sessions::new(), incoming: self };
        self.record(&mut sink);
        let mut found = sink.found;
        found.retain(|session| !scope.is_about(session));
        if found.is_empty() || self.is_denied() {
            return Sessions::new();
        }
        // The spans that the event will show, so that it matches by what it shows.
        let spans = &scope.captured_spans(chain).spans;
        found.retain(|session| self.satisfies(session, &satisfied_by_spans(&session.compiled, spans)));
        found
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
        self.event.record(&mut Visitor { sink, max_value_bytes: self.shared.config.max_value_bytes });
    }

    /// Whether a field may be tested at all.
    fn shows(&self, name: &str) -> bool {
        !self.facts.tell_field(name) && !self.shared.config.redacts(name)
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
