//! Performs a plan on a real subscriber: real threads, one step at a time, so that there is one order of all.

use super::callsites::{Arguments, Boxed};
use super::described::delivered;
use super::evaluator::{Fields, Val};
use super::history::{Closer, EVENTS, Emission, Inner, Logged, Op, SPANS, Setting, Stack, THREADS};
use super::model::Facts;
use super::recorder::{INSIDE, Line, Log, OTHER_FORMATS, Recorder};
use crate::support::PATIENCE;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::span::EnteredSpan;
use tracing::{Dispatch, Level, Span, dispatcher};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};
use tracing_tap::{EndReason, EventStream, Item, LossReason, Predicate, TapRouter};

/// A subscriber, with or without a router in it.
pub(crate) struct Stage {
    pub(crate) dispatch: Dispatch,
    router: Option<TapRouter>,
    log: Log,
    reload: Box<dyn Fn(LevelFilter) + Send + Sync>,
    /// Whether the workers must set the subscriber as their default.
    is_scoped: bool,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) facts: Vec<Facts>,
    /// What each session gave.
    pub(crate) given: Vec<Given>,
    /// What the other layer was told.
    pub(crate) log: Vec<Line>,
}

/// What a session gave.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) delivered: Vec<String>,
    /// How many events the stream says its sampling left out.
    told_unsampled: u64,
    /// How many the session counts as such.
    pub(crate) unsampled: u64,
}

impl Given {
    fn take(&mut self, item: Item) {
        match item {
            Item::Event { event, .. } => self.delivered.push(delivered(&event)),
            Item::Lost(lost) if lost.reason == LossReason::Sampling => self.told_unsampled += lost.count,
            other => panic!("a session that is open and has room gave {other:?}"),
        }
    }
}

impl Stage {
    pub(crate) fn new(setting: Setting, with_router: bool) -> Self {
        let Setting { stack, span_level, denied } = setting;
        let router = with_router.then(|| TapRouter::builder().span_level(span_level).deny_targets(denied).build());
        let log = Log::default();
        let recorder = Recorder(Arc::clone(&log));
        let (dispatch, reload): (Dispatch, Box<dyn Fn(LevelFilter) + Send + Sync>) = match (stack, &router) {
            (Stack::Unfiltered, None) => (Registry::default().with(recorder).into(), Box::new(|_| ())),
            (Stack::Unfiltered, Some(router)) => {
                (Registry::default().with(recorder).with(router.layer()).into(), Box::new(|_| ()))
            }
            (Stack::TapFirst, Some(router)) => {
                let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
                let subscriber = Registry::default().with(router.layer()).with(recorder.with_filter(filter));
                (subscriber.into(), Box::new(move |level| handle.reload(level).unwrap()))
            }
            (_, router) => {
                let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
                let subscriber = Registry::default().with(recorder.with_filter(filter));
                let dispatch = match router {
                    Some(router) => subscriber.with(router.layer()).into(),
                    None => subscriber.into(),
                };
                (dispatch, Box::new(move |level| handle.reload(level).unwrap()))
            }
        };
        Self { dispatch, router, log, reload, is_scoped: true }
    }

    /// Changes what the other layer wants, while the router is not rebuilding: of two rebuilds at once the router's
    /// may win for a moment, until it goes again, and which events fall into that moment nobody can tell.
    fn reload(&self, level: LevelFilter) {
        // Returns once all that was asked of the control thread is done; closing it asks for the next only after.
        let barrier = self.router.as_ref().map(|router| router.watch(Predicate::level(Level::ERROR)));
        (self.reload)(level);
        drop(barrier);
    }

    /// Makes the subscriber every thread's default, for as long as the process lives.
    pub(crate) fn made_global(mut self) -> Self {
        dispatcher::set_global_default(self.dispatch.clone()).expect("this process is the test's own");
        self.is_scoped = false;
        self
    }

    /// Performs a plan from beginning to end; afterwards all its spans and sessions are closed.
    pub(crate) fn perform(self: &Arc<Self>, ops: &[Op]) -> Outcome {
        if !self.is_scoped {
            self.reload(LevelFilter::INFO);
        }
        let mut play = Play {
            stage: Arc::clone(self),
            workers: (0..THREADS).map(|number| Worker::start(number, self)).collect(),
            spans: Vec::new(),
            streams: Vec::new(),
            outcome: Outcome::default(),
        };
        for op in ops {
            let facts = play.step(op);
            play.outcome.facts.push(facts);
        }
        play.end()
    }
}

