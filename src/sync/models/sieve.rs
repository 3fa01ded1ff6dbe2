//! The sieve under `loom`: beside a thread that opens a session.

use super::*;
use crate::session::published::Epoch;
use crate::sync::{thread, try_all};
use std::sync::Arc;

#[test]
fn loom_who_sees_an_epoch_finds_its_sessions_in_the_sieve() {
    try_all(|| {
        let (sieve, epoch) = (Arc::new(Sieve::default()), Arc::new(Epoch::default()));
        let opening = {
            let (sieve, epoch) = (Arc::clone(&sieve), Arc::clone(&epoch));
            thread::spawn(move || {
                sieve.clear();
                sieve.add_hash(5);
                epoch.move_on();
            })
        };
        let is_open = epoch.current() != 0;
        assert!(sieve.may_hold(5) || !is_open, "a value that a session waits for was taken for another");
        opening.join().unwrap();
    });
}
