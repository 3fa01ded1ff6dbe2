//! A ring as its reader sees it.

use super::*;
use crate::past::record::SpanRecord;
use proptest::prelude::*;

fn write(ring: &Ring, number: u64, payload: &[u8]) {
    let first = Record::first_word(Kind::Event, payload.len(), number);
    let mut padded = payload.to_vec();
    padded.resize(payload.len().next_multiple_of(8), 0);
    ring.write(padded.as_chunks().0, || ([first, Record::second_word(3, number), 64, 7], ()));
}

fn payload(number: u64, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| (number as usize * 31 + place) as u8).collect()
}

/// The numbers of the events in a copy, each of which must be whole.
fn numbers(words: &[u64]) -> Vec<u64> {
    let number = |record: Record<'_>| {
        let bytes = record.bytes();
        assert_eq!(bytes, payload(record.epoch, bytes.len()), "{record:?}");
        assert_eq!((record.time, record.instance, record.metadata, record.span), (record.epoch, 3, 64, 7));
        record.epoch
    };
    Record::all(words).map(number).collect()
}

proptest! {
    #[test]
    fn a_ring_has_the_last_records_and_counts_the_others(lengths in prop::collection::vec(0_usize..60, 0..60)) {
        let ring = Ring::new(64);
        let mut words = Vec::new();
        let mut end = 0;
        for (number, bytes) in (1..).zip(&lengths) {
            write(&ring, number, &payload(number, *bytes));
            let mut copy = Vec::new();
            ring.copy(0, &mut copy);
            let kept = numbers(&copy);
            let overwritten = ring.overwritten();
            prop_assert_eq!(&kept, &(overwritten.events + 1..=number).collect::<Vec<_>>());
            prop_assert_eq!(overwritten.until, overwritten.events);
            let sizes = lengths[..number as usize].iter().rev().map(|bytes| HEADER_WORDS + bytes.div_ceil(8));
            let fitting = sizes.scan(0, |sum, words| { *sum += words; Some(*sum) }).take_while(|sum| *sum <= 64).count();
            prop_assert_eq!(kept.len(), fitting, "it keeps what fits");
            end = ring.copy(end, &mut words).end;
        }
        prop_assert_eq!(numbers(&words), (1..=lengths.len() as u64).collect::<Vec<_>>(), "read on, nothing is missing");
    }
}

#[test]
fn readers_of_a_busy_ring_find_whole_records_in_order() {
    let ring = Ring::new(256);
    let is_over = crate::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = || {
            let (mut copies, mut seen) = (0_u64, 0);
            while !is_over.load(Acquire) || copies == 0 {
                let mut words = Vec::new();
                ring.copy(0, &mut words);
                let kept = numbers(&words);
                assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1), "{kept:?}");
                assert!(kept.last().is_none_or(|last| *last >= seen), "{seen} and then {kept:?}");
                seen = kept.last().copied().unwrap_or(seen);
                copies += 1;
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        for number in 1..=crate::sync::tries(300_000) {
            write(&ring, number, &payload(number, number as usize % 90));
        }
        is_over.store(true, Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn what_was_recorded_and_overwritten_is_known() {
    let ring = Ring::new(32);
    let span = SpanRecord {
        kind: Kind::Recorded,
        instance: 3,
        metadata: 64,
        is_hidden: true,
        is_recorded: false,
        span: 9,
        begun: 5,
        parent: 0,
        values: &[],
    };
    let first = Record::first_word(span.kind, 0, 0);
    ring.write(&[], || ([first, Record::second_word(3, 5), span.metadata_word(), span.span], ()));
    let mut words = Vec::new();
    ring.copy(0, &mut words);
    let record = Record::all(&words).next().unwrap();
    assert_eq!((record.kind, record.is_hidden(), record.is_recorded()), (Kind::Recorded, true, false));
    (6..16).for_each(|number| write(&ring, number, &[]));
    let overwritten = ring.overwritten();
    assert_eq!((overwritten.recorded_until, overwritten.events, overwritten.until), (5, 2, 7));
    ring.clear();
    words.clear();
    ring.copy(0, &mut words);
    assert!(words.is_empty());
    assert_eq!(ring.overwritten().events, 0);
}

#[test]
fn an_event_of_three_numbers_takes_eight_words() {
    assert_eq!(Record::words_of(Record::first_word(Kind::Event, 3 * 9 + 1, 1)), 8);
}

#[test]
fn a_ring_is_read_from_its_next_owner_on() {
    let ring = Ring::new(64);
    assert_eq!(ring.max_record_words(), 32);
    (1..=3).for_each(|number| write(&ring, number, &[]));
    ring.clear();
    (4..=6).for_each(|number| write(&ring, number, &payload(number, 9)));
    let mut words = Vec::new();
    ring.copy(0, &mut words);
    assert_eq!(numbers(&words), [4, 5, 6]);
}
