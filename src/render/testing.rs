//! Events to render, and the most hostile ones that can be thought of.

use crate::event::testing::Parts;
use crate::event::{Busy, CapturedEvent, CapturedSpan, Fields, Lane, Name, SpanTiming};
use crate::missing::{Missing, MissingReason};
use crate::past::{Horizon, ThreadHorizon};
use crate::session::{EndReason, SessionId};
use crate::stream::Item;
use crate::trace::TraceContext;
use crate::value::{Bytes, Text, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing_core::Level;

/// Words that some YAML parser reads as something other than this text, or as no scalar at all.
const YAML_WORDS: &str = "~ null Null NULL true True TRUE false yes Yes YES no No NO on On off OFF y Y n N = << \
    0 -1 +1 42 007 0o17 0x1f 0b11 1_000 1,000 12:30:45 190:20:30.15 1.0 -.5 .5 1. 1e3 1.0e+3 6.02E23 \
    .inf -.Inf +.INF .nan .NaN nan NaN inf -inf Infinity 2026-11-20 2026-11-20T08:15:02Z \
    - --- ... ? : a: # &a *a !a | > |- 'a' \"a\" \" %a @a `a` [a] {a \\";

/// The same with spaces and line breaks.
const YAML_PHRASES: [&str; 16] = [
    "", " ", "- a", "--- a", "? a", ": a", "a: b", "a #b", "# a", "!!str a", "{a: b}", ", a", "a ", " a", "a\n", "\ta",
];

/// Names of fields that are keys of some object of a line, of raw identifiers, and what looks like a numbered key.
const KEYS: [&str; 22] = [
    "name",
    "name#1",
    "name#0",
    "name#1#0",
    "r#name",
    "message",
    "message#1",
    "type",
    "session",
    "sequence",
    "timestamp",
    "level",
    "fields",
    "target",
    "filename",
    "line_number",
    "span",
    "spans",
    "threadName",
    "omittedFields",
    "#1",
    "a#",
];

/// What looks like something that was cut or redacted.
const MARKED: [&str; 9] = [
    "…[cut]",
    "a …[cut]",
    "(no message)…[cut]",
    "…[cut]…[cut]",
    "[de ad…[cut]]",
    "[…[cut]]",
    "[de …[cut]]",
    "[DE…[cut]]",
    "<redacted>",
];

/// What YAML reads as this text only where it is quoted.
pub(super) fn yaml_looking() -> Vec<&'static str> {
    YAML_WORDS.split_whitespace().chain(YAML_PHRASES).chain(["2001-12-14 21:59:43.10 -5"]).collect()
}

/// The event that the documentation shows.
pub(crate) fn example_event() -> CapturedEvent {
    example_parts().into()
}

/// The same in parts.
pub(crate) fn example_parts() -> Parts {
    Parts {
        time: UNIX_EPOCH + Duration::from_micros(1_795_162_502_123_456),
        level: Level::DEBUG,
        target: "chat::hub".into(),
        file: Some("src/hub.rs".into()),
        line: Some(214),
        thread: Some("main".into()),
        fields: fields([
            ("message", Value::Debug("subscription rejected".into())),
            ("channel", "orders".into()),
            ("attempt", 3_i64.into()),
        ]),
        spans: Arc::new([
            span("conn", fields([("conn_id", 9137_u64.into()), ("user", "42".into())])),
            span("message", fields([("kind", "subscribe".into())])),
            span("flush", Fields::default()),
        ]),
        omitted_fields: 0,
    }
}

/// An event that has nothing but what every event has, and these fields.
pub(crate) fn bare_event(fields: Fields) -> CapturedEvent {
    bare(fields).into()
}

/// The same in parts.
pub(crate) fn bare(fields: Fields) -> Parts {
    Parts { fields, file: None, line: None, spans: Arc::new([]), ..example_parts() }
}

pub(crate) fn fields<const N: usize>(fields: [(&'static str, Value); N]) -> Fields {
    Fields::listed(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

pub(crate) fn span(name: impl Into<Cow<'static, str>>, fields: Fields) -> Arc<CapturedSpan> {
    let (level, target) = (Level::INFO, "chat".into());
    Arc::new(CapturedSpan { name: name.into(), level, target, fields, trace: None, request: None })
}

/// Text that looks like YAML, is made of any characters, or is too long for a key.
pub(super) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(yaml_looking()).prop_map(str::to_owned),
        vec(any_character(), 0..12).prop_map(String::from_iter),
        vec(select(yaml_looking()), 2..4).prop_map(|words| words.concat()),
        select(MARKED.to_vec()).prop_map(str::to_owned),
        (any_character(), 100_usize..1100).prop_map(|(character, count)| character.to_string().repeat(count)),
    ]
}

pub(super) fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (any_text(), any::<bool>(), 0..3).prop_map(|(text, cut, kind)| text_value(Text::kept(&text, cut), kind)),
        1 => select(MARKED.to_vec()).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::I64),
        1 => any::<u64>().prop_map(Value::U64),
        1 => (any::<i128>(), 0..127).prop_map(|(integer, shift)| Value::I128(integer >> shift)),
        1 => (any::<u128>(), 0..127).prop_map(|(integer, shift)| Value::U128(integer >> shift)),
        1 => proptest::num::f64::ANY.prop_map(Value::F64),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => vec(any::<u8>(), 0..4).prop_map(|bytes| Value::Bytes(Bytes::limited(&bytes, 2))),
        1 => Just(Value::Redacted),
        1 => Just(Value::Null),
    ]
}

