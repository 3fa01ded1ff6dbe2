//! What a history's numbers stand for: the plan that every run of it follows.

use super::asked::{Asked, Limit};
use super::callsites::Parent;
use super::evaluator::{Fields, Val, plain};
use super::history::{
    Argument, EVENTS, Emission, History, Inner, Logged, Op, Prints, SPANS, Setting, Step, THREADS, TWICE,
};
use tracing::level_filters::LevelFilter;

/// What is captured of a value that panics.
const PANICKED: &str = "<panicked while formatting>";

/// What is recorded on spans of whatever callsite: most declare some of it.
const RECORDED: [&str; 5] = ["user", "tenant", "n", "path", "type"];

/// Resolves a history. Steps that refer to something where there is nothing drop out.
pub(crate) fn plan(history: &History, prints: Prints) -> Vec<Op> {
    let mut planner = Planner {
        setting: history.setting,
        prints,
        ops: 0,
        spans: Vec::new(),
        entered: Default::default(),
        inside: [0; THREADS],
        sessions: Vec::new(),
    };
    history.steps.iter().filter_map(|step| planner.plan(step)).collect()
}

struct PlannedSpan {
    /// Its callsite; nothing of a captured span, which could be any.
    site: Option<usize>,
    subscriber: usize,
    is_open: bool,
}

