//! What each session must get of a history: the slow evaluator, fed with everything that happened.
//!
//! Some things may or may not happen and both are right, such as whether a span that nobody was known to want was
//! made. These are read from the run, as [`Facts`]; what must be true of them is asserted here too.

use super::callsites::Parent;
use super::described::described;
use super::evaluator::{Around, Fields, Happened, Pred, Val, plain, verbosity};
use super::history::{Closer, EVENTS, Emission, History, Inner, Logged, Op, SPANS, Stack, THREADS};
use super::reach::verbosity_bounds;
use tracing::Level;
use tracing::level_filters::LevelFilter;

/// What a run tells about one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The span was made.
    pub(crate) exists: bool,
    /// The arguments of the event were evaluated.
    pub(crate) evaluated: bool,
    /// How often the other layer has formatted the argument that logs.
    pub(crate) formatted_by_other: usize,
    /// The hint said that somebody wants such an event.
    pub(crate) hinted: bool,
}

/// What the model says about a run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// What each session is to deliver, in order.
    pub(crate) expected: Vec<Vec<String>>,
    /// A span that only a session wanted is the parent of one that the other layer sees. Whose child that is, the
    /// other layer is told differently than without us: `tracing` has no way to hide a span from the context.
    pub(crate) scopes_may_differ: bool,
}

struct Span {
    site: usize,
    exists: bool,
    visible: bool,
    only_for_sessions: bool,
    parent: Option<usize>,
    fields: Fields,
}

struct Session {
    predicate: Pred,
    is_open: bool,
}

struct Model<'a> {
    history: &'a History,
    wanted_by_other: LevelFilter,
    spans: Vec<Span>,
    stacks: [Vec<usize>; THREADS],
    sessions: Vec<Session>,
    verdict: Verdict,
}

/// Judges a run with the router: `facts` has one entry for each step.
pub(crate) fn judge(history: &History, ops: &[Op], facts: &[Facts]) -> Verdict {
    let mut model = Model {
        history,
        wanted_by_other: if history.stack == Stack::Unfiltered { LevelFilter::TRACE } else { LevelFilter::INFO },
        spans: Vec::new(),
        stacks: Default::default(),
        sessions: Vec::new(),
        verdict: Verdict::default(),
    };
    for (op, facts) in ops.iter().zip(facts) {
        model.step(op, facts);
    }
    model.verdict
}

