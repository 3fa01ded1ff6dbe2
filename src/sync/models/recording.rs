//! The begin of a recording under `loom`.

use super::*;
use crate::sync::{thread, try_all};

#[test]
fn loom_who_sees_the_number_finds_the_recording() {
    try_all(|| {
        let recordings = Arc::new(Recordings::default());
        let entering = {
            let recordings = Arc::clone(&recordings);
            thread::spawn(move || {
                let number = recordings.number();
                assert!(number == 0 || recordings.current(number).is_some(), "an enter is missing without a report");
            })
        };
        let begun = recordings.begin(SessionId(1), IntervalOptions::default().max_threads(1).capacity(1));
        assert!(begun.is_some(), "none was open");
        entering.join().unwrap();
    });
}

/// The next recording begins as the last one ends.
#[test]
fn loom_a_recording_after_another_is_the_open_one() {
    try_all(|| {
        let recordings = Arc::new(Recordings::default());
        let options = IntervalOptions::default().max_threads(1).capacity(1);
        assert!(recordings.begin(SessionId(1), options).is_some(), "none was open");
        let next = {
            let recordings = Arc::clone(&recordings);
            thread::spawn(move || recordings.begin(SessionId(2), options).map(|begun| begun.number))
        };
        recordings.end();
        if let Some(number) = next.join().unwrap() {
            assert_eq!(recordings.number(), number);
            assert!(recordings.current(number).is_some());
        }
    });
}
