use super::*;
use crate::Predicate;
use crate::event::Fields;
use crate::queue::budget::Budget;
use crate::session::lookup::{indexed_sessions, sessions_of_span};
use crate::session::registry::Registry;
use crate::session::snapshot::Snapshot;
use crate::session::{Follow, SessionOptions};
use std::cell::Cell;
use tracing_core::{Level, LevelFilter};

thread_local! {
    pub(super) static COMPARISONS: Cell<usize> = const { Cell::new(0) };
}

fn snapshot_of(sessions: u64) -> Snapshot {
    let mut registry = Registry::default();
    for number in 0..sessions {
        let options = SessionOptions::new(Predicate::eq(["user", "owner"], 42));
        registry.open(&Arc::new(OpenSession::new(SessionId(number), options, Arc::new(Budget::new(0)))));
    }
    registry.snapshot().0
}

fn span(name: &'static str, fields: &[(&'static str, i64)]) -> Arc<CapturedSpan> {
    Arc::new(CapturedSpan {
        name: name.into(),
        level: Level::INFO,
        target: "it".into(),
        fields: Fields::listed(fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()),
        trace: None,
        request: None,
    })
}

fn opened(number: u64, options: SessionOptions) -> Arc<OpenSession> {
    Arc::new(OpenSession::new(SessionId(number), options, Arc::new(Budget::new(0))))
}

/// The options of a session with this predicate that enables spans of DEBUG.
fn options(predicate: &str) -> SessionOptions {
    SessionOptions::new(predicate.parse().unwrap()).spans(LevelFilter::DEBUG)
}

/// The scope inside a span that brings these sessions in. They must be kept: a scope knows them weakly.
fn inside(span: &Arc<CapturedSpan>, sessions: &[Arc<OpenSession>]) -> Scope {
    let added =
        Added { span: Some(span), found: sessions.iter().cloned().collect(), followers: Sessions::new(), root: None };
    Scope::outside(&[]).inside(&added, || CapturedChain::from_iter([Arc::clone(span)]), RootSerial::next)
}

/// How often sessions are compared in a span inside another one, where both bring all sessions in, twice each.
fn comparisons(sessions: u64) -> usize {
    let snapshot = snapshot_of(sessions);
    let span = span("request", &[("user", 42), ("owner", 42)]);
    let found = || indexed_sessions(&snapshot, &span.fields);
    let added = || Added { span: Some(&span), found: found(), followers: found(), root: None };
    let inside =
        |scope: &Scope| scope.inside(&added(), || CapturedChain::from_iter([Arc::clone(&span)]), RootSerial::next);
    COMPARISONS.set(0);
    let scope = inside(&inside(&Scope::outside(&snapshot.linear)));
    assert_eq!(scope.candidates.len() as u64, sessions);
    assert!(found().iter().all(|session| scope.is_about(session)));
    COMPARISONS.get()
}

/// How often sessions are compared where each of many fields finds one session, beside one that finds so many.
fn comparisons_of_fields(sessions: u64, fields: u64) -> usize {
    let mut registry = Registry::default();
    let mut open = |number: u64, key: String| {
        let options = SessionOptions::new(Predicate::eq(key, 42));
        registry.open(&Arc::new(OpenSession::new(SessionId(number), options, Arc::new(Budget::new(0)))));
    };
    (0..sessions).for_each(|number| open(number, "user".to_owned()));
    (0..fields).for_each(|field| open(sessions + field, format!("f{field}")));
    let names = std::iter::once("user".to_owned()).chain((0..fields).map(|field| format!("f{field}")));
    let fields = Fields::listed(names.map(|name| (name.into(), 42.into())).collect());
    let snapshot = registry.snapshot().0;
    COMPARISONS.set(0);
    assert_eq!(indexed_sessions(&snapshot, &fields).len(), registry.sessions().len());
    COMPARISONS.get()
}

#[test]
fn fields_and_sessions_found_by_them_cost_their_sum() {
    let (some, many) = (comparisons_of_fields(300, 30), comparisons_of_fields(3_000, 300));
    assert!(many < 30 * some, "{some} for 300 sessions and 30 fields, {many} for ten times as many");
}

#[test]
fn a_scope_compares_sessions_hardly_more_often_than_there_are() {
    let (some, many) = (comparisons(500), comparisons(4_000));
    assert!(many < 12 * some, "{some} for 500 sessions, {many} for 4,000");
}

#[test]
fn one_field_finds_its_sessions_without_comparing_them() {
    let snapshot = snapshot_of(100);
    COMPARISONS.set(0);
    assert_eq!(sessions_of_span(&snapshot, &span("request", &[("user", 42)])).len(), 100);
    assert_eq!(COMPARISONS.get(), 0);
    assert_eq!(sessions_of_span(&snapshot, &span("request", &[("user", 42), ("owner", 42)])).len(), 100);
    assert_eq!(sessions_of_span(&snapshot, &span("request", &[("user", 43)])).len(), 0);
}

