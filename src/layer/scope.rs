//! What was decided about the place a thread or an event is in.
//!
//! A decision is found in the first of these that has it: the thread, the span, the span's parent with what the span adds.
//! So a span inside a decided one costs no more for what is around that, and a span that adds nothing costs nothing.

use super::callsite::Callsites;
use super::decided::{Brought, ScopeRef, Stamp};
use super::host::Host;
use super::instance::Instance;
use super::kept::NewSpan;
use super::name::{NO_SPAN, SpanName, key_of};
use super::notes::Notes;
use super::span::SpanCell;
use super::surroundings::{Identity, Surroundings};
use super::thread::{self, Decision, Empty, Judged, ThreadState};
use super::trace::Reading;
use super::tree::NO_TREE;
use super::word::{Look, Place};
use crate::event::{CapturedSpan, tested_values};
use crate::session::lookup::sessions_of_span;
use crate::session::scope::{Added, Scope};
use crate::session::snapshot::{Judgement, Snapshot, TestedFields};
use smallvec::SmallVec;
use std::sync::Arc;
use tracing_core::Metadata;

/// What a look at the span that a thread is in has come to.
enum AtOnce {
    Known(Decision),
    /// It is a root, and brings something into the scope of events outside any span.
    Brings(Root),
    Unknown,
}

/// A root that brings something, by what that was found.
struct Root {
    span: SpanName,
    brought: Brought,
    tree: usize,
    stamp: Stamp,
    snapshot: Arc<Snapshot>,
}

/// Spans, innermost first, each as it was captured if scopes show it.
type CapturedPath = SmallVec<[(u64, Option<Arc<CapturedSpan>>); 8]>;

impl Instance {
    /// What the thread knows of the scope it is in, looked up where that may be stale.
    #[inline]
    pub(super) fn decision(&self, epoch: u64, host: &dyn Host, callsite: &Metadata<'_>) -> Decision {
        let known = thread::with(|state| state.decided_in(epoch, &self.trees));
        known.unwrap_or_else(|| self.decide(epoch, host, callsite))
    }

    /// The same where the thread is known not to know. Called for an event or a span of this callsite.
    #[inline(never)]
    pub(super) fn decide(&self, epoch: u64, host: &dyn Host, callsite: &Metadata<'_>) -> Decision {
        let leaf = self.current(epoch, host);
        match self.spans.with(leaf, |cell| self.decide_at_once(*cell, leaf, epoch)) {
            Some(AtOnce::Known(decision)) => decision,
            Some(AtOnce::Brings(root)) => self.decide_root(epoch, root, host),
            Some(AtOnce::Unknown) => self.decide_step_by_step(leaf, epoch, host, callsite),
            None => {
                let recalled = self.recall(epoch, SpanName { id: leaf, number: 0 });
                recalled.unwrap_or_else(|| self.decide_step_by_step(leaf, epoch, host, callsite))
            }
        }
    }

    #[inline]
    fn recall(&self, epoch: u64, span: SpanName) -> Option<Decision> {
        let recall = |state: &ThreadState| state.recall(epoch, span).then(|| state.decided_in(epoch, &self.trees));
        thread::with(recall).flatten()
    }

    /// The decision inside a span, where the span whose decision that is was decided about lately, or is a root: most are.
    #[inline]
    fn decide_at_once(&self, leaf: SpanCell<'_>, id: u64, epoch: u64) -> AtOnce {
        let Some(tree) = leaf.tree() else { return AtOnce::Unknown };
        // Before the look at what shares its parent's scope.
        let records = self.trees.deciding(tree);
        let judged = thread::with(|state| state.judged_in(epoch));
        let deciding = judged.and_then(|judged| self.deciding_span(id, leaf, judged.generation()));
        let (span, cell) = deciding.unwrap_or((SpanName { id, number: leaf.number() }, leaf));
        if let Some(known) = self.recall(epoch, span) {
            return AtOnce::Known(known);
        }
        let Some(notes) = cell.notes().filter(|notes| notes.parent() == Some(NO_SPAN)) else { return AtOnce::Unknown };
        let snapshot = self.shared.snapshot.load();
        let judgement = self.judgement_of(&cell, &snapshot);
        if !judgement.absent && snapshot.names.traced {
            return AtOnce::Unknown;
        }
        let stamp = Stamp { version: snapshot.changes.version(), records };
        if self.is_like_outside(&cell, notes, judgement, &snapshot) {
            let scope = cell.keep(stamp, &ScopeRef::OUTSIDE, ScopeRef::OUTSIDE.carrying(!judgement.absent));
            return AtOnce::Known(self.remember(epoch, span, &scope, tree, stamp, &snapshot));
        }
        match cell.bring_up_to_date(&ScopeRef::OUTSIDE, judgement, stamp, &snapshot, &self.shared.seen) {
            Ok(scope) => AtOnce::Known(self.remember(epoch, span, &scope, tree, stamp, &snapshot)),
            Err(brought) => AtOnce::Brings(Root { span, brought, tree, stamp, snapshot: Arc::clone(&snapshot) }),
        }
    }

