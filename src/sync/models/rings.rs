//! A seat under `loom`: one thread after the other writes into its ring.

use super::*;
use crate::past::record::{HEADER_WORDS, Kind, Record};
use crate::sync::{thread, try_all};

fn write(seat: &Seat, number: u64) {
    seat.ring.write(&[], || ([Record::first_word(Kind::Event, 0, number), number, number, number], ()));
}

/// Otherwise a reader would take the events of one thread for those of another.
#[test]
fn loom_a_ring_that_is_taken_again_has_its_last_events_cleared() {
    try_all(|| {
        let ring = Ring::new(2 * HEADER_WORDS);
        let seat = Arc::new(Seat { ring, state: AtomicU64::new(FREE), thread: Mutex::default() });
        assert!(seat.take(2, 10));
        let next = {
            let seat = Arc::clone(&seat);
            thread::spawn(move || {
                if seat.take(100, 10) {
                    write(&seat, 2);
                    let mut words = Vec::new();
                    seat.ring.copy(0, &mut words);
                    assert_eq!(words[1..], [2, 2, 2], "an event of the thread before");
                }
            })
        };
        write(&seat, 1);
        seat.leave(5);
        next.join().unwrap();
    });
}
