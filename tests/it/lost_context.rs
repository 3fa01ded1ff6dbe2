//! Work that leaves its span: the finding, what silences it, and what carries the span along.

use testing::runtime::{self, soon};
use testing::{Output, info_printer, messages, wait_until};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, info_span};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_tap::context::{CurrentScope, InContext, detached, in_session};
use tracing_tap::coverage::{Finding, Note};
use tracing_tap::{Coverage, EventStream, Item, Predicate, SessionOptions, TapRouter, Verdict};

/// What the service does for a request, and somewhere else too.
fn store() {
    tracing::info!("stored");
}

/// The line of that event.
const STORED: u32 = line!() - 4;

/// A service whose log prints INFO, so that its events are not vetoed.
fn printing() -> TapRouter {
    let router = TapRouter::new();
    registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router
}

/// A service without a log, whose events are vetoed where nothing can match.
fn silent() -> TapRouter {
    let router = TapRouter::new();
    registry().with(router.layer()).init();
    router
}

fn watch(router: &TapRouter) -> EventStream {
    router.watch(Predicate::eq("user", 42))
}

/// The callsites found to have lost their context: their lines, and how many events.
fn lost(coverage: &Coverage) -> Vec<(u32, u64)> {
    let found = coverage.findings().iter().filter_map(|found| match found {
        Finding::LostContext { target, file, line, events, .. } => {
            assert_eq!(target, module_path!());
            assert!(file.as_deref().is_some_and(|file| file.ends_with("lost_context.rs")), "{file:?}");
            Some((line.expect("a macro knows its line"), *events))
        }
        _ => None,
    });
    found.collect()
}

/// A request of some user, whose work is stored inside its span and then elsewhere, `times` times.
async fn request(user: u64, times: u64, elsewhere: impl AsyncFn()) {
    let work = async {
        store();
        for _ in 0..times {
            soon("the work elsewhere", elsewhere()).await;
        }
    };
    work.instrument(info_span!("request", user)).await;
}

/// Runs a request of user 7, who is not watched, and expects each event elsewhere to be found.
fn check_lost(elsewhere: impl AsyncFn()) {
    let router = printing();
    let stream = watch(&router);
    runtime::run(async {
        request(7, 5, elsewhere).await;
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), lost(&coverage)), (Verdict::Partly, vec![(STORED, 5)]), "{coverage}");
        let words = coverage.to_string();
        assert!(words.contains("likely a `spawn` without `.instrument(..)`/`.in_current_span()`"), "{words}");
        assert!(words.contains(&format!("lost_context.rs:{STORED}")), "{words}");
        let stats = router.stats();
        assert_eq!((stats.lost_context_callsites, stats.lost_context_events), (1, 5));
    });
}

