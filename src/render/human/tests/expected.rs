//! What a reader of the YAML below an event's message should see.
//!
//! The fuzz target of the forms has this file too, so an event and a value are what the module around it says.

use super::{CapturedEvent, Value};
use saphyr::{Scalar, Yaml};
use serde_norway::{Mapping, Value as Node};

/// The tree of the whole block. `time` is the event's, as it is shown.
pub(crate) fn expected_block(event: &CapturedEvent, time: &str) -> Node {
    let mut block = Mapping::new();
    block.insert("time".into(), time.into());
    block.insert("level".into(), event.level().as_str().into());
    block.insert("target".into(), event.target().into());
    if let Some(file) = event.file() {
        let line = event.line().map_or(String::new(), |line| format!(":{line}"));
        block.insert("source".into(), format!("{file}{line}").into());
    }
    for (name, id) in
        event.trace().iter().flat_map(|trace| [("trace_id", trace.trace_id()), ("span_id", trace.span_id())])
    {
        block.insert(name.into(), id.into());
    }
    let own = expected_fields(event.fields().filter(|(name, _)| *name != "message"));
    if !own.is_empty() {
        block.insert("fields".into(), own.into());
    }
    if event.omitted_fields() > 0 {
        block.insert("omitted_fields".into(), event.omitted_fields().into());
    }
    let spans: Vec<_> = event.spans().map(|span| expected_span(span.name(), expected_fields(span.fields()))).collect();
    if !spans.is_empty() {
        block.insert("spans".into(), spans.into());
    }
    block.into()
}

fn expected_span(name: &str, fields: Mapping) -> Node {
    if fields.is_empty() { name.into() } else { Mapping::from_iter([(name.into(), fields.into())]).into() }
}

fn expected_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> Mapping {
    fields.map(|(name, value)| (name.into(), expected_value(value))).collect()
}

fn expected_value(value: &Value) -> Node {
    match value {
        Value::F64(float) => (*float).into(),
        Value::Bool(boolean) => (*boolean).into(),
        Value::Null => Node::Null,
        _ => match (value.as_i64(), value.as_u64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(integer)) => integer.into(),
            (None, None) => value.to_string().into(),
        },
    }
}

/// Whether the parser of YAML 1.2 knows a value: it has no integers past `i64`, as YAML allows.
pub(crate) fn fits(value: &Value) -> bool {
    value.as_u64().is_none() || value.as_i64().is_some()
}

/// What the parser of YAML 1.2 has read, in the other parser's terms.
pub(crate) fn converted(yaml: &Yaml<'_>) -> Node {
    match yaml {
        Yaml::Value(Scalar::Null) => Node::Null,
        Yaml::Value(Scalar::Boolean(boolean)) => (*boolean).into(),
        Yaml::Value(Scalar::Integer(integer)) => (*integer).into(),
        Yaml::Value(Scalar::FloatingPoint(float)) => float.into_inner().into(),
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(converted).collect::<Vec<_>>().into(),
        Yaml::Mapping(entries) => {
            entries.iter().map(|(key, value)| (converted(key), converted(value))).collect::<Mapping>().into()
        }
        other => panic!("no place for {other:?} here"),
    }
}
