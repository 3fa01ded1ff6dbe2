use super::testing::{any_item, bare, bare_event, example_event, fields, span};
use super::{Format, FormatOptions, write_item, write_item_coloured};
use crate::escape::is_hidden;
use crate::event::testing::Parts;
use crate::event::{CapturedEvent, Fields};
use crate::missing::{Missing, MissingReason};
use crate::session::{EndReason, SessionId};
use crate::stream::Item;
use crate::value::{Text, Value};
use proptest::prelude::*;
use std::sync::Arc;
use tracing_core::Level;

fn written(item: &Item, format: Format) -> String {
    let mut out = Vec::new();
    write_item(&mut out, item, format);
    String::from_utf8(out).unwrap()
}

fn coloured(item: &Item) -> String {
    let mut out = Vec::new();
    write_item_coloured(&mut out, item);
    String::from_utf8(out).unwrap()
}

fn item(event: CapturedEvent) -> Item {
    Item::Event { session: SessionId(1), sequence: 7, event: Arc::new(event) }
}

fn lost(count: u64) -> Item {
    Item::Missing(Missing { count, reason: MissingReason::Overflow })
}

#[track_caller]
fn check(event: CapturedEvent, format: Format, expected: &str) {
    assert_eq!(written(&item(event), format), format!("{expected}\n"));
}

#[track_caller]
fn check_compact(event: CapturedEvent, expected: &str) {
    check(event, Format::Compact, &format!("08:15:02.123Z DEBUG chat::hub{expected}"));
}

#[test]
fn the_example_in_each_form() {
    let json = concat!(
        r#"{"type":"event","session":1,"sequence":7,"timestamp":"2026-11-20T08:15:02.123456Z","level":"DEBUG","#,
        r#""fields":{"message":"subscription rejected","channel":"orders","attempt":3},"target":"chat::hub","#,
        r#""filename":"src/hub.rs","line_number":214,"span":{"name":"flush"},"spans":[{"conn_id":9137,"user":"42","#,
        r#""name":"conn"},{"kind":"subscribe","name":"message"},{"name":"flush"}],"threadName":"main"}"#
    );
    check(example_event(), Format::Json, json);
    check(example_event(), Format::Human, &format!("{}\n", example_event()));
    let path = "conn{conn_id=9137 user=42}:message{kind=subscribe}:flush";
    check_compact(example_event(), &format!(" {path}: subscription rejected channel=orders attempt=3"));
    let debug = format!("::debug::chat::hub: subscription rejected channel=orders attempt=3 in {path}");
    check(example_event(), Format::GithubActions, &debug);
}

#[test]
fn losses_and_the_end_look_like_no_event() {
    assert_eq!(written(&lost(1), Format::Human), "  -- 1 event lost: the buffer was full\n\n");
    assert_eq!(written(&lost(3), Format::Compact), "-- 3 events lost: the buffer was full\n");
    assert_eq!(
        written(&lost(3), Format::GithubActions),
        "::warning title=tracing-tap::3 events lost: the buffer was full\n"
    );
    let [rate, sampling] = [MissingReason::RateLimited, MissingReason::SampledOut]
        .map(|reason| Item::Missing(Missing { count: 3, reason }));
    assert_eq!(written(&rate, Format::Human), "  -- 3 events rate-limited\n\n");
    assert_eq!(written(&sampling, Format::Compact), "-- 3 events sampled out\n");
    assert_eq!(written(&rate, Format::GithubActions), "::warning title=tracing-tap::3 events rate-limited\n");
    // That was asked for.
    assert_eq!(written(&sampling, Format::GithubActions), "::notice title=tracing-tap::3 events sampled out\n");
    let ended = Item::Ended(EndReason::Expired);
    assert_eq!(written(&ended, Format::Human), "  -- session over: expired\n\n");
    assert_eq!(written(&ended, Format::Compact), "-- session over: expired\n");
    assert_eq!(written(&ended, Format::GithubActions), "::notice title=tracing-tap::session over: expired\n");
}

