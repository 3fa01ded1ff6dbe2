//! What the spans around an event decide: the sessions that may match inside them, and how far each is decided.

use super::open::OpenSession;
use super::sample::{RootSerial, Sampled};
use super::snapshot::{Snapshot, index_hash};
use crate::event::CapturedSpan;
use crate::predicate::{Bits, Compiled, Test};
use crate::sync::OnceBox;
use smallvec::SmallVec;
use std::sync::{Arc, Weak};

/// What is around an event now.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// The spans, innermost first.
    pub(crate) spans: SmallVec<[Arc<CapturedSpan>; 8]>,
    /// The sessions that follow one of them.
    pub(crate) followers: Sessions,
}

/// Some sessions, each once.
pub(crate) type Sessions = SmallVec<[Arc<OpenSession>; 4]>;

/// What was decided for one span and all that contain it, in one epoch.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) stamp: Stamp,
    /// The key generation it was decided under.
    pub(crate) key_generation: u32,
    /// The verbosity up to which something may match here without help of the callsite; 0: nothing can.
    pub(crate) verbosity: u8,
    pub(crate) candidates: Box<[Candidate]>,
    spans: OnceBox<CapturedSpans>,
}

/// The spans around an event as it shows them, root first, and the bytes they hold in memory.
#[derive(Debug)]
pub(crate) struct CapturedSpans {
    pub(crate) spans: Arc<[Arc<CapturedSpan>]>,
    pub(crate) bytes: usize,
}

/// What a scope was decided from. It holds while the epoch and the counts of its tree's records do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) epoch: u64,
    pub(crate) tree: usize,
    pub(crate) deciding_records: u64,
    pub(crate) all_records: u64,
}

/// A session that the scope does not rule out.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Weak: spans live for hours and must not keep a closed session.
    pub(crate) session: Weak<OpenSession>,
    /// The tests that some span of the scope satisfies. So does, then, every event inside.
    pub(crate) satisfied: Bits,
    pub(crate) standing: Standing,
    /// The verbosity up to which the session can match at all.
    pub(crate) verbosity: u8,
    /// What the session's sampling says of all that happens inside.
    pub(crate) sampled: Sampled,
    /// Whether the session follows what happens here: an event has matched it.
    pub(crate) is_followed: bool,
}

/// How far the scope alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Every event inside matches.
    Sure,
    /// It depends on the event, any event.
    Open,
    /// Only an event that declares one of the session's keys could match.
    NeedsKey,
}

impl Scope {
    /// Decides the scope that `chain` is, from nothing but its spans' fields and, where a session samples, its root.
    pub(crate) fn decide(
        stamp: Stamp,
        snapshot: &Snapshot,
        chain: &Chain,
        root: impl Fn() -> Option<RootSerial>,
    ) -> Self {
        let Chain { spans: chain, followers } = chain;
        let is_other = |session: &&Arc<OpenSession>| !followers.iter().any(|follower| Arc::ptr_eq(follower, session));
        let mut candidates: Vec<_> =
            followers.iter().filter_map(|session| Candidate::followed(session, chain, &root)).collect();
        for session in snapshot.linear.iter().filter(is_other) {
            candidates.push(Candidate::linear(session, chain, &root));
        }
        for session in indexed_sessions(snapshot, chain).iter().filter(is_other) {
            candidates.extend(Candidate::indexed(session, chain, &root));
        }
        let counted = candidates.iter().filter(|candidate| candidate.standing != Standing::NeedsKey);
        let spans = OnceBox::new();
        if !candidates.is_empty() {
            // From the very chain that was tested: an event must show what it matched by.
            let _ = spans.set(Box::new(CapturedSpans::new(chain)));
        }
        Self {
            stamp,
            key_generation: snapshot.names.generation,
            verbosity: counted.map(|candidate| candidate.verbosity).max().unwrap_or(0),
            candidates: candidates.into(),
            spans,
        }
    }

    /// Whether this session was decided here.
    pub(crate) fn is_about(&self, session: &Arc<OpenSession>) -> bool {
        self.candidates.iter().any(|candidate| std::ptr::eq(candidate.session.as_ptr(), Arc::as_ptr(session)))
    }

    /// The spans as events in this scope show them, root first, made from `chain` when first needed.
    pub(crate) fn captured_spans(&self, chain: impl FnOnce() -> Chain) -> &CapturedSpans {
        self.spans.get_or_init(|| Box::new(CapturedSpans::new(&chain().spans)))
    }
}

impl CapturedSpans {
    fn new(chain: &[Arc<CapturedSpan>]) -> Self {
        Self { spans: chain.iter().rev().cloned().collect(), bytes: chain.iter().map(|span| span.held_bytes()).sum() }
    }
}

impl Stamp {
    /// Outside any span, which is tree 0, nothing is recorded; and a new snapshot brings a scope of its own.
    pub(crate) const OUTSIDE: Self = Self { epoch: 0, tree: 0, deciding_records: 0, all_records: 0 };
}

