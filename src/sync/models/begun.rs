//! The creation of spans under `loom`: one span after the other in the same place.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

#[test]
fn loom_a_creation_is_of_the_span_that_asks() {
    try_all(|| {
        let begun = Arc::new(Begun::default());
        begun.set(1, 100);
        let looking = {
            let begun = Arc::clone(&begun);
            thread::spawn(move || {
                assert!(matches!(begun.of(1), None | Some(100)), "the time of the next span");
                assert!(matches!(begun.of(2), None | Some(200)), "the time of the span before");
            })
        };
        begun.set(2, 200);
        looking.join().unwrap();
    });
}
