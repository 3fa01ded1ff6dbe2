//! What producers read: the open sessions, immutable, replaced whole.

use super::changes::Changes;
use super::index::PersistentMap;
use super::open::OpenSession;
use super::scope::Scope;
use crate::coverage::NameMarks;
use crate::event::Fields;
use crate::level::{filter_of_verbosity, verbosity_of};
use crate::predicate::plain_name;
use crate::predicate::{Reach, reach_admits};
use crate::value::{Value, ValueRef};
use rustc_hash::{FxHashSet, FxHasher};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use tracing_core::{Level, LevelFilter, Metadata};

/// The sessions that require a key to have a value, by the hash of both: a persistent map, so that opening one
/// session of 100,000 copies a few nodes.
pub(crate) type Index = PersistentMap<Bucket>;

/// The sessions behind one hash, by their number; whether they test this very value is for their predicate to say.
pub(crate) type Bucket = PersistentMap<Arc<OpenSession>>;

/// The open sessions at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) index: Index,
    /// Sessions without a top-level equality: every scope is held against each of them.
    pub(crate) linear: Arc<[Arc<OpenSession>]>,
    pub(crate) names: Arc<Names>,
    /// What at least one session can match, by level and target; for `register_callsite`.
    pub(crate) reach: Arc<[Reach]>,
    /// The most verbose level any session can match, as a number.
    pub(crate) verbosity: u8,
    /// The most verbose spans that any session enables, as a number; 0: none.
    pub(crate) span_verbosity: u8,
    /// The sessions that decide by outcome.
    pub(crate) deciding: Arc<[Arc<OpenSession>]>,
    /// What was opened and closed lately; its version names this snapshot.
    pub(crate) changes: Changes,
    /// The scope of events outside any span, decided by the first that asks.
    outside: OnceLock<Arc<Scope>>,
}

/// A set of names. Mostly there are a few, which are found without hashing.
#[derive(Debug, Default)]
pub(crate) struct NameSet {
    few: Box<[Box<str>]>,
    many: FxHashSet<Box<str>>,
}

/// How many names are compared rather than hashed.
const FEW: usize = 8;

impl NameSet {
    #[inline]
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.few.iter().any(|known| **known == *name) || !self.many.is_empty() && self.many.contains(name)
    }
}

impl FromIterator<Box<str>> for NameSet {
    fn from_iter<I: IntoIterator<Item = Box<str>>>(names: I) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        match names.len() {
            0..=FEW => Self { few: names.into(), many: FxHashSet::default() },
            _ => Self { few: Box::default(), many: names.into_iter().collect() },
        }
    }
}

/// What a callsite can change by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Whatever it matches, its scope must supply.
    pub(crate) clear: bool,
    /// It bears no tested name and declares no tested field: a span of it adds nothing to the scope of its parent.
    pub(crate) absent: bool,
    /// Which of its fields some predicate tests.
    pub(crate) tested: TestedFields,
}

impl Judgement {
    /// That of a span that scopes do not show.
    pub(crate) const NOTHING: Self = Self { clear: true, absent: true, tested: TestedFields(0) };
}

/// Some fields of a callsite, by their places: a bit for each of the first fifteen, and one for all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestedFields(pub(crate) u16);

impl TestedFields {
    /// How many fields have bits of their own.
    pub(crate) const TOLD_APART: usize = 15;
    /// Stands for the trace that a span may be in, which is no field of its callsite.
    pub(crate) const TRACE: Self = Self(1 << Self::TOLD_APART);

    /// Whether this field may be among them.
    #[inline]
    pub(crate) fn may_contain(self, place: u16) -> bool {
        self.0 & Self::bit(place) != 0
    }

    /// Whether that is certain of each field that may be among them.
    #[inline]
    pub(crate) fn are_exact(self) -> bool {
        self.0 & Self::bit(u16::MAX) == 0
    }

    fn add(&mut self, place: usize) {
        self.0 |= Self::bit(place.try_into().unwrap_or(u16::MAX));
    }

    #[inline]
    fn bit(place: u16) -> u16 {
        1 << place.min(15)
    }
}

/// The names that predicates of open sessions test, by what a callsite or a record that bears one may change.
#[derive(Debug)]
pub(crate) struct Names {
    /// Changes whenever what follows does, and names it in callsites' words; from 1, since a new word has 0.
    pub(crate) generation: u32,
    /// Keys of the index.
    pub(crate) index: NameSet,
    /// Keys tested by sessions that are not in the index.
    pub(crate) linear: NameSet,
    /// Keys tested outside the index, by any session.
    pub(crate) beside_index: NameSet,
    /// Span names tested by any session.
    pub(crate) spans: NameSet,
    /// The marks of all these names.
    pub(crate) marks: NameMarks,
    /// Whether the ids of traces are tested, and known of spans.
    pub(crate) traced: bool,
}

