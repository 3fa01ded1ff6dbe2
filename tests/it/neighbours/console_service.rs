//! A service that `tokio-console` can look into: run by `tests/neighbours.rs`.
//!
//! The console's layer wants the spans of `tokio` itself. They are roots by `parent: None`, so each ends the scope around it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::runtime::{Builder, Runtime};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Instrument, Metadata, Span, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry};
use tracing_tap::{EventStream, Item, Predicate, TapRouter};
use tracing_tap::coverage::Note;

/// Counts the spans that a layer with the console's filter sees, by name and the name of their parent.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<BTreeMap<[&'static str; 2], usize>>>);

impl<S: Subscriber + for<'lookup> tracing_subscriber::registry::LookupSpan<'lookup>> Layer<S> for Recorder {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).expect("a new span is in the registry");
        let parent = span.parent().map_or("none", |parent| parent.name());
        *self.0.lock().expect("nobody panics").entry([span.name(), parent]).or_default() += 1;
    }
}

impl Recorder {
    /// What was seen since the last call.
    fn take(&self) -> BTreeMap<[&'static str; 2], usize> {
        std::mem::take(&mut self.0.lock().expect("nobody panics"))
    }
}

/// The console's own filter, as of 0.5.
fn is_of_console(metadata: &Metadata<'_>) -> bool {
    let is_of_tokio = metadata.target().starts_with("tokio");
    is_of_tokio || if metadata.is_event() { metadata.target() } else { metadata.name() }.starts_with("runtime")
}

fn main() {
    let (router, recorder) = (TapRouter::new(), Recorder::default());
    let console = console_subscriber::ConsoleLayer::builder().server_addr(([127, 0, 0, 1], 0)).spawn::<Registry>();
    let info = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
    let recording = recorder.clone().with_filter(filter_fn(is_of_console));
    tracing_subscriber::registry().with(console).with(recording).with(info).with(router.layer()).init();
    let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("a runtime starts");
    // Its workers are tasks as well; and callsites are reached.
    run_jobs(&runtime);
    recorder.take();
    run_jobs(&runtime);
    let without = recorder.take();
    assert_eq!(without, BTreeMap::from([(["runtime.spawn", "none"], 6)]), "what the console shows");

    let ours = || Predicate::target("console_service");
    let mut nightly = router.watch(Predicate::eq("job", "nightly") & ours());
    let mut all = router.watch(ours());
    // More than once: what the other layers want of a callsite is learned meanwhile.
    for round in 0..10 {
        run_jobs(&runtime);
        assert_eq!(recorder.take(), without, "what the console shows, round {round}");
        let of_the_job = ["after block_on [job]", "in a job within a task [job]", "in a task of the job [job]"];
        assert_eq!(shown(&mut nightly), of_the_job);
        let cut = [
            "after block_on [job]",
            "in a bare task [runtime.spawn]",
            "in a bare task of block_on [runtime.spawn]",
            "in a job within a task [job]",
            "in a task of the job [job]",
            "in a task of the span in block_on [runtime.spawn step]",
            "in block_on [runtime.spawn]",
        ];
        assert_eq!(shown(&mut all), cut);
    }
    let root = Note::RootSpans { span: "runtime.spawn".to_owned(), target: "tokio::task".to_owned() };
    assert!(nightly.coverage().notes().contains(&root), "{}", nightly.coverage());
    assert!(!all.coverage().notes().contains(&root), "it needs no span: {}", all.coverage());
}

/// Runs a job: `block_on` and five tasks, each with a span of `tokio`.
fn run_jobs(runtime: &Runtime) {
    let _job = tracing::info_span!("job", job = "nightly").entered();
    let bare = runtime.spawn(async { tracing::debug!("in a bare task") });
    let instrumented = runtime.spawn(async { tracing::debug!("in a task of the job") }.instrument(Span::current()));
    runtime.block_on(async {
        tracing::debug!("in block_on");
        join(bare).await;
        join(instrumented).await;
        join(tokio::spawn(async { tracing::debug!("in a bare task of block_on") })).await;
        let step = tracing::info_span!("step");
        join(tokio::spawn(async { tracing::debug!("in a task of the span in block_on") }.instrument(step))).await;
        let job = tracing::info_span!(parent: None, "job", job = "nightly");
        join(tokio::spawn(async { tracing::debug!("in a job within a task") }.instrument(job))).await;
    });
    tracing::debug!("after block_on");
}

async fn join(task: tokio::task::JoinHandle<()>) {
    task.await.expect("the task does not panic");
}

/// What a session has shown, sorted: each message and the names of the spans around it, from the root on.
fn shown(stream: &mut EventStream) -> Vec<String> {
    let events = stream.drain().filter_map(Item::into_event);
    let names = |event: &tracing_tap::CapturedEvent| event.spans().map(|span| span.name().to_owned()).collect::<Vec<_>>();
    let mut shown: Vec<_> = events.map(|event| format!("{} [{}]", event.message(), names(&event).join(" "))).collect();
    shown.sort_unstable();
    shown
}
