//! What histories are made of, and how often: a small vocabulary, full of near misses.

use super::asked::{Asked, Limit, Slow};
use super::callsites::{EventSite, LEVELS, Parent, SpanSite, TARGETS};
use super::evaluator::{Part, Pred, Relation, Val};
use super::history::{
    Argument, Closer, EVENTS, History, LARGE_RING, SMALL_RING, SPANS, Setting, Stack, Step, THREADS, TWICE,
};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_tap::Follow;

const TEXTS: [&str; 14] =
    ["42", "42", "42", "4", "420", "042", "42.0", "42 ", "Some(42)", "\"42\"", "true", "NaN", "inf", ""];
const KEYS: [&str; 6] = ["user", "tenant", "n", "path", "message", "type"];
const FLOATS: [f64; 10] =
    [42.0, 42.0, 4.0, 42.5, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9_007_199_254_740_993.0, 1e23];

/// Which routers have layers in which subscribers.
const LAYERS: [&[&[usize]]; 6] = [&[&[0]], &[&[0], &[0]], &[&[0], &[1]], &[&[0, 1]], &[TWICE], &[&[0, 1], &[1]]];

pub(crate) fn histories() -> impl Strategy<Value = History> {
    let stack = select(vec![Stack::TapFirst, Stack::TapLast, Stack::TapLastOfReloaded, Stack::Unfiltered]);
    let redacted = weighted(0.3, select(vec!["user", "tenant", "message"]));
    let layers = prop_oneof![2 => Just(LAYERS[0]), 3 => select(&LAYERS[..])];
    let span_level = prop_oneof![6 => Just(Level::INFO), 1 => Just(Level::DEBUG), 1 => Just(Level::WARN)];
    let denied = weighted(0.3, select(vec!["app::db", "app", "apple"]));
    let look_back = weighted(0.5, prop_oneof![3 => Just(Level::TRACE), 1 => levels()]);
    let other = prop_oneof![4 => Just(Level::INFO), 2 => Just(Level::DEBUG), 1 => levels()].prop_map(Into::into);
    let look_back = (look_back, prop_oneof![3 => Just(LARGE_RING), 1 => Just(SMALL_RING)]);
    let setting = (stack, span_level, other, any::<bool>(), denied, redacted, look_back, layers);
    let setting =
        setting.prop_map(|(stack, span_level, other, asks_for_spans, denied, redacted, past, layers)| Setting {
            stack,
            span_level,
            other,
            asks_for_spans,
            denied,
            redacted,
            look_back: past.0,
            ring_bytes: past.1,
            layers,
        });
    let steps = prop_oneof![3 => vec(steps(), 4..80), 2 => vec(steps_around_one_user(), 10..80)];
    (setting, steps).prop_map(|(setting, steps)| History { setting, steps })
}

fn steps() -> impl Strategy<Value = Step> {
    let any = 0..1000_usize;
    let near = 0..4_usize;
    let thread = 0..THREADS;
    let span = (thread.clone(), any.clone(), near.clone(), vec(values(), 3))
        .prop_map(|(thread, site, parent, values)| Step::Span { thread, site, parent, values });
    let event = (thread.clone(), any.clone(), near.clone(), vec(values(), 3), arguments())
        .prop_map(|(thread, site, parent, values, argument)| Step::Event { thread, site, parent, values, argument });
    let record = (thread.clone(), near.clone(), 0..3_usize, values())
        .prop_map(|(thread, span, field, value)| Step::Record { thread, span, field, value });
    let record_current = (thread.clone(), 0..5_usize, values())
        .prop_map(|(thread, field, value)| Step::RecordCurrent { thread, field, value });
    let follows =
        (thread.clone(), near.clone(), near.clone()).prop_map(|(thread, span, of)| Step::Follows { thread, span, of });
    let closer = prop_oneof![Just(Closer::Router), Just(Closer::Drop)];
    let filter =
        prop_oneof![3 => Just(LevelFilter::INFO), 1 => levels().prop_map(Into::into), 1 => Just(LevelFilter::OFF)];
    prop_oneof![
        14 => span,
        12 => (thread.clone(), near.clone()).prop_map(|(thread, span)| Step::Enter { thread, span }),
        6 => (thread.clone(), near.clone()).prop_map(|(thread, nth)| Step::Exit { thread, nth }),
        10 => record,
        3 => record_current,
        3 => thread.clone().prop_map(|thread| Step::Capture { thread }),
        1 => follows,
        3 => (thread.clone(), near.clone()).prop_map(|(thread, span)| Step::Close { thread, span }),
        40 => event,
        8 => (thread.clone(), sessions(predicates().boxed())).prop_map(|(thread, asked)| Step::Open { thread, asked }),
        4 => (near.clone(), closer).prop_map(|(session, by)| Step::Shut { session, by }),
        2 => near.prop_map(|session| Step::Drain { session }),
        1 => thread.clone().prop_map(|thread| Step::Rebuild { thread }),
        2 => (thread.clone(), levels()).prop_map(|(thread, level)| Step::Hint { thread, level }),
        2 => (thread.clone(), filter).prop_map(|(thread, level)| Step::Reload { thread, level }),
        3 => Just(Step::Breathe),
        1 => thread.clone().prop_map(|thread| Step::Respawn { thread }),
        4 => thread.clone().prop_map(|thread| Step::Switch { thread }),
        1 => (thread, prop_oneof![20 => 1..40_usize, 1 => Just(8_190)])
            .prop_map(|(thread, spans)| Step::Churn { thread, spans }),
    ]
}