struct Planner {
    setting: Setting,
    prints: Prints,
    ops: u64,
    spans: Vec<PlannedSpan>,
    entered: [Vec<usize>; THREADS],
    /// The subscriber that is each thread's default.
    inside: [usize; THREADS],
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
            Step::Record { thread, span, field, value } => return self.record(thread, span, field, value),
            Step::RecordCurrent { thread, field, value } => {
                Op::RecordCurrent { thread, field: RECORDED[field % RECORDED.len()], value }
            }
            Step::Capture { thread } => {
                let subscriber = self.inside[thread];
                self.spans.push(PlannedSpan { site: None, subscriber, is_open: true });
                Op::Capture { thread, subscriber }
            }
            Step::Follows { thread, span, of } => return self.follows(thread, span, of),
            Step::Close { thread, span } => {
                let span = self.open_span(span)?;
                self.spans[span].is_open = false;
                Op::Close { thread, span }
            }
            Step::Event { thread, site, parent, values, argument } => {
                let site = site % EVENTS.len();
                let mut emission = self.emission(thread, site, parent, &values);
                emission.inner = self.inner(thread, &mut emission.fields, argument);
                Op::Event(emission)
            }
            Step::Open { thread, asked } => {
                let asked = self.asked(asked);
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
                self.inside[thread] = 0;
                Op::Respawn { thread }
            }
            Step::Switch { thread } => {
                let to = (self.inside[thread] + 1) % self.setting.layers.len();
                let from = std::mem::replace(&mut self.inside[thread], to);
                return (from != to).then_some(Op::Switch { thread, to });
            }
            Step::Churn { thread, spans } => Op::Churn { thread, spans },
        })
    }

    fn record(&self, thread: usize, span: usize, field: usize, value: Val) -> Option<Op> {
        let span = self.open_span(span)?;
        let declared = match self.spans[span].site {
            Some(site) => SPANS[site].fields.get(1..).filter(|declared| !declared.is_empty())?,
            None => &RECORDED,
        };
        Some(Op::Record { thread, span, field: plain(declared[field % declared.len()]), value })
    }

    /// An id is nothing to another registry.
    fn follows(&self, thread: usize, span: usize, of: usize) -> Option<Op> {
        let span = self.open_span(span)?;
        Some(Op::Follows { thread, span, of: self.open_span_in(self.spans[span].subscriber, of)? })
    }

    fn span(&mut self, thread: usize, site: usize, parent: usize, values: &[Val]) -> Option<Op> {
        let site = site % SPANS.len();
        let of = &SPANS[site];
        // Such a span is shown if a session was open when it was made: what is not certain is left out.
        let is_unclear = (0..self.setting.routers()).any(|router| self.is_unclear(router));
        if is_unclear && of.level > self.setting.span_level && !of.fields.is_empty() {
            return None;
        }
        let subscriber = self.inside[thread];
        let parent = if of.parent == Parent::Explicit { self.open_span_in(subscriber, parent) } else { None };
        let number = self.spans.len();
        self.spans.push(PlannedSpan { site: Some(site), subscriber, is_open: true });
        let sid = [Val::U64(1000 + number as u64)];
        let fields = of.fields.iter().copied().zip(sid.into_iter().chain(values.iter().cloned())).collect();
        Some(Op::Span { thread, subscriber, site, parent, fields })
    }

    /// Whether a session of the router may be open, and may not. One that ends with an event may be over; one that tests
    /// for what no value is can be as good as closed.
    fn is_unclear(&self, router: usize) -> bool {
        let mut of_router = self.sessions.iter().flatten().filter(|asked| asked.router == router).peekable();
        of_router.peek().is_some()
            && of_router.all(|asked| matches!(asked.limit, Limit::Events(_)) || asked.confined().has_impossible_test())
    }

    fn emission(&mut self, thread: usize, site: usize, parent: usize, values: &[Val]) -> Emission {
        let of = &EVENTS[site];
        let subscriber = self.inside[thread];
        let parent = if of.parent == Parent::Explicit { self.open_span_in(subscriber, parent) } else { None };
        self.ops += 1;
        let op = [Val::U64(self.ops)];
        let fields = of.fields.iter().copied().zip(op.into_iter().chain(values.iter().cloned())).collect();
        Emission { op: self.ops, thread, subscriber, site, parent, fields, inner: Inner::Nothing }
    }

    fn inner(&mut self, thread: usize, fields: &mut Fields, argument: Argument) -> Inner {
        let contextual = |site: usize| {
            let sites: Vec<_> = (0..EVENTS.len()).filter(|site| EVENTS[*site].parent == Parent::Context).collect();
            sites[site % sites.len()]
        };
        match argument {
            _ if self.prints == Prints::Nothing => Inner::Nothing,
            Argument::Plain => Inner::Nothing,
            Argument::Emits { .. } | Argument::Spans { .. } | Argument::Hints { .. } if !self.setting.mends() => {
                Inner::Nothing
            }
            Argument::Emits { site, values } => {
                let logged = self.emission(thread, contextual(site), 0, &values);
                Inner::Evaluating(Box::new(Logged::Event(logged)))
            }
            Argument::Spans { site } => Inner::Evaluating(Box::new(Logged::Span { site: site % SPANS.len() })),
            Argument::Hints { level } => Inner::Evaluating(Box::new(Logged::Hint(level))),
            Argument::Opens => Inner::Evaluating(Box::new(Logged::Session)),
            Argument::PrintsAndOpens | Argument::Panics if fields.len() < 2 => Inner::Nothing,
            Argument::PrintsAndOpens => {
                fields[1].1 = Val::Display("42".to_owned());
                Inner::Formatting(Box::new(Logged::Session))
            }
            Argument::Panics => {
                fields[1].1 = Val::Display(PANICKED.to_owned());
                Inner::Panicking
            }
            Argument::PrintsAndEmits { .. } if self.prints != Prints::AndEmits => Inner::Nothing,
            Argument::PrintsAndEmits { site, values } => {
                let Some((_, value)) = fields.get_mut(1) else { return Inner::Nothing };
                *value = Val::Display("42".to_owned());
                let logged = self.emission(thread, contextual(site), 0, &values);
                Inner::Formatting(Box::new(Logged::Event(logged)))
            }
        }
    }

    /// What a session asks for, as far as it goes together in this setting.
    fn asked(&self, mut asked: Asked) -> Asked {
        asked.router %= self.setting.routers();
        if !self.setting.asks_for_spans {
            asked.spans = LevelFilter::OFF;
        }
        asked.looks_back &= self.setting.look_back.is_some();
        // The past is not bounded by a rate.
        if asked.looks_back && matches!(asked.limit, Limit::Rate(_)) {
            asked.limit = Limit::None;
        }
        // What the limits leave of a request that is released is another subject.
        if asked.decides_by_outcome() {
            asked.limit = Limit::None;
        }
        // Two layers of one router in one subscriber sample apart.
        if matches!(asked.limit, Limit::OneIn(_)) && self.setting.layers.contains(&TWICE) {
            asked.limit = Limit::None;
        }
        asked
    }

    /// The open span that is the nth youngest.
    fn open_span(&self, nth: usize) -> Option<usize> {
        self.nth_open(nth, |_| true)
    }

    /// The same of those in a subscriber: another's are nothing to it.
    fn open_span_in(&self, subscriber: usize, nth: usize) -> Option<usize> {
        self.nth_open(nth, |span| span.subscriber == subscriber)
    }

    fn nth_open(&self, nth: usize, is_meant: impl Fn(&PlannedSpan) -> bool) -> Option<usize> {
        let is_meant = |span: &usize| self.spans[*span].is_open && is_meant(&self.spans[*span]);
        let open: Vec<_> = (0..self.spans.len()).rev().filter(is_meant).collect();
        open.get(nth % open.len().max(1)).copied()
    }

    fn open_session(&self, nth: usize) -> Option<usize> {
        let open: Vec<_> = (0..self.sessions.len()).filter(|session| self.sessions[*session].is_some()).collect();
        open.get(nth % open.len().max(1)).copied()
    }
}
