use super::LineFilter;
use crate::event::testing::Parts;
use crate::event::{CapturedEvent, CapturedSpan, Fields};
use crate::predicate::Predicate;
use crate::render::testing::{any_item, bare_event, example_parts, fields, span};
use crate::render::{Format, write_item};
use crate::session::SessionId;
use crate::stream::Item;
use crate::value::{Bytes, CUT_MARK, REDACTED, Text, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use tracing_core::Level;

fn line_of(event: &Arc<CapturedEvent>) -> Vec<u8> {
    let mut line = Vec::new();
    write_item(&mut line, &Item::event(SessionId(1), 7, Arc::clone(event)), Format::Json);
    line.pop();
    line
}

fn filter(predicate: &str) -> LineFilter {
    LineFilter::new(&predicate.parse().unwrap()).unwrap()
}

#[track_caller]
fn check(predicate: &str, line: &str, expected: bool) {
    let filter = filter(predicate);
    assert_eq!(filter.is_match(line.as_bytes()).unwrap(), expected, "{predicate} of {line}");
    assert!(!expected || filter.may_match(line.as_bytes()), "{predicate} of {line}");
}

/// A line with these keys in its fields and in a span.
fn with_fields(own: &str, of_span: &str) -> String {
    format!(
        r#"{{"type":"event","level":"INFO","fields":{{{own}}},"target":"a::b","filename":"src/hub.rs","spans":[{{{of_span}"name":"conn"}}]}}"#
    )
}

#[test]
fn a_field_of_the_event_or_of_any_span_counts() {
    let line = with_fields(r#""x":1,"x#1":"2""#, r#""user":"42","name#1":"ann","#);
    for (predicate, expected) in [
        ("x = 1 and x = 2 and user = 42", true),
        ("x > 1", true),
        ("not x = 2", false),
        ("name = ann", true),
        ("name = conn", false),
        ("@span = conn and @level = info and @target = a and @file = hub.rs", true),
        ("@span = con or @level = warn or @target = a::bc or @file = ub.rs", false),
        ("absent exists", false),
        ("not absent exists", true),
        ("*", true),
        ("not *", false),
    ] {
        check(predicate, &line, expected);
    }
}

/// Its own fields say how long the span took, which no session tests; nor does it matter where they are in the line.
#[test]
fn a_timing_is_tested_by_its_spans() {
    let line =
        with_fields(r#""message":"close","time.busy":700,"polls":1"#, r#""user":42,"#).replace("event", "timing");
    let moved = line.replace(r#"{"type":"timing","#, "{").replace(r#","spans""#, r#","type":"timing","spans""#);
    for line in [&line, &moved] {
        for (predicate, expected) in [
            ("user = 42", true),
            ("not user = 42", false),
            ("@span = conn and @level = info and @target = a and @file = hub.rs", true),
            ("@level = warn", false),
            ("message = close", false),
            ("polls exists or time.busy > 1", false),
            ("not polls = 1 and not message = close", true),
        ] {
            check(predicate, line, expected);
        }
    }
}

#[test]
fn the_trace_of_an_event_or_a_timing_is_tested() {
    let ids = r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","target""#;
    let event = with_fields("", "").replace(r#""target""#, ids);
    for line in [&event, &event.replace("event", "timing")] {
        check(r#"trace_id = "4bf92f3577b34da6a3ce929d0e0e4736" and span_id = "00f067aa0ba902b7""#, line, true);
        check(r#"not trace_id = "4bf92f3577b34da6a3ce929d0e0e4736""#, line, false);
        check(r#"trace_id = "4bf92f3577b34da6a3ce929d0e0e4737""#, line, false);
    }
}

#[test]
fn numbers_are_equal_however_they_are_written() {
    for value in ["42", "42.0", "\"42\"", r#""\"42\"""#] {
        check("user = 42", &with_fields(&format!(r#""user":{value}"#), ""), true);
        check("user >= 41.5", &with_fields("", &format!(r#""user":{value},"#)), true);
    }
    for value in ["420", "null", "true", "\"42.0\"", "\"<redacted>\"", r#""4…[cut]""#] {
        check("user = 42", &with_fields(&format!(r#""user":{value}"#), ""), false);
    }
    check("x = 1000000000000000000000", &with_fields(r#""x":1e21"#, ""), true);
    check("x *= 000000", &with_fields(r#""x":1e21"#, ""), true);
    check("x = 0.000001", &with_fields(r#""x":1e-6"#, ""), true);
}

#[test]
fn bytes_of_a_span_are_tested_as_their_text() {
    let line = with_fields("", r#""raw":[222,173],"cut":[222,173,"…[cut]"],"#);
    check(r#"raw = "[de ad]""#, &line, true);
    check("raw *= de and cut *= ad", &line, true);
    check(r#"cut = "[de ad]""#, &line, false);
}

#[test]
fn plain_characters_may_be_escaped() {
    check("path ^= /admin/", &with_fields(r#""path":"\/admin\/x""#, ""), true);
    check("user = ann", &with_fields(r#""us\u0065r":"\u0061nn""#, ""), true);
}

#[test]
fn lines_that_lack_what_a_match_needs_are_ruled_out() {
    let line = with_fields(r#""message":"ping \"x\"","status":200"#, r#""user":42,"#);
    for (predicate, expected) in [
        ("user = 43", false),
        ("user = 4", false),
        ("user = 42", true),
        ("user = 43 or user = 42", true),
        ("user = 43 or message *= pong", false),
        ("not (user != 43)", false),
        ("message *= pong and user = 42", false),
        ("missing >= 1", false),
        ("status >= 500", true),
        ("@level >= warn", false),
        ("not @level >= info", false),
        ("@target = b", false),
        ("@span = request", false),
        ("@file = net.rs", false),
        ("user = 43 or not status = 7", true),
    ] {
        assert_eq!(filter(predicate).may_match(line.as_bytes()), expected, "{predicate}");
    }
}

#[test]
fn a_name_of_a_callsite_is_refused() {
    let error = LineFilter::new(&"user = 42 and not @name = x".parse().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to filter lines by the predicate: `@name` is not in lines of JSON: use `@file` or `@target`"
    );
}

#[test]
fn what_is_no_event_is_an_error() {
    let whole = with_fields(r#""x":1"#, "");
    let beginning = &whole[..whole.len() - 3];
    for (line, part) in [
        ("", "EOF"),
        ("[1]", "expected an event"),
        (beginning, "EOF"),
        (&whole.replace("event", "ended"), "unknown variant `ended`"),
        (&whole.replace("INFO", "info"), "unknown variant `info`"),
        (&whole.replace(r#""target":"a::b","#, ""), "missing field `target`"),
        (&whole.replace(r#""level":"INFO","#, ""), "missing field `level`"),
        (&whole.replace(r#""fields":{"x":1},"#, ""), "missing field `fields`"),
        (&whole.replace(r#""type":"event","#, ""), "missing field `type`"),
        (&whole.replace(r#""name":"conn""#, ""), "missing field `name`"),
        (&whole.replace(r#""target""#, r#""level""#), "unknown variant `a::b`"),
        (&format!("{whole}{whole}"), "trailing characters"),
    ] {
        let error = filter("x = 1").is_match(line.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("failed to read the line: ") && error.contains(part), "{line}: {error}");
    }
    assert!(filter("*").is_match(b"\xff").unwrap_err().to_string().ends_with("it is not UTF-8"));
}

#[test]
fn a_quoted_string_is_tested_by_its_content() {
    let event = |user: Value| Arc::new(bare_event(fields([("user", user)])));
    let recorded = |event: &Arc<CapturedEvent>| filter("user = ann").is_match(&line_of(event)).unwrap();
    assert!(recorded(&event(Value::Debug("\"ann\"".into()))));
    // The one case in which a line cannot say what was recorded.
    assert!(recorded(&event("\"ann\"".into())) && !Predicate::eq("user", "ann").is_match(&event("\"ann\"".into())));
}

/// What a line says of a value.
fn as_a_line_says(value: &Value, is_own: bool) -> Value {
    let printed = match value {
        Value::F64(float) if !float.is_finite() => return Value::Null,
        Value::Str(_) | Value::Debug(_) | Value::Error(_) | Value::I128(_) | Value::U128(_) => value.to_string(),
        Value::Bytes(_) if is_own => value.to_string(),
        _ => return value.clone(),
    };
    match (printed.strip_suffix(CUT_MARK), Bytes::from_printed_cut(&printed).filter(|_| is_own)) {
        _ if printed == REDACTED => Value::Redacted,
        (Some(kept), _) => Value::Debug(Text::kept(kept, true)),
        (None, Some(bytes)) => Value::Bytes(bytes),
        (None, None) => Value::Debug(printed.into()),
    }
}

fn fields_as_a_line_says(fields: &Fields, is_own: bool) -> Fields {
    let said = |(name, value): (&str, &Value)| (name.to_owned().into(), as_a_line_says(value, is_own));
    Fields::listed(fields.values().map(said).collect())
}

fn event_as_a_line_says(event: &CapturedEvent) -> CapturedEvent {
    let of_span =
        |span: &CapturedSpan| CapturedSpan { fields: fields_as_a_line_says(&span.fields, false), ..span.clone() };
    let mut said = event.clone();
    said.own = fields_as_a_line_says(&event.own, true);
    let trace = event.trace().copied();
    let mut spans: Vec<_> = event.spans().map(of_span).collect();
    if let Some((innermost, others)) = spans.split_last_mut() {
        innermost.trace = trace;
        others.iter_mut().for_each(|span| span.trace = None);
    }
    said.spans = spans.into_iter().map(Arc::new).collect();
    said
}

/// Whether a line says all that a predicate could ask of a value.
fn is_said_whole(value: &Value) -> bool {
    match value {
        Value::F64(float) => float.is_finite(),
        Value::Str(text) | Value::Error(text) => {
            let text = text.as_str();
            !text.starts_with('"') && !text.ends_with(CUT_MARK) && text != REDACTED && !text.ends_with("…[cut]]")
        }
        Value::Debug(text) => {
            let text = text.as_str();
            !text.ends_with(CUT_MARK) && text != REDACTED && !text.ends_with("…[cut]]")
        }
        _ => true,
    }
}

/// What one test of a predicate is made of, to be applied to the fields that an event has.
type Recipe = (u8, usize, usize, (usize, usize));

fn part_of(text: &str, (from, length): (usize, usize)) -> String {
    let count = text.chars().count();
    text.chars().skip(from % (count + 1)).take(length).collect()
}

fn test_of(event: &CapturedEvent, (kind, name, value, part): Recipe) -> Predicate {
    let all: Vec<(String, String)> = event
        .all_values()
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .chain([("absent".to_owned(), "42".to_owned())])
        .collect();
    let (name, text) = (&*all[name % all.len()].0, all[value % all.len()].1.clone());
    let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    match kind % 13 {
        0 => Predicate::eq(name, text),
        1 => Predicate::any_of([name, "absent"], [text, "7".to_owned()]),
        2 => Predicate::contains(name, part_of(&text, part)),
        3 => Predicate::starts_with(name, part_of(&text, (0, part.1))),
        4 => Predicate::ends_with(name, part_of(&text, (part.0, usize::MAX))),
        5 => Predicate::exists(name),
        6 => Predicate::le(name, text),
        7 => Predicate::gt(name, text),
        8 => Predicate::level(levels[value % 5]),
        9 => Predicate::target(part_of(event.target(), (0, part.1))),
        10 => Predicate::span(event.spans().next().map_or("conn", CapturedSpan::name)),
        11 => Predicate::file(part_of(event.file().unwrap_or("src/hub.rs"), (part.0, usize::MAX))),
        _ => Predicate::regex(name, "^[a-z0-9]+").unwrap(),
    }
}

fn predicate_of(event: &CapturedEvent, recipes: Vec<(Recipe, u8)>) -> Predicate {
    recipes.into_iter().fold(Predicate::everything(), |predicate, (recipe, joint)| {
        let test = test_of(event, recipe);
        match joint % 6 {
            0 => predicate.and(test),
            1 => predicate.or(test),
            2 => predicate.and(test.not()),
            3 => predicate.not().or(test),
            4 => test.not().not(),
            _ => test,
        }
    })
}

fn check_line(event: &Arc<CapturedEvent>, predicate: &Predicate) -> Result<(), TestCaseError> {
    let line = line_of(event);
    let filter = LineFilter::new(predicate).unwrap();
    let found = filter.is_match(&line).unwrap();
    let shown = format!("{predicate:?} of {}", String::from_utf8_lossy(&line));
    prop_assert_eq!(found, predicate.is_match(&event_as_a_line_says(event)), "{}", &shown);
    // Of the traces the line has that of the innermost span.
    let has_one_trace = event.spans().filter(|span| span.trace().is_some()).count() <= 1;
    let mut values = event.fields().chain(event.spans().flat_map(CapturedSpan::fields));
    if has_one_trace && values.all(|(_, value)| is_said_whole(value)) {
        prop_assert_eq!(found, predicate.is_match(event), "{}", &shown);
    }
    prop_assert!(!found || filter.may_match(&line), "{}", shown);
    Ok(())
}

fn any_recipes() -> impl Strategy<Value = Vec<(Recipe, u8)>> {
    vec(
        (
            any::<Recipe>().prop_map(|(kind, name, value, (from, length))| (kind, name, value, (from, length % 8))),
            any::<u8>(),
        ),
        1..5,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn a_line_matches_exactly_if_its_event_does(item in any_item(), recipes in any_recipes()) {
        if let Some(event) = item.into_event() {
            check_line(&event, &predicate_of(&event, recipes))?;
        }
    }

    #[test]
    fn an_ordinary_line_matches_exactly_if_its_event_does(
        user in 0_u64..20, kind in 0_u8..6, status in -3.0_f64..3.0, path in "[a-f0-9/ ]{0,4}", recipes in any_recipes(),
    ) {
        let user: Value = match kind {
            0 => user.into(),
            1 => user.to_string().into(),
            2 => Value::Debug(user.to_string().into()),
            3 => Value::Debug(format!("\"{user}\"").into()),
            4 => Value::F64(user as f64 * 1e-7),
            _ => Value::F64(user as f64 * 1e15),
        };
        let own = fields([("message", path.clone().into()), ("status", status.into()), ("raw", Value::Bytes(Bytes::limited(path.as_bytes(), 3)))]);
        let spans = [span("conn", fields([("user", user), ("path", path.clone().into())])), span("r#type", fields([("raw", Value::Bytes(Bytes::limited(path.as_bytes(), 3)))]))];
        let event: CapturedEvent = Parts { fields: own, spans: Arc::new(spans), ..example_parts() }.into();
        check_line(&Arc::new(event.clone()), &predicate_of(&event, recipes))?;
    }
}
