//! The JSON form, held against what `tracing_subscriber::fmt().json()` writes of the same events.

mod tools;

use crate::unique;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};
use testing::Output;
use tracing::field::{Empty, display};
use tracing::{Level, Span};
use tracing_subscriber::{fmt as layer, prelude::*};
use tracing_tap::{CapturedEvent, EventStream, Format, Item, Predicate, TapRouter, write_item};

/// What the events of one case are made of.
#[derive(Clone, Debug)]
struct Values {
    text: String,
    other: String,
    signed: i64,
    unsigned: u64,
    wide: i128,
    unsigned_wide: u128,
    float: f64,
    short_float: f32,
    truth: bool,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter),
        "[\\x00-\\x7F\u{80}-\u{9F}\u{202A}-\u{202E}\u{2066}-\u{2069}\"\\\\]{0,12}",
    ]
}

fn any_values() -> impl Strategy<Value = Values> {
    let texts = (any_text(), any_text());
    let integers = any::<(i64, u64, i128, u128)>();
    let rest = (proptest::num::f64::ANY, proptest::num::f32::ANY, any::<bool>(), any::<[u8; 3]>());
    (texts, integers, rest).prop_map(|((text, other), (signed, unsigned, wide, unsigned_wide), rest)| {
        let (float, short_float, truth, bytes) = rest;
        let bytes = bytes.to_vec();
        Values { text, other, signed, unsigned, wide, unsigned_wide, float, short_float, truth, bytes }
    })
}

/// Spans of every value type within each other, a value recorded late, and another thread's span left alone.
fn in_spans(values: &Values, emit: impl FnOnce()) {
    let failure = Failure(values.other.clone());
    let failure: &(dyn Error + 'static) = &failure;
    let outer = tracing::info_span!(
        "outer \u{1B}[31m\u{202E}",
        text = values.text,
        signed = values.signed,
        unsigned = values.unsigned,
        wide = values.wide,
        unsigned_wide = values.unsigned_wide,
        float = values.float,
        short_float = values.short_float,
        truth = values.truth,
        bytes = values.bytes.as_slice(),
        failure,
        shown = %values.other,
        examined = ?values.text,
        never = Empty,
        late = Empty,
    );
    outer.record("late", values.other.as_str());
    outer.record("signed", display(&values.text));
    let _entered = outer.entered();
    let inner = tracing::debug_span!("inner", message = values.text, name = "not the span's", user.id = values.signed);
    // Not in the span above: where a name needs an escape, `fmt` loses what is recorded late.
    let inner = inner.in_scope(|| tracing::info_span!("odd", "odd \u{9B}name\"" = 1));
    inner.in_scope(|| tracing::trace_span!(target: "t", "leaf").in_scope(emit));
}

/// Events of every value type and every level.
fn emit(values: &Values) {
    let failure = Failure(values.other.clone());
    let failure: &(dyn Error + 'static) = &failure;
    tracing::error!(failure, "it {}", values.text);
    tracing::warn!(target: "a target\u{7F}", wide = values.wide, unsigned_wide = values.unsigned_wide);
    tracing::info!(name: "named", float = values.float, short_float = values.short_float, truth = values.truth);
    tracing::debug!(text = values.text, shown = %values.other, examined = ?values.text, bytes = &values.bytes[..]);
    tracing::trace!(signed = values.signed, unsigned = values.unsigned, never = Empty, some = Some(values.signed));
    tracing::event!(Level::INFO, message = values.signed, user.id = values.unsigned, "odd \u{85}name" = ?values.text);
    tracing::info!(text = values.text, text = values.other, "twice");
    tracing::info!(none = None::<i64>, "");
}

fn lines(stream: &mut EventStream) -> Vec<Value> {
    let mut out = Vec::new();
    stream.drain().for_each(|item| write_item(&mut out, &item, Format::Json));
    let text = String::from_utf8(out).expect("what is written is text");
    text.lines().map(|line| unique::parse(line).expect("a line is JSON in which no key is twice")).collect()
}

/// Takes the keys out that are the item's own, and checks them.
fn take_own_keys(line: &mut Value, sequence: u64, session: &Value) {
    let line = line.as_object_mut().expect("a line is an object");
    assert_eq!(line.remove("type"), Some("event".into()));
    assert_eq!(line.remove("sequence"), Some(sequence.into()));
    assert_eq!(line.remove("session").as_ref(), Some(session));
    assert_eq!(line.remove("request").is_some(), line.contains_key("spans"));
}

/// Takes out what `fmt` has under one key with something else, of which a reader of JSON keeps the last.
fn take_numbered(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !key.ends_with("#1"));
            members.values_mut().for_each(take_numbered);
        }
        Value::Array(elements) => elements.iter_mut().for_each(take_numbered),
        _ => {}
    }
}

/// The two times were taken one after the other, in the same form.
fn take_timestamp(line: &mut Value) -> SystemTime {
    let line = line.as_object_mut().expect("a line is an object");
    let timestamp = line.remove("timestamp").expect("a line has a timestamp");
    let text = timestamp.as_str().expect("a timestamp is a string");
    assert_eq!((text.len(), &text[19..20], &text[26..]), (27, ".", "Z"), "{text}");
    text.parse::<jiff::Timestamp>().expect("a timestamp is RFC 3339").into()
}

/// A session on everything beside `fmt().json()` with everything switched on, and how much of both was read.
struct Both {
    _router: TapRouter,
    stream: EventStream,
    output: Output,
    read: usize,
}

impl Both {
    fn install() -> Self {
        let (router, output) = (TapRouter::new(), Output::default());
        let json = layer::layer().json().with_file(true).with_line_number(true).with_thread_names(true);
        let json = json.with_writer(output.clone());
        tracing_subscriber::registry().with(json).with(router.layer()).init();
        let stream = router.watch(Predicate::everything());
        Self { _router: router, stream, output, read: 0 }
    }

