//! A scope is the parent chain: explicit parents, spans polled elsewhere, old spans, late records, recurring ids.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use testing::{Evaluations, bounded, messages, wait_until};
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Predicate, SessionOptions, TapRouter};

fn install() -> TapRouter {
    let router = TapRouter::new();
    let info = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(info).with(router.layer()).init();
    router
}

fn watch_42(router: &TapRouter) -> EventStream {
    router.watch(Predicate::eq("user", 42))
}

fn user(user: u32) -> Span {
    tracing::info_span!("conn", user)
}

/// Explicit parents seen from inside spans that say otherwise.
fn explicit_parents() {
    let (alice, bob) = (user(42), user(43));
    bob.in_scope(|| tracing::debug!(parent: &alice, "child of hers inside his"));
    alice.in_scope(|| tracing::debug!(parent: &bob, "child of his inside hers"));
    alice.in_scope(|| tracing::debug!(parent: None, "a root inside hers"));
    tracing::trace!(parent: &alice, "child of hers outside of all");
    bob.in_scope(|| {
        let child = tracing::info_span!(parent: &alice, "request");
        tracing::debug!(parent: &child, "grandchild of hers inside his");
        child.in_scope(|| tracing::debug!("contextual in her child inside his"));
        tracing::debug!("contextual inside his");
    });
    alice.in_scope(|| {
        let root = tracing::info_span!(parent: None, "root");
        root.in_scope(|| {
            tracing::debug!("contextual in a root inside hers");
            tracing::debug!(parent: &alice, "child of hers inside a root");
        });
        let child = tracing::info_span!(parent: &bob, "request");
        child.in_scope(|| tracing::debug!("contextual in his child inside hers"));
        tracing::debug!("contextual inside hers");
    });
}

const OF_HERS: [&str; 6] = [
    "child of hers inside his",
    "child of hers outside of all",
    "grandchild of hers inside his",
    "contextual in her child inside his",
    "child of hers inside a root",
    "contextual inside hers",
];

/// Emits events that nobody wants until the veto stops them before their arguments are evaluated.
fn wait_for_the_veto() {
    let evaluations = Evaluations::default();
    let emit = || tracing::debug!(n = evaluations.count(), "contextual elsewhere");
    wait_until("the veto", || evaluations.during(emit) == 0);
    assert_eq!(evaluations.during(|| (0..1000).for_each(|_| emit())), 0);
}

/// Another layer: logs about each `flush` span that closes, as one that measures spans does.
struct LogsAboutClosedSpans;

impl<S> tracing_subscriber::Layer<S> for LogsAboutClosedSpans
where
    S: tracing::Subscriber + for<'lookup> tracing_subscriber::registry::LookupSpan<'lookup>,
{
    fn on_close(&self, id: tracing::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        if context.metadata(&id).is_some_and(|metadata| metadata.name() == "flush") {
            tracing::debug!(parent: id, "closed");
        }
    }
}