    /// Whether the scope inside a root is that of events outside any span: no session follows it, none can match outside, and
    /// the index has none for its fields.
    ///
    /// What holds no memory has no followers. One that comes moves the records of the tree afterwards, so that a thread that has
    /// not seen it here finds its stamp stale.
    #[inline]
    fn is_like_outside(&self, cell: &SpanCell<'_>, notes: &Notes, judgement: Judgement, snapshot: &Snapshot) -> bool {
        !notes.may_hold_memory()
            && snapshot.outside().candidates.is_empty()
            && (judgement.absent || !cell.may_be_indexed(judgement.tested, &snapshot.names, &self.shared))
    }

    #[inline(never)]
    fn decide_root(&self, epoch: u64, root: Root, host: &dyn Host) -> Decision {
        let Root { span, brought, tree, stamp, snapshot } = root;
        let scope = self.scope_bringing(span.id, brought, ScopeRef::OUTSIDE, stamp, &snapshot, host);
        self.remember(epoch, span, &scope, tree, stamp, &snapshot)
    }

    #[inline(never)]
    fn decide_step_by_step(&self, leaf: u64, epoch: u64, host: &dyn Host, callsite: &Metadata<'_>) -> Decision {
        let snapshot = self.shared.snapshot.load();
        if snapshot.names.traced && self.read_trace_to_decide(leaf, callsite, &snapshot, host) == Reading::NotNow {
            let decision = self.decide_by_what_is_known(leaf, epoch, &snapshot, host);
            // The next event asks again.
            thread::with(|state| state.forget_decided(leaf));
            return decision;
        }
        self.decide_by_what_is_known(leaf, epoch, &snapshot, host)
    }

    #[inline]
    fn decide_by_what_is_known(&self, leaf: u64, epoch: u64, snapshot: &Snapshot, host: &dyn Host) -> Decision {
        let tree = self.tree(leaf, host);
        let stamp = self.stamp(tree, snapshot);
        let deciding = |cell: &SpanCell<'_>| Some(self.deciding_span(leaf, *cell, snapshot.names.generation)?.0);
        // Where traces are tested, each span is decided about once its own is known.
        let shared = if snapshot.names.traced { None } else { self.spans.with(leaf, deciding).flatten() };
        let span = shared.unwrap_or_else(|| self.name_of(leaf));
        let scope = self.scope(span.id, stamp, snapshot, host);
        self.remember(epoch, span, &scope, tree, stamp, snapshot)
    }

    /// Keeps what a thread needs to know of the scope it is in.
    fn remember(
        &self,
        epoch: u64,
        span: SpanName,
        scope: &ScopeRef,
        tree: usize,
        stamp: Stamp,
        snapshot: &Snapshot,
    ) -> Decision {
        let place = match tree {
            NO_TREE if thread::with(ThreadState::is_detached) => Place::Elsewhere,
            NO_TREE => Place::Outside,
            _ => scope.place(),
        };
        let look = Look::new(snapshot.names.generation, place);
        let decision = Decision::of(scope.get(snapshot), tree, stamp.records, look);
        let outside = snapshot.outside();
        // A span whose trace may matter is not decided before that can be read.
        let may_foresee = outside.candidates.is_empty() && !snapshot.names.traced;
        let empty_outside = if may_foresee { outside.serial } else { 0 };
        thread::with(|state| {
            state.remember(epoch, span, decision);
            let vetoable = look.vetoable();
            let version = (!snapshot.names.traced).then_some(stamp.version);
            state.judge(Judged { epoch, vetoable, asked_spans: snapshot.span_verbosity, empty_outside, version });
        });
        decision
    }

    /// Decides about a new root as it is created, where nothing can match in it: by its values as they were just packed,
    /// without a look at the snapshot.
    ///
    /// The sieve is at least as new as the epoch, and so is what was judged.
    #[inline(never)]
    pub(super) fn foresee(&self, epoch: u64, span: SpanName, (tree, word): (usize, u64), new: &NewSpan<'_>) {
        if !new.visible {
            return;
        }
        let Some(judged) = thread::with(|state| state.judged_in(epoch)) else { return };
        let Some(scope) = judged.empty_outside() else { return };
        let Some(judgement) = Callsites::known_judgement(word, judged.generation()) else { return };
        if judgement.absent || judgement.tested.are_exact() && !self.may_be_watched(new, judgement.tested) {
            let place = if judgement.absent { Place::Elsewhere } else { Place::Carried };
            let look = Look::new(judged.generation(), place);
            let decision = Decision::of_empty(Empty { scope, tree, records: self.trees.deciding(tree), look });
            thread::with(|state| state.foresee(epoch, span, decision));
        }
    }

