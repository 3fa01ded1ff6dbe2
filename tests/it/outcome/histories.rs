//! Random histories of requests on several threads, held against a slow evaluator that keeps everything.

use super::{check_account, everything, failed, install, read_to_end};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use testing::{PATIENCE, messages, wait_until};
use tracing::{Level, Span};
use tracing_tap::{EventStream, Follow, MissingReason, Overflow, Predicate, SessionOptions, TapRouter};

const SLOTS: usize = 3;
const THREADS: usize = 3;

/// Where something is logged.
#[derive(Clone, Copy, Debug)]
enum Place {
    Outside,
    Root(usize),
    Child(usize),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Begins a root, unless there is one, or else a child of it.
    Begin(usize),
    CloseRoot(usize),
    CloseChild(usize),
    Event {
        thread: usize,
        place: Place,
        fails: bool,
        verbose: bool,
    },
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = || 0..SLOTS;
    let place = prop_oneof![
        1 => Just(Place::Outside),
        4 => slot().prop_map(Place::Root),
        4 => slot().prop_map(Place::Child),
    ];
    let event = (0..THREADS, place, prop::bool::weighted(0.15), any::<bool>());
    let step = prop_oneof![
        4 => slot().prop_map(Step::Begin),
        2 => slot().prop_map(Step::CloseRoot),
        2 => slot().prop_map(Step::CloseChild),
        12 => event.prop_map(|(thread, place, fails, verbose)| Step::Event { thread, place, fails, verbose }),
        1 => Just(Step::Drain),
    ];
    prop::collection::vec(step, 1..60)
}

/// The sessions that watch a history, by what the model must know of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Failing,
    /// Holds three events of a request at most.
    FewEvents,
    /// Errors are INFO events here; what happens around them is followed.
    Followed,
    /// The child is the request.
    Child,
    /// Everything is slow.
    Slow,
    /// Nothing is, in an hour.
    NeverSlow,
    /// Ends with the seventh event.
    Seven,
    /// Has room for four unread events, and keeps those.
    FirstFour,
}

const ASKED: [Asked; 8] = [
    Asked::Failing,
    Asked::FewEvents,
    Asked::Followed,
    Asked::Child,
    Asked::Slow,
    Asked::NeverSlow,
    Asked::Seven,
    Asked::FirstFour,
];

impl Asked {
    fn options(self) -> SessionOptions {
        let failing = everything().only_if(failed());
        match self {
            Self::Failing => failing,
            Self::FewEvents => failing.capacity(3),
            Self::Followed => SessionOptions::new(Predicate::level(Level::INFO)).follow(Follow::Root).only_if(failed()),
            Self::Child => failing.follow(Follow::Named("child".to_owned())),
            Self::Slow => everything().slower_than(Duration::ZERO),
            Self::NeverSlow => failing.slower_than(Duration::from_secs(3_600)),
            Self::Seven => failing.max_events(7),
            Self::FirstFour => failing.capacity(4).overflow(Overflow::DropNewest),
        }
    }
}

/// An event as the model sees it.
#[derive(Clone, Copy, Debug)]
struct Happened {
    number: u64,
    /// The root that it is in, and the child; `None` outside.
    root: Option<usize>,
    child: Option<usize>,
    fails: bool,
    verbose: bool,
}

/// One session as it must be: every event of every request, and what became of them.
#[derive(Debug)]
struct Model {
    asked: Asked,
    followed: Vec<usize>,
    /// The requests that are not over, by their span.
    requests: BTreeMap<usize, Request>,
    shown: Vec<u64>,
    unread: usize,
    not_chosen: u64,
    undecided: u64,
    overflow: u64,
    has_ended: bool,
}

#[derive(Debug)]
enum Request {
    Open(Vec<u64>),
    Chosen,
    Undecided,
    Lost,
}

impl Model {
    fn new(asked: Asked) -> Self {
        Self {
            asked,
            followed: Vec::new(),
            requests: BTreeMap::new(),
            shown: Vec::new(),
            unread: 0,
            not_chosen: 0,
            undecided: 0,
            overflow: 0,
            has_ended: false,
        }
    }

