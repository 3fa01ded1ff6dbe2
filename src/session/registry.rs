//! Which sessions are open, and what follows from that for callsites, scopes and the index.
//!
//! Opening and closing hold one lock for as long as it takes to replace the snapshot. Producers never take it.

use super::SessionId;
use super::changes::Changes;
use super::holders::Holders;
use super::open::OpenSession;
use super::snapshot::{Index, Names, Snapshot, index_hash};
use crate::coverage::NameMarks;
use crate::level::verbosity_of_filter;
use crate::predicate::{Reach, Test, plain_name};
use crate::session::Follow;
use crate::trace::is_of_trace;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    sessions: FxHashMap<SessionId, Arc<OpenSession>>,
    /// The sessions that expire, by when.
    deadlines: BTreeSet<(Instant, SessionId)>,
    index: Index,
    linear: Arc<[Arc<OpenSession>]>,
    /// The sessions that decide by outcome.
    deciding: Arc<[Arc<OpenSession>]>,
    holders: Holders,
    reach: Counted<Reach>,
    published_reach: Arc<[Reach]>,
    /// The most verbose spans that sessions enable, as numbers.
    spans: Counted<u8>,
    /// How many sessions want timings.
    timings: usize,
    changes: Changes,
    /// Whether producers look without any session, since the router looks back.
    stays_awake: bool,
    /// Whether traces of spans may be known.
    knows_traces: bool,
    names: CountedNames,
    published_names: Arc<Names>,
}

#[derive(Debug, Default)]
struct CountedNames {
    index: Counted<Box<str>>,
    linear: Counted<Box<str>>,
    beside_index: Counted<Box<str>>,
    spans: Counted<Box<str>>,
}

/// How many sessions need each of some things; what counts is whether any does.
#[derive(Debug)]
struct Counted<T> {
    counts: FxHashMap<T, usize>,
    changed: bool,
}

/// Whether a session comes or goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Open,
    Close,
}

impl Registry {
    /// A registry without sessions, of a router that may know the traces of spans.
    pub(crate) fn new(knows_traces: bool) -> Self {
        Self { knows_traces, ..Self::default() }
    }

    pub(crate) fn open(&mut self, session: &Arc<OpenSession>) {
        self.sessions.insert(session.id, Arc::clone(session));
        self.deadlines.extend(session.deadline.map(|deadline| (deadline, session.id)));
        self.holders.add(session.opener());
        self.apply(session, Change::Open);
    }

    /// Takes a session out; `None` if it is not open.
    pub(crate) fn close(&mut self, id: SessionId) -> Option<Arc<OpenSession>> {
        let session = self.sessions.remove(&id)?;
        if let Some(deadline) = session.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        self.holders.remove(session.opener());
        self.apply(&session, Change::Close);
        Some(session)
    }

    pub(crate) fn sessions(&self) -> impl ExactSizeIterator<Item = &Arc<OpenSession>> {
        self.sessions.values()
    }

    /// Whether producers are to look.
    pub(crate) fn is_awake(&self) -> bool {
        self.stays_awake || !self.sessions.is_empty()
    }

    /// Has producers look from now on, session or not, and callsites within this reach let through.
    pub(crate) fn stay_awake(&mut self, reach: impl IntoIterator<Item = Reach>) {
        self.stays_awake = true;
        self.changes.note_waking(self.sessions.len());
        reach.into_iter().for_each(|reach| self.reach.count(reach, Change::Open));
    }

    /// Whether producers look without a session.
    pub(crate) fn stays_awake(&self) -> bool {
        self.stays_awake
    }

    /// Whether any of them wants timings.
    pub(crate) fn wants_timings(&self) -> bool {
        self.timings > 0
    }

    /// Those that no field's value has to equal something for.
    pub(crate) fn unindexed(&self) -> &[Arc<OpenSession>] {
        &self.linear
    }

    /// The number of open sessions of each opener.
    pub(crate) fn holders(&self) -> &Holders {
        &self.holders
    }

