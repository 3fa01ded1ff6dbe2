//! The exact predicate over an event and its scope, for each session that may match, and the limits of those that do.

use super::facts::Facts;
use super::name::{CallsiteKey, key_of};
use super::visit::{Named, Sink, Visitor};
use crate::event::CapturedSpan;
use crate::level::verbosity_of;
use crate::predicate::{Bits, Compiled, Test};
use crate::session::admission::Admission;
use crate::session::lookup::Found;
use crate::session::open::OpenSession;
use crate::session::sample::Sampled;
use crate::session::scope::{Candidate, Scope, Sessions, Standing, satisfied_by_spans};
use crate::session::snapshot::{Snapshot, TestedFields};
use crate::shared::Shared;
use crate::value::ValueRef;
use smallvec::SmallVec;
use std::borrow::Borrow;
use std::cell::RefCell;
use std::sync::Arc;
use tracing_core::Event;

/// An event on its way through the sessions.
pub(super) struct Incoming<'a> {
    pub(super) event: &'a Event<'a>,
    pub(super) facts: &'a Facts<'a>,
    /// Whether its callsite declares nothing that any session needs from outside its scope.
    pub(super) clear: bool,
    pub(super) shared: &'a Shared,
    /// Sessions that have more to do with it than to get it.
    aside: RefCell<SmallVec<[Aside; 4]>>,
}

/// A session that an event has matched, and that follows or holds what it matches.
pub(super) struct Aside {
    pub(super) session: Arc<OpenSession>,
    /// It follows what it matches, and has just matched where it did not follow yet.
    pub(super) follows: bool,
    /// It decides by outcome, so that the event is held.
    pub(super) holds: bool,
}

impl Aside {
    pub(super) fn session(&self) -> Arc<OpenSession> {
        Arc::clone(&self.session)
    }
}

/// A session that an event matches, and what its limits make of that.
pub(super) struct Matching {
    pub(super) session: Arc<OpenSession>,
    pub(super) sampled: Sampled,
    pub(super) is_followed: bool,
}

/// The sessions that an event matches and that admit it: they are owed it. More than eight cost an allocation.
pub(super) type Admitted = SmallVec<[Arc<OpenSession>; 8]>;

impl<'a> Incoming<'a> {
    pub(super) fn new(event: &'a Event<'a>, facts: &'a Facts<'a>, clear: bool, shared: &'a Shared) -> Self {
        Self { event, facts, clear, shared, aside: RefCell::default() }
    }

    /// Whether a session follows or holds the event.
    pub(super) fn has_aside(&self) -> bool {
        !self.aside.borrow().is_empty()
    }

    /// The sessions that follow or hold it.
    pub(super) fn take_aside(&self) -> SmallVec<[Aside; 4]> {
        self.aside.take()
    }

    /// The sessions that the scope has not ruled out and that the event matches, as far as they admit it: others it
    /// costs no look at its values.
    pub(super) fn admitted_in_scope(&self, scope: &Scope) -> Admitted {
        let mut admitted = Admitted::new();
        for matching in self.matching_in_scope(scope) {
            if let Some(matching) = self.admitted(matching) {
                admitted.push(matching);
            }
        }
        admitted
    }

    /// The sessions that the scope has not ruled out and that the event matches.
    pub(super) fn matching_in_scope<'s>(&'s self, scope: &'s Scope) -> impl Iterator<Item = Matching> + 's {
        self.matching_of(scope, |candidate| candidate.verbosity)
    }

    /// The same for the close of a span: the sessions that want timings.
    pub(super) fn closes_in_scope<'s>(&'s self, scope: &'s Scope) -> impl Iterator<Item = Matching> + 's {
        self.matching_of(scope, Candidate::verbosity_of_closes)
    }