impl Model<'_> {
    fn step(&mut self, op: &Op, facts: &Facts) {
        match op {
            Op::Span { thread, site, parent, fields, .. } => self.span(*thread, *site, *parent, fields, facts),
            Op::Enter { thread, span } => self.stacks[*thread].push(*span),
            Op::Exit { thread, nth } => self.exit(*thread, *nth),
            Op::Record { span, field, value, .. } => self.record(*span, field, value),
            Op::Event(emission) => self.event(emission, facts),
            Op::Open { predicate, .. } => {
                self.sessions.push(Session { predicate: predicate.clone(), is_open: true });
                self.verdict.expected.push(Vec::new());
            }
            Op::Shut { session, by: Closer::Router | Closer::Drop } => self.sessions[*session].is_open = false,
            Op::Respawn { thread } => self.stacks[*thread].clear(),
            Op::Reload { level, .. } if self.history.stack != Stack::Unfiltered => self.wanted_by_other = *level,
            Op::Hint { level, .. } => assert!(facts.hinted || !self.other_wants(*level), "a hint hides {level}"),
            Op::Reload { .. } | Op::Close { .. } | Op::Drain { .. } | Op::Rebuild { .. } | Op::Breathe => {}
        }
    }

    fn other_wants(&self, level: Level) -> bool {
        LevelFilter::from(level) <= self.wanted_by_other
    }

    fn open_predicates(&self) -> impl Iterator<Item = &Pred> {
        self.sessions.iter().filter(|session| session.is_open).map(|session| &session.predicate)
    }

    fn span(&mut self, thread: usize, site: usize, parent: Option<usize>, fields: &Fields, facts: &Facts) {
        let of = &SPANS[site];
        let always_tracked = verbosity(of.level) <= verbosity(self.history.span_level);
        let wanted_by_session = verbosity(of.level) <= verbosity_bounds(self.open_predicates()).0;
        let must_exist = always_tracked || self.other_wants(of.level) || self.a_session_needs(of.fields, of.level);
        assert!(facts.exists || !must_exist, "a span is missing: {} {} {fields:?}", of.level, of.name);
        let parent = match of.parent {
            Parent::Context => self.current(thread),
            Parent::Explicit => parent.filter(|parent| self.spans[*parent].exists),
            Parent::None => None,
        };
        let only_for_sessions = !self.other_wants(of.level);
        if facts.exists && !only_for_sessions {
            self.note_parent_of_seen_span(parent);
        }
        let visible = always_tracked || wanted_by_session || of.fields.is_empty();
        let given = fields.iter().filter(|(_, value)| !matches!(value, Val::Absent)).cloned().collect();
        self.spans.push(Span { site, exists: facts.exists, visible, only_for_sessions, parent, fields: given });
    }

    fn note_parent_of_seen_span(&mut self, parent: Option<usize>) {
        self.verdict.scopes_may_differ |= parent.is_some_and(|parent| self.spans[parent].only_for_sessions);
    }

    /// A span that bears the one field a session tests is never vetoed.
    fn a_session_needs(&self, fields: &[&str], level: Level) -> bool {
        let declares = |keys: &[&str]| keys.iter().any(|key| fields.iter().any(|field| plain(field) == *key));
        level <= Level::TRACE
            && self.open_predicates().any(|predicate| match predicate {
                Pred::AnyOf(keys, _) | Pred::Ne(keys, _) | Pred::Exists(keys) => declares(keys),
                Pred::Text(keys, ..) | Pred::Order(keys, ..) => declares(keys),
                _ => false,
            })
    }

    /// The innermost span the thread is in. A span that is entered again inside itself counts where it was first.
    fn current(&self, thread: usize) -> Option<usize> {
        let stack: Vec<_> = self.stacks[thread].iter().copied().filter(|span| self.spans[*span].exists).collect();
        let is_first = |place: usize| !stack[..place].contains(&stack[place]);
        (0..stack.len()).rev().find(|place| is_first(*place)).map(|place| stack[place])
    }

    /// To exit a span that was entered again inside itself is to exit the inner one: nobody can tell which was meant.
    fn exit(&mut self, thread: usize, nth: usize) {
        let stack = &mut self.stacks[thread];
        let innermost = stack.iter().rposition(|span| *span == stack[nth]).expect("the span is entered");
        stack.remove(innermost);
    }

    fn record(&mut self, span: usize, field: &'static str, value: &Val) {
        if matches!(value, Val::Absent) {
            return;
        }
        let fields = &mut self.spans[span].fields;
        match fields.iter_mut().find(|(name, _)| plain(name) == field) {
            Some((_, old)) => *old = value.clone(),
            None => fields.push((field, value.clone())),
        }
    }

    fn event(&mut self, emission: &Emission, facts: &Facts) {
        if let Inner::Evaluating(logged) = &emission.inner
            && facts.evaluated
        {
            match &**logged {
                Logged::Event(inner) => self.deliver(inner),
                Logged::Span { .. } => self.note_parent_of_seen_span(self.current(emission.thread)),
                Logged::Hint(_) => {}
            }
        }
        assert!(
            facts.evaluated || !self.other_wants(emission.site().level),
            "an event of the other layer is missing: {emission:?}"
        );
        let printed = match &emission.inner {
            Inner::Formatting(logged) => match &**logged {
                Logged::Event(inner) => vec![inner; facts.formatted_by_other],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        // The other layer prints either before or after the sessions get the event.
        let (before, after) =
            if self.history.stack == Stack::TapFirst { (Vec::new(), printed) } else { (printed, Vec::new()) };
        before.into_iter().for_each(|inner| self.deliver(inner));
        self.deliver(emission);
        after.into_iter().for_each(|inner| self.deliver(inner));
    }

    fn deliver(&mut self, emission: &Emission) {
        let happened = self.happened(emission);
        let text = described(&happened, &format!("worker {}", emission.thread));
        for (session, expected) in self.sessions.iter().zip(&mut self.verdict.expected) {
            if session.is_open && session.predicate.matches(&happened) {
                expected.push(text.clone());
            }
        }
    }

    fn happened(&self, emission: &Emission) -> Happened {
        let of = &EVENTS[emission.site];
        let mut next = match of.parent {
            Parent::Context => self.current(emission.thread),
            Parent::Explicit => emission.parent.filter(|parent| self.spans[*parent].exists),
            Parent::None => None,
        };
        let mut spans = Vec::new();
        while let Some(number) = next {
            let span = &self.spans[number];
            let of = &SPANS[span.site];
            if span.visible {
                let fields = span.fields.clone();
                spans.insert(0, Around { name: of.name, level: of.level, target: of.target, fields });
            }
            next = span.parent;
        }
        Happened { level: of.level, target: of.target, fields: emission.fields.clone(), spans }
    }
}