    /// The session that expires next, and when.
    pub(crate) fn next_deadline(&self) -> Option<(Instant, SessionId)> {
        self.deadlines.first().copied()
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Arc<OpenSession>> {
        self.sessions.get(&id)
    }

    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Makes the snapshot that producers are to read from now on, and returns whether callsites must be asked again.
    pub(crate) fn snapshot(&mut self) -> (Snapshot, bool) {
        let reach_changed = std::mem::take(&mut self.reach.changed);
        let spans_changed = std::mem::take(&mut self.spans.changed);
        if reach_changed {
            self.published_reach = self.reach.counts.keys().cloned().collect();
        }
        if let Some(names) = self.names.published(self.published_names.generation, self.knows_traces) {
            self.published_names = Arc::new(names);
        }
        let verbosities = self.published_reach.iter().map(|reach| verbosity_of_filter(reach.level));
        let snapshot = Snapshot::new(
            self.index.clone(),
            Arc::clone(&self.linear),
            Arc::clone(&self.published_names),
            Arc::clone(&self.published_reach),
            verbosities.max().unwrap_or(0),
            self.spans.counts.keys().copied().max().unwrap_or(0),
            self.changes.clone(),
        );
        (snapshot.with_deciding(Arc::clone(&self.deciding)), reach_changed || spans_changed)
    }

    fn apply(&mut self, session: &Arc<OpenSession>, change: Change) {
        // The session is among them already, or not any more.
        let awake_without = usize::from(self.stays_awake);
        self.changes.note(session, change == Change::Open, self.sessions.len() + awake_without);
        for reach in session.reach() {
            self.reach.count(reach.clone(), change);
        }
        if session.span_verbosity > 0 {
            self.spans.count(session.span_verbosity, change);
        }
        if session.limits.timings {
            match change {
                Change::Open => self.timings += 1,
                Change::Close => self.timings -= 1,
            }
        }
        if session.outcome().is_some() {
            self.deciding = applied(&self.deciding, session, change);
        }
        match session.compiled.index() {
            Some(index) => self.apply_indexed(session, index, change),
            None => self.apply_linear(session, change),
        }
        for test in session.compiled.tests() {
            if let Test::Span(name) = test {
                self.names.spans.count(name.clone(), change);
            }
        }
        // A span to follow must be there before the event that is followed.
        if let Follow::Named(name) = session.follow()
            && session.span_verbosity > 0
        {
            self.names.spans.count(plain_name(name).into(), change);
        }
    }

    fn apply_indexed(&mut self, session: &Arc<OpenSession>, index: usize, change: Change) {
        for (number, test) in session.compiled.tests().iter().enumerate() {
            let Some(field) = test.field() else { continue };
            let names = if number == index { &mut self.names.index } else { &mut self.names.beside_index };
            field.keys().iter().for_each(|key| names.count(key.clone(), change));
            if number == index {
                for (key, text) in field.index_entries() {
                    apply_to_bucket(&mut self.index, index_hash(key, text), session, change);
                }
            }
        }
    }

    fn apply_linear(&mut self, session: &Arc<OpenSession>, change: Change) {
        self.linear = applied(&self.linear, session, change);
        for field in session.compiled.tests().iter().filter_map(Test::field) {
            field.keys().iter().for_each(|key| self.names.linear.count(key.clone(), change));
        }
    }
}

/// A list of sessions with this one, or without it.
fn applied(list: &[Arc<OpenSession>], session: &Arc<OpenSession>, change: Change) -> Arc<[Arc<OpenSession>]> {
    let kept = list.iter().filter(|open| !Arc::ptr_eq(open, session)).cloned();
    let added = (change == Change::Open).then(|| Arc::clone(session));
    kept.chain(added).collect()
}

fn apply_to_bucket(index: &mut Index, hash: u64, session: &Arc<OpenSession>, change: Change) {
    let mut bucket = index.get(&hash).cloned().unwrap_or_default();
    match change {
        Change::Open => bucket.insert(session.id.0, Arc::clone(session)),
        Change::Close => bucket.remove(&session.id.0),
    }
    if bucket.is_empty() {
        index.remove(&hash);
    } else {
        index.insert(hash, bucket);
    }
}

impl CountedNames {
    /// The names to publish under a new generation, if any of them changed.
    fn published(&mut self, generation: u32, knows_traces: bool) -> Option<Names> {
        let all = [&mut self.index, &mut self.linear, &mut self.beside_index, &mut self.spans];
        let changed = all.into_iter().fold(false, |changed, names| std::mem::take(&mut names.changed) | changed);
        if !changed {
            return None;
        }
        let tested = [&self.index, &self.linear, &self.beside_index];
        let tests_traces = tested.into_iter().flat_map(|names| names.counts.keys()).any(|name| is_of_trace(name));
        let all = [&self.index, &self.linear, &self.beside_index, &self.spans];
        let marks = NameMarks::of(all.into_iter().flat_map(|names| names.counts.keys()).map(|name| &**name));
        Some(Names {
            generation: generation.wrapping_add(1),
            index: self.index.set(),
            linear: self.linear.set(),
            beside_index: self.beside_index.set(),
            spans: self.spans.set(),
            traced: knows_traces && tests_traces,
            marks,
        })
    }
}

impl<T: Hash + Eq + Clone> Counted<T> {
    fn count(&mut self, key: T, change: Change) {
        let count = self.counts.entry(key.clone()).or_default();
        match change {
            Change::Open => *count += 1,
            Change::Close => *count -= 1,
        }
        let count = *count;
        self.changed |= change == Change::Open && count == 1 || count == 0;
        if count == 0 {
            self.counts.remove(&key);
        }
    }

