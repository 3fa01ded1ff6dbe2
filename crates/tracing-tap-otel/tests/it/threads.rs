//! Spans that are entered on several threads, and threads that end.

use super::{active, all_shown, install, remote};
use testing::{bounded, events, messages};
use tracing::{debug, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_tap::Predicate;

/// Logs when the thread ends.
struct LogsAtEnd;

impl Drop for LogsAtEnd {
    fn drop(&mut self) {
        debug!("at the end");
    }
}

thread_local! {
    static ENDING: LogsAtEnd = const { LogsAtEnd };
}

isolated! {
    fn spans_entered_on_several_threads_keep_their_own_ids() {
        let router = install();
        let mut stream = router.watch(Predicate::everything());
        let spans: Vec<_> = (0..8).map(|_| info_span!(parent: None, "request")).collect();
        let ids: Vec<_> = spans.iter().map(|span| span.in_scope(active)).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..50 {
                        for (number, span) in spans.iter().enumerate() {
                            let other = &spans[(number + round) % spans.len()];
                            span.in_scope(|| {
                                debug!(number, "inside");
                                debug!(parent: other, number = (number + round) % spans.len(), "beside");
                            });
                        }
                    }
                });
            }
        });
        let events = events(&mut stream);
        assert_eq!(events.len(), 4 * 50 * 8 * 2);
        for (event, (message, shown)) in events.iter().zip(all_shown(&events)) {
            let number = event.field("number").and_then(|number| number.as_u64()).unwrap() as usize;
            match shown {
                Some(shown) => assert_eq!(shown, ids[number], "{message}"),
                None => assert_eq!(message, "beside"),
            }
        }
    }

    fn a_trace_that_gets_known_decides_for_threads_further_inside() {
        let router = install();
        let indexed = |trace: &str| Predicate::eq("trace_id", trace);
        let linear = |trace: &str| Predicate::starts_with("trace_id", &trace[..20]);
        for predicate in [&indexed as &dyn Fn(&str) -> Predicate, &linear] {
            let request = info_span!(parent: None, "request");
            let mut stream = router.watch(predicate(&request.in_scope(active).0));
            let message = info_span!(parent: &request, "message");
            message.set_parent(remote(0x123)).unwrap();
            message.in_scope(|| {
                debug!("too early");
                std::thread::scope(|scope| scope.spawn(|| request.in_scope(|| debug!("there"))).join().unwrap());
                debug!("now");
            });
            assert_eq!(messages(&mut stream), ["there", "now"]);
        }
    }

    fn a_span_first_seen_on_another_thread_matches_on_all() {
        let router = install();
        let span = info_span!("request");
        let ids = span.in_scope(active);
        let mut stream = router.watch(Predicate::eq("trace_id", ids.0.as_str()));
        std::thread::scope(|scope| scope.spawn(|| span.in_scope(|| debug!("there"))).join().unwrap());
        span.in_scope(|| debug!("here"));
        let child = span.in_scope(|| info_span!("child"));
        debug!(parent: &child, "in a child that is not entered");
        assert_eq!(messages(&mut stream), ["there", "here", "in a child that is not entered"]);
    }

    fn a_thread_that_ends_is_not_asked_for_its_context() {
        let router = install();
        let mut stream = router.watch(Predicate::exists("trace_id").or(Predicate::exists("message")));
        let span = info_span!("request");
        let is_quiet = bounded("a thread", move || {
            std::thread::spawn(move || {
                // Thread-locals go in reverse order: first the library's, then this, then the registry's.
                debug!("first");
                ENDING.with(|_| ());
                std::mem::forget(span.enter());
            })
            .join()
            .is_ok()
        });
        assert!(is_quiet);
        assert_eq!(all_shown(&events(&mut stream)), [("first", None), ("at the end", None)]);
    }
}