/// Steps that keep meeting each other: few callsites, which the router has time to learn; one user who comes and
/// goes by `record`, seen by threads that stay where they are.
fn steps_around_one_user() -> impl Strategy<Value = Step> {
    let event_site = |level, fields: &[&str]| {
        let is_it = |site: &EventSite| site.level == level && site.fields == fields && site.parent == Parent::Context;
        EVENTS.iter().position(is_it).expect("the family has it")
    };
    let is_span = |site: &SpanSite| site.level == Level::INFO && site.fields == ["sid", "user"];
    let span_sites: Vec<_> = (0..SPANS.len()).filter(|site| is_span(&SPANS[*site])).collect();
    let event_sites = vec![
        event_site(Level::TRACE, &["op"]),
        event_site(Level::TRACE, &["op"]),
        event_site(Level::DEBUG, &["op", "n"]),
    ];
    let thread = 0..THREADS;
    let user = || select(vec![42, 4]).prop_map(Val::I64);
    let near = 0..2_usize;
    let span = (thread.clone(), select(span_sites), near.clone(), user())
        .prop_map(|(thread, site, parent, user)| Step::Span { thread, site, parent, values: vec![user] });
    let event = (thread.clone(), select(event_sites), user()).prop_map(|(thread, site, n)| Step::Event {
        thread,
        site,
        parent: 0,
        values: vec![n],
        argument: Argument::Plain,
    });
    let predicate = (prop_oneof![Just(42), Just(4)], 0..4).prop_map(|(user, form)| {
        let user = Pred::AnyOf(vec!["user"], vec![Val::I64(user)]);
        let many = Pred::Order(vec!["n"], Relation::Greater, Val::I64(4));
        match form {
            0 => user,
            1 => Pred::And(user.into(), many.into()),
            2 => many,
            _ => Pred::Not(Pred::Not(user.into()).into()),
        }
    });
    prop_oneof![
        3 => span,
        4 => (thread.clone(), near.clone()).prop_map(|(thread, span)| Step::Enter { thread, span }),
        2 => (thread.clone(), near.clone()).prop_map(|(thread, nth)| Step::Exit { thread, nth }),
        8 => (thread.clone(), 0..3_usize, user())
            .prop_map(|(thread, span, value)| Step::Record { thread, span, field: 0, value }),
        20 => event,
        2 => (thread, sessions(predicate.boxed())).prop_map(|(thread, asked)| Step::Open { thread, asked }),
        1 => near.prop_map(|session| Step::Shut { session, by: Closer::Drop }),
        2 => Just(Step::Breathe),
    ]
}

fn sessions(predicates: BoxedStrategy<Pred>) -> impl Strategy<Value = Asked> {
    let follow = prop_oneof![
        3 => Just(Follow::Event),
        1 => Just(Follow::Span),
        1 => Just(Follow::Root),
        2 => select(vec!["conn", "req", "none"]).prop_map(|name| Follow::Named(name.to_owned())),
    ];
    let limit = prop_oneof![
        6 => Just(Limit::None),
        1 => (2..4_u32).prop_map(Limit::OneIn),
        1 => (1..5_u64).prop_map(Limit::Events),
        1 => select(vec![0, 3, 1_000_000]).prop_map(Limit::Rate),
    ];
    let spans = prop_oneof![
        2 => Just(LevelFilter::OFF),
        1 => Just(LevelFilter::DEBUG),
        1 => Just(LevelFilter::TRACE)
    ];
    let max_level = prop_oneof![3 => Just(Level::TRACE), 1 => levels()];
    let slower_than = weighted(0.1, select(vec![Slow::Everything, Slow::Nothing]));
    let outcome = (weighted(0.3, predicates.clone()), slower_than);
    let asked = (
        predicates.clone(),
        weighted(0.2, predicates),
        follow,
        max_level,
        limit,
        spans,
        any::<(bool, bool)>(),
        0..2_usize,
        outcome,
    );
    asked.prop_map(|(predicate, scope, follow, max_level, limit, spans, (by_text, looks_back), router, outcome)| {
        Asked {
            predicate,
            scope,
            follow,
            max_level,
            limit,
            spans,
            by_text,
            looks_back,
            router,
            only_if: outcome.0,
            slower_than: outcome.1,
        }
    })
}

