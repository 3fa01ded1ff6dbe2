//! The inbox of the control thread under `loom`: with a request it finds what that is about.

use super::*;
use crate::sync::{thread, try_all};

/// Another thread does something and then asks; if this one finds the request, it sees what was done.
fn check(ask: fn(&Inbox), is_asked: fn(&Inbox) -> bool) {
    try_all(move || {
        let shared = Arc::new((Inbox::default(), AtomicU64::new(0)));
        let asking = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                // Relaxed: whatever orders it by itself, the inbox must not need it.
                shared.1.store(1, Ordering::Relaxed);
                ask(&shared.0);
            })
        };
        if is_asked(&shared.0) {
            assert_eq!(shared.1.load(Ordering::Relaxed), 1, "what the request is about");
        }
        asking.join().unwrap();
    });
}

#[test]
fn loom_a_rebuild_sees_the_snapshot_that_it_is_for() {
    check(Inbox::ask_for_rebuild, |inbox| inbox.asked_rebuild().is_some());
}

#[test]
fn loom_who_learns_sees_the_word_that_was_cleared() {
    check(Inbox::learn, Inbox::take_learn);
}

#[test]
fn loom_a_stopped_thread_sees_what_was_queued() {
    check(Inbox::stop, Inbox::is_stopped);
}
