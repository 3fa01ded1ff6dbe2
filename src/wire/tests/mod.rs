mod unique;

use crate::event::testing::Parts;
use crate::event::{CapturedEvent, CapturedSpan, Fields, RequestId};
use crate::missing::{Missing, MissingReason};
use crate::render::testing::{any_item, bare, example_event, fields, span};
use crate::render::{Format, FormatOptions, write_item};
use crate::session::{EndReason, SessionId};
use crate::stream::Item;
use crate::trace::TraceContext;
use crate::value::{Bytes, Text, Value};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const FORMATS: [Format; 4] = [Format::Json, Format::Human, Format::Compact, Format::GithubActions];

fn written(item: &Item, format: Format) -> String {
    let mut out = Vec::new();
    write_item(&mut out, item, format);
    String::from_utf8(out).unwrap()
}

fn item(event: CapturedEvent) -> Item {
    Item::Event { session: SessionId(1), sequence: 7, event: Arc::new(event) }
}

/// The documented tables, as a reader would declare them.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "reading it is the test")]
enum Documented {
    Event {
        session: u64,
        sequence: u64,
        past: Option<bool>,
        timestamp: String,
        level: DocumentedLevel,
        fields: BTreeMap<String, DocumentedValue>,
        target: String,
        filename: Option<String>,
        line_number: Option<u32>,
        span: Option<DocumentedSpan>,
        spans: Option<Vec<DocumentedSpan>>,
        #[serde(rename = "threadName")]
        thread_name: Option<String>,
        #[serde(rename = "omittedFields")]
        omitted_fields: Option<u32>,
        request: Option<RequestId>,
        trace_id: Option<String>,
        span_id: Option<String>,
    },
    Timing {
        session: u64,
        sequence: u64,
        timestamp: String,
        level: DocumentedLevel,
        fields: DocumentedTimes,
        target: String,
        filename: Option<String>,
        line_number: Option<u32>,
        span: DocumentedSpan,
        spans: Vec<DocumentedSpan>,
        #[serde(rename = "threadName")]
        thread_name: Option<String>,
        #[serde(rename = "omittedFields")]
        omitted_fields: Option<u32>,
        request: Option<RequestId>,
        trace_id: Option<String>,
        span_id: Option<String>,
    },
    Missing {
        count: u64,
        reason: MissingReason,
    },
    Horizon {
        asked_ms: u64,
        reaches_ms: u64,
        overwritten: u64,
        unresolved: u64,
        unkept: u64,
        threads: Vec<DocumentedThread>,
    },
    Ended {
        reason: DocumentedEnd,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "reading it is the test")]
struct DocumentedTimes {
    message: String,
    #[serde(rename = "time.busy")]
    busy: Option<u64>,
    #[serde(rename = "time.idle")]
    idle: Option<u64>,
    #[serde(rename = "time.wall")]
    wall: Option<u64>,
    #[serde(rename = "time.seen")]
    seen: Option<u64>,
    polls: Option<u64>,
    since: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "reading it is the test")]
struct DocumentedThread {
    thread: String,
    reaches_ms: u64,
    overwritten: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum DocumentedLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum DocumentedEnd {
    Closed,
    Expired,
    MaxEvents,
    Shutdown,
    TooCostly,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the test")]
struct DocumentedSpan {
    name: String,
    #[serde(flatten)]
    fields: BTreeMap<String, DocumentedSpanValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "reading it is the test")]
enum DocumentedValue {
    Text(String),
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Null,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "reading it is the test")]
enum DocumentedSpanValue {
    Scalar(DocumentedValue),
    Bytes(Vec<u8>),
    CutBytes(Vec<DocumentedValue>),
}

/// What JSON can carry of a value, in the type it is read as where that shows.
fn carried(value: &Value) -> Value {
    match value {
        Value::F64(float) if !float.is_finite() => Value::Null,
        Value::I128(_) | Value::U128(_) => value.to_string().into(),
        _ => value.clone(),
    }
}

fn carried_fields(fields: &Fields) -> Fields {
    Fields::listed(fields.values().map(|(name, value)| (name.to_owned().into(), carried(value))).collect())
}

