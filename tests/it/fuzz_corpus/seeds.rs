//! The cases a fuzzer should start from: one for each thing a predicate can ask, and the near misses.

use crate::oracle::callsites::{EventSite, LEVELS, Parent, SpanSite, TARGETS, event_sites, span_sites};
use crate::oracle::evaluator::{Part, Pred, Relation, Val};
use crate::oracle::fuzzed::Case;
use tracing::Level;

/// The seeds by name.
pub(crate) fn seeds() -> Vec<(&'static str, Case)> {
    [metadata(), equalities(), texts(), orderings(), scopes()].into_iter().flatten().collect()
}

fn metadata() -> Vec<(&'static str, Case)> {
    let below = Pred::And(Box::new(Pred::Target("app")), Box::new(Pred::Ne(vec!["n"], Val::U64(3))));
    let predicate = Pred::And(Box::new(Pred::Level(Level::DEBUG)), Box::new(below));
    let case = Case { with_witness: false, ..alone(predicate, Val::Absent) };
    vec![("everything", alone(Pred::Everything, Val::I64(1))), ("metadata", case)]
}

fn equalities() -> Vec<(&'static str, Case)> {
    vec![
        ("span_integer", inside(true, user(text("42")), Val::U64(42))),
        ("span_without_witness", inside(false, user(Val::I64(42)), text("42"))),
        ("float_is_integer", alone(user(Val::I64(42)), Val::F64(42.0))),
        ("quoted_debug", alone(user(text("4\"2\n")), Val::Debug("4\"2\n".to_owned()))),
        ("display_of_option", alone(user(Val::I64(42)), Val::Display("Some(42)".to_owned()))),
        ("leading_zero", alone(user(Val::I64(42)), text("042"))),
        ("nan_equals_nothing", alone(user(Val::F64(f64::NAN)), Val::F64(f64::NAN))),
    ]
}

fn texts() -> Vec<(&'static str, Case)> {
    let of = |part, wanted| Pred::Text(vec!["user"], part, text(wanted));
    vec![
        ("error", alone(of(Part::Contains, "refused"), Val::Error("io: refused".to_owned()))),
        ("bytes", alone(of(Part::Starts, "[de"), Val::Bytes(vec![0x1e, 0x2d]))),
        ("ends", alone(of(Part::Ends, "42"), Val::Bool(true))),
    ]
}

fn orderings() -> Vec<(&'static str, Case)> {
    let order = |relation, bound| Pred::Order(vec!["user"], relation, bound);
    let past_2_53 = order(Relation::Greater, Val::F64(9_007_199_254_740_992.0));
    vec![
        ("past_2_53", alone(past_2_53, Val::U128(9_007_199_254_740_993))),
        (
            "float_below_2_53_and_1",
            alone(order(Relation::Less, Val::U128(9_007_199_254_740_993)), Val::F64(9_007_199_254_740_992.0)),
        ),
        ("integer_above_1e23", alone(order(Relation::Greater, Val::F64(1e23)), Val::I128(10_i128.pow(23)))),
        ("past_i128", alone(order(Relation::GreaterOrEqual, Val::U128(u128::MAX)), Val::F64(3.5e38))),
        ("negative", alone(order(Relation::Less, text("-1.5")), Val::I128(i128::MIN))),
        ("ordered_text", alone(order(Relation::LessOrEqual, Val::I64(1000)), text("1e3"))),
    ]
}

fn scopes() -> Vec<(&'static str, Case)> {
    let conn = span(Level::INFO, &["sid", "user"], Parent::Context);
    let deep = span(Level::TRACE, &["sid", "user", "n", "tenant"], Parent::Context);
    let detached = span(Level::ERROR, &["sid", "user"], Parent::None);
    let at_least_1 = Pred::Order(vec!["n"], Relation::GreaterOrEqual, Val::I64(1));
    let three_values = Case {
        with_witness: false,
        predicate: Pred::And(Box::new(user(Val::I64(2))), Box::new(at_least_1)),
        spans: vec![(conn, with(Val::I64(2)))],
        event: (event(Level::TRACE, &["op", "n"], Parent::Context), with(Val::I64(1))),
    };
    let explicit_parent = Case {
        with_witness: true,
        predicate: Pred::Or(Box::new(user(text("a"))), Box::new(Pred::Span("none"))),
        spans: vec![(deep, [text("a"), Val::Bool(false), Val::Absent]), (detached, with(text("b")))],
        event: (event(Level::WARN, &["op", "user"], Parent::Explicit), with(Val::Absent)),
    };
    let no_parent = Case {
        with_witness: true,
        predicate: Pred::Not(Box::new(Pred::Exists(vec!["user", "type"]))),
        spans: vec![(conn, with(Val::I64(1)))],
        event: (event(Level::INFO, &["op"], Parent::None), with(Val::Absent)),
    };
    vec![("three_values", three_values), ("explicit_parent", explicit_parent), ("no_parent", no_parent)]
}

/// The event bears the value.
fn alone(predicate: Pred, value: Val) -> Case {
    let event = event(Level::DEBUG, &["op", "user"], Parent::Context);
    Case { with_witness: true, predicate, spans: vec![], event: (event, with(value)) }
}