#[test]
fn an_ambiguous_compact_value_is_quoted() {
    let values = fields([
        ("empty", "".into()),
        ("words", "a b".into()),
        ("faked", "a user=43".into()),
        ("closed", "a}".into()),
        ("quoted", "a\"b\\".into()),
        ("hidden", "a\u{202E}\n".into()),
        ("path", "/srv/a:b,c\\d".into()),
        ("odd name", 1.0_f64.into()),
        ("cut", Value::Debug(Text::limited("abc", 2))),
        ("secret", Value::Redacted),
    ]);
    let expected = concat!(
        r#": empty="" words="a b" faked="a user=43" closed="a}" quoted="a\"b\\" hidden="a\u202E\n" "#,
        r#"path=/srv/a:b,c\d "odd name"=1.0 cut=ab…[cut] secret=<redacted>"#
    );
    check_compact(bare_event(values), expected);
}

#[test]
fn a_compact_message_that_looks_like_fields_is_quoted() {
    let message = |text: &str| bare_event(fields([("message", text.into()), ("n", 1_i64.into())]));
    check_compact(message("retry in 3 s"), ": retry in 3 s n=1");
    check_compact(message("retry user=43"), r#": "retry user=43" n=1"#);
    check_compact(message("\"retry\""), r#": "\"retry\"" n=1"#);
    check_compact(message("a\n"), r": a\n n=1");
    check_compact(message(""), ": n=1");
}

#[test]
fn a_compact_span_ends_where_it_seems_to() {
    let spans = Arc::new([span("a:b", Fields::default()), span("c{d}", fields([("e", 1_i64.into())]))]);
    check_compact(Parts { spans, ..bare(Fields::default()) }.into(), r#" "a:b":"c{d}"{e=1}:"#);
}

/// The path of a compact line with a limit.
fn path_of(event: CapturedEvent, max_chars: usize) -> String {
    let mut out = Vec::new();
    write_item(&mut out, &item(event), FormatOptions::new(Format::Compact).max_path_chars(max_chars));
    let line = String::from_utf8(out).unwrap();
    line.strip_prefix("08:15:02.123Z DEBUG chat::hub ").unwrap().strip_suffix(":\n").unwrap().to_owned()
}

fn nested(names: &[&'static str]) -> CapturedEvent {
    let of_name = |name: &&'static str| span(*name, fields([("n", 1_i64.into()), ("m", "é".into())]));
    Parts { spans: names.iter().map(of_name).collect(), ..bare(Fields::default()) }.into()
}

#[test]
fn a_long_path_is_shortened_from_the_root_inwards() {
    let event = || nested(&["request", "auth", "query"]);
    let whole = "request{n=1 m=é}:auth{n=1 m=é}:query{n=1 m=é}";
    let length = whole.chars().count();
    for (max_chars, expected) in [
        (usize::MAX, whole),
        (length, whole),
        (length - 1, "request{…}:auth{n=1 m=é}:query{n=1 m=é}"),
        (35, "request{…}:auth{…}:query{n=1 m=é}"),
        (32, "…:auth{…}:query{n=1 m=é}"),
        (23, "…:query{n=1 m=é}"),
        (0, "…:query{n=1 m=é}"),
    ] {
        assert_eq!(path_of(event(), max_chars), expected, "{max_chars}");
    }
}

#[test]
fn a_span_named_like_the_omission_is_quoted() {
    assert_eq!(path_of(nested(&["…", "a"]), usize::MAX), "\"…\"{n=1 m=é}:a{n=1 m=é}");
    assert_eq!(path_of(nested(&["a"]), 0), "a{n=1 m=é}");
}

proptest! {
    #[test]
    fn a_path_fits_or_is_down_to_its_innermost_span(count in 1..9_usize, max_chars in 0..140_usize) {
        let names = &["a", "bb", "ccc", "dddd", "eeeee", "f", "gg", "hhh"][..count.min(8)];
        let path = path_of(nested(names), max_chars);
        let innermost = path_of(nested(&names[names.len() - 1..]), usize::MAX);
        prop_assert!(path.ends_with(&innermost), "{}", path);
        let is_down_to_one = path == innermost || path == format!("…:{innermost}");
        prop_assert!(path.chars().count() <= max_chars || is_down_to_one, "{}", path);
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let escape = regex::Regex::new("\u{1B}\\[[0-9;]*m").unwrap();
    for item in [item(example_event()), lost(3), Item::Ended(EndReason::Closed)] {
        let coloured = coloured(&item);
        assert!(coloured.contains("\u{1B}[") && coloured.ends_with('\n'), "{coloured:?}");
        assert_eq!(escape.replace_all(&coloured, ""), written(&item, Format::Compact));
    }
}

#[test]
fn each_level_is_a_command_of_github() {
    let event = |level| Parts { level, file: Some("a.rs".into()), ..bare(Fields::default()) }.into();
    let expected = [
        (Level::ERROR, "::error file=a.rs,title=chat%3A%3Ahub::(no message)"),
        (Level::WARN, "::warning file=a.rs,title=chat%3A%3Ahub::(no message)"),
        (Level::INFO, "::notice file=a.rs,title=chat%3A%3Ahub::(no message)"),
        (Level::DEBUG, "::debug::chat::hub: (no message)"),
        (Level::TRACE, "::debug::chat::hub: (no message)"),
    ];
    expected.into_iter().for_each(|(level, expected)| check(event(level), Format::GithubActions, expected));
}

#[test]
fn githubs_escapes_are_its_own() {
    let event = Parts {
        level: Level::ERROR,
        target: "50%, a:b\r\n".into(),
        file: Some("C:\\a,b%.rs".into()),
        line: Some(7),
        ..bare(fields([("message", "100%25 of a:b,\r\n::error::\u{1B}".into()), ("rate", "5%\n".into())]))
    };
    let expected = concat!(
        "::error file=C%3A\\a%2Cb%25.rs,line=7,title=50%25%2C a%3Ab%0D%0A::",
        r#"100%2525 of a:b,%0D%0A::error::\x1B rate="5%25\n""#
    );
    check(event.into(), Format::GithubActions, expected);
}

#[test]
fn a_format_is_named_as_it_prints() {
    for format in [Format::Json, Format::Human, Format::Compact, Format::GithubActions] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert!("JSON".parse::<Format>().is_err());
}

/// An event with this text in every place a text can be in.
fn everywhere(text: &str) -> Parts {
    let name = || text.to_owned().into();
    let values = Fields::listed(vec![
        (name(), 1_i64.into()),
        ("string".into(), text.into()),
        ("debug".into(), Value::Debug(Text::kept(text, true))),
        ("message".into(), text.into()),
    ]);
    Parts {
        level: Level::ERROR,
        target: name(),
        file: Some(name()),
        thread: Some(text.into()),
        spans: Arc::new([span(text.to_owned(), values.clone())]),
        ..bare(values)
    }
}

#[track_caller]
fn check_nothing_hidden(item: &Item) {
    for format in [Format::Json, Format::Human, Format::Compact, Format::GithubActions] {
        let written = written(item, format);
        let hidden = written.chars().find(|character| *character != '\n' && is_hidden(*character));
        assert_eq!(hidden, None, "{format}: {written:?}");
        let is_terminated = match format {
            Format::Human => written.ends_with("\n\n") && !written.trim_end().contains("\n\n"),
            _ => written.find('\n') == Some(written.len() - 1),
        };
        assert!(is_terminated, "{format}: {written:?}");
    }
}

#[test]
fn no_character_that_is_hidden_gets_through_anywhere() {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    // Only some characters of the planes that Unicode leaves unassigned or for private use.
    let is_of_interest =
        |character: &char| matches!(*character as u32 >> 16, 0..4 | 14) || (*character as u32).is_multiple_of(61);
    let of_interest: Vec<char> = all.iter().copied().filter(is_of_interest).collect();
    for block in of_interest.chunks(128) {
        check_nothing_hidden(&item(everywhere(&String::from_iter(block)).into()));
    }
    for hidden in all.into_iter().filter(|character| is_hidden(*character)) {
        check_nothing_hidden(&item(everywhere(hidden.encode_utf8(&mut [0; 4])).into()));
        check_nothing_hidden(&item(Parts { level: Level::TRACE, ..everywhere(&format!("a{hidden}=b")) }.into()));
    }
}

proptest! {
    #[test]
    fn no_item_shows_what_is_hidden_or_ends_early(item in any_item()) {
        check_nothing_hidden(&item);
        let is_shown = |character| matches!(character, '\n' | '\u{1B}') || !is_hidden(character);
        prop_assert!(coloured(&item).chars().all(is_shown));
    }
}