    #[inline]
    fn matching_of<'s>(
        &'s self,
        scope: &'s Scope,
        limit: impl Fn(&Candidate) -> u8 + 's,
    ) -> impl Iterator<Item = Matching> + 's {
        let verbosity = verbosity_of(*self.event.metadata().level());
        let candidates = if scope.candidates.is_empty() || self.is_denied() { &[] } else { &*scope.candidates };
        let possible = candidates.iter().filter(move |candidate| limit(candidate) >= verbosity);
        possible.filter_map(|candidate| {
            let session = self.match_candidate(candidate)?;
            Some(Matching { session, sampled: candidate.sampled, is_followed: candidate.is_followed })
        })
    }

    /// Whether none of the sessions that the event matches in this scope may admit it now. Then each has counted it as
    /// kept back; otherwise none has.
    pub(super) fn is_refused_in(&self, scope: &Scope) -> bool {
        self.is_refused_by_all(self.matching_in_scope(scope))
    }

    /// The same of sessions that the event matches.
    pub(super) fn is_refused_by_all(&self, matching: impl Iterator<Item = impl Borrow<Matching>>) -> bool {
        let mut refusals = SmallVec::<[_; 2]>::new();
        for matching in matching {
            let Matching { session, sampled, is_followed } = matching.borrow();
            // Following begins at an event that is kept back, too.
            let begins_to_follow = session.follows() && !is_followed;
            match session.keeps_back_now(*sampled) {
                _ if session.ended().is_some() => {}
                Some(reason) if !begins_to_follow => refusals.push((matching, reason)),
                _ => return false,
            }
        }
        refusals.iter().for_each(|(matching, reason)| self.shared.keep_back(&matching.borrow().session, *reason));
        true
    }

    /// The session, if it admits the event that matches it.
    pub(super) fn admitted(&self, matching: Matching) -> Option<Arc<OpenSession>> {
        let Matching { session, sampled, is_followed } = matching;
        self.is_admitted(&session, sampled, is_followed).then_some(session)
    }

    /// Whether a session that the event matches is owed it.
    fn is_admitted(&self, session: &Arc<OpenSession>, sampled: Sampled, is_followed: bool) -> bool {
        if session.follows() && !is_followed && session.ended().is_none() {
            self.set_aside(Aside { session: Arc::clone(session), follows: true, holds: false });
        }
        match self.shared.admission(session, sampled) {
            Admission::Admitted => true,
            Admission::Held => {
                self.set_aside(Aside { session: Arc::clone(session), follows: false, holds: true });
                false
            }
            Admission::KeptBack | Admission::KeptBackUnannounced | Admission::Ended | Admission::Past => false,
        }
    }

    fn set_aside(&self, aside: Aside) {
        self.aside.borrow_mut().push(aside);
    }

    fn is_denied(&self) -> bool {
        self.shared.config.denies(self.facts.metadata().target())
    }

    #[inline]
    fn match_candidate(&self, candidate: &Candidate) -> Option<Arc<OpenSession>> {
        let is_possible = match candidate.standing {
            Standing::Sure | Standing::Open => true,
            Standing::NeedsKey => !self.clear,
            Standing::NotHere => false,
        };
        if !is_possible {
            return None;
        }
        let session = candidate.session.upgrade()?;
        let matches = candidate.standing == Standing::Sure
            || self.satisfies(&session, candidate.is_followed, &candidate.satisfied);
        matches.then_some(session)
    }

    /// Sessions that the scope says nothing about, but the index keeps for a field of the event.
    #[cold]
    pub(super) fn found_by_own_fields(&self, scope: &Scope, snapshot: &Snapshot) -> Sessions {
        let mut sink = IndexSink { snapshot, found: Found::default(), incoming: self };
        self.record(&mut sink);
        let mut found = sink.found.each_once();
        found.retain(|session| !scope.is_about(session));
        if self.is_denied() { Sessions::new() } else { found }
    }

    /// Whether the event matches a session by its own fields and by the spans that it will show: it must match by what
    /// it shows.
    pub(super) fn matches_with(&self, session: &OpenSession, spans: &[Arc<CapturedSpan>]) -> bool {
        session.shows_events() && self.satisfies(session, false, &satisfied_by_spans(session, false, spans))
    }

    /// The exact predicate: tests that the scope satisfies stay satisfied, the event may satisfy more.
    fn satisfies(&self, session: &OpenSession, is_followed: bool, satisfied: &Bits) -> bool {
        if session.ended().is_some() {
            return false;
        }
        let compiled = session.compiled_for(is_followed);
        let (own, nanos) = self.satisfied_by_fields(compiled);
        session.charge(nanos);
        let metadata = self.facts.metadata();
        let tests = compiled.tests();
        let answer = compiled.evaluate(|number| match &tests[number] {
            Test::Field(_) => Some(satisfied.contains(number) || own.contains(number)),
            Test::Span(_) => Some(satisfied.contains(number)),
            test => test.of_event(*metadata.level(), metadata.target(), metadata.name(), metadata.file()),
        });
        answer == Some(true)
    }

    /// The tests that the event's fields satisfy, and what that cost.
    fn satisfied_by_fields(&self, compiled: &Compiled) -> (Bits, u64) {
        let nanos = compiled.nanos_of_look(|| self.facts.metadata().fields().len());
        let mut sink = TestSink { compiled, satisfied: Bits::default(), nanos, incoming: self };
        self.record(&mut sink);
        (sink.satisfied, sink.nanos)
    }

    fn record(&self, sink: &mut impl Sink) {
        self.event.record(&mut Visitor { sink, max_value_bytes: self.shared.config.max_value_bytes, prints: true });
    }

    /// Whether a field may be tested at all.
    fn shows(&self, name: &str) -> bool {
        !self.facts.tell_field(name) && !self.shared.config.redacts(name)
    }
}