    fn event(&mut self, event: Happened) {
        if self.has_ended || !self.matches(event) {
            return;
        }
        let decides = event.fails || self.asked == Asked::Slow;
        let request = if self.asked == Asked::Child { event.child } else { event.root };
        let Some(request) = request else {
            match decides {
                true => _ = self.show(&[event.number]),
                false => self.not_chosen += 1,
            }
            if self.has_ended {
                self.give_up();
            }
            return;
        };
        match self.requests.remove(&request).unwrap_or(Request::Open(Vec::new())) {
            Request::Open(mut events) => {
                events.push(event.number);
                let after = self.after(events, decides);
                self.requests.insert(request, after);
            }
            Request::Chosen => {
                self.show(&[event.number]);
                self.requests.insert(request, Request::Chosen);
            }
            Request::Undecided => {
                self.undecided += 1;
                self.requests.insert(request, Request::Undecided);
            }
            Request::Lost => {
                self.overflow += 1;
                self.requests.insert(request, Request::Lost);
            }
        }
        if self.has_ended {
            self.give_up();
        }
    }

    /// What becomes of a request that has these events by now.
    fn after(&mut self, events: Vec<u64>, decides: bool) -> Request {
        if events.len() > self.most_of_a_request() {
            self.undecided += events.len() as u64;
            return Request::Undecided;
        }
        match decides {
            false => Request::Open(events),
            true if self.show(&events) => Request::Chosen,
            true if self.has_ended => Request::Open(events),
            true => Request::Lost,
        }
    }

    /// Shows all of these or none. Returns whether it does.
    fn show(&mut self, events: &[u64]) -> bool {
        if self.asked == Asked::Seven && self.shown.len() + events.len() > 7 {
            self.has_ended = true;
            return false;
        }
        if self.asked == Asked::FirstFour && self.unread + events.len() > 4 {
            self.overflow += events.len() as u64;
            return false;
        }
        self.unread += events.len();
        self.shown.extend(events);
        self.has_ended = self.asked == Asked::Seven && self.shown.len() == 7;
        true
    }

    fn matches(&mut self, event: Happened) -> bool {
        let is_followed = event.root.is_some_and(|root| self.followed.contains(&root));
        if self.asked != Asked::Followed || is_followed {
            return true;
        }
        if !event.verbose {
            self.followed.extend(event.root);
        }
        !event.verbose
    }

    fn most_of_a_request(&self) -> usize {
        match self.asked {
            Asked::FewEvents => 3,
            Asked::FirstFour => 4,
            _ => usize::MAX,
        }
    }

    /// A span and all inside it have closed.
    fn over(&mut self, span: usize) {
        if let Some(Request::Open(events)) = self.requests.remove(&span) {
            self.not_chosen += events.len() as u64;
        }
    }

    fn held(&self) -> u64 {
        let held =
            self.requests.values().map(|request| if let Request::Open(events) = request { events.len() } else { 0 });
        held.sum::<usize>() as u64
    }

    /// The session is over.
    fn give_up(&mut self) {
        self.undecided += self.held();
        self.requests.clear();
    }
}

/// A root and its child, each with its number.
#[derive(Default)]
struct Slot {
    root: Option<(usize, Span)>,
    /// The number of the root, once its handle is gone but a child goes on.
    outlived: Option<usize>,
    child: Option<(usize, Span)>,
}

/// The service that lives a history, and the sessions that watch it.
struct Stage {
    slots: [Slot; SLOTS],
    workers: Vec<Sender<(Happened, Option<Span>)>>,
    done: Receiver<()>,
    sessions: Vec<(Model, EventStream, Vec<String>)>,
    last_span: usize,
    last_event: u64,
}

impl Stage {
    fn new(router: &TapRouter) -> Self {
        let (told, done) = channel();
        let workers = (0..THREADS).map(|_| worker(told.clone())).collect();
        let sessions = ASKED.map(|asked| (Model::new(asked), router.watch(asked.options()), Vec::new())).into();
        Self { slots: Default::default(), workers, done, sessions, last_span: 0, last_event: 0 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Begin(slot) => self.begin(slot),
            Step::CloseRoot(slot) => {
                let root = self.slots[slot].root.take();
                let Some((number, _span)) = root else { return };
                match self.slots[slot].child {
                    Some(_) => self.slots[slot].outlived = Some(number),
                    None => self.over(number),
                }
            }
            Step::CloseChild(slot) => {
                let Some((number, _span)) = self.slots[slot].child.take() else { return };
                self.over(number);
                if let Some(root) = self.slots[slot].outlived.take() {
                    self.over(root);
                }
            }
            Step::Event { thread, place, fails, verbose } => self.event(thread, place, fails, verbose),
            Step::Drain => self.drain(),
        }
    }