fn carried_span(old: &CapturedSpan) -> CapturedSpan {
    CapturedSpan { fields: carried_fields(&old.fields), trace: None, ..old.clone() }
}

fn carried_item(item: &Item) -> Item {
    let Some((.., event)) = item.captured() else { return item.clone() };
    let mut event = CapturedEvent::clone(event);
    event.own = carried_fields(&event.own);
    let trace = event.trace().and_then(|trace| TraceContext::from_hex(trace.trace_id(), trace.span_id(), 0));
    let mut spans: Vec<_> = event.spans().map(carried_span).collect();
    if let Some(innermost) = spans.last_mut() {
        innermost.trace = trace;
    }
    event.spans = spans.into_iter().map(Arc::new).collect();
    item.with_captured(Arc::new(event))
}

/// Every field as it prints, those of the event first, then of its spans behind their names.
fn fields_of(item: &Item) -> Vec<(String, String)> {
    let Some((.., event)) = item.captured() else { return Vec::new() };
    let printed = |(name, value): (&str, &Value)| (name.to_owned(), value.to_string());
    let spans = event.spans().flat_map(|span| {
        std::iter::once(("span".to_owned(), span.name().to_owned())).chain(span.fields().map(printed))
    });
    event.fields().map(printed).chain(spans).collect()
}

/// The trace of an item, and whether it is of the past.
fn trace_of(item: &Item) -> Option<(Option<TraceContext>, bool)> {
    item.captured().map(|(.., event)| (event.trace().copied(), event.is_past()))
}

#[track_caller]
fn check_refused(line: &str, expected: &str) {
    let error = serde_json::from_str::<Item>(line).expect_err(line).to_string();
    assert!(error.contains(expected), "{line}: {error}");
}

#[test]
fn every_value_has_its_documented_shape() {
    let values = fields([
        ("i", (-3_i64).into()),
        ("u", u64::MAX.into()),
        ("wide", i128::MIN.into()),
        ("f", 1.0_f64.into()),
        ("nan", f64::NAN.into()),
        ("infinite", f64::INFINITY.into()),
        ("yes", true.into()),
        ("text", "é\u{7F}".into()),
        ("bytes", Value::Bytes(Bytes::limited(&[222, 173], 9))),
        ("cut", Value::Debug(Text::limited("abc", 2))),
        ("cut_bytes", Value::Bytes(Bytes::limited(&[222, 173], 1))),
        ("secret", Value::Redacted),
    ]);
    let same = json!({
        "i": -3, "u": u64::MAX, "wide": i128::MIN.to_string(), "f": 1.0, "nan": null, "infinite": null, "yes": true,
        "text": "é\u{7F}", "cut": "ab…[cut]", "secret": "<redacted>",
    });
    let mut own = same.clone();
    own["bytes"] = "[de ad]".into();
    own["cut_bytes"] = "[de…[cut]]".into();
    let mut in_span = same;
    in_span["bytes"] = json!([222, 173]);
    in_span["cut_bytes"] = json!([222, "…[cut]"]);
    in_span["name"] = "conn".into();

    let event = Parts { spans: Arc::new([span("conn", values.clone())]), ..bare(values) }.into();
    let line: serde_json::Value = serde_json::from_str(&written(&item(event), Format::Json)).unwrap();
    assert_eq!(line["fields"], own);
    assert_eq!(line["span"], in_span);
    assert_eq!(line["spans"], json!([in_span]));
}

