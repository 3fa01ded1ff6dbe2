use super::*;
use crate::value::testing::any_value;
use proptest::prelude::*;

fn empty(max_bytes: usize) -> EventValues {
    let mut values = EventValues::new();
    values.begin_event(max_bytes);
    values
}

proptest! {
    #[test]
    fn values_in_a_ring_are_read_as_they_were_written(
        written in prop::collection::vec((0_usize..300, any_value()), 0..12),
    ) {
        let mut values_written = empty(1 << 15);
        written.iter().for_each(|(place, value)| values_written.push(*place, value.view()));
        let (words, count) = values_written.finish();
        let read: Vec<_> = values(&words.as_flattened()[..count])
            .map(|value| match value {
                PastValue::Field(place, value) => (place, value.to_value()),
                other => panic!("{other:?}"),
            })
            .collect();
        prop_assert_eq!(format!("{read:?}"), format!("{written:?}"));
    }

    #[test]
    fn bytes_that_are_no_values_are_read_without_a_panic(bytes: Vec<u8>) {
        assert!(values(&bytes).count() <= bytes.len());
    }
}

/// Whatever is left of the event before.
#[test]
fn texts_are_written_in_parts_taken_back_or_left_out() {
    let mut written = EventValues { bytes: vec![7; 64], ..empty(64) };
    let mut text = written.begin_text(0, false).unwrap();
    assert!(text.push("accep") && text.push("ted"));
    assert_eq!((text.as_str(), text.len()), ("accepted", 8));
    text.finish(false);
    let mut panicked = written.begin_text(3, true).unwrap();
    panicked.push("half a ");
    panicked.restart();
    panicked.push("whole");
    panicked.finish(true);
    let mut taken_back = written.begin_text(4, false).unwrap();
    taken_back.push("a literal");
    taken_back.undo().push_literal(4);
    let mut too_long = written.begin_text(5, false).unwrap();
    assert!(!too_long.push(&"x".repeat(64)));
    too_long.omit();
    let (words, count) = written.finish();
    let read: Vec<_> = values(&words.as_flattened()[..count]).map(|value| format!("{value:?}")).collect();
    let text = |text: &str, cut| TextRef { text: text.to_owned().leak(), cut };
    let expected = [
        PastValue::Field(0, ValueRef::Debug(text("accepted", false))),
        PastValue::Field(3, ValueRef::Error(text("whole", true))),
        PastValue::Literal(4),
        PastValue::Omitted(1),
    ];
    assert_eq!(read, expected.map(|value| format!("{value:?}")));
}

#[test]
fn fields_without_room_are_counted() {
    let mut written = empty(40);
    (0..9).for_each(|place| written.push(place, ValueRef::U64(7)));
    let (words, count) = written.finish();
    let bytes = &words.as_flattened()[..count];
    assert!(bytes.len() <= 40 && words.len() == 5, "{count}");
    assert!(matches!(values(bytes).last(), Some(PastValue::Omitted(5))), "{:?}", values(bytes).last());
}

/// What is read of the values that were written into so many bytes.
fn read_of(max_bytes: usize, write: impl FnOnce(&mut EventValues)) -> Vec<String> {
    let mut written = empty(max_bytes);
    write(&mut written);
    let (words, count) = written.finish();
    assert!(count <= max_bytes);
    values(&words.as_flattened()[..count]).map(|value| format!("{value:?}")).collect()
}

fn expected<const N: usize>(values: [PastValue<'_>; N]) -> Vec<String> {
    values.iter().map(|value| format!("{value:?}")).collect()
}

/// Fields right before, at and behind the distance from which on a place is written out.
#[test]
fn fields_far_behind_the_last_one_have_their_place() {
    for place in [0, 1, FAR - 1, FAR, FAR + 1, 20, 300] {
        let next = place + 1;
        assert_eq!(
            read_of(256, |written| {
                written.push_u64(place, 7);
                written.push_u64(next, 8);
            }),
            expected([PastValue::Field(place, ValueRef::U64(7)), PastValue::Field(next, ValueRef::U64(8))])
        );
        assert_eq!(
            read_of(256, |written| {
                written.push(place, ValueRef::Bool(true));
                written.push(next, ValueRef::Null);
            }),
            expected([PastValue::Field(place, ValueRef::Bool(true)), PastValue::Field(next, ValueRef::Null)])
        );
        assert_eq!(
            read_of(256, |written| {
                written.push_literal(place);
                written.push_literal(next);
            }),
            expected([PastValue::Literal(place), PastValue::Literal(next)])
        );
        let text = TextRef { text: "accepted", cut: false };
        assert_eq!(
            read_of(256, |written| {
                let mut printed = written.begin_text(place, false).unwrap();
                assert!(printed.push("accepted"));
                printed.finish(false);
                written.push_literal(next);
            }),
            expected([PastValue::Field(place, ValueRef::Debug(text)), PastValue::Literal(next)])
        );
    }
}

/// As many fields of one byte as fit before the tail, and then a field that just fits or does not.
#[test]
fn a_value_is_written_where_it_fits_with_the_tail() {
    let after = |flags: usize, value: ValueRef<'_>| {
        let last = read_of(16, |written| {
            (0..flags).for_each(|place| written.push(place, ValueRef::Bool(true)));
            written.push(flags, value);
        });
        last.last().cloned().unwrap()
    };
    let text = |text: &'static str| ValueRef::Str(TextRef { text, cut: false });
    for (value, bytes) in
        [(ValueRef::Null, 1), (text(""), 3), (text("a"), 4), (text("abc"), 6), (ValueRef::I128(7), 17)]
    {
        for flags in 0..=13 {
            let fits = flags + bytes + TAIL_BYTES <= 16;
            let expected = if fits { PastValue::Field(flags, value) } else { PastValue::Omitted(1) };
            assert_eq!(after(flags, value), format!("{expected:?}"), "{flags} bytes before {value:?}");
        }
    }
    for flags in 0..=13 {
        let mut written = empty(16);
        (0..flags).for_each(|place| written.push(place, ValueRef::Bool(true)));
        assert_eq!(written.begin_text(flags, false).is_some(), flags + 3 + TAIL_BYTES <= 16, "{flags}");
    }
}

#[test]
fn a_run_is_as_long_as_its_length_can_say() {
    let read = |bytes: usize| {
        let run = vec![7; bytes];
        let read = read_of(1 << 17, |written| written.push(0, ValueRef::Bytes { bytes: &run, cut: false }));
        let whole = expected([PastValue::Field(0, ValueRef::Bytes { bytes: &run, cut: false })]);
        (read == whole, read == expected([PastValue::Omitted(1)]))
    };
    assert_eq!([300, CUT as usize - 1, CUT as usize].map(read), [(true, false), (true, false), (false, true)]);
}
