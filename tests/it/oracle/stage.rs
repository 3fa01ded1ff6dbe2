//! Performs a plan on a real subscriber: real threads, one step at a time, so that there is one order of all.

use super::arguments::{Plain, ROUTER, emit, hint};
use super::described::delivered;
use super::evaluator::Fields;
use super::history::{Closer, Op, SPANS, Setting, Stack, THREADS};
use super::model::Facts;
use super::recorder::{CHURN, Line, Log, Recorder};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use testing::{PATIENCE, wait_until};
use tracing::level_filters::LevelFilter;
use tracing::span::EnteredSpan;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level, Span, Subscriber, dispatcher};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, reload};
use tracing_tap::{EndReason, EventStream, Item, LookBack, MissingReason, Predicate, RequestId, TapRouter};

/// One subscriber or two, with or without routers in them.
pub(crate) struct Stage {
    pub(crate) dispatches: Vec<Dispatch>,
    routers: Vec<TapRouter>,
    log: Log,
    reloads: Vec<Reload>,
    /// Whether the workers must set the first subscriber as their default.
    is_scoped: bool,
    /// Whether the routers look back.
    pub(crate) looks_back: bool,
    /// Whether sessions are opened at all: not for what others get with the routers alone.
    pub(crate) opens: bool,
}

/// Changes what the other layer wants.
pub(crate) type Reload = Box<dyn Fn(LevelFilter) + Send + Sync>;

/// What came of a plan.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) facts: Vec<Facts>,
    /// What each session gave.
    pub(crate) given: Vec<Given>,
    /// What the other layer got.
    pub(crate) log: Vec<Line>,
}

/// What a session gave.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) delivered: Vec<String>,
    /// The requests of those events.
    pub(crate) requests: Vec<Option<RequestId>>,
    /// How many events the stream says its sampling left out.
    told_unsampled: u64,
    /// How many the session counts as such.
    pub(crate) unsampled: u64,
    /// How many events the stream says were over the rate.
    told_over_rate: u64,
    /// How many the session counts as such.
    pub(crate) over_rate: u64,
    /// How many the session counts as of requests without the outcome, and of those that were not over.
    pub(crate) not_chosen: u64,
    pub(crate) undecided: u64,
    told_unreleased: u64,
    /// What the horizon says is gone of the past.
    overwritten: u64,
    pub(crate) unresolved: u64,
    /// Since the session was opened.
    pub(crate) open_for: Duration,
    opened_at: Option<Instant>,
    /// It has ended by its limit.
    is_over: bool,
}

impl Given {
    /// How many events of the past are gone at most.
    pub(crate) fn overwritten(&self) -> u64 {
        self.overwritten + self.unresolved
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Event { event, .. } => {
                self.delivered.push(delivered(&event));
                self.requests.push(event.request());
            }
            Item::Missing(missing) if missing.reason == MissingReason::SampledOut => {
                self.told_unsampled += missing.count
            }
            Item::Missing(missing) if missing.reason == MissingReason::RateLimited => {
                self.told_over_rate += missing.count
            }
            Item::Missing(missing) if missing.reason.kind() == tracing_tap::missing::MissingKind::Outcome => {
                self.told_unreleased += missing.count
            }
            Item::Horizon(horizon) => {
                assert_eq!(horizon.unkept, 0, "{horizon:?}");
                (self.overwritten, self.unresolved) = (horizon.overwritten, horizon.unresolved);
            }
            Item::Ended(EndReason::MaxEvents) => self.is_over = true,
            other => panic!("a session that is open and has room gave {other:?}"),
        }
    }
}

impl Stage {
    pub(crate) fn new(setting: Setting, with_routers: bool) -> Self {
        let routers = if with_routers { setting.routers() } else { 0 };
        let routers: Vec<_> = std::iter::repeat_with(|| router(&setting)).take(routers).collect();
        let log = Log::default();
        let subscribers = setting.layers.iter().enumerate().map(|(subscriber, layers)| {
            let recorder = Recorder { log: Arc::clone(&log), subscriber };
            let layers: Vec<_> = layers.iter().filter_map(|router| routers.get(*router)).collect();
            subscriber_of(&setting, recorder, &layers)
        });
        let subscribers = subscribers.collect();
        Self { looks_back: setting.look_back.is_some(), ..Self::of(subscribers, routers, log) }
    }