    /// Whether the index may have a session for a tested field of a new span. The shapes of other values are noted for
    /// coverage.
    #[inline]
    fn may_be_watched(&self, new: &NewSpan<'_>, tested: TestedFields) -> bool {
        let mut fields = tested_values(new.metadata.fields(), new.fields.as_slice(), |place| tested.may_contain(place));
        fields.any(|(name, field, value)| {
            self.shared.seen.note_value(key_of(new.metadata), field, value);
            self.shared.sieve.may_hold_value(name, value)
        })
    }

    /// What decides now about the spans of a tree. It is read before the fields: a record in between makes the stamp
    /// stale, not the scope wrong.
    pub(super) fn stamp(&self, tree: usize, snapshot: &Snapshot) -> Stamp {
        Stamp { version: snapshot.changes.version(), records: self.trees.deciding(tree) }
    }

    /// The scope inside a span. Linear in the number of spans around it that nothing was decided about.
    pub(super) fn scope(&self, leaf: u64, stamp: Stamp, snapshot: &Snapshot, host: &dyn Host) -> ScopeRef {
        let mut undecided = SmallVec::<[u64; 16]>::new();
        let mut next = leaf;
        let mut scope = loop {
            if next == NO_SPAN {
                break ScopeRef::OUTSIDE;
            }
            if let Some(decided) = self.spans.with(next, |cell| cell.decided(stamp)).flatten() {
                break decided;
            }
            undecided.push(next);
            next = self.parent(next, host);
        };
        for id in undecided.into_iter().rev() {
            scope = self.scope_inside(id, scope, stamp, snapshot, host);
        }
        scope
    }

    /// The scope inside a span, by that of its parent.
    fn scope_inside(&self, id: u64, parent: ScopeRef, stamp: Stamp, snapshot: &Snapshot, host: &dyn Host) -> ScopeRef {
        let current = self.spans.with(id, |cell| {
            cell.bring_up_to_date(&parent, self.judgement_of(cell, snapshot), stamp, snapshot, &self.shared.seen)
        });
        match current {
            // A span that closes: nothing is known of it any more.
            None => parent,
            Some(Ok(scope)) => scope,
            Some(Err(brought)) => self.scope_bringing(id, brought, parent, stamp, snapshot, host),
        }
    }

    /// The scope inside a span that brings something into that of its parent.
    fn scope_bringing(
        &self,
        id: u64,
        brought: Brought,
        parent: ScopeRef,
        stamp: Stamp,
        snapshot: &Snapshot,
        host: &dyn Host,
    ) -> ScopeRef {
        let carries = brought.carries;
        let is_root = self.parent(id, host) == NO_SPAN;
        let lane = self.lane();
        let span = self.spans.with(id, |cell| cell.captured(lane)).flatten();
        let root = || self.root_serial(id, host);
        let added =
            Added { span: span.as_ref(), found: brought.found, followers: brought.followers, root: is_root.then(root) };
        let scope = parent.get(snapshot).inside(&added, || self.chain(id, host), root);
        let scope = ScopeRef::own(scope).carrying(carries);
        self.spans.with(id, |cell| cell.keep(stamp, &parent, scope)).unwrap_or(parent)
    }

    /// What a span can change by its callsite.
    #[inline]
    fn judgement_of(&self, cell: &SpanCell<'_>, snapshot: &Snapshot) -> Judgement {
        let known = cell.notes().and_then(|notes| Callsites::known_judgement(notes.word(), snapshot.names.generation));
        match known {
            Some(known) if cell.is_visible() => known,
            _ => self.judge_span(cell, snapshot),
        }
    }

    #[cold]
    fn judge_span(&self, cell: &SpanCell<'_>, snapshot: &Snapshot) -> Judgement {
        let names = &snapshot.names;
        let Some(metadata) = cell.shown_metadata() else { return Judgement::NOTHING };
        match self.callsites.word(key_of(metadata)) {
            Some(word) => Callsites::judgement(word, names.generation, || names.judge(metadata)),
            None => names.judge(metadata),
        }
    }

    /// The scope and the spans around an event whose innermost span is `leaf`, kept from the last event there.
    pub(super) fn surroundings(&self, leaf: u64, snapshot: &Snapshot, host: &dyn Host) -> Arc<Surroundings> {
        let decided = self.scope(leaf, self.stamp(self.tree(leaf, host), snapshot), snapshot, host);
        self.surroundings_of(leaf, decided.get(snapshot), snapshot, host)
    }

