//! Items as log records.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use prost::Message;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing_core::Level;
use tracing_tap::{CapturedEvent, Format, Item, TraceContext, Value, write_item};

/// The name of the field that is the body of a record.
const MESSAGE: &str = "message";

/// A log record that is to be sent.
#[derive(Clone, Debug)]
pub struct Record(pub(super) LogRecord);

impl Record {
    /// An item of a session. Attributes are the event's fields, then those of its spans that no inner field has the name of;
    /// `spans` has each span whole.
    pub fn of_item(item: &Item) -> Self {
        let mut record = match item {
            Item::Event { event, .. } => of_event(event),
            Item::Timing { timing, .. } => {
                let mut record = of_event(timing.as_event());
                "tracing_tap.timing".clone_into(&mut record.event_name);
                record.body = Some(text(format!("the span `{}` closed", timing.name())));
                record
            }
            other => of_words(other),
        };
        if let Item::Event { session, sequence, .. } | Item::Timing { session, sequence, .. } = item {
            set(&mut record.attributes, "tracing_tap.session", text(session.to_string()));
            set(&mut record.attributes, "tracing_tap.sequence", integer(*sequence));
        }
        Self(record)
    }

    /// A warning of the forwarding program itself.
    pub fn warning(words: impl Into<String>) -> Self {
        Self(of_tool(SeverityNumber::Warn, words.into(), "tracing_tap.notice"))
    }

    /// The same record, of this instance of a service.
    #[must_use]
    pub fn with_instance(mut self, instance: &str) -> Self {
        set(&mut self.0.attributes, "service.instance.id", text(instance));
        self
    }

    /// About how many bytes it takes in a request.
    pub(super) fn bytes(&self) -> usize {
        self.0.encoded_len()
    }
}

fn of_event(event: &CapturedEvent) -> LogRecord {
    let severity = severity_of(event.level());
    let trace = event.trace();
    let body = if event.message().is_empty() { None } else { Some(text(event.message())) };
    LogRecord {
        time_unix_nano: nanos(event.time()),
        observed_time_unix_nano: nanos(SystemTime::now()),
        severity_number: severity.into(),
        severity_text: event.level().to_string(),
        body,
        attributes: attributes_of(event),
        dropped_attributes_count: event.omitted_fields(),
        flags: trace.map_or(0, |trace| trace.flags().into()),
        trace_id: trace.and_then(trace_id).unwrap_or_default(),
        span_id: trace.and_then(span_id).unwrap_or_default(),
        ..LogRecord::default()
    }
}

/// What is no event: what is missing, how far the past reaches, the end.
fn of_words(item: &Item) -> LogRecord {
    let mut line = Vec::new();
    write_item(&mut line, item, Format::Compact);
    let words = String::from_utf8_lossy(&line).trim().trim_start_matches("-- ").to_owned();
    match item {
        Item::Missing(missing) => {
            let mut record = of_tool(SeverityNumber::Warn, words, "tracing_tap.missing");
            record.attributes.push(attribute("tracing_tap.missing.count", integer(missing.count)));
            record.attributes.push(attribute("tracing_tap.missing.reason", text(missing.reason.word())));
            record
        }
        Item::Ended(_) => of_tool(SeverityNumber::Info, words, "tracing_tap.ended"),
        _ => of_tool(SeverityNumber::Info, words, "tracing_tap.horizon"),
    }
}

fn of_tool(severity: SeverityNumber, words: String, name: &str) -> LogRecord {
    let now = nanos(SystemTime::now());
    LogRecord {
        time_unix_nano: now,
        observed_time_unix_nano: now,
        severity_number: severity.into(),
        severity_text: if severity == SeverityNumber::Warn { "WARN".to_owned() } else { "INFO".to_owned() },
        body: Some(text(words)),
        attributes: vec![attribute("target", text("tracing_tap"))],
        event_name: name.to_owned(),
        ..LogRecord::default()
    }
}

fn attributes_of(event: &CapturedEvent) -> Vec<KeyValue> {
    let mut attributes = vec![attribute("target", text(event.target()))];
    let mut add = |key: &str, value: AnyValue| set(&mut attributes, key, value);
    // Of a name that is there more than once the last value counts, and of spans the innermost.
    let of_spans = event.spans().flat_map(|span| span.fields());
    let own = event.fields().filter(|(name, _)| *name != MESSAGE);
    of_spans.chain(own).for_each(|(name, value)| add(name, any(value)));
    if event.spans().len() > 0 {
        add("spans", list(event.spans().map(|span| span_of(span.name(), span.fields())).collect()));
    }
    if let Some(file) = event.file() {
        add("code.file.path", text(file));
    }
    if let Some(line) = event.line() {
        add("code.line.number", integer(line.into()));
    }
    if let Some(thread) = event.thread() {
        add("thread.name", text(thread));
    }
    if event.is_past() {
        add("tracing_tap.past", AnyValue { value: Some(Any::BoolValue(true)) });
    }
    attributes
}

/// Sets an attribute. No key is there twice: receivers may do what they like with that.
fn set(attributes: &mut Vec<KeyValue>, key: &str, value: AnyValue) {
    match attributes.iter_mut().find(|known| known.key == key) {
        Some(known) => known.value = Some(value),
        None => attributes.push(attribute(key, value)),
    }
}

fn span_of<'a>(name: &str, fields: impl Iterator<Item = (&'a str, &'a Value)>) -> AnyValue {
    let mut values: Vec<KeyValue> = fields.map(|(name, value)| attribute(name, any(value))).collect();
    values.retain(|field| field.key != "name");
    values.push(attribute("name", text(name)));
    AnyValue { value: Some(Any::KvlistValue(KeyValueList { values })) }
}

fn list(values: Vec<AnyValue>) -> AnyValue {
    AnyValue { value: Some(Any::ArrayValue(ArrayValue { values })) }
}

fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn text(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Any::StringValue(text.into())) }
}

/// An integer past 63 bits is a text.
fn integer(number: u64) -> AnyValue {
    i64::try_from(number)
        .map_or_else(|_| text(number.to_string()), |number| AnyValue { value: Some(Any::IntValue(number)) })
}

fn any(value: &Value) -> AnyValue {
    match value {
        Value::I64(number) => AnyValue { value: Some(Any::IntValue(*number)) },
        Value::U64(number) => integer(*number),
        Value::F64(number) => AnyValue { value: Some(Any::DoubleValue(*number)) },
        Value::Bool(value) => AnyValue { value: Some(Any::BoolValue(*value)) },
        // 128 bits, texts with their mark of a cut, bytes as people read them.
        other => text(other.to_string()),
    }
}

/// The severities of OpenTelemetry are in steps of four.
fn severity_of(level: Level) -> SeverityNumber {
    match level {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        _ => SeverityNumber::Trace,
    }
}

fn trace_id(trace: &TraceContext) -> Option<Vec<u8>> {
    u128::from_str_radix(trace.trace_id(), 16).ok().map(|id| id.to_be_bytes().to_vec())
}

fn span_id(trace: &TraceContext) -> Option<Vec<u8>> {
    u64::from_str_radix(trace.span_id(), 16).ok().map(|id| id.to_be_bytes().to_vec())
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

pub(super) fn resource_attribute((key, value): &(String, String)) -> KeyValue {
    attribute(key, text(value.as_str()))
}