    /// What both wrote of the events since the last call, ours first.
    fn lines(&mut self) -> Vec<(Value, Value)> {
        let theirs = self.output.lines();
        let theirs = theirs[self.read..].iter().map(|line| serde_json::from_str(line).expect("their line is JSON"));
        let lines: Vec<_> = lines(&mut self.stream).into_iter().zip(theirs).collect();
        self.read += lines.len();
        assert!(!lines.is_empty() && self.read == self.output.lines().len(), "both got every event");
        lines
    }

    #[track_caller]
    fn check_same(&mut self) {
        let session = serde_json::to_value(self.stream.id()).expect("an id is a number");
        let first = self.read;
        for (index, (mut ours, mut theirs)) in self.lines().into_iter().enumerate() {
            take_own_keys(&mut ours, (first + index) as u64, &session);
            take_numbered(&mut ours);
            let (our_time, their_time) = (take_timestamp(&mut ours), take_timestamp(&mut theirs));
            let apart = our_time.duration_since(their_time).unwrap_or_else(|error| error.duration());
            assert!(apart < Duration::from_secs(5), "{our_time:?} {their_time:?}");
            assert_eq!(ours, theirs);
        }
    }
}

isolated! {
    fn a_line_has_exactly_the_keys_and_values_of_fmt_and_our_own() {
        let both = RefCell::new(Both::install());
        let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&any_values(), |values| {
            emit(&values);
            in_spans(&values, || emit(&values));
            both.borrow_mut().check_same();
            Ok(())
        });
        outcome.expect("every case is the same");
    }

    fn a_thread_without_a_name_is_shown_by_its_number() {
        let mut both = Both::install();
        std::thread::spawn(|| tracing::info!("from nowhere")).join().expect("the thread ends");
        let named = std::thread::Builder::new().name("named\u{1B}".into());
        named.spawn(|| tracing::info!("from somewhere")).expect("a thread starts").join().expect("the thread ends");
        both.check_same();
    }

    fn a_line_differs_from_fmt_where_the_parent_is_explicit() {
        let mut both = Both::install();
        let other = tracing::info_span!("other");
        let _current = tracing::info_span!("current").entered();
        tracing::info!(parent: None, "of nothing");
        tracing::info!(parent: &other, "of the other");
        tracing::info!(parent: Span::current(), "of the current");
        let lines = both.lines();

        let (ours, theirs) = &lines[0];
        assert_eq!((ours.get("span"), ours.get("spans")), (None, None), "it has no span");
        assert_eq!(theirs["span"]["name"], "current", "they print the current one");
        let (ours, theirs) = &lines[1];
        assert_eq!(ours["span"], theirs["span"]);
        assert_eq!(ours["spans"][0]["name"], "other", "its scope is its parent's");
        assert_eq!(theirs["spans"][0]["name"], "current", "they list the current one's");
        let (ours, theirs) = &lines[2];
        assert_eq!((&ours["span"], &ours["spans"]), (&theirs["span"], &theirs["spans"]));
    }

    fn a_raw_identifier_is_the_name_it_stands_for() {
        let mut both = Both::install();
        tracing::info!("r#type" = 1, r#match = 2);
        let (ours, theirs) = &both.lines()[0];
        assert_eq!(ours["fields"], serde_json::json!({"type": 1, "match": 2}));
        assert_eq!(theirs["fields"], serde_json::json!({"r#type": 1, "match": 2}), "`fmt` leaves it");
    }

    fn no_key_is_twice_where_fmt_has_two_of_one() {
        let mut both = Both::install();
        let span = tracing::info_span!("conn", name = "alice", r#type = 1);
        span.in_scope(|| tracing::info!(name = 1, user = 1, "r#type" = 2, "type" = 3, user = 4, message = "own", "text"));
        let line = &both.output.lines()[0];
        assert!(unique::parse(line).is_err(), "they have one key twice: {line}");
        let mut out = Vec::new();
        let item = both.stream.drain().next().expect("it was captured");
        write_item(&mut out, &item, Format::Json);
        let line = String::from_utf8(out).expect("a line is text");
        let ours = unique::parse(&line).expect("no key is twice");
        assert_eq!(ours["span"], serde_json::json!({"name": "conn", "name#1": "alice", "type": 1}));
        let fields = &ours["fields"];
        assert_eq!((&fields["type#1"], &fields["type"], &fields["user#1"], &fields["user"]), (&2.into(), &3.into(), &1.into(), &4.into()));
        assert_eq!(fields["name"], 1, "an event has no name among its fields");
        let read: Item = serde_json::from_str(&line).expect("it is read back");
        let (read, captured) = (read.into_event().expect("it is an event"), item.into_event().expect("it is an event"));
        let printed = |event: &CapturedEvent| event.fields().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        assert_eq!(printed(&read), printed(&captured));
        assert_eq!(read.spans().next().and_then(|span| span.field("name")), Some(&"alice".into()));
    }

    fn an_event_read_from_fmts_line_is_the_captured_one() {
        let mut both = Both::install();
        tracing::info_span!("conn", user = "42").in_scope(|| tracing::info!(n = 1, "hello"));
        let theirs: CapturedEvent = serde_json::from_str(&both.output.lines()[0]).expect("their line is an event");
        let ours = both.stream.drain().find_map(Item::into_event).expect("it was captured");
        assert_eq!(theirs.message(), ours.message());
        assert_eq!(theirs.find("user"), ours.find("user"));
        assert_eq!((theirs.file(), theirs.line(), theirs.thread()), (ours.file(), ours.line(), ours.thread()));
    }
}
