//! What each session must get of a history: the slow evaluator, fed with everything that happened.
//!
//! Some things may or may not happen and both are right, such as whether a span that nobody was known to want was
//! made. These are read from the run, as [`Facts`]; what must be true of them is asserted here too.

use super::asked::Asked;
use super::callsites::Parent;
use super::described::described;
use super::evaluator::{Around, Fields, Happened, Pred, Val, plain, verbosity};
use super::history::{Closer, EVENTS, Emission, History, Inner, Logged, Op, SPANS, Stack, THREADS};
use super::reach::verbosity_bounds;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_tap::Follow;

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
    pub(crate) expected: Vec<Expected>,
    /// A span that only a session wanted is the parent of one that the other layer sees. Whose child that is, the
    /// other layer is told differently than without us: `tracing` has no way to hide a span from the context.
    pub(crate) scopes_may_differ: bool,
}

/// What is owed to one session, but for what its sampling leaves out.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) is_sampled: bool,
    pub(crate) owed: Vec<Owed>,
}

/// An event that a session is about, and the root of the spans it happened in.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) text: String,
    pub(crate) root: Option<usize>,
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
    asked: Asked,
    is_open: bool,
    /// The spans in which everything belongs to it from now on.
    followed: Vec<usize>,
}

/// A place in the stack that the registry keeps for each thread.
struct Entered {
    span: usize,
    /// The span was entered already.
    is_again: bool,
}

struct Model<'a> {
    history: &'a History,
    wanted_by_other: LevelFilter,
    spans: Vec<Span>,
    stacks: [Vec<Entered>; THREADS],
    sessions: Vec<Session>,
    verdict: Verdict,
}

