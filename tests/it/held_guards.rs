//! Guards of spans that are held across `.await`: named where it is certain, and never otherwise.

use testing::runtime::soon;
use testing::{Output, info_printer};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local, yield_now};
use tracing::{Instrument, info_span};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_tap::context::InContext;
use tracing_tap::coverage::Finding;
use tracing_tap::{Coverage, EventStream, Predicate, TapRouter};

#[cfg(feature = "tokio")]
mod by_task;

/// The service prints INFO, so that its events are not vetoed: those are not looked at.
fn watch() -> EventStream {
    let router = TapRouter::new();
    registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router.watch(Predicate::eq("user", 42))
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The names of the spans whose guards are found to be held.
fn held(coverage: &Coverage) -> Vec<&str> {
    let found = coverage.findings().iter().filter_map(|found| match found {
        Finding::GuardAcrossAwait { span, target, file, line } => {
            assert!(target == module_path!() && file.is_some() && line.is_some(), "{found:?}");
            Some(&**span)
        }
        _ => None,
    });
    found.collect()
}

/// Holds a guard of a span across an `.await`, which lets other tasks run.
async fn holds(span: &'static str) {
    let span = if span == "first" { info_span!("first", user = 7) } else { info_span!("second", user = 8) };
    let _guard = span.enter();
    yield_now().await;
}

/// Runs local tasks of a runtime of one thread.
fn on_one_thread(tasks: impl AsyncFnOnce()) {
    LocalSet::new().block_on(&one_thread(), async { soon("the tasks", tasks()).await });
}

/// Checks that nothing is found in a program without such a guard.
#[track_caller]
fn check_clean(program: impl FnOnce()) {
    let stream = watch();
    program();
    let coverage = stream.coverage();
    assert_eq!(held(&coverage), [""; 0], "{coverage}");
}

async fn logs() {
    logs_for(3).await;
}

async fn logs_for(polls: usize) {
    for _ in 0..polls {
        tracing::info!("of another task");
        yield_now().await;
    }
}

isolated! {
    fn a_guard_held_by_a_future_with_an_adaptor_is_named() {
        let stream = watch();
        on_one_thread(async || {
            let tasks = [spawn_local(holds("first").detached()), spawn_local(holds("second").in_session())];
            for task in tasks {
                task.await.unwrap();
            }
        });
        let coverage = stream.coverage();
        assert_eq!(held(&coverage), ["first", "second"], "{coverage}");
        assert!(coverage.to_string().contains("use `.instrument(span)` in place of `span.enter()`"), "{coverage}");
    }

    fn a_span_around_the_runtime_is_not_taken_for_its_twin() {
        check_clean(|| {
            let twin = || info_span!("twin");
            let out_of_order = async move {
                let (first, second) = (info_span!("first").entered(), twin().entered());
                drop(first);
                drop(second);
                yield_now().await;
            };
            twin().in_scope(|| on_one_thread(async || spawn_local(out_of_order.in_session()).await.unwrap()));
        });
    }

    fn a_future_with_an_adaptor_and_no_such_guard_is_not_named() {
        check_clean(|| {
            on_one_thread(async || {
                let work = async {
                    info_span!("first").in_scope(|| tracing::info!("in scope"));
                    logs().instrument(info_span!("second")).await;
                };
                let tasks = [spawn_local(work.detached()), spawn_local(logs().in_session())];
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    }
}
