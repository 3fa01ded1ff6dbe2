//! A service on `tokio` with its `tracing` feature: run by `tests/neighbours.rs`.
//!
//! `tokio` then enters a TRACE span, a root by `parent: None`, in each task that is spawned and in `block_on`.

use tokio::runtime::{Builder, Runtime};
use tracing::Instrument;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::context::note_spawn;
use tracing_tap::coverage::Finding;
use tracing_tap::{EventStream, Item, Predicate, SessionOptions, TapRouter};

fn main() {
    let router = TapRouter::new();
    let info = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(info).with(router.layer()).init();
    let runtime = Builder::new_multi_thread().worker_threads(2).on_task_spawn(note_spawn).build().expect("a runtime starts");
    let ours = || Predicate::target("tokio_tracing");

    let mut nightly = router.watch(Predicate::eq("job", "nightly") & ours());
    let mut all = router.watch(ours());
    // More than once: what the other layer wants of a callsite is learned meanwhile.
    for _ in 0..10 {
        run_jobs(&runtime);
        let of_the_job = ["in block_on [job]", "in a task of the job [job]", "after block_on [job]"];
        assert_eq!(shown(&mut nightly), of_the_job);
        let of_all = ["in block_on [job]", "in a bare task []", "in a task of the job [job]", "after block_on [job]"];
        assert_eq!(shown(&mut all), of_all);
    }
    drop((nightly, all));
    check_spawn_place(&router, &runtime);

    // The spans are there to be had: what `spans` is for, and what it changes.
    let mut with_spans = router.watch(SessionOptions::new(ours()).spans(LevelFilter::TRACE));
    run_jobs(&runtime);
    let cut = ["in block_on [runtime.spawn]", "in a bare task [runtime.spawn]"];
    let rest = ["in a task of the job [job]", "after block_on [job]"];
    assert_eq!(shown(&mut with_spans), [cut, rest].concat());
}

/// Where a bare task has lost its context, the place of the spawn and its span are named.
fn check_spawn_place(router: &TapRouter, runtime: &Runtime) {
    fn store() {
        tracing::info!("stored");
    }
    let stream = router.watch(Predicate::eq("user", 42));
    let line = line!() + 3;
    let work = async {
        store();
        join(tokio::spawn(async { store() })).await;
    };
    runtime.block_on(async { join(tokio::spawn(work.instrument(tracing::info_span!("request", user = 7)))).await });
    let coverage = stream.coverage();
    let lost = coverage.findings().iter().find_map(|found| match found {
        Finding::LostContext { events: 1, spawned_at, spawned_in, .. } => spawned_at.as_ref().zip(spawned_in.as_ref()),
        _ => None,
    });
    let Some((at, span)) = lost else { panic!("{coverage}") };
    assert!(at.contains(&format!("tokio_service.rs:{line}:")) && span == "request", "{coverage}");
    assert!(coverage.to_string().contains(&format!("in a task spawned at {at} in the span `request`")), "{coverage}");
}

fn run_jobs(runtime: &Runtime) {
    let _job = tracing::info_span!("job", job = "nightly").entered();
    runtime.block_on(async {
        tracing::debug!("in block_on");
        join(tokio::spawn(async { tracing::debug!("in a bare task") })).await;
        let instrumented = async { tracing::debug!("in a task of the job") };
        let job = tracing::info_span!(parent: None, "job", job = "nightly");
        join(tokio::spawn(instrumented.instrument(job))).await;
    });
    tracing::debug!("after block_on");
}

async fn join(task: tokio::task::JoinHandle<()>) {
    task.await.expect("the task does not panic");
}

/// What a session has shown: each message and the names of the spans around it.
fn shown(stream: &mut EventStream) -> Vec<String> {
    let events = stream.drain().filter_map(Item::into_event);
    let names = |event: &tracing_tap::CapturedEvent| event.spans().map(|span| span.name().to_owned()).collect::<Vec<_>>();
    events.map(|event| format!("{} [{}]", event.message(), names(&event).join(" "))).collect()
}