    /// One of these subscribers, which the routers have layers in; what their other layers get goes to the log.
    pub(crate) fn of(subscribers: Vec<(Dispatch, Reload)>, routers: Vec<TapRouter>, log: Log) -> Self {
        let (dispatches, reloads) = subscribers.into_iter().unzip();
        Self { dispatches, routers, log, reloads, is_scoped: true, looks_back: false, opens: true }
    }

    /// Changes what the other layer wants, while no router is rebuilding: of two rebuilds at once the router's
    /// may win for a moment, until it goes again, and which events fall into that moment nobody can tell.
    fn reload(&self, level: LevelFilter) {
        // Returns once all that was asked of the control thread is done; closing it asks for the next only after.
        let watch = |router: &TapRouter| router.watch(Predicate::level(Level::ERROR));
        let barriers: Vec<_> = self.routers.iter().map(watch).collect();
        self.reloads.iter().for_each(|reload| reload(level));
        drop(barriers);
    }

    /// Makes the first subscriber every thread's default, for as long as the process lives.
    pub(crate) fn made_global(mut self) -> Self {
        dispatcher::set_global_default(self.dispatches[0].clone()).expect("this process is the test's own");
        self.is_scoped = false;
        self
    }

    /// Performs a plan from beginning to end; afterwards all its spans and sessions are closed.
    pub(crate) fn perform(self: &Arc<Self>, ops: &[Op]) -> Outcome {
        if !self.is_scoped {
            self.reload(LevelFilter::INFO);
        }
        for router in &self.routers {
            let is_on = || !self.looks_back || router.stats().look_back_bytes > 0;
            wait_until("looking back to be switched on", is_on);
        }
        let mut play = Play {
            stage: Arc::clone(self),
            workers: (0..THREADS).map(|number| Worker::start(number, self)).collect(),
            spans: Vec::new(),
            streams: Vec::new(),
            routers: Vec::new(),
            outcome: Outcome::default(),
        };
        for op in ops {
            let facts = play.step(op);
            play.outcome.facts.push(facts);
        }
        play.end()
    }
}

pub(crate) fn router(setting: &Setting) -> TapRouter {
    let router = TapRouter::builder().span_level(setting.span_level);
    let past =
        |level| LookBack::new(32 << 20).thread_bytes(setting.ring_bytes).level(level).max_age(Duration::from_secs(600));
    let router = match setting.look_back {
        Some(level) => router.look_back(past(level)),
        None => router,
    };
    router.deny_targets(setting.denied).redact_fields(setting.redacted).build()
}

/// A subscriber of the other layer and a layer of each of these routers, two at most.
fn subscriber_of(setting: &Setting, recorder: Recorder, routers: &[&TapRouter]) -> (Dispatch, Reload) {
    let (registry, other) = (Registry::default(), setting.other);
    match (setting.stack, routers) {
        (Stack::Unfiltered, _) => (with_layers(registry.with(recorder), routers), Box::new(|_| ())),
        (Stack::TapFirst, []) => with_reloaded_filter(registry, recorder, other),
        (Stack::TapFirst, [one]) => with_reloaded_filter(registry.with(one.layer()), recorder, other),
        (Stack::TapFirst, [one, second, ..]) => {
            with_reloaded_filter(registry.with(one.layer()).with(second.layer()), recorder, other)
        }
        (Stack::TapLast, _) => {
            let (filter, handle) = reload::Layer::new(other);
            let dispatch = with_layers(registry.with(recorder.with_filter(filter)), routers);
            (dispatch, Box::new(move |level| handle.reload(level).unwrap()))
        }
        (Stack::TapLastOfReloaded, _) => {
            let (layer, handle) = reload::Layer::new(recorder.with_filter(other));
            let reload = move |level| handle.modify(|layer| *layer.filter_mut() = level).unwrap();
            (with_layers(registry.with(layer), routers), Box::new(reload))
        }
    }
}