/// A span around the event bears the value.
fn inside(with_witness: bool, predicate: Pred, value: Val) -> Case {
    let conn = span(Level::INFO, &["sid", "user"], Parent::Context);
    let event = event(Level::TRACE, &["op"], Parent::Context);
    Case { with_witness, predicate, spans: vec![(conn, with(value))], event: (event, with(Val::Absent)) }
}

fn user(wanted: Val) -> Pred {
    Pred::AnyOf(vec!["user"], vec![wanted])
}

fn text(text: &str) -> Val {
    Val::Str(text.to_owned())
}

fn with(first: Val) -> [Val; 3] {
    [first, Val::Absent, Val::Absent]
}

fn event(level: Level, fields: &[&str], parent: Parent) -> usize {
    let is_it = |site: &EventSite| site.level == level && site.fields == fields && site.parent == parent;
    event_sites().iter().position(is_it).expect("the family has it")
}

fn span(level: Level, fields: &[&str], parent: Parent) -> usize {
    let is_it = |site: &SpanSite| site.level == level && site.fields == fields && site.parent == parent;
    span_sites().iter().position(is_it).expect("the family has it")
}

/// The bytes that are decoded as this case.
pub(crate) fn encode(case: &Case) -> Vec<u8> {
    let mut bytes = vec![u8::from(case.with_witness)];
    put_predicate(&mut bytes, &case.predicate);
    bytes.push(case.spans.len() as u8);
    for (site, values) in case.spans.iter().chain([&case.event]) {
        bytes.push(*site as u8);
        values.iter().for_each(|value| put_value(&mut bytes, value));
    }
    bytes
}

fn put_value(bytes: &mut Vec<u8>, value: &Val) {
    match value {
        Val::I64(value) => put(bytes, 0, &value.to_le_bytes()),
        Val::U64(value) => put(bytes, 1, &value.to_le_bytes()),
        Val::I128(value) => put(bytes, 2, &value.to_le_bytes()),
        Val::U128(value) => put(bytes, 3, &value.to_le_bytes()),
        Val::F64(value) => put(bytes, 4, &value.to_bits().to_le_bytes()),
        Val::Bool(value) => put(bytes, 5, &[u8::from(*value)]),
        Val::Str(text) => put_text(bytes, 6, text.as_bytes()),
        Val::Display(text) => put_text(bytes, 7, text.as_bytes()),
        Val::Debug(text) => put_text(bytes, 8, text.as_bytes()),
        Val::Error(text) => put_text(bytes, 9, text.as_bytes()),
        Val::Bytes(of) => put_text(bytes, 10, of),
        Val::Absent => bytes.push(11),
        Val::Redacted => unreachable!("no case has one"),
    }
}

fn put_predicate(bytes: &mut Vec<u8>, predicate: &Pred) {
    match predicate {
        Pred::Everything => bytes.push(0),
        Pred::AnyOf(keys, wanted) => {
            put_keys(bytes, 1, keys);
            bytes.push(wanted.len() as u8);
            wanted.iter().for_each(|value| put_value(bytes, value));
        }
        Pred::Ne(keys, wanted) => {
            put_keys(bytes, 2, keys);
            put_value(bytes, wanted);
        }
        Pred::Exists(keys) => put_keys(bytes, 3, keys),
        Pred::Text(keys, part, wanted) => {
            put_keys(bytes, 4, keys);
            bytes.push(*part as u8);
            put_value(bytes, wanted);
        }
        Pred::Order(keys, relation, bound) => {
            put_keys(bytes, 5, keys);
            bytes.push(*relation as u8);
            put_value(bytes, bound);
        }
        Pred::Level(level) => put(bytes, 6, &[place(&LEVELS, level)]),
        Pred::Target(target) => put(bytes, 7, &[place(&TARGETS, target)]),
        Pred::Span(name) => put(bytes, 8, &[place(&super::fuzzed::SPAN_NAMES, name)]),
        Pred::And(left, right) => put_operands(bytes, 9, &[left, right]),
        Pred::Or(left, right) => put_operands(bytes, 10, &[left, right]),
        Pred::Not(operand) => put_operands(bytes, 11, &[operand]),
    }
}

fn put_operands(bytes: &mut Vec<u8>, tag: u8, operands: &[&Pred]) {
    bytes.push(tag);
    operands.iter().for_each(|operand| put_predicate(bytes, operand));
}

fn put_keys(bytes: &mut Vec<u8>, tag: u8, keys: &[&str]) {
    put(bytes, tag, &[keys.len() as u8 - 1]);
    bytes.extend(keys.iter().map(|key| place(&super::fuzzed::KEYS, key)));
}

fn put_text(bytes: &mut Vec<u8>, tag: u8, text: &[u8]) {
    put(bytes, tag, &[text.len() as u8]);
    bytes.extend(text);
}

fn put(bytes: &mut Vec<u8>, tag: u8, payload: &[u8]) {
    bytes.push(tag);
    bytes.extend(payload);
}

fn place<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).expect("it is one of them") as u8
}