struct Play {
    stage: Arc<Stage>,
    workers: Vec<Worker>,
    spans: Vec<Option<Span>>,
    streams: Vec<Option<EventStream>>,
    outcome: Outcome,
}

impl Play {
    fn step(&mut self, op: &Op) -> Facts {
        let stage = Arc::clone(&self.stage);
        match op.clone() {
            Op::Span { thread, site, parent, fields, .. } => self.open_span(thread, site, parent, fields),
            Op::Enter { thread, span } => {
                let span = self.span(Some(span));
                self.on(thread, move |entered, _| entered.push(span.entered()))
            }
            Op::Exit { thread, nth, .. } => self.on(thread, move |entered, _| drop(entered.remove(nth).exit())),
            Op::Record { thread, span, field, value } => {
                let span = self.span(Some(span));
                self.on(thread, move |_, _| {
                    span.record(field, value.boxed());
                })
            }
            Op::Close { thread, span } => {
                let span = self.spans[span].take();
                self.on(thread, move |_, _| drop(span))
            }
            Op::Event(emission) => {
                let parent = self.span(emission.parent);
                self.on(emission.thread, move |_, facts| emit(&Arc::new(emission), &parent, facts))
            }
            Op::Open { thread, asked } => {
                let Some(router) = stage.router.clone() else { return Facts::default() };
                let (sender, receiver) = channel();
                let facts = self.on(thread, move |_, _| sender.send(router.watch(asked.to_session())).unwrap());
                self.streams.push(Some(receiver.recv().unwrap()));
                self.outcome.given.push(Given::default());
                facts
            }
            Op::Shut { session, by } => self.shut(session, by),
            Op::Drain { session } => self.drain(session),
            Op::Rebuild { thread } => self.on(thread, |_, _| tracing::callsite::rebuild_interest_cache()),
            Op::Hint { thread, level } => self.on(thread, move |_, facts| {
                let hinted = hint(level);
                facts.lock().unwrap().hinted = hinted;
            }),
            Op::Reload { thread, level } => self.on(thread, move |_, _| stage.reload(level)),
            Op::Breathe => {
                // An occasion for the control thread to learn; nothing depends on its taking it.
                std::thread::park_timeout(Duration::from_millis(1));
                Facts::default()
            }
            Op::Respawn { thread } => {
                self.workers[thread].stop();
                self.workers[thread] = Worker::start(thread, &stage);
                Facts::default()
            }
        }
    }

    fn open_span(&mut self, thread: usize, site: usize, parent: Option<usize>, fields: Fields) -> Facts {
        let parent = self.span(parent);
        let (sender, receiver) = channel();
        let facts = self.on(thread, move |_, facts| {
            let span = (SPANS[site].open)(&Plain(fields), &parent);
            facts.lock().unwrap().exists = !span.is_disabled();
            sender.send(span).unwrap();
        });
        self.spans.push(Some(receiver.recv().unwrap()));
        facts
    }

    fn span(&self, number: Option<usize>) -> Span {
        number.map_or_else(Span::none, |number| self.spans[number].clone().unwrap())
    }

    fn on(
        &mut self,
        thread: usize,
        job: impl FnOnce(&mut Vec<EnteredSpan>, &Arc<Mutex<Facts>>) + Send + 'static,
    ) -> Facts {
        self.workers[thread].perform(Box::new(job))
    }

    fn drain(&mut self, session: usize) -> Facts {
        let Some(Some(stream)) = self.streams.get_mut(session) else { return Facts::default() };
        stream.drain().for_each(|item| self.outcome.given[session].take(item));
        Facts::default()
    }

    fn shut(&mut self, session: usize, by: Closer) -> Facts {
        let Some(router) = &self.stage.router else { return Facts::default() };
        if by == Closer::Router {
            let stream = self.streams[session].as_mut().unwrap();
            assert!(router.close(stream.id()));
            let mut items: Vec<_> = stream.drain().collect();
            assert!(matches!(items.pop(), Some(Item::Ended(EndReason::Closed))));
            let given = &mut self.outcome.given[session];
            items.into_iter().for_each(|item| given.take(item));
            assert_eq!(given.told_unsampled, stream.stats().lost_sampling, "the end comes after all that is told");
        } else {
            self.drain(session);
        }
        let stats = self.streams[session].take().unwrap().stats();
        let given = &mut self.outcome.given[session];
        given.unsampled = stats.lost_sampling;
        assert_eq!(stats.delivered, given.delivered.len() as u64);
        assert_eq!(stats.matched, stats.delivered + stats.lost_sampling);
        Facts::default()
    }

