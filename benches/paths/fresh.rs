//! Spans that live as briefly as most do: made, used once and closed.

use crate::measure::nanoseconds;
use std::hint::black_box;
use tracing::Span;

/// A request of four spans, nested three deep, with ten events that no log prints.
pub(crate) fn request<const USER: u64>() -> f64 {
    let mut request_id = 0_u64;
    nanoseconds(|| {
        request_id += 1;
        let user = black_box(USER);
        tracing::info_span!("request", method = "GET", path = "/orders/7", request_id, user).in_scope(handle);
    })
}

fn handle() {
    tracing::debug!(version = 11, "request received");
    tracing::info_span!("handler", order = black_box(7)).in_scope(|| {
        tracing::trace!("handler entered");
        tracing::info_span!("auth", scheme = "bearer").in_scope(|| {
            tracing::trace!(token = black_box(1), "token read");
            tracing::debug!(account = black_box(17), cached = true, "token accepted");
        });
        tracing::trace!(account = black_box(17), "authorized");
        tracing::info_span!("db", table = "orders").in_scope(|| {
            tracing::debug!(statement = "select", "query started");
            tracing::trace!(row = black_box(1), "row read");
            tracing::debug!(rows = black_box(1), "query finished");
        });
        tracing::debug!(bytes = black_box(120), "rendered");
    });
    tracing::debug!(status = black_box(200), "request answered");
}

/// Of so many requests that are under way, the next in turn goes on for a while: in two spans of its own, with an event in each.
pub(crate) fn in_turn<const REQUESTS: u64>() -> f64 {
    let begin = |user| {
        let request = tracing::info_span!("request", user);
        let handler = tracing::info_span!(parent: &request, "handler", order = user);
        (request, handler)
    };
    let requests: Vec<_> = (0..REQUESTS).map(begin).collect();
    let mut turns = requests.iter().cycle();
    nanoseconds(|| {
        let (request, handler) = turns.next().expect("there are some");
        request.in_scope(|| {
            handler.in_scope(|| tracing::trace!(n = black_box(1), "not matching"));
            tracing::trace!(n = black_box(1), "not matching either");
        });
    })
}

/// A fresh span inside so many that live on, with one event in it.
pub(crate) fn inside<const SPANS: usize>() -> f64 {
    let entered: Vec<_> = (0..SPANS).map(|depth| level(depth).entered()).collect();
    let cost = nanoseconds(|| {
        let span = tracing::info_span!("fresh", part = black_box(1));
        span.in_scope(|| tracing::trace!(n = black_box(1), "not matching"));
    });
    // The innermost first: spans are left in the order that they were not entered in.
    entered.into_iter().rev().for_each(drop);
    cost
}

/// So many fresh spans, each the parent of the next, and an event in the innermost: the first that any of them sees.
pub(crate) fn chain<const SPANS: usize>() -> f64 {
    nanoseconds(|| {
        let child = |parent: Span, depth| tracing::info_span!(parent: &parent, "level", depth);
        let innermost = (1..SPANS).fold(level(0), child);
        innermost.in_scope(|| tracing::trace!(n = black_box(1), "not matching"));
    })
}

/// So many fresh spans, each made inside the one before, with an event in each.
pub(crate) fn nested<const SPANS: usize>() -> f64 {
    nanoseconds(|| descend(0, SPANS))
}

fn descend(depth: usize, spans: usize) {
    if depth < spans {
        level(depth).in_scope(|| {
            tracing::trace!(n = black_box(1), "not matching");
            descend(depth + 1, spans);
        });
    }
}

/// The outermost says whose it is.
fn level(depth: usize) -> Span {
    match depth {
        0 => tracing::info_span!("request", user = black_box(7)),
        _ => tracing::info_span!("level", depth),
    }
}
