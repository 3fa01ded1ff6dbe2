//! The messages of callsites under `loom`: kept by one thread, found by another.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

const KEY: usize = 64;
const TEXT: &str = "accepted";

#[test]
fn loom_a_message_that_is_found_is_there() {
    try_all(|| {
        // Room for this one.
        let literals = Arc::new(Literals::new(TEXT.len() * 2));
        let keeping = {
            let literals = Arc::clone(&literals);
            thread::spawn(move || literals.keep(KEY, TEXT))
        };
        if let Some(place) = literals.place(KEY).filter(|place| *place != 0) {
            assert!(literals.is_at(place, TEXT), "an event would seem to have another message");
        }
        assert!(keeping.join().unwrap());
    });
}