fn with_reloaded_filter<S>(subscriber: S, recorder: Recorder, other: LevelFilter) -> (Dispatch, Reload)
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(other);
    let dispatch = subscriber.with(recorder.with_filter(filter)).into();
    (dispatch, Box::new(move |level| handle.reload(level).unwrap()))
}

fn with_layers<S>(subscriber: S, routers: &[&TapRouter]) -> Dispatch
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup> + Send + Sync + 'static,
{
    match routers {
        [] => subscriber.into(),
        [one] => subscriber.with(one.layer()).into(),
        [one, other, ..] => subscriber.with(one.layer()).with(other.layer()).into(),
    }
}

struct Play {
    stage: Arc<Stage>,
    workers: Vec<Worker>,
    spans: Vec<Option<Span>>,
    streams: Vec<Option<EventStream>>,
    /// The router of each session.
    routers: Vec<usize>,
    outcome: Outcome,
}

impl Play {
    fn step(&mut self, op: &Op) -> Facts {
        let stage = Arc::clone(&self.stage);
        match op.clone() {
            Op::Span { thread, site, parent, fields, .. } => self.open_span(thread, site, parent, fields),
            Op::Enter { thread, span } => {
                let span = self.span(Some(span));
                self.on(thread, move |state, _| state.entered.push(span.entered()))
            }
            Op::Exit { thread, nth, .. } => {
                self.on(thread, move |state, _| drop_at_home(state.entered.remove(nth).exit()))
            }
            Op::Record { thread, span, field, value } => {
                let span = self.span(Some(span));
                self.on(thread, move |_, _| {
                    span.record(field, value.boxed());
                })
            }
            Op::RecordCurrent { thread, field, value } => self.on(thread, move |_, _| {
                Span::current().record(field, value.boxed());
            }),
            Op::Capture { thread, .. } => self.capture(thread),
            Op::Follows { thread, span, of } => {
                let (span, of) = (self.span(Some(span)), self.span(Some(of)));
                self.on(thread, move |_, _| {
                    span.follows_from(&of);
                })
            }
            Op::Close { thread, span } => {
                let span = self.spans[span].take();
                self.on(thread, move |_, _| span.map_or((), drop_at_home))
            }
            Op::Event(emission) => {
                let parent = self.span(emission.parent);
                self.on(emission.thread, move |_, facts| emit(&Arc::new(emission), &parent, facts))
            }
            Op::Open { thread, asked } => {
                let router = stage.routers.get(asked.router).filter(|_| stage.opens).cloned();
                let Some(router) = router else { return Facts::default() };
                let (sender, receiver) = channel();
                let opened_at = Some(Instant::now());
                self.routers.push(asked.router);
                let facts = self.on(thread, move |_, _| sender.send(router.watch(asked.to_session())).unwrap());
                self.streams.push(Some(receiver.recv().unwrap()));
                self.outcome.given.push(Given { opened_at, ..Given::default() });
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
            Op::Switch { thread, to } => self.on(thread, move |state, _| {
                state.second = None;
                state.second = (to > 0).then(|| dispatcher::set_default(&stage.dispatches[to]));
            }),
            Op::Churn { thread, spans } => self.on(thread, move |_, _| {
                (0..spans).for_each(|_| drop(tracing::info_span!(target: CHURN, parent: None, "churn", user = 42)));
            }),
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

    fn capture(&mut self, thread: usize) -> Facts {
        let (sender, receiver) = channel();
        let facts = self.on(thread, move |_, facts| {
            let span = Span::current();
            facts.lock().unwrap().current = span.metadata().map(|metadata| metadata.name().to_owned());
            sender.send(span).unwrap();
        });
        self.spans.push(Some(receiver.recv().unwrap()));
        facts
    }

    fn span(&self, number: Option<usize>) -> Span {
        number.map_or_else(Span::none, |number| self.spans[number].clone().unwrap())
    }

    fn on(&mut self, thread: usize, job: impl FnOnce(&mut State, &Arc<Mutex<Facts>>) + Send + 'static) -> Facts {
        self.workers[thread].perform(Box::new(job))
    }

    fn drain(&mut self, session: usize) -> Facts {
        let Some(Some(stream)) = self.streams.get_mut(session) else { return Facts::default() };
        stream.drain().for_each(|item| self.outcome.given[session].take(item));
        Facts::default()
    }

    fn shut(&mut self, session: usize, by: Closer) -> Facts {
        let Some(router) = self.routers.get(session).map(|router| &self.stage.routers[*router]) else {
            return Facts::default();
        };
        let stream = self.streams[session].as_mut().unwrap();
        let given = &mut self.outcome.given[session];
        if by == Closer::Router {
            let is_closed = router.close(stream.id());
            let mut items: Vec<_> = stream.drain().collect();
            if !given.is_over {
                let Some(Item::Ended(reason)) = items.pop() else { panic!("the end comes last: {items:?}") };
                assert!(reason == EndReason::MaxEvents || is_closed && reason == EndReason::Closed, "{reason}");
            }
            items.into_iter().for_each(|item| given.take(item));
            let announced = [given.told_unsampled, given.told_over_rate, given.told_unreleased];
            let stats = stream.stats();
            let counted = [
                stats.missing[MissingReason::SampledOut],
                stats.missing[MissingReason::RateLimited],
                stats.missing.unreleased(),
            ];
            assert_eq!(announced, counted, "the end comes after all announcements");
        } else {
            stream.drain().for_each(|item| given.take(item));
        }
        let stats = self.streams[session].take().unwrap().stats();
        (given.unsampled, given.over_rate) =
            (stats.missing[MissingReason::SampledOut], stats.missing[MissingReason::RateLimited]);
        // What was held is undecided once the session has ended.
        given.undecided = stats.missing[MissingReason::Undecided] + stats.held;
        given.not_chosen = stats.missing[MissingReason::NotChosen];
        given.open_for = given.opened_at.map_or(Duration::ZERO, |opened| opened.elapsed());
        assert_eq!(stats.delivered, given.delivered.len() as u64);
        assert_eq!(
            stats.matched,
            stats.delivered + stats.missing.kept_back() + stats.missing.unreleased() + stats.held
        );
        Facts::default()
    }

    fn end(mut self) -> Outcome {
        for session in 0..self.streams.len() {
            if self.streams[session].is_some() {
                self.shut(session, Closer::Drop);
            }
        }
        self.workers.iter_mut().for_each(Worker::stop);
        self.spans.into_iter().flatten().for_each(drop_at_home);
        self.outcome.log = std::mem::take(&mut *self.stage.log.lock().unwrap());
        self.outcome
    }
}

/// The registry closes a span's parent in the name of the thread's default, which has to be the one that has both.
fn drop_at_home(span: Span) {
    let home = span.with_subscriber(|(_, dispatch)| dispatch.clone());
    let _home = home.as_ref().map(dispatcher::set_default);
    drop(span);
}

type Job = Box<dyn FnOnce(&mut State, &Arc<Mutex<Facts>>) + Send>;

/// What a worker keeps from step to step.
#[derive(Default)]
struct State {
    entered: Vec<EnteredSpan>,
    /// Held while the second subscriber is the thread's default.
    second: Option<DefaultGuard>,
}

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
            let _default = stage.is_scoped.then(|| dispatcher::set_default(&stage.dispatches[0]));
            ROUTER.set(stage.routers.first().filter(|_| stage.opens).cloned());
            let mut state = State::default();
            for job in inbox {
                let facts = Arc::default();
                job(&mut state, &facts);
                report.send(facts.lock().unwrap().clone()).unwrap();
            }
            ROUTER.set(None);
            drop(state.second);
            state.entered.into_iter().rev().for_each(|span| drop_at_home(span.exit()));
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