/// Judges a run with the router: `facts` has one entry for each step.
pub(crate) fn judge(history: &History, ops: &[Op], facts: &[Facts]) -> Verdict {
    let mut model = Model {
        history,
        wanted_by_other: if history.setting.stack == Stack::Unfiltered {
            LevelFilter::TRACE
        } else {
            LevelFilter::INFO
        },
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
            Op::Enter { thread, span } => self.enter(*thread, *span),
            Op::Exit { thread, span, .. } => self.exit(*thread, *span),
            Op::Record { span, field, value, .. } => self.record(*span, field, value),
            Op::Event(emission) => self.event(emission, facts),
            Op::Open { asked, .. } => {
                self.verdict.expected.push(Expected { is_sampled: asked.one_in > 1, owed: Vec::new() });
                self.sessions.push(Session { asked: asked.clone(), is_open: true, followed: Vec::new() });
            }
            Op::Shut { session, by: Closer::Router | Closer::Drop } => self.sessions[*session].is_open = false,
            Op::Respawn { thread } => self.stacks[*thread].clear(),
            Op::Reload { level, .. } if self.history.setting.stack != Stack::Unfiltered => {
                self.wanted_by_other = *level
            }
            Op::Hint { level, .. } => assert!(facts.hinted || !self.other_wants(*level), "a hint hides {level}"),
            Op::Reload { .. } | Op::Close { .. } | Op::Drain { .. } | Op::Rebuild { .. } | Op::Breathe => {}
        }
    }

    fn other_wants(&self, level: Level) -> bool {
        LevelFilter::from(level) <= self.wanted_by_other
    }

    fn open_sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(|session| session.is_open)
    }

    fn span(&mut self, thread: usize, site: usize, parent: Option<usize>, fields: &Fields, facts: &Facts) {
        let of = &SPANS[site];
        let is_denied = self.history.setting.denies(of.target);
        let always_tracked = verbosity(of.level) <= verbosity(self.history.setting.span_level);
        let asked = || self.open_sessions().map(|session| &session.asked);
        let wanted_by_session = verbosity(of.level) <= verbosity_bounds(asked()).0;
        let parent = match of.parent {
            Parent::Context => self.current(thread),
            Parent::Explicit => parent.filter(|parent| self.spans[*parent].exists),
            Parent::None => None,
        };
        let wanted_by_us =
            always_tracked || self.a_session_needs(of.fields) || self.a_session_follows(parent, of.level);
        let must_exist = self.other_wants(of.level) || wanted_by_us && !is_denied;
        assert!(facts.exists || !must_exist, "a span is missing: {} {} {fields:?}", of.level, of.name);
        let only_for_sessions = !self.other_wants(of.level);
        if facts.exists && !only_for_sessions {
            self.note_parent_of_seen_span(parent);
        }
        let visible = !is_denied && (always_tracked || wanted_by_session || of.fields.is_empty());
        let given = fields.iter().filter(|(_, value)| !matches!(value, Val::Absent)).cloned().collect();
        self.spans.push(Span { site, exists: facts.exists, visible, only_for_sessions, parent, fields: given });
    }

    fn note_parent_of_seen_span(&mut self, parent: Option<usize>) {
        self.verdict.scopes_may_differ |= parent.is_some_and(|parent| self.spans[parent].only_for_sessions);
    }

    /// A span that bears the one field a session tests is never vetoed.
    fn a_session_needs(&self, fields: &[&str]) -> bool {
        let declares = |keys: &[&str]| keys.iter().any(|key| fields.iter().any(|field| plain(field) == *key));
        self.open_sessions().any(|session| match &session.asked.confined() {
            Pred::AnyOf(keys, _) | Pred::Ne(keys, _) | Pred::Exists(keys) => declares(keys),
            Pred::Text(keys, ..) | Pred::Order(keys, ..) => declares(keys),
            _ => false,
        })
    }

    /// Nor is one in what is followed, at a level that belongs to the session.
    fn a_session_follows(&self, parent: Option<usize>, level: Level) -> bool {
        let around = self.around(parent);
        self.open_sessions().any(|session| {
            let is_wanted = verbosity(level) <= verbosity_bounds([&session.asked].into_iter()).0;
            is_wanted && session.asked.scope.is_none() && session.is_followed(&around)
        })
    }

    /// The innermost span the thread is in: the last in its stack that was not entered already when it was entered.
    fn current(&self, thread: usize) -> Option<usize> {
        self.stacks[thread].iter().rfind(|entered| !entered.is_again).map(|entered| entered.span)
    }

    fn enter(&mut self, thread: usize, span: usize) {
        // One that does not exist is nothing to the registry.
        if self.spans[span].exists {
            let stack = &mut self.stacks[thread];
            let is_again = stack.iter().any(|entered| entered.span == span);
            stack.push(Entered { span, is_again });
        }
    }

    /// Nobody can tell which entry of a span entered twice is exited: the registry takes the later one.
    fn exit(&mut self, thread: usize, span: usize) {
        let stack = &mut self.stacks[thread];
        if let Some(latest) = stack.iter().rposition(|entered| entered.span == span) {
            stack.remove(latest);
        }
    }

    /// The span and all around it, innermost first, those that sessions do not see among them.
    fn around(&self, innermost: Option<usize>) -> Vec<usize> {
        std::iter::successors(innermost, |span| self.spans[*span].parent).collect()
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
            if self.history.setting.stack == Stack::TapFirst { (Vec::new(), printed) } else { (printed, Vec::new()) };
        before.into_iter().for_each(|inner| self.deliver(inner));
        self.deliver(emission);
        after.into_iter().for_each(|inner| self.deliver(inner));
    }

    fn deliver(&mut self, emission: &Emission) {
        let of = emission.site();
        if self.history.setting.denies(of.target) {
            return;
        }
        let around = self.around(match of.parent {
            Parent::Context => self.current(emission.thread),
            Parent::Explicit => emission.parent.filter(|parent| self.spans[*parent].exists),
            Parent::None => None,
        });
        let happened = self.happened(emission, &around);
        let text = described(&happened, &format!("worker {}", emission.thread));
        let spans = &self.spans;
        for (session, expected) in self.sessions.iter_mut().zip(&mut self.verdict.expected) {
            if session.is_open && session.asked.is_about(&happened, session.is_followed(&around)) {
                expected.owed.push(Owed { text: text.clone(), root: around.last().copied() });
                session.followed.extend(to_follow(&session.asked.follow, spans, &around));
            }
        }
    }

    fn happened(&self, emission: &Emission, around: &[usize]) -> Happened {
        let of = &EVENTS[emission.site];
        let spans = around.iter().rev().map(|number| &self.spans[*number]).filter(|span| span.visible);
        let spans = spans.map(|span| {
            let of = &SPANS[span.site];
            Around { name: of.name, level: of.level, target: of.target, fields: span.fields.clone() }
        });
        Happened { level: of.level, target: of.target, fields: emission.fields.clone(), spans: spans.collect() }
    }
}

impl Session {
    fn is_followed(&self, around: &[usize]) -> bool {
        around.iter().any(|span| self.followed.contains(span))
    }
}

/// The span that a session is to follow once an event with these spans around it belongs to it, innermost first.
fn to_follow(follow: &Follow, spans: &[Span], around: &[usize]) -> Option<usize> {
    let mut visible = around.iter().copied().filter(|span| spans[*span].visible);
    match follow {
        Follow::Event => None,
        Follow::Span => visible.next(),
        Follow::Root => around.last().copied(),
        Follow::Named(name) => visible.find(|span| SPANS[spans[*span].site].name == name),
        other => unreachable!("no history has {other:?}"),
    }
}