impl Snapshot {
    pub(crate) fn new(
        index: Index,
        linear: Arc<[Arc<OpenSession>]>,
        names: Arc<Names>,
        reach: Arc<[Reach]>,
        verbosity: u8,
        span_verbosity: u8,
        changes: Changes,
    ) -> Self {
        let deciding = Arc::default();
        Self { index, linear, names, reach, verbosity, span_verbosity, deciding, changes, outside: OnceLock::new() }
    }

    /// The same with these sessions that decide by outcome.
    pub(crate) fn with_deciding(self, deciding: Arc<[Arc<OpenSession>]>) -> Self {
        Self { deciding, ..self }
    }

    /// Whether a session must know when requests began.
    pub(crate) fn times_requests(&self) -> bool {
        self.deciding.iter().any(|session| session.limits.slower_than.is_some())
    }

    /// The most verbose level of events that any session can match, and of spans that any enables.
    pub(crate) fn level(&self) -> LevelFilter {
        filter_of_verbosity(self.verbosity.max(self.span_verbosity))
    }

    /// The scope of events outside any span.
    pub(crate) fn outside(&self) -> &Arc<Scope> {
        self.outside.get_or_init(|| Arc::new(Scope::outside(&self.linear)))
    }

    /// Whether the index holds a session for this key and value (or, rarely, for another with the same hash).
    pub(crate) fn index_holds(&self, key: &str, value: ValueRef<'_>) -> bool {
        let holds = |text: Option<&str>| text.is_some_and(|text| self.index.contains_key(&index_hash(key, text)));
        value.with_canonical(holds)
    }

    /// Whether values recorded on a span may change which sessions match: a key of the index only where the index holds the
    /// new or the replaced value, so that a service that records a tested field on every request empties no caches.
    pub(crate) fn is_changed_by(&self, recorded: &Fields, replaced: &[Value]) -> bool {
        let names = &self.names;
        recorded.iter().any(|(name, value)| {
            names.linear.contains(name)
                || names.beside_index.contains(name)
                || names.index.contains(name)
                    && std::iter::once(value)
                        .chain(replaced.iter().map(Value::view))
                        .any(|value| self.index_holds(name, value))
        })
    }

    /// Whether some session could match an event with this level and target.
    pub(crate) fn admits(&self, level: Level, target: &str) -> bool {
        verbosity_of(level) <= self.verbosity && reach_admits(&self.reach, level, target)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            generation: 1,
            index: NameSet::default(),
            linear: NameSet::default(),
            beside_index: NameSet::default(),
            spans: NameSet::default(),
            marks: NameMarks::default(),
            traced: false,
        }
    }
}

impl Names {
    /// Whether some predicate tests a field of this name.
    #[inline]
    pub(crate) fn test(&self, name: &str) -> bool {
        self.index.contains(name) || self.linear.contains(name) || self.beside_index.contains(name)
    }

    /// What a callsite can change by itself.
    pub(crate) fn judge(&self, metadata: &Metadata<'_>) -> Judgement {
        let declares = |is_tested: &dyn Fn(&str) -> bool| {
            metadata.fields().iter().any(|field| is_tested(plain_name(field.name())))
        };
        let is_tested_span = metadata.is_span() && self.spans.contains(plain_name(metadata.name()));
        let clear = !is_tested_span && !declares(&|name| self.index.contains(name) || self.linear.contains(name));
        let mut tested = TestedFields::default();
        let fields = metadata.fields().iter().filter(|field| self.test(plain_name(field.name())));
        fields.for_each(|field| tested.add(field.index()));
        if self.traced && metadata.is_span() {
            tested.0 |= TestedFields::TRACE.0;
        }
        Judgement { clear, absent: clear && tested == TestedFields::default(), tested }
    }
}

