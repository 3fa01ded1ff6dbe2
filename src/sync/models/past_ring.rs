//! A ring under `loom`: a reader that copies while the writer overwrites, and the seam between the past and the present.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

fn write(ring: &Ring, number: u64) {
    let first = Record::first_word(Kind::Event, 0, number);
    ring.write(&[], || ([first, number, number, number], ()));
}

fn copied(ring: &Ring) -> (Vec<u64>, bool) {
    let mut words = Vec::new();
    let is_open = ring.copy(0, &mut words).is_open;
    assert!(words.len().is_multiple_of(HEADER_WORDS), "{words:?}");
    let numbers = words.chunks(HEADER_WORDS).map(|record| {
        let [first, rest @ ..] = record else { unreachable!("it has four words") };
        let number = first >> 19;
        assert!(rest.iter().all(|word| *word == number), "a torn record: {record:?}");
        number
    });
    (numbers.collect(), is_open)
}

#[test]
fn loom_a_copy_has_no_record_that_was_overwritten() {
    try_all(|| {
        // Room for two.
        let ring = Arc::new(Ring::new(2 * HEADER_WORDS));
        write(&ring, 1);
        let writing = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                write(&ring, 2);
                write(&ring, 3);
            })
        };
        let (numbers, _) = copied(&ring);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        writing.join().unwrap();
        assert_eq!(copied(&ring), (vec![2, 3], false));
    });
}

#[test]
fn loom_an_event_is_in_the_ring_or_knows_the_session() {
    try_all(|| {
        let ring = Arc::new(Ring::new(2 * HEADER_WORDS));
        let epoch = Arc::new(AtomicU64::new(1));
        let logging = {
            let (ring, epoch) = (Arc::clone(&ring), Arc::clone(&epoch));
            thread::spawn(move || {
                ring.write(&[], || {
                    let seen = epoch.load(Acquire);
                    ([Record::first_word(Kind::Event, 0, seen), seen, seen, seen], seen)
                })
            })
        };
        epoch.store(2, Release);
        let (mut numbers, mut is_open) = copied(&ring);
        while is_open {
            loom::thread::yield_now();
            (numbers, is_open) = copied(&ring);
        }
        let seen = logging.join().unwrap();
        assert!(seen == 2 || numbers == [1], "an event of the past was missed");
    });
}