    fn begin(&mut self, slot: usize) {
        self.last_span += 1;
        let number = self.last_span;
        let slot = &mut self.slots[slot];
        match (&slot.root, &slot.child) {
            (Some((_, root)), None) => slot.child = Some((number, tracing::info_span!(parent: root, "child"))),
            (None, None) => slot.root = Some((number, tracing::info_span!(parent: None, "root"))),
            _ => {}
        }
    }

    fn event(&mut self, thread: usize, place: Place, fails: bool, verbose: bool) {
        self.last_event += 1;
        let (root, child, span) = match place {
            Place::Outside => (None, None, None),
            Place::Root(slot) => match &self.slots[slot].root {
                Some((number, span)) => (Some(*number), None, Some(span.clone())),
                None => (None, None, None),
            },
            Place::Child(slot) => match &self.slots[slot] {
                Slot { root, outlived, child: Some((number, span)) } => {
                    (root.as_ref().map(|root| root.0).or(*outlived), Some(*number), Some(span.clone()))
                }
                _ => (None, None, None),
            },
        };
        let event = Happened { number: self.last_event, root, child, fails, verbose };
        self.workers[thread].send((event, span)).unwrap();
        self.done.recv_timeout(PATIENCE).unwrap();
        for (model, stream, shown) in &mut self.sessions {
            model.event(event);
            // Its buffer holds no more, and what it displaces is another subject.
            if model.asked == Asked::FewEvents {
                shown.extend(messages(stream));
            }
        }
    }

    fn over(&mut self, span: usize) {
        self.sessions.iter_mut().for_each(|(model, ..)| model.over(span));
    }

    fn drain(&mut self) {
        for (model, stream, shown) in &mut self.sessions {
            shown.extend(messages(stream));
            model.unread = 0;
        }
    }

    /// Compares what there is at this moment.
    fn check(&mut self) {
        for (model, stream, shown) in &mut self.sessions {
            shown.extend(messages(stream));
            model.unread = 0;
            let expected: Vec<_> = model.shown.iter().map(u64::to_string).collect();
            let asked = model.asked;
            assert_eq!(*shown, expected, "{asked:?}");
            let stats = stream.stats();
            check_account(stats);
            let missing = |reason| stats.missing[reason];
            let found = [missing(MissingReason::NotChosen), missing(MissingReason::Undecided), stats.lost, stats.held];
            if !model.has_ended {
                let expected = [model.not_chosen, model.undecided, model.overflow, model.held()];
                assert_eq!(found, expected, "{asked:?}: not chosen, undecided, lost, held");
            }
        }
    }

    /// Ends all sessions with the history still going on.
    fn end(mut self, router: &TapRouter) {
        for (model, mut stream, shown) in self.sessions.drain(..) {
            router.close(stream.id());
            let (rest, missing, _) = read_to_end(&mut stream);
            assert_eq!(rest, Vec::<String>::new(), "{:?} has shown {shown:?}", model.asked);
            let mut model = model;
            model.give_up();
            let stats = stream.stats();
            check_account(stats);
            let counted =
                [stats.missing[MissingReason::NotChosen], stats.missing[MissingReason::Undecided], stats.held];
            assert_eq!(counted, [model.not_chosen, model.undecided, 0], "{:?}: {missing:?}", model.asked);
        }
        let workers = std::mem::take(&mut self.workers);
        drop(workers);
    }
}

/// A thread that logs what it is sent.
fn worker(told: Sender<()>) -> Sender<(Happened, Option<Span>)> {
    let (sender, receiver) = channel::<(Happened, Option<Span>)>();
    thread::spawn(move || {
        for (Happened { number, fails, verbose, .. }, span) in receiver {
            let status = if fails { 500 } else { 200 };
            let log = || match verbose {
                true => tracing::trace!(status, "{number}"),
                false => tracing::info!(status, "{number}"),
            };
            span.as_ref().map_or_else(log, |span| span.in_scope(log));
            drop(span);
            told.send(()).unwrap();
        }
    });
    sender
}

isolated! {
    fn requests_are_shown_as_a_slow_evaluator_says() {
        let router = install();
        let cases = std::env::var("TRACING_TAP_ORACLE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let run = |steps: Vec<Step>| {
            let mut stage = Stage::new(&router);
            for step in steps {
                stage.step(step);
            }
            stage.check();
            stage.end(&router);
            Ok(())
        };
        TestRunner::new(config).run(&steps(), run).unwrap();
        wait_until("all to be freed", || router.stats().buffered_bytes == 0);
        check_account(router.stats().events);
    }
}