impl Candidate {
    /// A session that an event in here has matched; nothing where what is left of its predicate is ruled out.
    fn followed(
        session: &Arc<OpenSession>,
        chain: &[Arc<CapturedSpan>],
        root: impl Fn() -> Option<RootSerial>,
    ) -> Option<Self> {
        let compiled = session.compiled_for(true);
        let satisfied = satisfied_by_spans(compiled, chain);
        let standing = standing_of(decided(compiled, &satisfied))?;
        Some(Self { is_followed: true, ..Self::new(session, satisfied, standing, root) })
    }

    /// A session without index key. A test of a field that no span here satisfies is false unless the callsite
    /// declares the field, and a callsite that does is never vetoed.
    fn linear(session: &Arc<OpenSession>, chain: &[Arc<CapturedSpan>], root: impl Fn() -> Option<RootSerial>) -> Self {
        let satisfied = satisfied_by_spans(&session.compiled, chain);
        let without_help = session.compiled.evaluate(|test| match &session.compiled.tests()[test] {
            Test::Field(_) | Test::Span(_) => Some(satisfied.contains(test)),
            _ => None,
        });
        let standing = match without_help {
            Some(false) => Standing::NeedsKey,
            _ if is_sure(&session.compiled, &satisfied) => Standing::Sure,
            _ => Standing::Open,
        };
        Self::new(session, satisfied, standing, root)
    }

    /// A session whose index key a span here supplies; nothing where the rest is ruled out already. What the
    /// event could add to the rest is unknown: a callsite may declare it and be vetoed all the same.
    fn indexed(
        session: &Arc<OpenSession>,
        chain: &[Arc<CapturedSpan>],
        root: impl Fn() -> Option<RootSerial>,
    ) -> Option<Self> {
        let satisfied = satisfied_by_spans(&session.compiled, chain);
        let index = session.compiled.index()?;
        if !satisfied.contains(index) {
            return None;
        }
        let standing = standing_of(decided(&session.compiled, &satisfied))?;
        Some(Self::new(session, satisfied, standing, root))
    }

    fn new(
        session: &Arc<OpenSession>,
        satisfied: Bits,
        standing: Standing,
        root: impl FnOnce() -> Option<RootSerial>,
    ) -> Self {
        let (verbosity, sampled) = (session.verbosity, session.sampled(root));
        Self { session: Arc::downgrade(session), satisfied, standing, verbosity, sampled, is_followed: false }
    }
}

fn standing_of(decided: Option<bool>) -> Option<Standing> {
    match decided {
        Some(false) => None,
        Some(true) => Some(Standing::Sure),
        None => Some(Standing::Open),
    }
}

/// What follows for every event inside: what it may add by its fields, level or target is unknown.
fn decided(compiled: &Compiled, satisfied: &Bits) -> Option<bool> {
    compiled.evaluate(|test| match &compiled.tests()[test] {
        Test::Span(_) => Some(satisfied.contains(test)),
        _ => satisfied.contains(test).then_some(true),
    })
}

fn is_sure(compiled: &Compiled, satisfied: &Bits) -> bool {
    decided(compiled, satisfied) == Some(true)
}

/// The tests that at least one span satisfies by its fields or its name.
pub(crate) fn satisfied_by_spans(compiled: &Compiled, chain: &[Arc<CapturedSpan>]) -> Bits {
    let mut satisfied = Bits::default();
    for span in chain {
        for (number, test) in compiled.tests().iter().enumerate() {
            if !satisfied.contains(number) && span_satisfies(span, test) {
                satisfied.insert(number);
            }
        }
    }
    satisfied
}

fn span_satisfies(span: &CapturedSpan, test: &Test) -> bool {
    match test {
        Test::Field(test) => span.fields.iter().any(|(name, value)| test.names(name) && test.accepts(value)),
        Test::Span(name) => span.name() == &**name,
        _ => false,
    }
}

/// The sessions whose index key some span supplies, each once.
fn indexed_sessions(snapshot: &Snapshot, chain: &[Arc<CapturedSpan>]) -> Sessions {
    let mut found = Sessions::new();
    if snapshot.names.index.is_empty() {
        return found;
    }
    for (name, value) in chain.iter().flat_map(|span| span.fields.iter()) {
        if snapshot.names.index.contains(name) {
            value.with_canonical(|text| extend_from_index(&mut found, snapshot, name, text));
        }
    }
    found
}

/// Adds the sessions that the index keeps for this key and value, each once.
pub(crate) fn extend_from_index(found: &mut Sessions, snapshot: &Snapshot, key: &str, text: Option<&str>) {
    let bucket = text.and_then(|text| snapshot.index.get(&index_hash(key, text)));
    for session in bucket.into_iter().flatten() {
        if !found.iter().any(|known| Arc::ptr_eq(known, session)) {
            found.push(Arc::clone(session));
        }
    }
}
