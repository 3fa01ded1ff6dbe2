//! What the spans around an event decide: the sessions that may match inside them, and how far each is decided.
//!
//! The scope of a span follows from the scope of its parent and from what the span itself adds: its fields, its name,
//! and the sessions that follow it. A span that adds nothing has the scope of its parent.

use super::open::OpenSession;
use super::sample::{RootSerial, Sampled};
use super::{SessionId, changes::Change};
use crate::event::CapturedSpan;
use crate::predicate::{Bits, Compiled, FieldTest, Test};
use crate::sync::Numbers;
use smallvec::SmallVec;
use std::sync::{Arc, Weak};

/// Some sessions, each once.
pub(crate) type Sessions = SmallVec<[Arc<OpenSession>; 4]>;

/// Some spans as they were captured, innermost first.
pub(crate) type CapturedChain = SmallVec<[Arc<CapturedSpan>; 8]>;

/// What was decided for a span and all that contain it.
#[derive(Debug)]
pub(crate) struct Scope {
    /// Names it within the process; never given twice, which addresses are. Its lowest bit says whether a session that wants
    /// timings may match here: what is decided by a scope says so without a word more.
    pub(crate) serial: u64,
    /// The verbosity up to which some event may match here without help of its callsite; 0: none can.
    pub(crate) verbosity: u8,
    /// The verbosity up to which sessions that may match here ask for spans; 0: none does.
    pub(crate) span_verbosity: u8,
    /// The same for closes of spans, and those of which that sampling keeps.
    closes: u8,
    times: u8,
    /// Whether all sessions that may match here have limits, so that none may admit what matches.
    pub(crate) is_limited: bool,
    /// By the number of their session: there may be thousands.
    pub(crate) candidates: Box<[Candidate]>,
}

/// A session that the scope does not rule out, for itself or for spans inside.
#[derive(Debug)]
pub(crate) struct Candidate {
    id: SessionId,
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
    /// The same for spans that close; 0 if the session wants no timings.
    closes: u8,
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
    /// Nothing can match, unless a span inside bears a tested name.
    NotHere,
}

/// What a span adds to the scope of its parent.
pub(crate) struct Added<'a> {
    /// The span, unless scopes do not show it.
    pub(crate) span: Option<&'a Arc<CapturedSpan>>,
    /// The sessions that the index keeps for its fields.
    pub(crate) found: Sessions,
    /// The sessions that follow it.
    pub(crate) followers: Sessions,
    /// The root, if this is it.
    pub(crate) root: Option<RootSerial>,
}

impl Scope {
    /// The scope of events outside any span, among the sessions that the index does not hold.
    pub(crate) fn outside(linear: &[Arc<OpenSession>]) -> Self {
        let candidate = |session| Candidate::new(session, Bits::default(), session_sampled(session, None), false);
        Self::new(linear.iter().map(candidate).collect())
    }

    /// The scope inside a span.
    ///
    /// `chain` is the visible spans from this one outwards, for sessions that nothing further out was decided about;
    /// `root` is the serial of the span at its end.
    pub(crate) fn inside(
        &self,
        added: &Added<'_>,
        chain: impl Fn() -> CapturedChain,
        root: impl Fn() -> RootSerial,
    ) -> Self {
        let mut followed: SmallVec<[SessionId; 4]> = added.followers.iter().map(|session| session.id).collect();
        followed.sort_unstable();
        let most = self.candidates.len() + added.followers.len() + added.found.len();
        let mut candidates = Vec::with_capacity(most);
        candidates.extend(self.candidates.iter().filter_map(|candidate| candidate.inside(added, &followed)));
        // Each follows once, and is found once.
        let known = candidates.len();
        for session in &added.followers {
            if !are_about(&candidates[..known], session.id) {
                let satisfied = satisfied_by_spans(session, true, &chain());
                let sampled = session.sampled_where_followed(&root);
                candidates.push(Candidate::new(session, satisfied, sampled, true));
            }
        }
        candidates.sort_unstable_by_key(|candidate| candidate.id);
        let known = candidates.len();
        for session in &added.found {
            if !are_about(&candidates[..known], session.id) {
                let satisfied = satisfied_by_spans(session, false, &chain());
                if session.compiled.index().is_some_and(|index| satisfied.contains(index)) {
                    let sampled = session.sampled(|| Some(root()));
                    candidates.push(Candidate::new(session, satisfied, sampled, false));
                }
            }
        }
        Self::new(candidates)
    }