/// Where the index keeps the sessions that require `key` to be `text`.
#[inline]
pub(crate) fn index_hash(key: &str, text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    key.hash(&mut hasher);
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::registry::Registry;
    use crate::session::{SessionId, SessionOptions};
    use std::time::Duration;

    fn names(count: usize) -> NameSet {
        (0..count).map(|number| format!("name {number}").into_boxed_str()).collect()
    }

    #[test]
    fn a_set_of_names_holds_them_whether_few_or_many() {
        for count in [0, 1, FEW, FEW + 1, 100] {
            let set = names(count);
            assert!((0..200).all(|number| set.contains(&format!("name {number}")) == (number < count)), "{count}");
            assert_eq!((set.few.len(), set.many.len()), if count <= FEW { (count, 0) } else { (0, count) });
        }
    }

    #[test]
    fn fields_are_told_apart_up_to_the_fifteenth() {
        for place in [0, 1, 14] {
            let mut tested = TestedFields::default();
            tested.add(place);
            assert!(tested.are_exact());
            assert!((0..40).all(|other| tested.may_contain(other) == (usize::from(other) == place)), "{place}");
        }
        for place in [15, 16, 1 << 20] {
            let mut tested = TestedFields::default();
            tested.add(place);
            assert!(!tested.are_exact());
            assert!((0..40).all(|other| tested.may_contain(other) == (other >= 15)), "{place}");
        }
        assert!(!TestedFields::TRACE.are_exact());
    }

    #[test]
    fn keys_and_texts_have_buckets_of_their_own() {
        let hashes = [("user", "42"), ("user", "43"), ("tenant", "42")].map(|(key, text)| index_hash(key, text));
        assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2] && hashes[1] != hashes[2]);
    }

    fn snapshot(sessions: impl IntoIterator<Item = SessionOptions>) -> Snapshot {
        let mut registry = Registry::new(true);
        for (number, options) in (1..).zip(sessions) {
            registry.open(&Arc::new(OpenSession::new(SessionId(number), options, Arc::new(Budget::new(0)))));
        }
        registry.snapshot().0
    }

    fn options(predicate: &str) -> SessionOptions {
        SessionOptions::new(predicate.parse().unwrap())
    }

    fn fields(name: &'static str, value: i64) -> Fields {
        Fields::listed(vec![(name.into(), value.into())])
    }

    #[test]
    fn only_sessions_that_wait_for_slow_requests_time_them() {
        let (chosen, slow) = (options("*").only_if(Predicate::everything()), options("*").slower_than(Duration::MAX));
        let deciding = |options: [SessionOptions; 2]| {
            let opened = |options| Arc::new(OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0))));
            Snapshot::default().with_deciding(options.map(opened).into())
        };
        let snapshot = deciding([chosen.clone(), slow]);
        assert_eq!((snapshot.deciding.len(), snapshot.times_requests()), (2, true));
        assert!(!deciding([chosen.clone(), chosen]).times_requests());
    }

    #[test]
    fn a_record_counts_where_a_session_may_wait_for_its_value() {
        let snapshot = snapshot([options("user = 42 and not admin = 1"), options("n > 1")]);
        assert!(snapshot.index_holds("user", ValueRef::U64(42)) && !snapshot.index_holds("user", ValueRef::U64(43)));
        let changed_by = |name, value, replaced: &[Value]| snapshot.is_changed_by(&fields(name, value), replaced);
        assert_eq!([changed_by("user", 42, &[]), changed_by("user", 43, &[])], [true, false]);
        assert!(changed_by("user", 43, &[42.into()]) && !changed_by("user", 43, &[44.into()]));
        assert!(changed_by("admin", 0, &[]) && changed_by("n", 0, &[]) && !changed_by("other", 42, &[]));
    }

    #[test]
    fn events_are_admitted_by_level_and_target() {
        let snapshot = snapshot([options("@target = chat").max_level(LevelFilter::INFO)]);
        assert!(snapshot.admits(Level::INFO, "chat::hub"));
        assert!(!snapshot.admits(Level::DEBUG, "chat::hub") && !snapshot.admits(Level::INFO, "billing"));
    }

    #[test]
    fn names_are_tested_by_whichever_session_names_them() {
        let names = snapshot([options("user = 42 and not admin = 1"), options("n > 1")]).names;
        assert_eq!(["user", "admin", "n", "other"].map(|name| names.test(name)), [true, true, true, false]);
    }

    /// What the names of some sessions say of a span or an event with a field.
    macro_rules! judged {
        ($names:expr, $name:literal, $kind:ident, $field:ident) => {{
            let callsite = tracing::callsite! { name: $name, kind: tracing::metadata::Kind::$kind, fields: $field };
            let Judgement { clear, absent, tested } = $names.judge(tracing_core::Callsite::metadata(callsite));
            (clear, absent, tested.may_contain(0))
        }};
    }

    #[test]
    fn a_callsite_is_judged_by_its_name_and_its_fields() {
        let names =
            snapshot([options("user = 42 and not admin = 1"), options("n > 1"), options("@span = request")]).names;
        assert_eq!(judged!(names, "job", SPAN, other), (true, true, false));
        assert_eq!(judged!(names, "request", EVENT, other), (true, true, false), "no event makes a span");
        assert_eq!(judged!(names, "request", SPAN, other), (false, false, false));
        assert_eq!(judged!(names, "job", SPAN, user), (false, false, true));
        assert_eq!(judged!(names, "job", EVENT, n), (false, false, true));
        assert_eq!(judged!(names, "job", SPAN, admin), (true, false, true), "it can change only what is there");
    }

    #[test]
    fn only_spans_may_be_in_a_trace_that_is_tested() {
        let names = snapshot([options("trace_id = 7")]).names;
        assert!(names.traced);
        assert_eq!(judged!(names, "job", SPAN, other), (true, false, false));
        assert_eq!(judged!(names, "job", EVENT, other), (true, true, false));
        assert_eq!(judged!(snapshot([options("user = 42")]).names, "job", SPAN, other), (true, true, false));
    }
}
