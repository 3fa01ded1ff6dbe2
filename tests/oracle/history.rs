//! Histories: what happens, in one total order, on several threads.
//!
//! A generated [`Step`] speaks in numbers of whatever is there, so that any part of a history is a history and
//! shrinking works; [`plan`] says what they are. Both runs, with the router and without, get the same plan.

use super::asked::Asked;
use super::callsites::{EventSite, Parent, SpanSite, event_sites, span_sites};
use super::evaluator::{Fields, Val, plain, verbosity};
use super::reach::verbosity_bounds;
use std::sync::LazyLock;
use tracing::Level;
use tracing::level_filters::LevelFilter;

pub(crate) static EVENTS: LazyLock<Vec<EventSite>> = LazyLock::new(event_sites);
pub(crate) static SPANS: LazyLock<Vec<SpanSite>> = LazyLock::new(span_sites);

pub(crate) const THREADS: usize = 3;

/// How the router stands beside the other layer, and what that wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// Asked and told before the other layer, which is filtered at INFO to begin with.
    TapFirst,
    /// Asked and told after it.
    TapLast,
    /// The other layer wants everything.
    Unfiltered,
}

/// What the router and the layers beside it are made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) stack: Stack,
    pub(crate) span_level: Level,
    /// The target of which no session gets anything, if there is one.
    pub(crate) denied: Option<&'static str>,
}

impl Setting {
    /// Whether this target is the denied one, or below it.
    pub(crate) fn denies(&self, target: &str) -> bool {
        self.denied.is_some_and(|denied| target == denied || target.starts_with(&format!("{denied}::")))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) setting: Setting,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Span { thread: usize, site: usize, parent: usize, values: Vec<Val> },
    Enter { thread: usize, span: usize },
    Exit { thread: usize, nth: usize },
    Record { thread: usize, span: usize, field: usize, value: Val },
    Close { thread: usize, span: usize },
    Event { thread: usize, site: usize, parent: usize, values: Vec<Val>, argument: Argument },
    Open { thread: usize, asked: Asked },
    Shut { session: usize, by: Closer },
    Drain { session: usize },
    Rebuild { thread: usize },
    Hint { thread: usize, level: Level },
    Reload { thread: usize, level: LevelFilter },
    Breathe,
    Respawn { thread: usize },
}

