//! Events in words that the oracle and the crate share, so that they can be compared and read.

use super::evaluator::{Around, Fields, Happened, Val, plain};

/// An event as one line; see `delivered`.
pub(crate) fn described(event: &Happened, thread: &str) -> String {
    let spans: Vec<_> = event.spans.iter().map(described_span).collect();
    let fields = described_fields(&event.fields);
    format!("{} {} on {thread} {{{fields}}} in [{}]", event.level, event.target, spans.join(", "))
}

fn described_span(span: &Around) -> String {
    format!("{} {} {} {{{}}}", span.level, span.target, span.name, described_fields(&span.fields))
}

fn described_fields(fields: &Fields) -> String {
    let fields = fields.iter().filter(|(_, value)| !matches!(value, Val::Absent));
    fields.map(|(name, value)| format!("{}={}", plain(name), described_value(value))).collect::<Vec<_>>().join(" ")
}

fn described_value(value: &Val) -> String {
    let kind = match value {
        Val::I64(_) => "i64",
        Val::U64(_) => "u64",
        Val::I128(_) => "i128",
        Val::U128(_) => "u128",
        Val::F64(_) => "f64",
        Val::Bool(_) => "bool",
        Val::Str(_) => "str",
        Val::Display(_) | Val::Debug(_) => "debug",
        Val::Error(_) => "error",
        Val::Bytes(_) => "bytes",
        Val::Redacted => "redacted",
        Val::Absent => unreachable!("it was left out"),
    };
    format!("{kind}:{:?}", value.prints())
}

/// An event as it was delivered, in the same words.
pub(crate) fn delivered(event: &tracing_tap::CapturedEvent) -> String {
    let spans: Vec<_> = event.spans().map(delivered_span).collect();
    let fields = delivered_fields(event.fields());
    let thread = event.thread().unwrap_or_default();
    format!("{} {} on {thread} {{{fields}}} in [{}]", event.level(), event.target(), spans.join(", "))
}

fn delivered_span(span: &tracing_tap::CapturedSpan) -> String {
    format!("{} {} {} {{{}}}", span.level(), span.target(), span.name(), delivered_fields(span.fields()))
}

fn delivered_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a tracing_tap::Value)>) -> String {
    fields.map(|(name, value)| format!("{name}={}", delivered_value(value))).collect::<Vec<_>>().join(" ")
}

fn delivered_value(value: &tracing_tap::Value) -> String {
    use tracing_tap::Value;
    let kind = match value {
        Value::I64(_) => "i64",
        Value::U64(_) => "u64",
        Value::I128(_) => "i128",
        Value::U128(_) => "u128",
        Value::F64(_) => "f64",
        Value::Bool(_) => "bool",
        Value::Str(_) => "str",
        Value::Debug(_) => "debug",
        Value::Error(_) => "error",
        Value::Bytes(_) => "bytes",
        Value::Redacted => "redacted",
        other => panic!("no callsite has such a value: {other:?}"),
    };
    format!("{kind}:{:?}", value.to_string())
}
