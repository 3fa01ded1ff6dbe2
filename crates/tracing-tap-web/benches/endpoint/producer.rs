//! What the service does: events of four fields in two spans, at a pace.

use std::hint::black_box;
use std::time::{Duration, Instant};
use tracing::Span;

/// Between two bursts. A producer that spun from event to event would take a core from those who are measured.
const PAUSE: Duration = Duration::from_millis(1);

/// A message on the connection of this user.
pub(crate) fn message_of(user: usize) -> Span {
    let conn = tracing::info_span!("conn", conn_id = 1, user);
    tracing::info_span!(parent: &conn, "message", kind = "subscribe")
}

pub(crate) fn four_fields() {
    tracing::debug!(channel = "orders", attempt = black_box(3), ok = true, took = 1.5, "subscription accepted");
}

/// What is emitted at once, at the most, in terms of time. A producer that the machine has held up does not make up for
/// it: a burst of all it has missed is another load than its pace, and overflows any ring.
const MOST_AT_ONCE: Duration = Duration::from_millis(20);

/// Emits so many events, in these spans by turns, every millisecond as many as are due; returns how long that took.
pub(crate) fn offer(spans: &[Span], events: u64, events_per_second: f64) -> Duration {
    let start = Instant::now();
    let mut in_turn = spans.iter().cycle();
    let (mut emitted, mut held_up, mut last_look) = (0, Duration::ZERO, start);
    while emitted < events {
        std::thread::sleep(PAUSE);
        held_up += last_look.elapsed().saturating_sub(MOST_AT_ONCE);
        last_look = Instant::now();
        let due = (((start.elapsed() - held_up).as_secs_f64() * events_per_second) as u64).min(events);
        in_turn.by_ref().take((due - emitted) as usize).for_each(|span| span.in_scope(four_fields));
        emitted = due;
    }
    start.elapsed()
}