    fn new(mut candidates: Vec<Candidate>) -> Self {
        static SCOPES: Numbers = Numbers::new();
        candidates.sort_unstable_by_key(|candidate| candidate.id);
        let counted = || candidates.iter().filter(|candidate| candidate.counts());
        let spans = candidates.iter().filter_map(Candidate::span_verbosity);
        let times = counted().filter(|candidate| candidate.sampled != Sampled::Out);
        let times = times.map(|candidate| candidate.closes).max().unwrap_or(0);
        Self {
            serial: SCOPES.next() << 1 | u64::from(times > 0),
            closes: counted().map(|candidate| candidate.closes).max().unwrap_or(0),
            times,
            verbosity: counted().map(|candidate| candidate.verbosity).max().unwrap_or(0),
            span_verbosity: spans.max().unwrap_or(0),
            is_limited: candidates.iter().all(Candidate::is_limited),
            candidates: candidates.into(),
        }
    }

    /// Whether the scope of that serial has a session that wants timings.
    #[inline]
    pub(crate) fn is_timed(serial: u64) -> bool {
        serial & 1 == 1
    }

    /// Whether a session may see the close of a span of this level here.
    pub(crate) fn reports_closes(&self, verbosity: u8) -> bool {
        verbosity <= self.closes
    }

    /// The same for one that sampling keeps.
    pub(crate) fn times(&self, verbosity: u8) -> bool {
        verbosity <= self.times
    }

    /// Whether this session was decided here.
    pub(crate) fn is_about(&self, session: &Arc<OpenSession>) -> bool {
        are_about(&self.candidates, session.id)
    }

    /// Whether a change of sessions leaves this scope as it is, for a span whose fields satisfy equalities as said.
    pub(crate) fn outlives(&self, change: &Change, satisfies: impl Fn(&FieldTest) -> bool) -> bool {
        match &change.key {
            None => false,
            Some(key) if change.opened => !satisfies(key),
            Some(_) => !self.candidates.iter().any(|candidate| candidate.id == change.session),
        }
    }

    /// Whether what is decided here differs from root to root.
    pub(crate) fn samples(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.sampled == Sampled::EachByItself)
    }

    /// Whether the spans satisfy what was decided of them, and nothing else.
    pub(crate) fn agrees_with<'a>(&self, chain: impl Iterator<Item = &'a Arc<CapturedSpan>> + Clone) -> bool {
        self.candidates.iter().all(|candidate| candidate.agrees_with(chain.clone()))
    }
}

impl Candidate {
    fn new(session: &Arc<OpenSession>, satisfied: Bits, sampled: Sampled, is_followed: bool) -> Self {
        let standing = standing(session, &satisfied, is_followed);
        let verbosity = session.verbosity_for(is_followed);
        let closes = if session.limits.timings { session.verbosity_of_closes(is_followed) } else { 0 };
        let (id, session) = (session.id, Arc::downgrade(session));
        Self { id, session, satisfied, standing, verbosity, sampled, is_followed, closes }
    }

    /// The same session inside a span.
    fn inside(&self, added: &Added<'_>, followed: &[SessionId]) -> Option<Self> {
        let session = self.session.upgrade().filter(|session| session.ended().is_none())?;
        let is_newly_followed = !self.is_followed && followed.binary_search(&session.id).is_ok();
        if is_newly_followed {
            return None;
        }
        let mut satisfied = self.satisfied.clone();
        let span = added.span.map(std::slice::from_ref).unwrap_or_default();
        add_satisfied(&mut satisfied, &session, self.is_followed, span);
        let sampled = added.root.map_or(self.sampled, |root| session_sampled(&session, Some(root)));
        Some(Self::new(&session, satisfied, sampled, self.is_followed))
    }

    /// The session, if it is on several services and the request belongs to it as a whole. `chain` is the visible spans
    /// around, innermost first.
    pub(crate) fn across_services(&self, chain: &CapturedChain) -> Option<Arc<OpenSession>> {
        let session = self.session.upgrade().filter(|session| session.ended().is_none())?;
        let across = session.across()?;
        let is_shown = self.sampled != Sampled::Out;
        let followed = || satisfied_by_spans(&session, true, chain);
        let belongs = is_shown && (self.is_followed || across.are_decided_by(&self.satisfied, followed));
        belongs.then_some(session)
    }

    /// The verbosity up to which the session may see closes of spans.
    pub(crate) fn verbosity_of_closes(&self) -> u8 {
        self.closes
    }

    /// Whether an event that declares no tested key may match here.
    fn counts(&self) -> bool {
        matches!(self.standing, Standing::Sure | Standing::Open)
    }

    /// Whether the session has limits, or has ended.
    fn is_limited(&self) -> bool {
        self.session.upgrade().is_none_or(|session| session.is_limited())
    }

    /// The verbosity up to which the session asks for spans here. One that follows asks for those around an event that
    /// brings its own key as well: a span that was not made cannot be followed.
    fn span_verbosity(&self) -> Option<u8> {
        let session = self.session.upgrade()?;
        let may_follow = self.standing == Standing::NeedsKey && session.follows();
        (self.counts() || may_follow).then_some(session.span_verbosity)
    }