/// What an argument of an event does besides having a value.
#[derive(Clone, Debug)]
pub(crate) enum Argument {
    Plain,
    /// Evaluating it emits an event.
    Emits {
        site: usize,
        values: Vec<Val>,
    },
    /// Evaluating it makes a span, and drops it.
    Spans {
        site: usize,
    },
    /// Evaluating it asks whether an event is wanted.
    Hints {
        level: Level,
    },
    /// Formatting it emits an event.
    PrintsAndEmits {
        site: usize,
        values: Vec<Val>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closer {
    Router,
    Drop,
}

/// A step whose numbers are resolved. Spans and sessions are numbered in the order they are opened.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Span { thread: usize, site: usize, parent: Option<usize>, fields: Fields },
    Enter { thread: usize, span: usize },
    Exit { thread: usize, nth: usize, span: usize },
    Record { thread: usize, span: usize, field: &'static str, value: Val },
    Close { thread: usize, span: usize },
    Event(Emission),
    Open { thread: usize, asked: Asked },
    Shut { session: usize, by: Closer },
    Drain { session: usize },
    Rebuild { thread: usize },
    Hint { thread: usize, level: Level },
    Reload { thread: usize, level: LevelFilter },
    Breathe,
    Respawn { thread: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Emission {
    pub(crate) op: u64,
    pub(crate) thread: usize,
    pub(crate) site: usize,
    pub(crate) parent: Option<usize>,
    /// Those that the callsite declares, `op` first.
    pub(crate) fields: Fields,
    pub(crate) inner: Inner,
}

/// What happens while an event is evaluated or formatted.
#[derive(Clone, Debug)]
pub(crate) enum Inner {
    Nothing,
    Evaluating(Box<Logged>),
    Formatting(Box<Logged>),
}

#[derive(Clone, Debug)]
pub(crate) enum Logged {
    Event(Emission),
    Span { site: usize },
    Hint(Level),
}

impl Emission {
    pub(crate) fn site(&self) -> &'static EventSite {
        &EVENTS[self.site]
    }
}

/// Whether arguments may log while they are printed.
///
/// Where a default is scoped, `tracing` lets nothing of it happen, and turns off callsites that it meets there first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prints {
    Silently,
    AndEmits,
}

/// Resolves a history. Steps that refer to something where there is nothing drop out.
pub(crate) fn plan(history: &History, prints: Prints) -> Vec<Op> {
    let mut planner = Planner {
        span_level: history.setting.span_level,
        prints,
        ops: 0,
        spans: Vec::new(),
        entered: Default::default(),
        sessions: Vec::new(),
    };
    history.steps.iter().filter_map(|step| planner.plan(step)).collect()
}

struct Planner {
    span_level: Level,
    prints: Prints,
    ops: u64,
    spans: Vec<(usize, bool)>,
    entered: [Vec<usize>; THREADS],
    sessions: Vec<Option<Asked>>,
}

impl Planner {
    fn plan(&mut self, step: &Step) -> Option<Op> {
        Some(match step.clone() {
            Step::Span { thread, site, parent, values } => return self.span(thread, site, parent, &values),
            Step::Enter { thread, span } => {
                let span = self.open_span(span)?;
                self.entered[thread].push(span);
                Op::Enter { thread, span }
            }
            Step::Exit { thread, nth } => {
                let nth = self.entered[thread].len().checked_sub(1 + nth % self.entered[thread].len().max(1))?;
                let span = self.entered[thread].remove(nth);
                Op::Exit { thread, nth, span }
            }
            Step::Record { thread, span, field, value } => {
                let span = self.open_span(span)?;
                let declared = SPANS[self.spans[span].0].fields.get(1..).filter(|declared| !declared.is_empty())?;
                Op::Record { thread, span, field: plain(declared[field % declared.len()]), value }
            }
            Step::Close { thread, span } => {
                let span = self.open_span(span)?;
                self.spans[span].1 = false;
                Op::Close { thread, span }
            }
            Step::Event { thread, site, parent, values, argument } => {
                let site = site % EVENTS.len();
                let mut emission = self.emission(thread, site, parent, &values);
                emission.inner = self.inner(thread, &mut emission.fields, argument);
                Op::Event(emission)
            }
            Step::Open { thread, asked } => {
                self.sessions.push(Some(asked.clone()));
                Op::Open { thread, asked }
            }
            Step::Shut { session, by } => {
                let session = self.open_session(session)?;
                self.sessions[session] = None;
                Op::Shut { session, by }
            }
            Step::Drain { session } => Op::Drain { session: self.open_session(session)? },
            Step::Rebuild { thread } => Op::Rebuild { thread },
            Step::Hint { thread, level } => Op::Hint { thread, level },
            Step::Reload { thread, level } => Op::Reload { thread, level },
            Step::Breathe => Op::Breathe,
            Step::Respawn { thread } => {
                self.entered[thread].clear();
                Op::Respawn { thread }
            }
        })
    }

    fn span(&mut self, thread: usize, site: usize, parent: usize, values: &[Val]) -> Option<Op> {
        let site = site % SPANS.len();
        let of = &SPANS[site];
        // Whether such a span is tracked depends on the most verbose level that a session can match at all, and
        // there is more than one right answer to that: what cannot be told for certain is left out.
        let bounds = verbosity_bounds(self.sessions.iter().flatten());
        let unclear = bounds.0 < verbosity(of.level) && verbosity(of.level) <= bounds.1;
        if unclear && of.level > self.span_level && !of.fields.is_empty() {
            return None;
        }
        let parent = if of.parent == Parent::Explicit { self.open_span(parent) } else { None };
        let number = self.spans.len();
        self.spans.push((site, true));
        let sid = [Val::U64(1000 + number as u64)];
        let fields = of.fields.iter().copied().zip(sid.into_iter().chain(values.iter().cloned())).collect();
        Some(Op::Span { thread, site, parent, fields })
    }

    fn emission(&mut self, thread: usize, site: usize, parent: usize, values: &[Val]) -> Emission {
        let of = &EVENTS[site];
        let parent = if of.parent == Parent::Explicit { self.open_span(parent) } else { None };
        self.ops += 1;
        let op = [Val::U64(self.ops)];
        let fields = of.fields.iter().copied().zip(op.into_iter().chain(values.iter().cloned())).collect();
        Emission { op: self.ops, thread, site, parent, fields, inner: Inner::Nothing }
    }

    fn inner(&mut self, thread: usize, fields: &mut Fields, argument: Argument) -> Inner {
        let contextual = |site: usize| {
            let sites: Vec<_> = (0..EVENTS.len()).filter(|site| EVENTS[*site].parent == Parent::Context).collect();
            sites[site % sites.len()]
        };
        match argument {
            Argument::Plain => Inner::Nothing,
            Argument::Emits { site, values } => {
                let logged = self.emission(thread, contextual(site), 0, &values);
                Inner::Evaluating(Box::new(Logged::Event(logged)))
            }
            Argument::Spans { site } => Inner::Evaluating(Box::new(Logged::Span { site: site % SPANS.len() })),
            Argument::Hints { level } => Inner::Evaluating(Box::new(Logged::Hint(level))),
            Argument::PrintsAndEmits { .. } if self.prints == Prints::Silently => Inner::Nothing,
            Argument::PrintsAndEmits { site, values } => {
                let Some((_, value)) = fields.get_mut(1) else { return Inner::Nothing };
                *value = Val::Display("42".to_owned());
                let logged = self.emission(thread, contextual(site), 0, &values);
                Inner::Formatting(Box::new(Logged::Event(logged)))
            }
        }
    }

    /// The open span that is the nth youngest.
    fn open_span(&self, nth: usize) -> Option<usize> {
        let open: Vec<_> = (0..self.spans.len()).rev().filter(|span| self.spans[*span].1).collect();
        open.get(nth % open.len().max(1)).copied()
    }

    fn open_session(&self, nth: usize) -> Option<usize> {
        let open: Vec<_> = (0..self.sessions.len()).filter(|session| self.sessions[*session].is_some()).collect();
        open.get(nth % open.len().max(1)).copied()
    }
}
