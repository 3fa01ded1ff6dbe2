use super::*;
use crate::event::testing::Parts;
use crate::render::testing::{any_item, bare, example_parts, fields, span};
use crate::render::{Format, write_item};
use crate::session::SessionId;
use crate::value::{Bytes, Text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const CONTAINER: usize = 16 << 10;

fn item(event: impl Into<CapturedEvent>) -> Item {
    Item::Event { session: SessionId(u64::MAX), sequence: u64::MAX, event: Arc::new(event.into()) }
}

fn written(item: &Item, options: FormatOptions) -> String {
    let mut out = b"before".to_vec();
    write_item(&mut out, item, options);
    String::from_utf8(out.split_off(6)).unwrap()
}

fn bounded(max_bytes: usize) -> FormatOptions {
    FormatOptions::new(Format::Json).max_line_bytes(max_bytes)
}

/// What is read of a line that fits, and its length.
#[track_caller]
fn check_fits(item: &Item, options: FormatOptions) -> (Arc<CapturedEvent>, usize) {
    let line = written(item, options);
    let max_bytes = options.line_bytes().unwrap();
    assert!(line.len() <= max_bytes, "{} of {max_bytes}: {line}", line.len());
    assert_eq!(line.find('\n'), Some(line.len() - 1));
    (serde_json::from_str::<Item>(&line).unwrap().into_event().unwrap(), line.len())
}

/// Values that are long in each of the ways a value can be.
fn long_value() -> impl Strategy<Value = Value> {
    let text = (select(vec!["x", "é", "\"", "\u{1}", "\u{e0041}", "…[cut]", "a\u{202e}"]), 0..1200_usize);
    let text = text.prop_map(|(piece, count)| piece.repeat(count));
    prop_oneof![
        3 => (text, any::<bool>()).prop_map(|(text, cut)| Value::Str(Text::kept(&text, cut))),
        1 => (any::<u8>(), 0..1200_usize, any::<bool>())
            .prop_map(|(byte, count, cut)| Value::Bytes(Bytes::kept(vec![byte; count], cut))),
        1 => any::<i128>().prop_map(Value::I128),
        1 => any::<u64>().prop_map(Value::U64),
        1 => Just(Value::Redacted),
    ]
}

fn long_fields(most: usize) -> impl Strategy<Value = Fields> {
    let name = prop_oneof![4 => "[a-z]{1,9}(#1)?", 1 => "[a\u{1}]{60,400}"];
    vec((name.prop_map(Cow::from), long_value()), 0..most).prop_map(Fields::listed)
}

fn long_item() -> impl Strategy<Value = Item> {
    let texts = vec((select(vec!["t", "\u{1}"]), 0..2000_usize).prop_map(|(piece, count)| piece.repeat(count)), 3);
    (texts, long_fields(24), vec(long_fields(4), 0..16)).prop_map(|(texts, own, spans)| {
        let name = |index: usize| Cow::Owned(texts[index].clone());
        let spans = spans.into_iter().map(|fields| span(name(2), fields)).collect();
        item(Parts {
            target: name(0),
            file: Some(name(1)),
            thread: Some(Arc::from(&*texts[2])),
            fields: own,
            spans,
            ..example_parts()
        })
    })
}

#[test]
fn the_longest_values_are_cut_evenly_and_the_others_not() {
    let own = fields([
        ("message", "refused".into()),
        ("body", "b".repeat(100_000).into()),
        ("short", "s".repeat(1000).into()),
        ("answer", "\n".repeat(8_000).into()),
        ("n", u64::MAX.into()),
    ]);
    let (read, length) = check_fits(&item(bare(own)), bounded(CONTAINER));
    assert!(length > CONTAINER - 4, "{length}: what there is room for is there");
    let text = |name: &str| read.field(name).and_then(Value::as_str).unwrap();
    let (body, answer) = (text("body"), text("answer"));
    assert!(body.len().abs_diff(2 * answer.len()) <= 2, "{} and {}, each of two bytes", body.len(), answer.len());
    assert!(read.field("body").unwrap().is_cut() && read.field("answer").unwrap().is_cut());
    assert_eq!((read.message(), text("short")), ("refused", &*"s".repeat(1000)));
    assert_eq!(read.field("n"), Some(&Value::U64(u64::MAX)));
}

#[test]
fn the_innermost_span_has_room_for_both_of_its_places() {
    let spans = Arc::new([
        span("outer", fields([("a", "a".repeat(9_000).into())])),
        span("inner", fields([("b", "b".repeat(9_000).into())])),
    ]);
    let (read, length) = check_fits(&item(Parts { spans, ..bare(Fields::default()) }), bounded(CONTAINER));
    assert!(length > CONTAINER - 4, "{length}");
    let lengths: Vec<_> =
        read.spans().flat_map(|span| span.fields()).map(|(_, value)| value.as_str().unwrap().len()).collect();
    assert!(lengths[0].abs_diff(lengths[1]) <= 1 && lengths[0] > 5_000, "{lengths:?}");
}

#[test]
fn a_line_that_fits_exactly_is_left_alone() {
    let whole = item(bare(fields([("body", "b".repeat(5_000).into())])));
    let line = written(&whole, Format::Json.into());
    assert_eq!(written(&whole, bounded(line.len())), line);
    assert!(written(&whole, bounded(line.len() - 1)).contains("b…[cut]\""));
    assert_eq!(written(&whole, bounded(usize::MAX)), line);
}

#[test]
fn spans_too_many_for_a_line_are_counted_from_the_root() {
    let spans = (0..5_000).map(|number| span(format!("level {number}"), fields([("n", i64::from(number).into())])));
    let event = Parts { spans: spans.collect(), ..bare(fields([("message", "deep".into())])) };
    let (read, length) = check_fits(&item(event), bounded(CONTAINER));
    assert!(length > CONTAINER - 256, "{length}");
    let mut spans = read.spans();
    let placeholder = spans.next().unwrap();
    let omitted = placeholder.field("omitted_spans").and_then(Value::as_i64).unwrap();
    assert_eq!(placeholder.name(), "…[cut]");
    assert_eq!(spans.len() as i64, 5_000 - omitted);
    assert_eq!(spans.next().unwrap().name(), format!("level {omitted}"));
    assert_eq!((spans.last().unwrap().name(), read.message()), ("level 4999", "deep"));
}

#[test]
fn fields_too_many_for_a_line_are_counted_from_the_last() {
    let own = (0..5_000).map(|number| (format!("f{number}").into(), i64::from(number).into())).collect();
    let event = Parts { omitted_fields: 3, ..bare(Fields::listed(own)) };
    let (read, length) = check_fits(&item(event), bounded(CONTAINER));
    assert!(length > CONTAINER - 128, "{length}");
    let kept = read.fields().count();
    assert_eq!(read.omitted_fields() as usize, 5_000 - kept + 3);
    assert_eq!(read.fields().last().unwrap().0, format!("f{}", kept - 1));
}

#[test]
fn a_bound_too_small_for_any_line_is_the_least_there_is() {
    assert_eq!(bounded(1), bounded(FormatOptions::MIN_LINE_BYTES));
    assert_eq!(bounded(1).line_bytes(), Some(2048));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 60 }))]

    #[test]
    fn no_line_is_longer_than_its_bound(item in long_item(), max_bytes in 1000..20_000_usize, quotes in any::<bool>()) {
        let options = bounded(max_bytes);
        check_fits(&item, if quotes { options.large_integers_as_strings() } else { options });
    }

    #[test]
    fn what_fits_is_written_as_without_a_bound(item in any_item()) {
        let line = written(&item, Format::Json.into());
        if line.len() <= CONTAINER {
            prop_assert_eq!(written(&item, bounded(CONTAINER)), line);
        }
    }
}