    fn end(mut self) -> Outcome {
        for session in 0..self.streams.len() {
            if self.streams[session].is_some() {
                self.shut(session, Closer::Drop);
            }
        }
        self.workers.iter_mut().for_each(Worker::stop);
        self.spans.clear();
        self.outcome.log = std::mem::take(&mut *self.stage.log.lock().unwrap());
        self.outcome
    }
}

type Job = Box<dyn FnOnce(&mut Vec<EnteredSpan>, &Arc<Mutex<Facts>>) + Send>;

struct Worker {
    jobs: Option<Sender<Job>>,
    done: Receiver<Facts>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(number: usize, stage: &Arc<Stage>) -> Self {
        let (jobs, inbox) = channel::<Job>();
        let (report, done) = channel();
        let stage = Arc::clone(stage);
        let body = move || {
            let _default = stage.is_scoped.then(|| dispatcher::set_default(&stage.dispatch));
            let mut entered = Vec::new();
            for job in inbox {
                let facts = Arc::default();
                job(&mut entered, &facts);
                report.send(facts.lock().unwrap().clone()).unwrap();
            }
            entered.into_iter().rev().for_each(drop);
        };
        let thread = std::thread::Builder::new().name(format!("worker {number}")).spawn(body).unwrap();
        Self { jobs: Some(jobs), done, thread: Some(thread) }
    }

    fn perform(&mut self, job: Job) -> Facts {
        self.jobs.as_ref().unwrap().send(job).unwrap();
        self.done.recv_timeout(PATIENCE).expect("a step ends, and does not panic")
    }

    fn stop(&mut self) {
        self.jobs = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Plain arguments.
struct Plain(Fields);

impl Arguments for Plain {
    fn op(&self) -> u64 {
        unreachable!("spans have none")
    }

    fn value(&self, field: &str) -> Boxed {
        self.0.iter().find(|(name, _)| *name == field).and_then(|(_, value)| value.boxed())
    }
}

/// Arguments that tell when they are evaluated and printed, and may log while they are.
struct Watched<'a> {
    emission: &'a Arc<Emission>,
    facts: &'a Arc<Mutex<Facts>>,
}

impl Arguments for Watched<'_> {
    fn op(&self) -> u64 {
        self.facts.lock().unwrap().evaluated = true;
        if let Inner::Evaluating(logged) = &self.emission.inner {
            log_inside(self.emission.op, false, logged);
        }
        self.emission.op
    }

    fn value(&self, field: &str) -> Boxed {
        let (emission, facts) = (Arc::clone(self.emission), Arc::clone(self.facts));
        let (place, (_, value)) = self.emission.fields.iter().enumerate().find(|(_, (name, _))| *name == field)?;
        match self.emission.inner {
            Inner::Formatting(_) if place == 1 => {
                let text = value.prints();
                Some(Box::new(tracing::field::display(Printing { text, emission, facts })))
            }
            _ => value.boxed(),
        }
    }
}

/// A value that logs each time it is printed.
struct Printing {
    text: String,
    emission: Arc<Emission>,
    facts: Arc<Mutex<Facts>>,
}

impl fmt::Display for Printing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_other = OTHER_FORMATS.get();
        if by_other {
            self.facts.lock().unwrap().formatted_by_other += 1;
        }
        if let Inner::Formatting(logged) = &self.emission.inner {
            log_inside(self.emission.op, !by_other, logged);
        }
        OTHER_FORMATS.set(by_other);
        f.write_str(&self.text)
    }
}

fn log_inside(op: u64, by_tap: bool, logged: &Logged) {
    let before = INSIDE.replace((op, by_tap));
    match logged {
        Logged::Event(emission) => emit(&Arc::new(emission.clone()), &Span::none(), &Arc::default()),
        Logged::Span { site } => drop((SPANS[*site].open)(&Plain(vec![("user", Val::I64(42))]), &Span::none())),
        Logged::Hint(level) => drop(hint(*level)),
    }
    INSIDE.set(before);
}

fn emit(emission: &Arc<Emission>, parent: &Span, facts: &Arc<Mutex<Facts>>) {
    (EVENTS[emission.site].emit)(&Watched { emission, facts }, parent);
}

/// Asks whether somebody wants such an event.
fn hint(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: "app", Level::ERROR),
        Level::WARN => tracing::enabled!(target: "app", Level::WARN),
        Level::INFO => tracing::enabled!(target: "app", Level::INFO),
        Level::DEBUG => tracing::event_enabled!(target: "app", Level::DEBUG, user),
        Level::TRACE => tracing::enabled!(target: "app", Level::TRACE),
    }
}
