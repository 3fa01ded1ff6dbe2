//! Notes under `loom`: one span after the other in the same place.

use super::*;
use crate::sync::{thread, try_all};

/// Whether notes are about a span is asked by its number alone, which another thread may know without seeing more: from
/// another layer, which knew of the span first.
#[test]
fn loom_notes_about_a_span_show_its_parent() {
    try_all(|| {
        let notes = Arc::new(Notes::default());
        notes.start(1, Placement::below(7, Some(1)));
        let looking = {
            let notes = Arc::clone(&notes);
            thread::spawn(move || {
                if notes.are_about(2) {
                    assert_eq!((notes.parent(), notes.tree()), (Some(9), Some(2)), "another span's");
                }
            })
        };
        notes.end(1);
        notes.start(2, Placement::below(9, Some(2)));
        looking.join().unwrap();
    });
}

/// A look at a span that has closed must not take what is kept of the next one.
#[test]
fn loom_notes_survive_a_late_look_at_the_previous_span() {
    try_all(|| {
        let notes = Arc::new(Notes::default());
        notes.start(1, Placement::UNKNOWN);
        let late = {
            let notes = Arc::clone(&notes);
            thread::spawn(move || {
                if let Some(mut locked) = notes.lock(1) {
                    locked.watched();
                }
                notes.end(1);
            })
        };
        notes.start(2, Placement::UNKNOWN);
        notes.lock(2).expect("the latest").watched();
        late.join().unwrap();
        let kept = notes.lock(2).expect("the latest");
        assert!(kept.watched_if_any().is_some(), "an earlier span took it");
    });
}