/// Items of every kind, events at any time among them.
pub(crate) fn any_item() -> impl Strategy<Value = Item> {
    let thread = (any_text(), any::<u64>(), any::<u64>());
    let horizon = (any::<[u64; 5]>(), vec(thread, 0..3));
    prop_oneof![
        8 => (any_captured(), any::<bool>()).prop_map(|((session, sequence, event), is_past)| {
            Item::event(session, sequence, Arc::new(CapturedEvent { is_past, ..event }))
        }),
        2 => any_timing(),
        1 => (any::<u64>(), select(MissingReason::ALL))
            .prop_map(|(count, reason)| Item::Missing(Missing { count, reason })),
        1 => horizon.prop_map(|(numbers, threads)| Item::Horizon(horizon_of(numbers, threads))),
        1 => (1_u8..6).prop_map(|code| Item::Ended(EndReason::from_code(code).unwrap())),
    ]
}

fn any_timing() -> impl Strategy<Value = Item> {
    let has_span = |(_, _, close): &(SessionId, u64, CapturedEvent)| !close.spans.is_empty();
    let times = any::<(u64, u64, u64, bool)>();
    (any_captured().prop_filter("a timing is of a span", has_span), times).prop_map(
        |((session, sequence, mut close), (busy, polls, idle, is_whole))| {
            Busy { busy, polls, seen: busy.saturating_add(idle), is_whole }.write_to(&mut close, 0);
            Item::timing(session, sequence, SpanTiming::of(Arc::new(close)))
        },
    )
}

fn any_captured() -> impl Strategy<Value = (SessionId, u64, CapturedEvent)> {
    let nanoseconds = (-40_000_000_000_000_000_000..400_000_000_000_000_000_000_i128, 0..100_u32);
    let event = (any_parts(), any_level(), nanoseconds, proptest::option::of(any_text()), any::<(u64, u64, bool)>());
    event.prop_map(|(event, level, (nanoseconds, shift), thread, (session, sequence, omits))| {
        let (time, thread) = (time_of(nanoseconds >> shift), thread.map(Arc::from));
        let omitted_fields = if omits { session as u32 } else { 0 };
        let event = CapturedEvent::from(Parts { time, level, thread, omitted_fields, ..event });
        (SessionId(session), sequence, event)
    })
}

fn horizon_of(numbers: [u64; 5], threads: Vec<(String, u64, u64)>) -> Horizon {
    let [asked_ms, reaches_ms, overwritten, unresolved, unkept] = numbers;
    let thread = |(thread, reaches_ms, overwritten)| ThreadHorizon { thread, reaches_ms, overwritten };
    let threads = threads.into_iter().map(thread).collect();
    Horizon { asked_ms, reaches_ms, overwritten, unresolved, unkept, threads }
}

fn any_level() -> impl Strategy<Value = Level> {
    select(vec![Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE])
}

fn time_of(nanoseconds: i128) -> SystemTime {
    let distance = nanoseconds.unsigned_abs();
    let distance = Duration::new((distance / 1_000_000_000) as u64, (distance % 1_000_000_000) as u32);
    if nanoseconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

/// Events whose every name and value is hostile.
pub(super) fn any_event() -> impl Strategy<Value = CapturedEvent> {
    any_parts().prop_map(CapturedEvent::from)
}

/// The same in parts.
pub(super) fn any_parts() -> impl Strategy<Value = Parts> {
    let source = (proptest::option::of(any_text()), proptest::option::of(any::<u32>()));
    let spans = (vec(any_span(), 0..3), proptest::option::of(any::<u64>()));
    (any_text(), source, proptest::option::of(any_value()), any_fields(), spans).prop_map(
        |(target, (file, line), message, mut values, (mut spans, request))| {
            values.extend(message.map(|message| ("message".into(), message)));
            if let Some(root) = spans.first_mut().and_then(Arc::get_mut) {
                root.request = request.map(|key| Lane::new(0, 0).request(key));
            }
            let (target, file, spans) = (target.into(), file.map(Cow::from), spans.into());
            Parts { target, file, line, fields: Fields::listed(values), spans, ..example_parts() }
        },
    )
}

fn any_span() -> impl Strategy<Value = Arc<CapturedSpan>> {
    // Small numbers have digits alone, or look like a float.
    let trace = (any::<(u128, u64, u8)>(), (0..128, 0..64))
        .prop_map(|((trace, span, flags), shifts)| TraceContext::new(trace >> shifts.0, span >> shifts.1, flags));
    (any_text(), any_fields(), proptest::option::of(trace)).prop_map(|(name, values, trace)| {
        let plain = CapturedSpan::clone(&span(name, Fields::listed(values)));
        Arc::new(CapturedSpan { trace: trace.flatten(), ..plain })
    })
}

fn any_fields() -> impl Strategy<Value = Vec<(Name, Value)>> {
    let name = prop_oneof![6 => any_text(), 4 => select(KEYS.to_vec()).prop_map(str::to_owned)];
    vec((name.prop_map(Cow::from), any_value()), 0..4)
}

fn any_character() -> impl Strategy<Value = char> {
    prop_oneof![
        any::<char>(),
        (0_u8..=255).prop_map(char::from),
        select(vec!['\u{61C}', '\u{200F}', '\u{2028}', '\u{202E}', '\u{2066}', '\u{3000}', '\u{FEFF}', '\u{FFFF}']),
        select(vec![':', ' ', '#', '-', '?', '\\', '"', '\'', 'n', '\n', '\t', '…']),
    ]
}

fn text_value(text: Text, kind: i32) -> Value {
    match kind {
        0 => Value::Str(text),
        1 => Value::Debug(text),
        _ => Value::Error(text),
    }
}
