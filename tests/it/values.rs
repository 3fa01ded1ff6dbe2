//! Every type that a field can have is captured as its own kind, or is absent.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;
use testing::{Evaluations, events, wait_until};
use tracing::field::{Empty, debug, display};
use tracing_subscriber::prelude::*;
use tracing_tap::{CapturedEvent, EventStream, LookBack, Predicate, SessionOptions, TapRouter, Value};

fn install() -> (TapRouter, EventStream) {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let stream = router.watch(Predicate::everything());
    (router, stream)
}

#[derive(Debug)]
struct Failure(Option<Box<Failure>>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it failed")
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|source| source as _)
    }
}

/// The kind and the text of each field but the message.
fn shown(event: &CapturedEvent) -> BTreeMap<String, String> {
    let fields = event.fields().filter(|(name, _)| *name != "message");
    fields.map(|(name, value)| (name.to_owned(), format!("{} {value}", kind(value)))).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
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
        _ => "unknown",
    }
}

#[track_caller]
fn check(event: &CapturedEvent, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(shown(event), expected);
}

/// So many bytes, written one by one.
#[derive(Debug)]
struct Pieces(usize);

impl fmt::Display for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.0).try_for_each(|_| f.write_str("x"))
    }
}

impl Error for Pieces {}

/// Goes on where no more is taken.
struct Stubborn;

impl fmt::Display for Stubborn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Pieces(99).fmt(f)?;
        let _ = f.write_str("é");
        let _ = f.write_str("x");
        Ok(())
    }
}

/// It is cut where it did not fit, and nothing follows.
#[track_caller]
fn check_stubborn_value(event: &CapturedEvent) {
    assert_eq!(event.field("value").map(Value::to_string), Some(format!("{}…[cut]", "x".repeat(99))));
}

fn log_long_values() {
    for bytes in [101, 100, 101] {
        let (text, error) = ("x".repeat(bytes), &Pieces(bytes) as &dyn Error);
        tracing::debug!(text, bytes = text.as_bytes(), pieces = %Pieces(bytes), error, at_once = ?format_args!("{text}"), "long");
        // The message is kept of the callsite that logs it again.
        tracing::debug!("{}", Pieces(bytes));
    }
}

/// All values of 100 bytes are whole, and those of 101 bytes are cut there.
#[track_caller]
fn check_long_values(events: &[std::sync::Arc<CapturedEvent>]) {
    let check = |event: &CapturedEvent, is_cut: bool| {
        for (name, value) in event.fields().filter(|(_, value)| value.to_string() != "long") {
            assert_eq!(value.is_cut(), is_cut, "{name}: {value}");
            let text = value.to_string();
            assert!(matches!(value, Value::Bytes(_)) || text.matches('x').count() == 100, "{name}: {text}");
        }
    };
    let counts: Vec<_> = events.iter().map(|event| event.fields().count()).collect();
    assert_eq!(counts, [6, 1, 6, 1, 6, 1]);
    events.iter().zip([true, true, false, false, true, true]).for_each(|(event, is_cut)| check(event, is_cut));
}