#[test]
fn a_scope_agrees_with_the_spans_it_was_decided_by() {
    let sessions = [opened(1, options("user = 42 and not admin = 1"))];
    let decided_by = span("request", &[("user", 42)]);
    let scope = inside(&decided_by, &sessions);
    let agrees = |chain: &[Arc<CapturedSpan>]| scope.agrees_with(chain.iter());
    assert!(agrees(&[Arc::clone(&decided_by)]));
    assert!(!agrees(&[]) && !agrees(&[span("request", &[("user", 43)])]));
    assert!(!agrees(&[decided_by, span("server", &[("admin", 1)])]), "a test more");
    drop(sessions);
    assert!(scope.agrees_with(std::iter::empty()), "nobody is left to disagree");
}

#[test]
fn a_scope_is_limited_if_all_its_sessions_are() {
    let sessions = [opened(1, options("*").max_rate(1)), opened(2, options("*").sample(2)), opened(3, options("*"))];
    let limited = |range| Scope::outside(&sessions[range]).is_limited;
    assert_eq!([limited(0..2), limited(0..3), limited(2..3)], [true, false, false]);
    let scope = Scope::outside(&sessions[2..]);
    drop(sessions);
    assert!(scope.candidates.iter().all(Candidate::is_limited), "one that is gone admits nothing");
}

/// How far the scope inside a span decides about a session.
fn standing_in(span: &Arc<CapturedSpan>, options: SessionOptions) -> Standing {
    let sessions = [opened(1, options)];
    inside(span, &sessions).candidates[0].standing
}

#[test]
fn what_spans_decide_for_every_event_is_known() {
    let request = span("request", &[("user", 42), ("admin", 1)]);
    let standing = |predicate: &str| standing_in(&request, options(predicate));
    assert_eq!(standing("user = 42"), Standing::Sure);
    assert_eq!(standing("user = 42 and status = 500"), Standing::Open);
    assert_eq!(standing("user = 42 and not admin = 1"), Standing::NotHere);
    assert_eq!(standing("user = 42 and @span = request"), Standing::Sure);
    assert_eq!(standing("user = 42 and @span = job"), Standing::NotHere);
    let linear = |predicate: &str| Scope::outside(&[opened(1, options(predicate))]).candidates[0].standing;
    assert_eq!(
        [linear("*"), linear("@target = it"), linear("n > 1")],
        [Standing::Sure, Standing::Open, Standing::NeedsKey]
    );
}

#[test]
fn spans_are_asked_for_where_events_may_match_or_be_followed() {
    let asked = |predicate: &str, follow| {
        let sessions = [opened(1, options(predicate).follow(follow))];
        Scope::outside(&sessions).span_verbosity
    };
    let debug = 4;
    for follow in [Follow::Event, Follow::Span] {
        assert_eq!([asked("*", follow.clone()), asked("@target = it", follow)], [debug, debug]);
    }
    assert_eq!(asked("n > 1", Follow::Event), 0, "an event that brings the key needs no span");
    assert_eq!(asked("n > 1", Follow::Span), debug, "the span that it makes followed must be there");
    let ruled_out = [opened(1, options("user = 42 and not admin = 1").follow(Follow::Span))];
    assert_eq!(inside(&span("request", &[("user", 42), ("admin", 1)]), &ruled_out).span_verbosity, 0);
}

#[test]
fn only_sessions_that_want_timings_see_closes() {
    let sessions = [opened(1, options("*"))];
    let untimed = Scope::outside(&sessions);
    assert!(!Scope::is_timed(untimed.serial) && !untimed.reports_closes(1) && !untimed.times(1));
    let sessions = [opened(1, options("*").max_level(LevelFilter::INFO).timings())];
    let timed = Scope::outside(&sessions);
    assert!(Scope::is_timed(timed.serial));
    assert_eq!([timed.reports_closes(3), timed.times(3)], [true, true]);
    assert_eq!([timed.reports_closes(4), timed.times(4)], [false, false], "it sees nothing of DEBUG");
}

#[test]
fn what_differs_from_root_to_root_is_sampled() {
    let samples = |options| Scope::outside(&[opened(1, options)]).samples();
    assert!(samples(options("*").sample(2)) && !samples(options("*")));
}

#[test]
fn a_scope_outlives_what_concerns_other_spans() {
    let sessions = [opened(1, options("user = 42"))];
    let scope = inside(&span("request", &[("user", 42)]), &sessions);
    let key = || sessions[0].compiled.tests()[0].field().cloned();
    let outlives = |session, opened, key, satisfies| scope.outlives(&Change { session, opened, key }, |_| satisfies);
    let (own, other) = (SessionId(1), SessionId(2));
    assert!(outlives(other, true, key(), false) && !outlives(other, true, key(), true));
    assert!(!outlives(other, true, None, false) && !outlives(other, false, None, false), "it concerns every scope");
    for satisfies in [false, true] {
        assert!(outlives(other, false, key(), satisfies) && !outlives(own, false, key(), satisfies));
    }
}

#[test]
fn the_spans_around_an_event_weigh_what_they_hold() {
    let spans = [span("server", &[]), span("request", &[("user", 42)])];
    let bytes = spans.iter().map(|span| span.held_bytes()).sum();
    let one_by_one =
        spans.iter().cloned().map(Some).fold(CapturedSpans::new(CapturedChain::new()), |all, span| all.with(span));
    assert_eq!((one_by_one.bytes, one_by_one.with(None).bytes), (bytes, bytes));
    let at_once = CapturedSpans::new(spans.into_iter().rev().collect());
    assert_eq!((at_once.bytes, at_once.spans[1].name()), (bytes, "request"));
}
