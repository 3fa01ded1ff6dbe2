mod expected;

use crate::escape::is_hidden;
use crate::event::testing::Parts;
use crate::event::{CapturedEvent, Fields};
use crate::render::testing::{any_event, bare, bare_event, example_event, fields, span};
use crate::value::{Text, Value};
use expected::{converted, expected_block, fits};
use proptest::prelude::*;
use saphyr::{LoadableYamlNode, Yaml};
use serde_norway::Value as Node;
use std::sync::Arc;

const EXAMPLE: &str = r#"subscription rejected
  time: 2026-11-20T08:15:02.123456Z
  level: DEBUG
  target: chat::hub
  source: src/hub.rs:214
  fields:
    channel: orders
    attempt: 3
  spans:
    - conn:
        conn_id: 9137
        user: "42"
    - message:
        kind: subscribe
    - flush"#;

/// Of the events that are made here.
const TIME: &str = "2026-11-20T08:15:02.123456Z";

/// Checks what follows the first four lines, which [`bare_event`] always has.
#[track_caller]
fn check_below_target(event: &CapturedEvent, expected: &[&str]) {
    let text = event.to_string();
    assert_eq!(text.lines().skip(4).collect::<Vec<_>>(), expected);
}

#[test]
fn the_documented_example_is_written_as_documented() {
    assert_eq!(example_event().to_string(), EXAMPLE);
}

#[test]
fn absent_values_and_empty_groups_are_left_out() {
    let event = bare_event(Fields::default());
    let expected = "(no message)\n  time: 2026-11-20T08:15:02.123456Z\n  level: DEBUG\n  target: chat::hub";
    assert_eq!(event.to_string(), expected);
    check_below_target(&bare_event(fields([("message", "only".into())])), &[]);
}

#[test]
fn a_source_without_a_line_is_its_file() {
    let event = Parts { file: Some("src/hub.rs".into()), ..bare(Fields::default()) };
    check_below_target(&event.into(), &["  source: src/hub.rs"]);
}

#[test]
fn a_repeated_name_keeps_its_last_value_in_the_last_place() {
    let event = bare_event(fields([("a", 1_i64.into()), ("b", 2_i64.into()), ("a", "x".into())]));
    check_below_target(&event, &["  fields:", "    b: 2", "    a: x"]);
}

#[test]
fn only_the_events_own_message_is_no_field() {
    let spans = Arc::new([span("conn", fields([("message", "kept".into())]))]);
    let event = Parts { spans, ..bare(Fields::default()) };
    check_below_target(&event.into(), &["  spans:", "    - conn:", "        message: kept"]);
}

#[test]
fn a_cut_text_and_a_redacted_value_say_so() {
    let event = bare_event(fields([
        ("body", Value::Str(Text::limited("abcdef", 3))),
        ("line", Value::Debug(Text::limited("a\nbcdef", 3))),
        ("password", Value::Redacted),
    ]));
    let expected = ["  fields:", "    body: abc…[cut]", r#"    line: "a\nb…[cut]""#, "    password: <redacted>"];
    check_below_target(&event, &expected);
}

#[test]
fn a_name_too_long_for_a_key_is_announced() {
    let name = "k".repeat(300);
    let spans = Arc::new([span(name.clone(), fields([("a", 1_i64.into())]))]);
    let event = Parts { spans, ..bare(Fields::listed(vec![(name.clone().into(), 2_i64.into())])) };
    let (field, span) = (format!("    ? {name}"), format!("    - ? {name}"));
    check_below_target(&event.into(), &["  fields:", &field, "    : 2", "  spans:", &span, "      :", "        a: 1"]);
}

/// Without what the parser of YAML 1.2 does not know.
fn without_large_integers(mut event: CapturedEvent) -> CapturedEvent {
    let fitting = |fields: &Fields| {
        let fields = fields.values().filter(|(_, value)| fits(value));
        Fields::listed(fields.map(|(name, value)| (name.to_owned().into(), value.clone())).collect())
    };
    event.own = fitting(&event.own);
    let mut spans = event.spans.to_vec();
    spans.iter_mut().for_each(|span| Arc::make_mut(span).fields = fitting(&span.fields));
    CapturedEvent { spans: spans.into(), ..event }
}

fn block(text: &str) -> &str {
    text.split_once('\n').unwrap().1
}

proptest! {
    #[test]
    fn the_block_reads_back_to_the_same_values(event in any_event()) {
        let text = event.to_string();
        let read: Node = serde_norway::from_str(block(&text)).unwrap();
        prop_assert_eq!(read, expected_block(&event, TIME), "{}", text);
    }

    #[test]
    fn the_block_reads_back_to_the_same_values_in_yaml_1_2(event in any_event()) {
        let event = without_large_integers(event);
        let text = event.to_string();
        let documents = Yaml::load_from_str(block(&text)).unwrap();
        prop_assert_eq!(documents.len(), 1);
        prop_assert_eq!(converted(&documents[0]), expected_block(&event, TIME), "{}", text);
    }

    #[test]
    fn nothing_hidden_and_no_empty_line_is_ever_written(event in any_event()) {
        let text = event.to_string();
        prop_assert!(!text.contains(|character| character != '\n' && is_hidden(character)), "{:?}", text);
        prop_assert!(text.split('\n').all(|line| !line.trim().is_empty()), "{:?}", text);
        prop_assert!(text.split('\n').skip(1).all(|line| line.starts_with("  ")), "{:?}", text);
    }
}
