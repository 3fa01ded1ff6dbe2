//! Values compare by what they say, whole: the same for an event's field, a span's, and one recorded later.

use std::fmt;
use testing::{events, messages};
use tracing::field::Empty;
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Predicate, TapRouter};

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    router
}

/// Prints a text for `{}` and for `{:?}`.
struct Prints(&'static str);

impl fmt::Display for Prints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Prints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn count(streams: &mut [EventStream]) -> Vec<usize> {
    streams.iter_mut().map(|stream| events(stream).len()).collect()
}

/// Asserts, for `user = $value` in an event, a span and a record, whether each of these streams gets it.
macro_rules! check {
    ($streams:expr, $expected:expr, $($value:tt)+) => {{
        let expected: Vec<usize> = $expected.iter().map(|matches: &bool| usize::from(*matches)).collect();
        tracing::debug!(user = $($value)+, "own field");
        assert_eq!(count($streams), expected, "event: {}", stringify!($($value)+));
        tracing::info_span!("conn", user = $($value)+).in_scope(|| tracing::debug!("inside"));
        assert_eq!(count($streams), expected, "span: {}", stringify!($($value)+));
        let other = tracing::info_span!("conn", user = "other");
        other.in_scope(|| tracing::info_span!("request", user = $($value)+).in_scope(|| tracing::debug!("inside both")));
        assert_eq!(count($streams), expected, "inner span: {}", stringify!($($value)+));
    }};
}

macro_rules! check_recorded {
    ($streams:expr, $expected:expr, $value:expr) => {{
        let expected: Vec<usize> = $expected.iter().map(|matches: &bool| usize::from(*matches)).collect();
        let span = tracing::info_span!("conn", user = Empty);
        span.in_scope(|| {
            tracing::debug!("before");
            span.record("user", $value);
            tracing::debug!("after");
        });
        assert_eq!(count($streams), expected, "record: {}", stringify!($value));
    }};
}

const YES: [bool; 4] = [true; 4];
const NO: [bool; 4] = [false; 4];

isolated! {
    fn a_raw_identifier_is_redacted_by_its_plain_and_raw_name() {
        for name in ["type", "r#type"] {
            let router = TapRouter::builder().redact_fields([name]).capture_fields([name]).build();
            let subscriber = tracing_subscriber::registry().with(router.layer());
            tracing::subscriber::with_default(subscriber, || {
                let span = tracing::info_span!("conn", r#type = "secret", user = 42);
                let mut stream = router.watch(Predicate::everything());
                span.in_scope(|| tracing::debug!(r#type = "secret", "event"));
                let seen = events(&mut stream);
                assert_eq!(seen[0].field("type").unwrap().to_string(), "<redacted>");
                let span = seen[0].spans().next().unwrap();
                assert_eq!(span.fields().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(), ["type=<redacted>"]);
            });
        }
    }

    fn a_number_equals_whatever_says_it_and_nothing_else() {
        let router = install();
        // Indexed by text, by number, by one of several values, and not indexed at all.
        let mut streams = [
            router.watch(Predicate::eq("user", "42")),
            router.watch(Predicate::eq("user", 42)),
            router.watch(Predicate::any_of("user", ["41", "42"])),
            router.watch(Predicate::eq("user", 42) | Predicate::eq("never", "there")),
        ];
        let streams = &mut streams[..];
        check!(streams, YES, 42_u8);
        check!(streams, YES, 42_i64);
        check!(streams, YES, 42_u128);
        check!(streams, YES, 42.0);
        check!(streams, YES, 42.0_f32);
        check!(streams, YES, "42");
        check!(streams, YES, ?"42");
        check!(streams, YES, %"42");
        check!(streams, YES, %42);
        check!(streams, YES, ?42);
        check!(streams, YES, String::from("42"));
        check!(streams, YES, ?Prints("\"42\""));
        check!(streams, YES, Some(42));
        check!(streams, NO, 4);
        check!(streams, NO, 420);
        check!(streams, NO, -42);
        check!(streams, NO, 42.5);
        check!(streams, NO, "042");
        check!(streams, NO, "42 ");
        check!(streams, NO, " 42");
        check!(streams, NO, "+42");
        check!(streams, NO, "4");
        check!(streams, NO, "420");
        check!(streams, NO, "u42");
        check!(streams, NO, "42.0");
        check!(streams, NO, ?Some(42));
        check!(streams, NO, ?vec![42]);
        check!(streams, NO, %Prints(""));
        check!(streams, NO, true);
        check!(streams, NO, None::<u64>);
        check_recorded!(streams, YES, 42);
        check_recorded!(streams, YES, "42");
        check_recorded!(streams, YES, tracing::field::debug("42"));
        check_recorded!(streams, NO, "042");
        check_recorded!(streams, NO, tracing::field::debug(Some(42)));
    }

    fn a_text_equals_itself_whole_and_quoted() {
        let router = install();
        let mut streams = [
            router.watch(Predicate::eq("user", "u42")),
            router.watch(Predicate::any_of("user", ["u41", "u42"])),
            router.watch(Predicate::eq(["uid", "user"], "u42")),
            router.watch(!Predicate::ne("user", "u42")),
        ];
        let streams = &mut streams[..];
        check!(streams, YES, "u42");
        check!(streams, YES, ?"u42");
        check!(streams, YES, %"u42");
        check!(streams, YES, ?Prints("u42"));
        check!(streams, NO, "u4");
        check!(streams, NO, "u420");
        check!(streams, NO, "U42");
        check!(streams, NO, "\"u42\" ");
        check!(streams, NO, ?Some("u42"));
        check!(streams, NO, "");
        check_recorded!(streams, YES, "u42");
        check_recorded!(streams, NO, "u4");
    }

    fn large_integers_and_floats_compare_exactly() {
        let router = install();
        let mut exact = [router.watch(Predicate::eq("user", 9_007_199_254_740_993_u64))];
        check!(&mut exact, [true], 9_007_199_254_740_993_u64);
        check!(&mut exact, [true], "9007199254740993");
        check!(&mut exact, [false], 9_007_199_254_740_992_u64);
        check!(&mut exact, [false], 9_007_199_254_740_992.0);
        let mut ordered = [router.watch(Predicate::gt("user", 9_007_199_254_740_992_u64))];
        check!(&mut ordered, [true], 9_007_199_254_740_993_u64);
        check!(&mut ordered, [true], "9007199254740993");
        check!(&mut ordered, [true], 1e300);
        check!(&mut ordered, [false], 9_007_199_254_740_992.0);
        check!(&mut ordered, [false], f64::NAN);
        check!(&mut ordered, [false], "inf");
        let mut nan = [router.watch(Predicate::eq("user", f64::NAN))];
        check!(&mut nan, [false], f64::NAN);
    }

    fn a_cut_value_equals_nothing_and_is_known_by_its_beginning() {
        let router = TapRouter::builder().max_value_bytes(8).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut streams = [
            router.watch(Predicate::eq("user", "12345678")),
            router.watch(Predicate::starts_with("user", "1234")),
            router.watch(Predicate::contains("user", "678")),
            router.watch(Predicate::ends_with("user", "678")),
        ];
        let streams = &mut streams[..];
        check!(streams, YES, "12345678");
        check!(streams, [false, true, true, false], "123456789");
        check!(streams, [false, true, true, false], ?Prints("123456789"));
        check!(streams, [false, true, true, false], "12345678 and 678");
    }

    fn a_redacted_field_is_tested_by_nobody() {
        let router = TapRouter::builder().redact_fields(["user"]).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut streams = [
            router.watch(Predicate::eq("user", 42)),
            router.watch(Predicate::exists("user")),
            router.watch(Predicate::eq("user", "<redacted>")),
            router.watch(Predicate::contains("user", "redacted")),
        ];
        check!(&mut streams, NO, 42);
        check!(&mut streams, NO, "<redacted>");
        assert!(router.try_watch(Predicate::eq("user", 42)).is_err());
        let mut all = router.watch(Predicate::everything());
        tracing::info_span!("conn", user = 42).in_scope(|| tracing::debug!(user = "secret", "both"));
        let seen = events(&mut all);
        assert_eq!(seen[0].field("user").unwrap().to_string(), "<redacted>");
        assert_eq!(seen[0].spans().next().unwrap().field("user").unwrap().to_string(), "<redacted>");
    }

    fn values_with_one_hash_match_only_their_own_session() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        // The index keeps both sessions in one bucket; a unit test of it checks that they collide.
        let texts = ["T©g0AaaT©g1Abb", "ùzᗡDUùzᖡGV"];
        let mut streams = texts.map(|text| router.watch(Predicate::eq("user", text)));
        for text in texts {
            tracing::info_span!("conn", user = text).in_scope(|| tracing::debug!("{text}"));
            tracing::debug!(user = text, "{text}");
        }
        for (stream, text) in streams.iter_mut().zip(texts) {
            let seen: Vec<_> = events(stream).iter().map(|event| event.message().to_owned()).collect();
            assert_eq!(seen, [text, text]);
        }
    }

    fn a_span_without_captured_fields_is_still_known_by_its_name() {
        let router = TapRouter::builder().capture_fields(["user"]).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut by_name = router.watch(Predicate::span("request"));
        tracing::info_span!("request").in_scope(|| tracing::debug!("no fields"));
        tracing::info_span!("request", user = 42).in_scope(|| tracing::debug!("a captured field"));
        tracing::info_span!("request", n = 1).in_scope(|| tracing::debug!("another field"));
        assert_eq!(messages(&mut by_name), ["no fields", "a captured field", "another field"]);
    }

    fn to_capture_a_field_enables_no_span_that_declares_it() {
        let router = TapRouter::builder().capture_fields(["user"]).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let is_disabled = || tracing::debug_span!("conn", user = 42).is_disabled();
        assert!(is_disabled());
        let stream = router.watch(Predicate::eq("user", 42));
        assert!(is_disabled());
        drop(stream);
        assert!(is_disabled());
    }
}