    /// The same where the scope was found out just before.
    pub(super) fn surroundings_of(
        &self,
        leaf: u64,
        decided: &Arc<Scope>,
        snapshot: &Snapshot,
        host: &dyn Host,
    ) -> Arc<Surroundings> {
        let of = self.identity(leaf, self.tree(leaf, host));
        let kept = self.spans.with(leaf, |cell| cell.surroundings()).flatten();
        if let Some(kept) = kept.filter(|kept| kept.are(decided.serial, of)) {
            return kept;
        }
        let is_decided = |scope: &Scope| scope.serial == decided.serial;
        let parent = (leaf != NO_SPAN).then(|| self.parent(leaf, host));
        let by_parent = parent.and_then(|parent| self.surroundings_by_parent(leaf, parent, is_decided, of));
        by_parent.unwrap_or_else(|| {
            let made = Arc::new(self.captured_surroundings(leaf, decided, of, snapshot, host));
            self.spans.with(leaf, |cell| cell.keep_surroundings(&made));
            made
        })
    }

    /// The surroundings of a new span that is known to share its parent's scope, by which the thread has decided. Where all
    /// sessions have limits nothing is captured before these are asked.
    #[inline(never)]
    pub(super) fn shared_surroundings(&self, leaf: u64, decision: Decision, of: Identity) -> Option<Arc<Surroundings>> {
        let shares = |notes: &&Notes| notes.say_absent_in(decision.generation());
        let parent = self.spans.with(leaf, |cell| cell.notes().filter(shares)?.parent()).flatten()?;
        let is_decided = |scope: &Scope| scope.serial == decision.scope && !scope.is_limited;
        self.surroundings_by_parent(leaf, parent, is_decided, of)
    }

    /// The surroundings in a span by those in its parent, where both have the same scope: then nothing of the span is tested.
    fn surroundings_by_parent(
        &self,
        leaf: u64,
        parent: u64,
        is_decided: impl FnOnce(&Scope) -> bool,
        of: Identity,
    ) -> Option<Arc<Surroundings>> {
        let around = self.spans.with(parent, |cell| cell.surroundings()).flatten()?;
        if !is_decided(&around.scope) || around.of.records != of.records {
            return None;
        }
        let lane = self.lane();
        let made = |cell: &SpanCell<'_>| {
            let made = Arc::new(around.inside(cell.captured(lane), of));
            cell.keep_surroundings(&made);
            made
        };
        self.spans.with(leaf, made)
    }

    fn captured_surroundings(
        &self,
        leaf: u64,
        decided: &Arc<Scope>,
        of: Identity,
        snapshot: &Snapshot,
        host: &dyn Host,
    ) -> Surroundings {
        let path = self.captured_path(leaf, host);
        // A record between the decision and the capture: an event must show what it matched by.
        let agrees = decided.agrees_with(path.iter().filter_map(|(_, span)| span.as_ref()));
        let scope = if agrees { Arc::clone(decided) } else { self.scope_of(&path, snapshot, host) };
        Surroundings::new(scope, path.into_iter().filter_map(|(_, span)| span).collect(), of)
    }

    /// The scope of spans as they were captured, innermost first, whatever was decided about them.
    #[cold]
    fn scope_of(&self, path: &CapturedPath, snapshot: &Snapshot, host: &dyn Host) -> Arc<Scope> {
        let mut scope = Arc::clone(snapshot.outside());
        for (place, (id, span)) in path.iter().enumerate().rev() {
            let root = || self.root_serial(*id, host);
            let added = Added {
                span: span.as_ref(),
                found: span.as_ref().map(|span| sessions_of_span(snapshot, span)).unwrap_or_default(),
                followers: self.spans.with(*id, |cell| cell.followers()).unwrap_or_default(),
                root: (place + 1 == path.len()).then(root),
            };
            let chain = || path[place..].iter().filter_map(|(_, span)| span.clone()).collect();
            scope = Arc::new(scope.inside(&added, chain, root));
        }
        scope
    }

    /// The spans from `leaf` to the root, those that are visible as they are now.
    fn captured_path(&self, leaf: u64, host: &dyn Host) -> CapturedPath {
        let (mut path, lane) = (CapturedPath::new(), self.lane());
        let mut next = leaf;
        while next != NO_SPAN {
            path.push((next, self.spans.with(next, |cell| cell.captured(lane)).flatten()));
            next = self.parent(next, host);
        }
        path
    }

    /// The span `leaf`, and how much has been recorded around it.
    pub(super) fn identity(&self, leaf: u64, tree: usize) -> Identity {
        Identity { instance: self.number, leaf: self.name_of(leaf), records: self.trees.all(tree) }
    }

    #[inline]
    fn name_of(&self, id: u64) -> SpanName {
        SpanName { id, number: self.spans.with(id, |cell| cell.number()).unwrap_or_default() }
    }
}
