//! Stage 3: the exact predicate over event and scope, one capture, and a push into each ring.

use super::callsite::{Callsites, key_of};
use super::capture::capture;
use super::facts::Facts;
use super::instance::Instance;
use super::span::Span;
use super::thread::{self, Decision};
use super::visit::{Named, Sink, Visitor};
use crate::config::Config;
use crate::event::CapturedEvent;
use crate::guard::Guard;
use crate::level::verbosity_of;
use crate::predicate::{Bits, Test};
use crate::session::buffer::Buffer;
use crate::session::open::OpenSession;
use crate::session::sample::Sampled;
use crate::session::scope::{
    Candidate, CapturedSpans, Chain, Scope, Sessions, Standing, extend_from_index, satisfied_by_spans,
};
use crate::session::snapshot::Snapshot;
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
        let incoming = Incoming { event, facts: &facts, clear: true, config: &self.shared.config };
        let matched = incoming.matching_in_scope(&scope);
        if !matched.is_empty() {
            let chain = || self.current_span(context).map_or_else(Chain::new, |leaf| self.chain(&leaf, context));
            self.deliver(matched, &incoming, scope.captured_spans(chain));
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
        let incoming = Incoming { event, facts: &facts, clear, config: &self.shared.config };
        let mut matched = incoming.matching_in_scope(&scope);
        if !clear {
            let root = || leaf.as_ref().map(|leaf| self.root_serial(leaf, context));
            let own = incoming.matching_by_own_fields(&scope, &snapshot, chain);
            matched.extend(own.into_iter().map(|session| Match { sampled: session.sampled(root), session }));
        }
        if !matched.is_empty() {
            self.deliver(matched, &incoming, scope.captured_spans(chain));
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

    /// Captures an event once for all sessions that admit it. What none admits costs no look at its values.
    fn deliver(&self, mut matched: Matched, incoming: &Incoming<'_>, spans: &CapturedSpans) {
        let Incoming { event, facts, config, .. } = *incoming;
        if config.denies(facts.metadata().target()) {
            return;
        }
        matched.retain(|matched| self.shared.admits(&matched.session, matched.sampled));
        let Some((first, others)) = matched.split_first() else { return };
        let spare = first.session.buffer().and_then(Buffer::spare);
        let captured = capture(event, facts, spans, config, spare);
        let bytes = captured.held_bytes();
        for other in others {
            self.push(&other.session, Arc::clone(&captured), bytes);
        }
        self.push(&first.session, captured, bytes);
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
    config: &'a Config,
}

/// A session that an event matches.
struct Match {
    session: Arc<OpenSession>,
    sampled: Sampled,
}

/// The sessions an event matches; more than eight cost an allocation.
type Matched = SmallVec<[Match; 8]>;

impl Incoming<'_> {
    /// The sessions that the scope has not ruled out and that the event matches.
    fn matching_in_scope(&self, scope: &Scope) -> Matched {
        let verbosity = verbosity_of(*self.event.metadata().level());
        let mut matched = Matched::new();
        for candidate in scope.candidates.iter().filter(|candidate| candidate.verbosity >= verbosity) {
            if let Some(session) = self.match_candidate(candidate) {
                matched.push(Match { session, sampled: candidate.sampled });
            }
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

    /// Sessions that the scope says nothing about, but a field of the event does, and that the event matches.
    #[cold]
    fn matching_by_own_fields(&self, scope: &Scope, snapshot: &Snapshot, chain: impl FnOnce() -> Chain) -> Sessions {
        let mut sink = IndexSink { snapshot, found: Sessions::new(), incoming: self };
        self.record(&mut sink);
        let mut found = sink.found;
        found.retain(|session| !scope.is_about(session));
        if !found.is_empty() {
            // The spans that the event will show, so that it matches by what it shows.
            let spans = &scope.captured_spans(chain).spans;
            found.retain(|session| self.satisfies(session, &satisfied_by_spans(&session.compiled, spans)));
        }
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
    fn wants(&mut self, Named { name, .. }: Named) -> bool {
        self.snapshot.names.index.contains(name) && self.incoming.shows(name)
    }

    fn take(&mut self, Named { name, .. }: Named, value: ValueRef<'_>) {
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
    fn wants(&mut self, Named { name, .. }: Named) -> bool {
        self.tests.iter().any(|test| test.field().is_some_and(|test| test.names(name))) && self.incoming.shows(name)
    }

    fn take(&mut self, Named { name, .. }: Named, value: ValueRef<'_>) {
        for (number, test) in self.tests.iter().enumerate() {
            if test.field().is_some_and(|test| test.names(name) && test.accepts(value)) {
                self.satisfied.insert(number);
            }
        }
    }
}