/// Collects the sessions that the index keeps for a field of the event.
struct IndexSink<'a> {
    snapshot: &'a Snapshot,
    found: Found,
    incoming: &'a Incoming<'a>,
}

impl Sink for IndexSink<'_> {
    fn wants(&mut self, Named { name, .. }: Named) -> bool {
        self.snapshot.names.index.contains(name) && self.incoming.shows(name)
    }

    fn take(&mut self, Named { name, index }: Named, value: ValueRef<'_>) {
        self.incoming.note_value(index, value);
        self.found.add(self.snapshot, name, value);
    }
}

/// Whether the index may have a session for one of these fields of an event.
pub(super) fn may_be_watched(event: &Event<'_>, tested: TestedFields, shared: &Shared) -> bool {
    let callsite = key_of(event.metadata());
    let mut sink = SieveSink { tested, shared, callsite, may_be_watched: false };
    event.record(&mut Visitor { sink: &mut sink, max_value_bytes: shared.config.max_value_bytes, prints: true });
    sink.may_be_watched
}

/// Looks whether the index may have a session for a tested field of the event.
struct SieveSink<'a> {
    tested: TestedFields,
    shared: &'a Shared,
    callsite: CallsiteKey,
    may_be_watched: bool,
}

impl Sink for SieveSink<'_> {
    #[inline]
    fn wants(&mut self, Named { name, index }: Named) -> bool {
        let is_tested = self.tested.may_contain(index.try_into().unwrap_or(u16::MAX));
        is_tested && !self.shared.config.redacts(name)
    }

    #[inline]
    fn take(&mut self, Named { name, index }: Named, value: ValueRef<'_>) {
        self.shared.seen.note_value(self.callsite, index, value);
        self.may_be_watched |= self.shared.sieve.may_hold_value(name, value);
    }
}

/// Collects the tests of one session that a field of the event satisfies.
struct TestSink<'a> {
    compiled: &'a Compiled,
    satisfied: Bits,
    nanos: u64,
    incoming: &'a Incoming<'a>,
}

impl Sink for TestSink<'_> {
    fn wants(&mut self, Named { name, .. }: Named) -> bool {
        self.compiled.names(name) && self.incoming.shows(name)
    }

    fn take(&mut self, Named { name, index }: Named, value: ValueRef<'_>) {
        self.incoming.note_value(index, value);
        self.nanos = self.nanos.saturating_add(self.compiled.test_value(name, value, &mut self.satisfied));
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