isolated! {
    fn an_event_shows_the_fields_it_matched_by() {
        let router = install();
        let predicate = Predicate::eq("user", 42);
        let mut stream = router.watch(SessionOptions::new(predicate.clone()).capacity(1 << 16));
        let span = user(42);
        let stop = Arc::new(AtomicBool::new(false));
        let recorder = std::thread::spawn({
            let (span, stop) = (span.clone(), Arc::clone(&stop));
            move || (0..).take_while(|_| !stop.load(Ordering::Relaxed)).for_each(|n| {
                span.record("user", 42 + n % 2);
            })
        });
        wait_until("many events to match", || {
            span.in_scope(|| (0..100).for_each(|n| tracing::debug!(n, "event")));
            stream.stats().matched > 10_000
        });
        stop.store(true, Ordering::Relaxed);
        recorder.join().expect("recording does not panic");
        let delivered = testing::events(&mut stream);
        for event in delivered {
            assert!(predicate.is_match(&event), "{event}");
        }
    }

    fn an_explicit_parent_counts_from_the_first_event_on() {
        let router = install();
        let mut stream = watch_42(&router);
        for round in 0..5 {
            explicit_parents();
            assert_eq!(messages(&mut stream), OF_HERS, "round {round}");
        }
    }

    fn an_explicit_parent_counts_after_a_thousand_other_events() {
        let router = install();
        let mut stream = watch_42(&router);
        wait_for_the_veto();
        assert!(messages(&mut stream).is_empty());
        for round in 0..5 {
            explicit_parents();
            assert_eq!(messages(&mut stream), OF_HERS, "round {round}");
            wait_for_the_veto();
        }
    }

    fn an_explicit_parent_counts_for_a_callsite_learned_idle() {
        let router = install();
        explicit_parents();
        let mut stream = watch_42(&router);
        wait_for_the_veto();
        explicit_parents();
        assert_eq!(messages(&mut stream), OF_HERS);
    }

    fn a_child_on_another_thread_matches_through_its_parent() {
        let router = install();
        let alice = user(42);
        let mut stream = watch_42(&router);
        let child = alice.in_scope(|| tracing::info_span!("task", step = 1));
        let bob = user(43);
        bounded("a child on another thread", move || {
            child.in_scope(|| tracing::debug!("in the child"));
            bob.in_scope(|| {
                tracing::debug!("in his span");
                child.in_scope(|| tracing::debug!("in the child inside his span"));
                tracing::debug!("in his span again");
            });
            tracing::debug!("outside");
        });
        assert_eq!(messages(&mut stream), ["in the child", "in the child inside his span"]);
    }

    fn a_child_outlives_the_handle_of_its_parent() {
        let router = install();
        let mut stream = watch_42(&router);
        let child = { user(42).in_scope(|| tracing::info_span!("task")) };
        let other = user(43);
        child.in_scope(|| tracing::debug!("in the child"));
        other.in_scope(|| tracing::debug!("in another"));
        assert_eq!(messages(&mut stream), ["in the child"]);
    }

    fn a_record_on_an_older_span_counts_from_its_moment_on() {
        let router = install();
        let late = tracing::info_span!("conn", user = tracing::field::Empty, unrelated = 1);
        let before = tracing::info_span!("conn", user = tracing::field::Empty);
        before.record("user", 42);
        let mut stream = watch_42(&router);
        late.in_scope(|| {
            tracing::debug!("before the record");
            let child = tracing::info_span!("request").entered();
            tracing::debug!("in the child before the record");
            late.record("user", 42);
            tracing::debug!("in the child after the record");
            drop(child);
            tracing::debug!("after the record");
            late.record("unrelated", 2);
            tracing::debug!("after an unrelated record");
            late.record("user", 43);
            tracing::debug!("after the last value");
            late.record("user", "42");
            tracing::debug!("once more");
        });
        before.in_scope(|| tracing::debug!("recorded before the session"));
        assert_eq!(
            messages(&mut stream),
            [
                "in the child after the record",
                "after the record",
                "after an unrelated record",
                "once more",
                "recorded before the session"
            ]
        );
    }

    fn a_record_on_an_ancestor_counts_at_once_on_other_threads() {
        let router = install();
        let root = tracing::info_span!("conn", user = tracing::field::Empty);
        let leaf = root.in_scope(|| tracing::info_span!("stream").in_scope(|| tracing::info_span!("message")));
        let mut stream = watch_42(&router);

        let (ask, asked) = mpsc::channel();
        let (answer, answered) = mpsc::channel();
        let worker = std::thread::spawn(move || {
            leaf.in_scope(|| {
                for (n, text) in asked {
                    for _ in 0..n {
                        tracing::debug!("{text}");
                    }
                    answer.send(()).expect("the test waits");
                }
            });
        });
        let emit = |n: u32, text: &'static str| {
            ask.send((n, text)).expect("the worker waits");
            answered.recv_timeout(testing::PATIENCE).expect("the worker answers");
        };
        for round in 0..200 {
            emit(20, "before");
            assert!(messages(&mut stream).is_empty(), "round {round}");
            root.record("user", 42);
            emit(1, "after");
            assert_eq!(messages(&mut stream), ["after"], "round {round}");
            root.record("user", 43);
        }
        drop(ask);
        worker.join().expect("the worker ends");
    }

    fn a_record_counts_for_tests_outside_the_index() {
        let router = install();
        let mut beside = router.watch(Predicate::eq("user", 42) & Predicate::gt("size", 10));
        let mut linear = router.watch(Predicate::contains("path", "/admin"));
        let span = tracing::info_span!("conn", user = 42, size = 1, path = "/");
        span.in_scope(|| {
            tracing::debug!("small");
            span.record("size", 11);
            tracing::debug!("large");
            span.record("size", 2);
            tracing::debug!("small again");
            span.record("path", "/admin/x");
            tracing::debug!("admin");
            span.record("path", "/");
            tracing::debug!("not admin");
        });
        assert_eq!(messages(&mut beside), ["large"]);
        assert_eq!(messages(&mut linear), ["admin"]);
    }

    fn recurring_span_ids_neither_leak_nor_hide_on_one_thread() {
        let router = install();
        let mut stream = watch_42(&router);
        // Ids recur after 8191 spans; some distances around it, so that each id is hit.
        for silent in [8188, 8189, 8190, 8191, 8192] {
            for (first, second, expected) in [(42, 43, "42"), (43, 42, "42")] {
                user(first).in_scope(|| tracing::debug!("{first}"));
                for _ in 0..silent {
                    drop(tracing::info_span!("silent", user = 1));
                }
                user(second).in_scope(|| tracing::debug!("{second}"));
                assert_eq!(messages(&mut stream), [expected], "{first}, {silent} silent spans, {second}");
            }
        }
    }

    fn recurring_ids_of_spans_without_fields_keep_their_parents() {
        let router = install();
        let mut stream = watch_42(&router);
        let (alice, bob) = (user(42), user(43));
        let inside = |parent: &Span, text: &str| {
            let flush = parent.in_scope(|| tracing::info_span!("flush"));
            flush.in_scope(|| tracing::debug!("{text}"));
            flush.id()
        };
        let first = inside(&alice, "hers");
        assert_eq!(messages(&mut stream), ["hers"]);
        let mut recurred = 0;
        for _ in 0..3 * 8192 {
            if inside(&bob, "his") == first {
                recurred += 1;
            }
        }
        assert!(recurred > 0, "the id has not recurred: this test shows nothing");
        assert!(messages(&mut stream).is_empty());
        inside(&alice, "hers");
        assert_eq!(messages(&mut stream), ["hers"]);
    }

    fn recurring_ids_on_threads_that_come_and_go_leak_nothing() {
        let router = install();
        let mut stream = watch_42(&router);
        let mut ids = Vec::new();
        for round in 0..300 {
            let number = if round % 2 == 0 { 43 } else { 42 };
            ids.push(bounded("a short thread", move || {
                let span = user(number);
                span.in_scope(|| tracing::debug!("{number}"));
                span.in_scope(|| tracing::info_span!("flush").in_scope(|| tracing::debug!("in {number}")));
                span.id()
            }));
        }
        let seen = messages(&mut stream);
        assert_eq!(seen.len(), 300);
        assert!(seen.iter().all(|text| text.ends_with("42")), "{seen:?}");
    }

    fn what_is_logged_of_a_closing_span_does_not_outlive_its_id() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).with(LogsAboutClosedSpans).init();
        let mut stream = watch_42(&router);
        let (alice, bob) = (user(42), user(43));
        let flush = |parent: &Span| parent.in_scope(|| tracing::info_span!("flush"));
        let first = flush(&alice).id();
        assert_eq!(messages(&mut stream), ["closed"]);
        let mut recurred = 0;
        for _ in 0..2 * 8192 {
            let flush = flush(&bob);
            flush.in_scope(|| tracing::debug!("his"));
            recurred += usize::from(flush.id() == first);
        }
        assert!(recurred > 0, "the id has not recurred: this test shows nothing");
        assert!(messages(&mut stream).is_empty());
    }
}