fn arguments() -> impl Strategy<Value = Argument> {
    let any = 0..1000_usize;
    prop_oneof![
        12 => Just(Argument::Plain),
        2 => (any.clone(), vec(values(), 3)).prop_map(|(site, values)| Argument::Emits { site, values }),
        1 => any.clone().prop_map(|site| Argument::Spans { site }),
        1 => levels().prop_map(|level| Argument::Hints { level }),
        1 => select(vec![Argument::Opens, Argument::PrintsAndOpens, Argument::Panics]),
        2 => (any, vec(values(), 3)).prop_map(|(site, values)| Argument::PrintsAndEmits { site, values }),
    ]
}

pub(crate) fn values() -> impl Strategy<Value = Val> {
    let text = || select(&TEXTS[..]).prop_map(str::to_owned);
    prop_oneof![
        3 => select(vec![42, 42, 4, 420, -42]).prop_map(Val::I64),
        3 => select(vec![42, 42, 4, u64::MAX]).prop_map(Val::U64),
        1 => select(vec![42, -42, i128::MIN]).prop_map(Val::I128),
        1 => select(vec![42, 9_007_199_254_740_993, u128::MAX]).prop_map(Val::U128),
        2 => select(&FLOATS[..]).prop_map(Val::F64),
        1 => any::<bool>().prop_map(Val::Bool),
        3 => text().prop_map(Val::Str),
        2 => text().prop_map(Val::Display),
        2 => text().prop_map(Val::Debug),
        1 => text().prop_map(Val::Error),
        1 => select(vec![vec![0x42], vec![]]).prop_map(Val::Bytes),
        3 => Just(Val::Absent),
    ]
}

pub(crate) fn predicates() -> impl Strategy<Value = Pred> {
    let tests = prop_oneof![
        5 => (keys(), vec(wanted(), 1)).prop_map(|(keys, values)| Pred::AnyOf(keys, values)),
        1 => (keys(), vec(wanted(), 2..4)).prop_map(|(keys, values)| Pred::AnyOf(keys, values)),
        1 => (keys(), wanted()).prop_map(|(keys, value)| Pred::Ne(keys, value)),
        1 => keys().prop_map(Pred::Exists),
        1 => (keys(), select(vec![Part::Starts, Part::Ends, Part::Contains]), wanted())
            .prop_map(|(keys, part, value)| Pred::Text(keys, part, value)),
        2 => (keys(), relations(), wanted()).prop_map(|(keys, relation, bound)| Pred::Order(keys, relation, bound)),
        1 => levels().prop_map(Pred::Level),
        1 => select(&TARGETS[..]).prop_map(Pred::Target),
        1 => select(vec!["conn", "req", "none"]).prop_map(Pred::Span),
        1 => Just(Pred::Everything),
    ];
    tests.prop_recursive(3, 6, 2, |inner| {
        let (left, right) = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            3 => (left.clone(), right.clone()).prop_map(|(left, right)| Pred::And(left, right)),
            2 => (left.clone(), right).prop_map(|(left, right)| Pred::Or(left, right)),
            1 => left.prop_map(Pred::Not),
        ]
    })
}

fn relations() -> impl Strategy<Value = Relation> {
    select(vec![Relation::Less, Relation::LessOrEqual, Relation::Greater, Relation::GreaterOrEqual])
}

fn keys() -> impl Strategy<Value = Vec<&'static str>> {
    let first = prop_oneof![4 => Just("user"), 2 => select(&KEYS[..])];
    (first, weighted(0.2, select(&KEYS[..]))).prop_map(|(first, second)| [first].into_iter().chain(second).collect())
}

fn wanted() -> impl Strategy<Value = Val> {
    prop_oneof![
        4 => Just(Val::Str("42".to_owned())),
        2 => Just(Val::I64(42)),
        1 => select(&TEXTS[..]).prop_map(|text| Val::Str(text.to_owned())),
        1 => select(&FLOATS[..]).prop_map(Val::F64),
        1 => select(vec![4, u64::MAX]).prop_map(Val::U64),
        1 => select(vec![9_007_199_254_740_993, u128::MAX]).prop_map(Val::U128),
        1 => select(vec![-42, i128::MIN]).prop_map(Val::I128),
        1 => any::<bool>().prop_map(Val::Bool),
    ]
}

fn levels() -> impl Strategy<Value = Level> {
    select(&LEVELS[..])
}