    fn agrees_with<'a>(&self, chain: impl Iterator<Item = &'a Arc<CapturedSpan>>) -> bool {
        let Some(session) = self.session.upgrade() else { return true };
        satisfied_by_spans(&session, self.is_followed, chain) == self.satisfied
    }
}

/// Whether one of the candidates, which are in order, is this session.
fn are_about(candidates: &[Candidate], session: SessionId) -> bool {
    candidates.binary_search_by(|candidate| compared(candidate.id).cmp(&session)).is_ok()
}

/// What sessions are compared by. Tests count how often.
#[inline]
pub(super) fn compared(session: SessionId) -> SessionId {
    #[cfg(all(test, not(loom)))]
    tests::COMPARISONS.set(tests::COMPARISONS.get() + 1);
    session
}

fn session_sampled(session: &OpenSession, root: Option<RootSerial>) -> Sampled {
    session.sampled(|| root)
}

/// How far spans that satisfy these tests decide. A session that they rule out stays among the candidates: a span inside
/// that bears a tested name may bring it back, and one that supplies its key need not look at all spans again.
fn standing(session: &OpenSession, satisfied: &Bits, is_followed: bool) -> Standing {
    let compiled = session.compiled_for(is_followed);
    match decided(compiled, satisfied) {
        Some(true) => Standing::Sure,
        decided if !is_followed && compiled.index().is_none() => linear_standing(decided, compiled, satisfied),
        // What the callsite could add to the rest of an indexed session is unknown: it may declare it and be vetoed.
        None => Standing::Open,
        Some(false) => Standing::NotHere,
    }
}

/// Without an index key, a test of a field that no span satisfies is false unless the callsite declares the field, and
/// a callsite that does is never vetoed.
fn linear_standing(decided: Option<bool>, compiled: &Compiled, satisfied: &Bits) -> Standing {
    let without_help = compiled.evaluate(|test| match &compiled.tests()[test] {
        Test::Field(_) | Test::Span(_) => Some(satisfied.contains(test)),
        _ => None,
    });
    if decided == Some(false) || without_help == Some(false) { Standing::NeedsKey } else { Standing::Open }
}

/// What follows for every event inside: what it may add by its fields, level or target is unknown.
fn decided(compiled: &Compiled, satisfied: &Bits) -> Option<bool> {
    compiled.evaluate(|test| match &compiled.tests()[test] {
        Test::Span(_) => Some(satisfied.contains(test)),
        _ => satisfied.contains(test).then_some(true),
    })
}

/// The tests that at least one span satisfies by its fields or its name.
pub(crate) fn satisfied_by_spans<'a>(
    session: &OpenSession,
    is_followed: bool,
    chain: impl IntoIterator<Item = &'a Arc<CapturedSpan>>,
) -> Bits {
    let mut satisfied = Bits::default();
    add_satisfied(&mut satisfied, session, is_followed, chain);
    satisfied
}

/// Charges the session for it.
fn add_satisfied<'a>(
    satisfied: &mut Bits,
    session: &OpenSession,
    is_followed: bool,
    chain: impl IntoIterator<Item = &'a Arc<CapturedSpan>>,
) {
    let compiled = session.compiled_for(is_followed);
    let mut nanos = 0_u64;
    for span in chain {
        for (number, test) in compiled.tests().iter().enumerate() {
            if matches!(test, Test::Span(name) if span.name() == &**name) {
                satisfied.insert(number);
            }
        }
        for (name, value) in span.tested_by(|name| compiled.names(name)) {
            nanos = nanos.saturating_add(compiled.test_value(name, value, satisfied));
        }
        nanos = nanos.saturating_add(compiled.nanos_of_look(|| span.fields.iter().count()));
    }
    session.charge(nanos);
}

/// The spans around an event as it shows them, root first, and the bytes they hold in memory.
#[derive(Debug)]
pub(crate) struct CapturedSpans {
    pub(crate) spans: Arc<[Arc<CapturedSpan>]>,
    pub(crate) bytes: usize,
}

impl CapturedSpans {
    pub(crate) fn new(chain: CapturedChain) -> Self {
        let bytes = chain.iter().map(|span| span.held_bytes()).sum();
        let mut spans: Vec<_> = chain.into_vec();
        spans.reverse();
        Self { spans: spans.into(), bytes }
    }

    /// These and one more, innermost.
    pub(crate) fn with(&self, span: Option<Arc<CapturedSpan>>) -> Self {
        let bytes = self.bytes + span.as_ref().map_or(0, |span| span.held_bytes());
        let spans = match span {
            None => Arc::clone(&self.spans),
            span => self.spans.iter().cloned().chain(span).collect(),
        };
        Self { spans, bytes }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
