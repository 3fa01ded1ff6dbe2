//! The work of an instance in a process of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many events of a user, numbered from 0.
pub(crate) fn emit(count: u64, user: u64) {
    let span = tracing::info_span!("request", user);
    span.in_scope(|| (0..count).for_each(|number| tracing::debug!(number, secret = "hunter2", "works")));
}

/// So many events of user 42 at so many a second, or at once where that is 0; numbers go on where the last flow ended.
pub(crate) fn flow(count: u64, rate: u64) {
    let (span, began) = (tracing::info_span!("request", user = 42), Instant::now());
    let due = || if rate == 0 { count } else { (began.elapsed().as_micros() as u64 * rate / 1_000_000).min(count) };
    let mut emitted = 0;
    while emitted < count {
        let due = due();
        (emitted..due).for_each(|_| span.in_scope(|| tracing::debug!(number = next_number(), "flows")));
        emitted = due;
        // The pace, and nothing that is waited for.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// So many events of user 42 at once, with four thousand bytes each that cannot be packed; numbered as those of flows.
pub(crate) fn large(count: u64) {
    let span = tracing::info_span!("request", user = 42);
    span.in_scope(|| (0..count).for_each(|_| one_large(next_number())));
}

fn one_large(number: u64) {
    let mut state = number;
    let mut letter = || {
        // Knuth's generator: what it gives has no pattern that a packer finds.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'A' + (state >> 59) as u8)
    };
    let payload: String = (0..4_000).map(|_| letter()).collect();
    tracing::debug!(number, payload, "is large");
}

fn next_number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