#[test]
fn an_event_on_its_own_has_no_keys_of_the_item() {
    let line = serde_json::to_value(example_event()).unwrap();
    let keys: Vec<_> = line.as_object().unwrap().keys().collect();
    let mut expected =
        ["timestamp", "level", "fields", "target", "filename", "line_number", "span", "spans", "threadName"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    let read: CapturedEvent = serde_json::from_value(line).unwrap();
    assert_eq!(read.to_string().lines().count(), example_event().to_string().lines().count());
}

#[test]
fn what_was_cut_or_redacted_is_still_known_to_be() {
    let values = fields([
        ("text", Value::Str(Text::limited("abc", 2))),
        ("bytes", Value::Bytes(Bytes::limited(&[222, 173], 1))),
        ("secret", Value::Redacted),
    ]);
    let event = Parts { spans: Arc::new([span("conn", values.clone())]), ..bare(values.clone()) }.into();
    let read: Item = serde_json::from_str(&written(&item(event), Format::Json)).unwrap();
    let read = read.into_event().unwrap();
    let span = read.spans().next().unwrap();
    for (name, value) in values.values() {
        assert_eq!(read.field(name), Some(value));
        assert_eq!(span.field(name), Some(value));
    }
}

#[test]
fn a_spans_field_called_name_is_not_its_name() {
    let spans = Arc::new([span("conn", fields([("name", "alice".into()), ("user", 42_i64.into())]))]);
    let event = Parts { spans, ..bare(Fields::default()) }.into();
    let line = written(&item(event), Format::Json);
    let read = serde_json::from_str::<Item>(&line).unwrap().into_event().unwrap();
    let span = read.spans().next().unwrap();
    assert_eq!((span.name(), span.field("name").unwrap().as_str()), ("conn", Some("alice")));
    let map = unique::parse(&line).unwrap();
    assert_eq!((&map["span"]["name"], &map["span"]["name#1"]), (&json!("conn"), &json!("alice")));
}

/// Keys of an event's own fields and of a span's, in order, and what is read back of them.
#[track_caller]
fn check_keys(names: &[&'static str], own: &str, in_span: &str) {
    let numbered = names.iter().zip(0_i64..).map(|(name, number)| ((*name).into(), number.into())).collect();
    let values = Fields::listed(numbered);
    let event = Parts { spans: Arc::new([span("conn", values.clone())]), ..bare(values.clone()) }.into();
    let line = written(&item(event), Format::Json);
    unique::parse(&line).unwrap();
    assert!(line.contains(&format!(r#""fields":{own},"#)), "{line}");
    assert!(line.contains(&format!(r#""span":{in_span},"spans":[{in_span}]"#)), "{line}");
    let read = serde_json::from_str::<Item>(&line).unwrap().into_event().unwrap();
    let expected: Vec<_> = values.values().collect();
    assert_eq!(read.fields().collect::<Vec<_>>(), expected);
    let span = read.spans().next().unwrap();
    assert_eq!((span.name(), span.fields().collect::<Vec<_>>()), ("conn", expected));
}

#[test]
fn no_object_has_one_key_twice() {
    check_keys(&["name"], r#"{"name":0}"#, r#"{"name#1":0,"name":"conn"}"#);
    check_keys(&["a", "b", "a"], r#"{"a#1":0,"b":1,"a":2}"#, r#"{"a#1":0,"b":1,"a":2,"name":"conn"}"#);
    check_keys(&["name", "name"], r#"{"name#1":0,"name":1}"#, r#"{"name#1":0,"name#2":1,"name":"conn"}"#);
    check_keys(&["name#1", "name"], r#"{"name#1#0":0,"name":1}"#, r#"{"name#1#0":0,"name#1":1,"name":"conn"}"#);
    check_keys(&["a#", "a1", "#"], r##"{"a#":0,"a1":1,"#":2}"##, r##"{"a#":0,"a1":1,"#":2,"name":"conn"}"##);
}

#[test]
fn a_key_that_is_there_twice_is_still_read() {
    // `fmt` writes them so.
    let line = r#"{"timestamp":"1970-01-01T00:00:00Z","level":"INFO","fields":{"a":1,"a":2},"target":"t",
        "span":{"name":"alice","name":"conn"},"spans":[{"name":"alice","name":"conn"}]}"#;
    let event: CapturedEvent = serde_json::from_str(line).unwrap();
    assert_eq!(
        event.fields().map(|(name, value)| (name, value.as_i64())).collect::<Vec<_>>(),
        [("a", Some(1)), ("a", Some(2))]
    );
    let span = event.spans().next().unwrap();
    assert_eq!((span.name(), span.field("name").unwrap().as_str()), ("conn", Some("alice")));
}

#[test]
fn integers_past_2_53_are_strings_where_that_is_asked_for() {
    let most = 1_i64 << 53;
    let values = fields([
        ("most", most.into()),
        ("least", (-most).into()),
        ("more", (most + 1).into()),
        ("less", (-most - 1).into()),
        ("lowest", i64::MIN.into()),
        ("unsigned", u64::MAX.into()),
        ("wide", u128::MAX.into()),
        ("float", 1e300.into()),
        ("bytes", Value::Bytes(Bytes::limited(&[255], 9))),
    ]);
    let event = Parts { spans: Arc::new([span("conn", values.clone())]), ..bare(values.clone()) }.into();
    let mut out = Vec::new();
    write_item(&mut out, &item(event), FormatOptions::new(Format::Json).large_integers_as_strings());
    let line = String::from_utf8(out).unwrap();
    let mut expected = json!({
        "most": most, "least": -most, "more": "9007199254740993", "less": "-9007199254740993",
        "lowest": i64::MIN.to_string(), "unsigned": u64::MAX.to_string(), "wide": u128::MAX.to_string(), "float": 1e300,
        "bytes": "[ff]",
    });
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object["fields"], expected);
    (expected["bytes"], expected["name"]) = (json!([255]), "conn".into());
    assert_eq!(object["span"], expected);

    let read = serde_json::from_str::<Item>(&line).unwrap().into_event().unwrap();
    for (name, value) in values.values().filter(|(name, _)| *name != "bytes") {
        assert_eq!(read.field(name).unwrap().to_string(), value.to_string(), "{name}");
    }
}

#[test]
fn keys_may_be_in_any_order_and_unknown_ones_are_ignored() {
    let line = r#"{"spans":[{"name":"conn"}],"later":[{}],"fields":{},"target":"t","level":"WARN",
        "timestamp":"1970-01-01T00:00:00Z","sequence":0,"session":2,"type":"event"}"#;
    let read: Item = serde_json::from_str(line).unwrap();
    assert_eq!(written(&read, Format::Compact), "00:00:00.000Z  WARN t conn:\n");
    let missing = r#"{"later":[{}],"reason":"overflow","count":3,"type":"missing"}"#;
    assert!(matches!(serde_json::from_str(missing).unwrap(), Item::Missing(missing) if missing.count == 3));
    let ended = r#"{"reason":"closed","later":{"a":1},"type":"ended"}"#;
    assert!(matches!(serde_json::from_str(ended).unwrap(), Item::Ended(EndReason::Closed)));
}

#[test]
fn a_line_without_a_request_is_read_and_a_wrong_one_refused() {
    let line = |request: &str| {
        let event =
            r#"{"timestamp":"2026-11-20T08:15:02Z","level":"INFO","fields":{},"target":"t","spans":[{"name":"conn"}]"#;
        serde_json::from_str::<CapturedEvent>(&format!("{event}{request}}}"))
    };
    assert_eq!(line("").unwrap().request(), None);
    let id = line(r#","request":"00000000000000ff""#).unwrap().request();
    assert_eq!(id, "00000000000000ff".parse().ok());
    let error = line(r#","request":7"#).unwrap_err().to_string();
    assert!(error.contains("expected a string"), "{error}");
    let error = line(r#","request":"xyz""#).unwrap_err().to_string();
    assert!(error.contains("16 hexadecimal digits"), "{error}");
}

#[test]
fn what_fmt_writes_is_read_as_an_event() {
    let line = r#"{"timestamp":"2026-11-20T08:15:02.123456Z","level":"INFO","fields":{"message":"up"},"target":"t"}"#;
    let event: CapturedEvent = serde_json::from_str(line).unwrap();
    assert_eq!((event.message(), event.spans().len(), event.thread()), ("up", 0, None));
}

#[test]
fn hostile_lines_are_refused_with_what_was_expected() {
    let event = |key: &str, value: &str| {
        let mut line = json!({"type": "event", "session": 1, "sequence": 0, "timestamp": "1970-01-01T00:00:00Z",
            "level": "INFO", "fields": {}, "target": "t"});
        line[key] = serde_json::from_str(value).unwrap();
        line.to_string()
    };
    check_refused("", "EOF");
    check_refused("[]", "missing field `type`");
    check_refused("{}", "missing field `type`");
    check_refused(
        r#"{"type":"found"}"#,
        "unknown variant `found`, expected one of `event`, `timing`, `missing`, `horizon`, `ended`",
    );
    check_refused(r#"{"type":"ended","reason":"bored"}"#, "unknown variant `bored`, expected one of `closed`");
    check_refused(r#"{"type":"missing","count":-1,"reason":"overflow"}"#, "invalid value: integer `-1`");
    check_refused(r#"{"type":"event","session":1,"sequence":0}"#, "missing field `timestamp`");
    check_refused(&event("level", "\"LOUD\""), "unknown variant `LOUD`, expected one of `ERROR`");
    check_refused(&event("timestamp", "\"now\""), r#"invalid timestamp "now", expected a time in RFC 3339"#);
    check_refused(&event("fields", "[]"), "expected an object of named values");
    check_refused(&event("fields", r#"{"a":{}}"#), "invalid type: map, expected a string, a number");
    check_refused(&event("fields", r#"{"a":[256]}"#), "invalid value: integer `256`, expected a byte");
    check_refused(&event("fields", r#"{"a":["…[cut]",1]}"#), "bytes follow the mark");
    check_refused(&event("spans", "[{}]"), "missing field `name`");
    check_refused(&event("spans", r#"[{"name":7}]"#), "the `name` of a span is not a string");
    check_refused(&event("line_number", "-1"), "invalid value: integer `-1`");
    check_refused(&r#"{"a":"#.repeat(100_000), "recursion limit exceeded");
    let deep = format!(r#"{{"type":"event","fields":{{"a":{}"#, "[".repeat(100_000));
    check_refused(&deep, "recursion limit exceeded");
}

#[test]
fn missing_events_and_the_end_are_lines_of_their_own() {
    for reason in MissingReason::ALL {
        let missing = Missing::new(3, *reason);
        let line = format!("{{\"type\":\"missing\",\"count\":3,\"reason\":\"{}\"}}\n", reason.word());
        assert_eq!(written(&Item::Missing(missing), Format::Json), line);
        let read: Item = serde_json::from_str(&line).unwrap();
        assert!(matches!(read, Item::Missing(read) if read == missing), "{read:?}");
    }
    let ended = Item::Ended(EndReason::MaxEvents);
    assert_eq!(written(&ended, Format::Json), "{\"type\":\"ended\",\"reason\":\"max_events\"}\n");
}

proptest! {
    #[test]
    fn an_item_read_back_renders_the_same_in_all_forms(item in any_item()) {
        let line = written(&item, Format::Json);
        let read: Item = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(fields_of(&read), fields_of(&carried_item(&item)));
        prop_assert_eq!(trace_of(&read), trace_of(&carried_item(&item)));
        for format in FORMATS {
            prop_assert_eq!(written(&read, format), written(&carried_item(&item), format), "{:?} {:?}", format, item);
        }
        prop_assert_eq!(written(&read, Format::Json), line);
    }

    #[test]
    fn a_line_has_what_is_documented_and_nothing_else(item in any_item()) {
        let line = unique::parse(&written(&item, Format::Json)).unwrap();
        serde_json::from_value::<Documented>(line).unwrap();
    }

    #[test]
    fn a_line_is_what_any_serializer_gets(item in any_item()) {
        let serialized = serde_json::to_string(&item).unwrap();
        prop_assert_eq!(unique::parse(&written(&item, Format::Json)).unwrap(), unique::parse(&serialized).unwrap());
    }

    #[test]
    fn no_input_panics(line in "\\PC{0,60}", item in any_item(), cut in any::<proptest::sample::Index>()) {
        let _ = serde_json::from_str::<Item>(&line);
        let whole = written(&item, Format::Json);
        let _ = serde_json::from_slice::<Item>(&whole.as_bytes()[..cut.index(whole.len())]);
    }
}