isolated! {
    fn events_of_a_bare_task_are_found() {
        check_lost(async || tokio::spawn(async { store() }).await.unwrap());
    }

    fn events_of_a_bare_blocking_task_are_found() {
        check_lost(async || tokio::task::spawn_blocking(store).await.unwrap());
    }

    fn events_of_a_bare_thread_are_found() {
        check_lost(async || std::thread::spawn(store).join().unwrap());
    }

    fn events_of_a_bare_job_of_rayon_are_found() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        check_lost(async || pool.install(store));
    }

    fn events_of_a_worker_behind_a_channel_are_found() {
        let (jobs, mut work) = mpsc::channel::<oneshot::Sender<()>>(1);
        let worker = std::thread::spawn(move || {
            while let Some(done) = work.blocking_recv() {
                store();
                done.send(()).unwrap();
            }
        });
        check_lost(async || {
            let (done, is_done) = oneshot::channel();
            jobs.send(done).await.unwrap();
            is_done.await.unwrap();
        });
        drop(jobs);
        worker.join().unwrap();
    }

    fn events_that_are_vetoed_are_found_too() {
        let router = silent();
        let stream = watch(&router);
        let request = info_span!("request", user = 7);
        // Vetoed once the control thread has learned that nobody else wants them.
        wait_until("the lost ones to be vetoed", || {
            request.in_scope(store);
            std::thread::spawn(store).join().unwrap();
            router.stats().vetoed_callsites > 0
        });
        let before = router.stats().lost_context_events;
        request.in_scope(|| std::thread::spawn(|| (0..3).for_each(|_| store())).join()).unwrap();
        assert_eq!(router.stats().lost_context_events, before + 3);
        assert_eq!(lost(&stream.coverage()), [(STORED, before + 3)], "{}", stream.coverage());
    }

    fn an_event_in_a_denied_span_is_not_missed_outside() {
        let router = TapRouter::builder().deny_targets(["secret"]).build();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let stream = watch(&router);
        // So that the predicate can match at all.
        drop(info_span!("request", user = 7));
        let denied: Vec<_> = (0..8).map(|_| info_span!(target: "secret", "request", user = 7)).collect();
        for span in denied {
            span.in_scope(store);
            store();
        }
        assert_eq!(lost(&stream.coverage()), [], "{}", stream.coverage());
    }

    fn no_more_than_a_hundred_are_counted_of_a_callsite() {
        let router = printing();
        let stream = watch(&router);
        info_span!("request", user = 7).in_scope(store);
        (0..500).for_each(|_| store());
        assert_eq!(lost(&stream.coverage()), [(STORED, 100)]);
        assert_eq!(router.stats().lost_context_events, 100);
    }

    fn nothing_is_found_without_a_session() {
        let router = printing();
        let lose = || {
            info_span!("request", user = 42).in_scope(store);
            store();
        };
        lose();
        assert_eq!(lost(&router.coverage(&Predicate::eq("user", 42))), []);
        let stream = watch(&router);
        store();
        assert_eq!(lost(&stream.coverage()), [], "none was seen inside while the session was open");
        drop(stream);
        lose();
        assert_eq!(router.stats().lost_context_events, 0);
    }

    fn a_finding_outlives_its_session_for_the_tested_field_alone() {
        let router = printing();
        let stream = watch(&router);
        info_span!("request", user = 7).in_scope(store);
        store();
        drop(stream);
        assert_eq!(lost(&router.coverage(&Predicate::eq("user", 43))), [(STORED, 1)]);
        assert_eq!(lost(&router.coverage(&Predicate::eq("order", 1))), []);
        let stream = router.watch(Predicate::eq("order", 1));
        info_span!("request", order = 7).in_scope(|| tracing::info!("ordered"));
        store();
        assert_eq!(lost(&stream.coverage()), [], "no order was around it");
    }

    fn work_that_never_had_a_context_is_no_finding() {
        let router = printing();
        let stream = watch(&router);
        runtime::run(async {
            let report = async || tokio::spawn(async { tracing::info!(target: "it::reports", "sent") }).await.unwrap();
            request(42, 3, report).await;
            let background = info_span!("job", name = "vacuum");
            async { tracing::info!(target: "it::vacuum", "cleaned") }.instrument(background).await;
        });
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), lost(&coverage)), (Verdict::Everything, vec![]), "{coverage}");
        assert_eq!(router.stats().lost_context_callsites, 0);
    }

    fn an_event_without_a_parent_by_its_text_is_no_finding() {
        let router = printing();
        let stream = watch(&router);
        let store = || tracing::info!(parent: None, "stored");
        info_span!("request", user = 7).in_scope(store);
        store();
        assert_eq!(lost(&stream.coverage()), []);
    }

    fn an_event_that_matches_outside_spans_is_no_finding() {
        let router = printing();
        let stream = router.watch("user = 42 or @level = info".parse::<Predicate>().unwrap());
        info_span!("request", user = 7).in_scope(store);
        store();
        assert_eq!((stream.stats().matched, lost(&stream.coverage())), (2, vec![]));
    }

    fn the_callsite_of_a_library_is_a_note() {
        fn query() {
            tracing::info!(target: "sqlx::query", "select");
        }
        let router = printing();
        let stream = watch(&router);
        info_span!("request", user = 7).in_scope(query);
        (0..3).for_each(|_| query());
        let coverage = stream.coverage();
        let is_noted = |note: &Note| matches!(note, Note::LostContext { target, events: 3, .. } if target == "sqlx::query");
        assert!(coverage.notes().iter().any(is_noted) && coverage.verdict() == Verdict::Everything, "{coverage}");
    }

    fn detached_work_of_every_kind_is_no_finding() {
        let router = printing();
        let stream = watch(&router);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        runtime::run(async {
            request(42, 3, async || tokio::spawn(async { store() }.detached()).await.unwrap()).await;
            request(42, 3, async || tokio::task::spawn_blocking(detached(store)).await.unwrap()).await;
            request(42, 3, async || std::thread::spawn(detached(store)).join().unwrap()).await;
            request(42, 3, async || pool.install(detached(store))).await;
            let coverage = stream.coverage();
            assert_eq!((coverage.verdict(), lost(&coverage)), (Verdict::Everything, vec![]), "{coverage}");
            request(42, 1, async || pool.install(store)).await;
            assert_eq!(lost(&stream.coverage()), [(STORED, 1)], "it was meant of those alone");
        });
    }

    fn work_in_session_is_shown_and_nobody_else_sees_a_difference() {
        let (router, output) = (TapRouter::new(), Output::default());
        registry().with(info_printer(&output)).with(router.layer()).init();
        let mut stream = watch(&router);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        fn step(n: u64) {
            info_span!("step", n).in_scope(|| tracing::info!("inner"));
            tracing::debug!("direct");
            assert!(tracing::Span::current().is_none());
        }
        let work = async || {
            tokio::spawn(async { step(1) }.in_session()).await.unwrap();
            tokio::task::spawn_blocking(in_session(|| step(2))).await.unwrap();
            std::thread::spawn(in_session(|| step(3))).join().unwrap();
            let scope = CurrentScope::capture();
            pool.install(|| scope.run(|| step(4)));
        };
        runtime::run(async {
            request(42, 1, work).await;
            request(7, 1, work).await;
        });
        let events = testing::events(&mut stream);
        let shown: Vec<_> = events.iter().map(|event| (event.message(), event.spans().map(|span| span.name()).collect::<Vec<_>>())).collect();
        assert_eq!(shown[0], ("stored", vec!["request"]));
        assert_eq!(shown.len(), 9, "{shown:?}");
        for pair in shown[1..].chunks(2) {
            assert_eq!(pair, [("inner", vec!["request", "step"]), ("direct", vec!["request"])]);
        }
        let printed = output.lines().join("\n");
        assert_eq!(printed.matches("request").count(), 2, "the router alone: {printed}");
        assert_eq!(lost(&stream.coverage()), []);
    }

    fn a_span_created_in_session_keeps_the_carried_one_open() {
        let router = silent();
        let mut stream = watch(&router);
        let carried = info_span!("request", user = 42).in_scope(CurrentScope::capture);
        let inner = carried.run(|| info_span!("inner"));
        drop(carried);
        inner.in_scope(|| tracing::debug!("still of 42"));
        drop(inner);
        // Ids recur: had the request's been free, one of these would have it.
        for user in 0..20 {
            info_span!("request", user = 7_000 + user).in_scope(|| tracing::debug!("of others"));
        }
        assert_eq!(messages(&mut stream), ["still of 42"]);
    }

    fn a_span_closes_once_nothing_carries_it_any_more() {
        let router = silent();
        let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).timings());
        let mut closed = || stream.drain().filter_map(Item::into_timing).map(|timing| timing.name().to_owned()).collect::<Vec<_>>();
        let carried = info_span!("request", user = 42).in_scope(CurrentScope::capture);
        let inner = carried.run(|| info_span!("inner"));
        let copy = carried.clone();
        drop(carried);
        drop(inner);
        assert_eq!(closed(), ["inner"], "the copy carries it");
        drop(copy);
        assert_eq!(closed(), ["request"]);
    }

    fn a_span_created_in_session_is_timed_inside_the_carried_one() {
        let router = printing();
        let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).timings());
        let step = || info_span!("step").in_scope(|| tracing::debug!("inside"));
        // From now on the thread creates the span without a look at where it is.
        step();
        let carried = info_span!("request", user = 42).in_scope(CurrentScope::capture);
        carried.run(step);
        let shown = stream.drain().filter_map(|item| match item {
            Item::Timing { timing, .. } => Some(timing.name().to_owned()),
            item => item.into_event().map(|event| event.message().to_owned()),
        });
        assert_eq!(shown.collect::<Vec<_>>(), ["inside", "step"]);
    }

    fn a_session_opened_later_sees_the_events_of_work_in_session() {
        let router = silent();
        let (enter, mut entered) = mpsc::channel::<()>(1);
        runtime::run(async {
            let task = async move {
                while entered.recv().await.is_some() {
                    tracing::debug!("worked");
                }
            };
            let task = info_span!("request", user = 42).in_scope(|| tokio::spawn(task.in_session()));
            let mut stream = watch(&router);
            enter.send(()).await.unwrap();
            drop(enter);
            soon("the task", task).await.unwrap();
            assert_eq!(messages(&mut stream), ["worked"]);
        });
    }

    fn a_nested_choice_ends_with_its_work() {
        let router = printing();
        let mut stream = watch(&router);
        let scope = info_span!("request", user = 42).in_scope(CurrentScope::capture);
        scope.run(|| {
            tracing::debug!("in session");
            detached(|| tracing::debug!("detached"))();
            tracing::debug!("in session again");
            let nested = std::thread::spawn(in_session(|| tracing::debug!("carried on")));
            nested.join().unwrap();
            info_span!(parent: None, "request", user = 7).in_scope(|| tracing::debug!("of another"));
        });
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scope.run(|| panic!("on purpose"))));
        assert!(panics.is_err());
        tracing::debug!("outside");
        assert_eq!(messages(&mut stream), ["in session", "in session again", "carried on"]);
    }

    fn a_dropped_future_ends_in_its_scope() {
        struct Goodbye;
        impl Drop for Goodbye {
            fn drop(&mut self) {
                tracing::debug!("goodbye");
            }
        }
        let router = silent();
        let mut stream = watch(&router);
        let goodbye = Goodbye;
        let work = async move {
            let _goodbye = goodbye;
            std::future::pending::<()>().await;
        };
        drop(info_span!("request", user = 42).in_scope(|| work.in_session()));
        assert_eq!(messages(&mut stream), ["goodbye"]);
    }
}
