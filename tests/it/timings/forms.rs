//! How times look, and that they come back from a line as they were.

use super::{install, user};
use tracing_tap::{Format, Item, SpanTiming, write_item};

const LINE: &str = concat!(
    r#"{"type":"timing","session":1,"sequence":7,"timestamp":"2026-11-20T08:15:02.123456Z","level":"INFO","fields":{"#,
    r#""message":"close","time.busy":12345,"time.idle":5000000,"time.wall":5012345,"polls":3},"target":"shop","#,
    r#""span":{"table":"orders","name":"query"},"spans":[{"user":42,"name":"request"},{"table":"orders","name":"query"}]}"#,
    "\n"
);

fn written(item: &Item, format: Format) -> String {
    let mut out = Vec::new();
    write_item(&mut out, item, format);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_timing_comes_back_from_its_line() {
    let item: Item = serde_json::from_str(LINE).unwrap();
    assert_eq!(written(&item, Format::Json), LINE);
    assert_eq!(serde_json::to_string(&item).unwrap() + "\n", LINE);
    let timing = item.into_timing().unwrap();
    assert_eq!((timing.name(), timing.polls(), timing.is_whole()), ("query", Some(3), true));
    assert_eq!(timing.wall(), Some(timing.busy().unwrap() + timing.idle().unwrap()));
}

#[test]
fn a_timing_reads_well_in_the_forms_for_people() {
    let item: Item = serde_json::from_str(LINE).unwrap();
    let compact = "08:15:02.123Z  INFO shop request{user=42}:query{table=orders}: close time.busy=12.3µs time.idle=5.00ms \
                   time.wall=5.01ms polls=3\n";
    assert_eq!(written(&item, Format::Compact), compact);
    let human = "close\n  time: 2026-11-20T08:15:02.123456Z\n  level: INFO\n  target: shop\n  fields:\n    time.busy: \"12.3µs\"\n    \
                 time.idle: \"5.00ms\"\n    time.wall: \"5.01ms\"\n    polls: 3\n  spans:\n    - request:\n        user: 42\n    - \
                 query:\n        table: orders\n\n";
    assert_eq!(written(&item, Format::Human), human);
    assert!(written(&item, Format::GithubActions).contains("close"));
}

#[test]
fn a_line_that_is_no_timing_is_refused() {
    let refused = |line: &str| serde_json::from_str::<Item>(line).unwrap_err().to_string();
    let negative = LINE.replace(":12345,", ":-1,");
    assert!(refused(&negative).contains("`time.busy` of a timing is not a positive integer"), "{}", refused(&negative));
    let nowhere = LINE.split(r#","span":"#).next().unwrap().to_owned() + "}";
    assert!(refused(&nowhere).contains("a timing has no span"), "{}", refused(&nowhere));
}

isolated! {
    fn a_captured_timing_is_written_as_it_is_read() {
        let router = install();
        let mut stream = router.watch(user(42));
        tracing::info_span!("request", user = 42, time.busy = 7).in_scope(|| ());
        let item = stream.drain().next().unwrap();
        let back: Item = serde_json::from_str(&written(&item, Format::Json)).unwrap();
        for format in [Format::Json, Format::Human, Format::Compact, Format::GithubActions] {
            assert_eq!(written(&back, format), written(&item, format));
        }
        let (timing, back): (SpanTiming, SpanTiming) = (item.into_timing().unwrap(), back.into_timing().unwrap());
        assert_eq!((timing.busy(), timing.idle(), timing.polls()), (back.busy(), back.idle(), back.polls()));

        let request = tracing::info_span!("request", user = 43).entered();
        let mut late = router.watch(user(43));
        tracing::info!("inside");
        drop(request);
        let item = late.drain().last().unwrap();
        assert!(written(&item, Format::Json).contains(r#""fields":{"message":"close","since":"session"}"#));
        assert!(!only_of(item).is_whole());
        assert!(timing.is_whole() && only_none(&mut stream));
    }
}

fn only_of(item: Item) -> SpanTiming {
    item.into_timing().unwrap()
}

fn only_none(stream: &mut tracing_tap::EventStream) -> bool {
    stream.drain().next().is_none()
}