#[track_caller]
fn only(stream: &mut EventStream) -> std::sync::Arc<CapturedEvent> {
    let mut seen = events(stream);
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

isolated! {
    fn numbers_of_every_width_keep_their_kind_and_their_digits() {
        let (_router, mut stream) = install();
        tracing::debug!(a = i8::MIN, b = i16::MIN, c = i32::MIN, d = i64::MIN, e = isize::MIN, f = i128::MIN, "signed");
        check(
            &only(&mut stream),
            &[
                ("a", "i64 -128"),
                ("b", "i64 -32768"),
                ("c", "i64 -2147483648"),
                ("d", "i64 -9223372036854775808"),
                ("e", "i64 -9223372036854775808"),
                ("f", "i128 -170141183460469231731687303715884105728"),
            ],
        );
        tracing::debug!(a = u8::MAX, b = u16::MAX, c = u32::MAX, d = u64::MAX, e = usize::MAX, f = u128::MAX, "unsigned");
        check(
            &only(&mut stream),
            &[
                ("a", "u64 255"),
                ("b", "u64 65535"),
                ("c", "u64 4294967295"),
                ("d", "u64 18446744073709551615"),
                ("e", "u64 18446744073709551615"),
                ("f", "u128 340282366920938463463374607431768211455"),
            ],
        );
        let wrapped = std::num::Wrapping(3_u8);
        let non_zero = std::num::NonZeroU32::new(7).unwrap();
        tracing::debug!(half = 0.5_f32, tenth = 0.1_f64, nan = f64::NAN, yes = true, wrapped, non_zero, "others");
        check(
            &only(&mut stream),
            &[
                ("half", "f64 0.5"),
                ("tenth", "f64 0.1"),
                ("nan", "f64 NaN"),
                ("yes", "bool true"),
                ("wrapped", "u64 3"),
                ("non_zero", "u64 7"),
            ],
        );
    }

    fn texts_bytes_and_errors_keep_their_kind() {
        let (_router, mut stream) = install();
        let failure = Failure(Some(Box::new(Failure(None))));
        tracing::debug!(
            text = "a b",
            owned = String::from("c"),
            boxed = Box::new(5_u8),
            debugged = ?"quoted",
            displayed = %"plain",
            bytes = &[0_u8, 255][..],
            failure = &failure as &dyn Error,
            sendable = &failure as &(dyn Error + Send + Sync + 'static),
            arguments = format_args!("{}-{}", 1, 2),
            "texts"
        );
        let event = only(&mut stream);
        let mut seen = shown(&event);
        let bytes = seen.remove("bytes").expect("bytes are kept");
        assert!(bytes.starts_with("bytes "), "{bytes}");
        assert_eq!(event.field("bytes").and_then(Value::as_bytes), Some(&[0, 255][..]));
        let expected = [
            ("arguments", "debug 1-2"),
            ("boxed", "u64 5"),
            ("debugged", "debug \"quoted\""),
            ("displayed", "debug plain"),
            ("failure", "error it failed"),
            ("owned", "str c"),
            ("sendable", "error it failed"),
            ("text", "str a b"),
        ];
        assert_eq!(seen.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>(), expected);
    }

    fn a_long_value_of_any_kind_is_cut_and_says_so() {
        let router = TapRouter::builder().max_value_bytes(100).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut stream = router.watch(Predicate::everything());
        log_long_values();
        check_long_values(&events(&mut stream));
        tracing::debug!(value = %Stubborn, "stubborn");
        check_stubborn_value(&only(&mut stream));
    }

    fn a_long_value_of_any_kind_is_cut_in_the_past_too() {
        let age = Duration::from_secs(600);
        let past = LookBack::new(64 << 10).max_value_bytes(100).max_age(age);
        let router = TapRouter::builder().look_back(past).build();
        tracing_subscriber::registry().with(router.layer()).init();
        wait_until("looking back to be switched on", || router.stats().look_back_bytes > 0);
        log_long_values();
        tracing::debug!(value = %Stubborn, "stubborn");
        let mut stream = router.watch(SessionOptions::new(Predicate::everything()).look_back(age));
        let mut seen = events(&mut stream);
        check_stubborn_value(&seen.pop().unwrap());
        check_long_values(&seen);
    }

    fn absent_values_are_absent() {
        let (router, mut stream) = install();
        let mut nothing = router.watch(Predicate::exists("nothing"));
        let mut none = router.watch(Predicate::exists("none"));
        tracing::debug!(nothing = Empty, none = None::<u64>, some = Some(3_u64), some_text = Some("x"), "options");
        check(&only(&mut stream), &[("some", "u64 3"), ("some_text", "str x")]);
        let span = tracing::info_span!("conn", nothing = Empty, none = None::<u64>, some = Some(1_u64));
        span.in_scope(|| tracing::debug!("inside"));
        let event = only(&mut stream);
        assert_eq!(event.spans().next().unwrap().fields().map(|(name, _)| name).collect::<Vec<_>>(), ["some"]);
        assert!(events(&mut nothing).is_empty() && events(&mut none).is_empty());
        span.record("none", None::<u64>).record("nothing", 5_i8).record("undeclared", 1);
        span.in_scope(|| tracing::debug!("inside"));
        let event = only(&mut stream);
        assert_eq!(event.find("nothing").and_then(Value::as_i64), Some(5));
        assert_eq!((event.find("none"), event.find("undeclared")), (None, None));
        assert_eq!(events(&mut nothing).len(), 1);
        assert!(events(&mut none).is_empty());
    }

    fn recorded_values_keep_their_kind() {
        let (_router, mut stream) = install();
        let span = tracing::info_span!("conn", a = Empty, b = Empty, c = Empty, d = Empty, e = Empty);
        span.record("a", u128::MAX).record("b", debug("x")).record("c", display("x"));
        span.record("d", &[1_u8][..]).record("e", &Failure(None) as &(dyn Error + 'static));
        span.in_scope(|| tracing::debug!("inside"));
        let event = only(&mut stream);
        let kinds: Vec<_> = event.spans().next().unwrap().fields().map(|(name, value)| (name, kind(value))).collect();
        assert_eq!(kinds, [("a", "u128"), ("b", "debug"), ("c", "debug"), ("d", "bytes"), ("e", "error")]);
    }

    fn every_value_is_formatted_once_for_any_number_of_sessions() {
        struct Formats<'a>(&'a Evaluations);
        impl fmt::Debug for Formats<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "formatted {}", self.0.count())
            }
        }
        let (router, stream) = install();
        let mut others: Vec<_> = (0..5).map(|_| router.watch(Predicate::everything())).collect();
        others.push(stream);
        let evaluations = Evaluations::default();
        let formatted = evaluations.during(|| tracing::debug!(value = ?Formats(&evaluations), "shared"));
        assert_eq!(formatted, 1);
        for stream in &mut others {
            assert_eq!(only(stream).field("value").unwrap().to_string(), "formatted 0");
        }
    }

    fn raw_names_lose_their_prefix_and_odd_names_are_kept() {
        let (router, mut stream) = install();
        let mut by_type = router.watch(Predicate::eq("type", "a"));
        tracing::debug!(r#type = "a", "odd name" = 1, dotted.name = 2, "names");
        check(&only(&mut stream), &[("type", "str a"), ("odd name", "i64 1"), ("dotted.name", "i64 2")]);
        assert_eq!(events(&mut by_type).len(), 1);
    }

    fn fields_past_the_bound_are_tested_and_counted_but_not_kept() {
        let router = TapRouter::builder().max_event_fields(2).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut stream = router.watch(Predicate::eq("c", 3));
        let evaluations = Evaluations::default();
        tracing::info!(a = 1, b = 2, c = 3, d = ?evaluations, "the message comes first");
        tracing::info!(a = 1, c = 3);
        tracing::info!(a = 1, b = 2, c = 4);
        let events = events(&mut stream);
        let kept: Vec<_> = events.iter().map(|event| (event.fields().count(), event.omitted_fields())).collect();
        assert_eq!(kept, [(2, 3), (2, 0)]);
        assert_eq!(events[0].message(), "the message comes first");
        let line = serde_json::to_value(&*events[0]).expect("an event can be written");
        assert_eq!(line["omittedFields"], 3);
        let read: CapturedEvent = serde_json::from_value(line).expect("and read");
        assert_eq!(read.omitted_fields(), 3);
        assert!(events[0].to_string().contains("\n  omitted_fields: 3"), "{}", events[0]);
    }
}