    fn set<S: FromIterator<T>>(&self) -> S {
        self.counts.keys().cloned().collect()
    }
}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self { counts: FxHashMap::default(), changed: false }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::SessionOptions;
    use std::time::Duration;
    use tracing_core::LevelFilter;

    /// Opens one session of each kind that the registry counts something of, under numbers from `first` on.
    fn open_each_kind(registry: &mut Registry, first: u64) {
        let user = || SessionOptions::new(Predicate::eq("user", 42));
        let text = |text: &str| SessionOptions::new(text.parse::<Predicate>().unwrap());
        let kinds = [
            user().timings(),
            user().spans(LevelFilter::TRACE).follow(Follow::Named("job".into())),
            user().follow(Follow::Named("quiet".into())),
            text("@span = request and not closed = true"),
            text("user = 42 and not trace_id = 7"),
        ];
        for (number, options) in (first..).zip(kinds) {
            registry.open(&Arc::new(OpenSession::new(SessionId(number), options, Arc::new(Budget::new(0)))));
        }
    }

    #[test]
    fn sessions_that_have_closed_leave_nothing_behind() {
        let mut registry = Registry::new(true);
        open_each_kind(&mut registry, 1);
        open_each_kind(&mut registry, 6);
        assert!(registry.wants_timings() && registry.snapshot().0.changes.has_sessions());
        (1..=10).for_each(|number| assert!(registry.close(SessionId(number)).is_some()));
        assert!(!registry.wants_timings() && !registry.snapshot().0.changes.has_sessions());
        assert_eq!((registry.reach.counts.len(), registry.spans.counts.len()), (0, 0));
        let CountedNames { index, linear, beside_index, spans } = &registry.names;
        assert!([index, linear, beside_index, spans].iter().all(|names| names.counts.is_empty()));
        assert!(registry.linear.is_empty() && registry.deciding.is_empty() && registry.index.is_empty());
    }

    #[test]
    fn only_what_sessions_ask_of_spans_is_counted() {
        let mut registry = Registry::new(true);
        open_each_kind(&mut registry, 1);
        assert!(registry.spans.counts.keys().all(|verbosity| *verbosity > 0), "{:?}", registry.spans);
        assert!(registry.spans.counts.contains_key(&5), "TRACE");
        let followed = ["request", "job", "quiet"].map(|name| registry.names.spans.counts.contains_key(name));
        assert_eq!(followed, [true, true, false], "without spans there is nothing to follow before the event");
    }

    #[test]
    fn names_of_two_kinds_are_published_together() {
        let mut registry = Registry::new(false);
        let options = SessionOptions::new("user = 42 and not closed = true".parse::<Predicate>().unwrap());
        registry.open(&Arc::new(OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0)))));
        let names = registry.snapshot().0.names;
        assert!(names.index.contains("user") && names.beside_index.contains("closed"));
    }

    #[test]
    fn a_router_that_looks_back_looks_without_sessions_too() {
        let mut registry = Registry::new(false);
        registry.stay_awake([]);
        assert!(registry.snapshot().0.changes.has_sessions());
        open_each_kind(&mut registry, 1);
        (1..=5).for_each(|number| drop(registry.close(SessionId(number))));
        assert!(registry.snapshot().0.changes.has_sessions());
    }

    #[test]
    fn traces_are_read_only_where_known_and_tested() {
        for (knows_traces, text, expected) in
            [(true, "trace_id = 7", true), (true, "user = 7", false), (false, "trace_id = 7", false)]
        {
            let mut registry = Registry::new(knows_traces);
            let options = SessionOptions::new(text.parse::<Predicate>().unwrap());
            registry.open(&Arc::new(OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0)))));
            assert_eq!(registry.snapshot().0.names.traced, expected, "{knows_traces}, {text}");
        }
    }

    #[test]
    fn sessions_are_known_by_number_and_by_deadline() {
        let mut registry = Registry::default();
        let opened = |number: u64, seconds: u64| {
            let options = SessionOptions::new(Predicate::eq("user", 42)).expires_in(Duration::from_secs(seconds));
            Arc::new(OpenSession::new(SessionId(number), options, Arc::new(Budget::new(0))))
        };
        let (late, soon) = (opened(1, 60), opened(2, 30));
        assert_eq!((registry.next_deadline(), registry.contains(late.id)), (None, false));
        [&late, &soon].into_iter().for_each(|session| registry.open(session));
        assert_eq!(registry.next_deadline(), soon.deadline.map(|deadline| (deadline, soon.id)));
        registry.close(soon.id);
        assert_eq!((registry.contains(late.id), registry.contains(soon.id)), (true, false));
        let changes = registry.snapshot().0.changes;
        let opened: Vec<_> = changes.since(1).unwrap().iter().map(|change| change.opened).collect();
        assert_eq!(opened, [true, false], "the second was opened and closed");
    }
}
