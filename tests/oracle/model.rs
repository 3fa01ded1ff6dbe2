//! What each session must get of a history: the slow evaluator, fed with everything that happened.
//!
//! Some things may or may not happen and both are right, such as whether a span that nobody was known to want was
//! made. These are read from the run, as [`Facts`]; what must be true of them is asserted here too.

use super::asked::{Asked, Limit};
use super::callsites::Parent;
use super::described::described;
use super::evaluator::{Around, Fields, Happened, Pred, Val, plain, verbosity};
use super::history::{Closer, EVENTS, Emission, History, Inner, Logged, Op, SPANS, Stack, THREADS};
use super::reach::verbosity_bounds;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_tap::Follow;

/// As many as any setting has.
const SUBSCRIBERS: usize = 2;

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
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) limit: Limit,
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
    subscriber: usize,
    exists: bool,
    /// Whether each router's scopes show it.
    visible: Vec<bool>,
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
    /// One for each thread and subscriber.
    stacks: [[Vec<Entered>; SUBSCRIBERS]; THREADS],
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
            Op::Span { .. } => self.span(op, facts),
            Op::Enter { thread, span } => self.enter(*thread, *span),
            Op::Exit { thread, span, .. } => self.exit(*thread, *span),
            Op::Record { span, field, value, .. } => self.record(*span, field, value),
            Op::Event(emission) => self.event(emission, facts),
            Op::Open { asked, .. } => {
                self.verdict.expected.push(Expected { limit: asked.limit, owed: Vec::new() });
                let is_open = asked.limit != Limit::Events(0);
                self.sessions.push(Session { asked: asked.clone(), is_open, followed: Vec::new() });
            }
            Op::Shut { session, by: Closer::Router | Closer::Drop } => self.sessions[*session].is_open = false,
            Op::Respawn { thread } => self.stacks[*thread].iter_mut().for_each(Vec::clear),
            Op::Reload { level, .. } if self.history.setting.stack != Stack::Unfiltered => {
                self.wanted_by_other = *level
            }
            Op::Hint { level, .. } => assert!(facts.hinted || !self.other_wants(*level), "a hint hides {level}"),
            Op::Reload { .. } | Op::Close { .. } | Op::Drain { .. } | Op::Rebuild { .. } | Op::Breathe => {}
            Op::Switch { .. } | Op::Churn { .. } => {}
        }
    }

    fn other_wants(&self, level: Level) -> bool {
        LevelFilter::from(level) <= self.wanted_by_other
    }

    fn sessions_of(&self, router: usize) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(move |session| session.is_open && session.asked.router == router)
    }

    fn span(&mut self, op: &Op, facts: &Facts) {
        let Op::Span { thread, subscriber, site, parent, fields } = op else { return };
        let (thread, subscriber, site, parent) = (*thread, *subscriber, *site, *parent);
        let of = &SPANS[site];
        let is_denied = self.history.setting.denies(of.target);
        let always_tracked = verbosity(of.level) <= verbosity(self.history.setting.span_level);
        let parent = match of.parent {
            Parent::Context => self.current(thread, subscriber),
            Parent::Explicit => parent.filter(|parent| self.spans[*parent].exists),
            Parent::None => None,
        };
        let wanted_by = |router: &usize| {
            always_tracked
                || self.a_session_needs(*router, of.fields)
                || self.a_session_follows(*router, parent, of.level)
        };
        let wanted_by_us = self.history.setting.layers[subscriber].iter().any(wanted_by);
        let must_exist = self.other_wants(of.level) || wanted_by_us && !is_denied;
        assert!(facts.exists || !must_exist, "a span is missing: {} {} {fields:?}", of.level, of.name);
        let only_for_sessions = !self.other_wants(of.level);
        if facts.exists && !only_for_sessions {
            self.note_parent_of_seen_span(parent);
        }
        let visible = |router| {
            let mut asked = self.sessions_of(router).map(|session| &session.asked);
            let wanted_by_session = verbosity(of.level) <= verbosity_bounds(&mut asked).0;
            !is_denied && (always_tracked || wanted_by_session || of.fields.is_empty())
        };
        let visible = (0..self.history.setting.routers()).map(visible).collect();
        let given = fields.iter().filter(|(_, value)| !matches!(value, Val::Absent)).cloned().collect();
        let exists = facts.exists;
        self.spans.push(Span { site, subscriber, exists, visible, only_for_sessions, parent, fields: given });
    }

    fn note_parent_of_seen_span(&mut self, parent: Option<usize>) {
        self.verdict.scopes_may_differ |= parent.is_some_and(|parent| self.spans[parent].only_for_sessions);
    }

    /// A span that bears the one field a session tests is never vetoed.
    fn a_session_needs(&self, router: usize, fields: &[&str]) -> bool {
        let is_shown = |key: &str| self.history.setting.redacted != Some(key);
        let declares =
            |keys: &[&str]| keys.iter().any(|key| is_shown(key) && fields.iter().any(|field| plain(field) == *key));
        self.sessions_of(router).any(|session| match &session.asked.confined() {
            Pred::AnyOf(keys, _) | Pred::Ne(keys, _) | Pred::Exists(keys) => declares(keys),
            Pred::Text(keys, ..) | Pred::Order(keys, ..) => declares(keys),
            _ => false,
        })
    }

    /// Nor is one in what is followed, at a level that belongs to the session.
    fn a_session_follows(&self, router: usize, parent: Option<usize>, level: Level) -> bool {
        let around = self.around(parent);
        self.sessions_of(router).any(|session| {
            let is_wanted = verbosity(level) <= verbosity_bounds([&session.asked].into_iter()).0;
            is_wanted && session.asked.scope.is_none() && session.is_followed(&around)
        })
    }

    /// The innermost span the thread is in: the last in its stack that was not entered already when it was entered.
    fn current(&self, thread: usize, subscriber: usize) -> Option<usize> {
        self.stacks[thread][subscriber].iter().rfind(|entered| !entered.is_again).map(|entered| entered.span)
    }

    fn enter(&mut self, thread: usize, span: usize) {
        // One that does not exist is nothing to the registry.
        if self.spans[span].exists {
            let stack = &mut self.stacks[thread][self.spans[span].subscriber];
            let is_again = stack.iter().any(|entered| entered.span == span);
            stack.push(Entered { span, is_again });
        }
    }

    /// Nobody can tell which entry of a span entered twice is exited: the registry takes the later one.
    fn exit(&mut self, thread: usize, span: usize) {
        let stack = &mut self.stacks[thread][self.spans[span].subscriber];
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
                Logged::Span { .. } => {
                    self.note_parent_of_seen_span(self.current(emission.thread, emission.subscriber));
                }
                Logged::Hint(_) | Logged::Session => {}
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
            Parent::Context => self.current(emission.thread, emission.subscriber),
            Parent::Explicit => emission.parent.filter(|parent| self.spans[*parent].exists),
            Parent::None => None,
        });
        for router in self.history.setting.layers[emission.subscriber] {
            self.deliver_by(*router, emission, &around);
        }
    }

    /// One layer of this router is told.
    fn deliver_by(&mut self, router: usize, emission: &Emission, around: &[usize]) {
        let happened = self.happened(router, emission, around);
        let text = described(&happened, &format!("worker {}", emission.thread));
        let spans = &self.spans;
        for (session, expected) in self.sessions.iter_mut().zip(&mut self.verdict.expected) {
            let is_open = session.is_open && session.asked.router == router;
            if is_open && session.asked.is_about(&happened, session.is_followed(around)) {
                expected.owed.push(Owed { text: text.clone(), root: around.last().copied() });
                session.followed.extend(to_follow(&session.asked.follow, router, spans, around));
                session.is_open = expected.limit != Limit::Events(expected.owed.len() as u64);
            }
        }
    }

    fn happened(&self, router: usize, emission: &Emission, around: &[usize]) -> Happened {
        let of = &EVENTS[emission.site];
        let spans = around.iter().rev().map(|number| &self.spans[*number]).filter(|span| span.visible[router]);
        let spans = spans.map(|span| {
            let of = &SPANS[span.site];
            Around { name: of.name, level: of.level, target: of.target, fields: self.shown(&span.fields) }
        });
        Happened { level: of.level, target: of.target, fields: self.shown(&emission.fields), spans: spans.collect() }
    }

    /// The fields as sessions may see them.
    fn shown(&self, fields: &Fields) -> Fields {
        let is_redacted = |name: &str| self.history.setting.redacted == Some(plain(name));
        let shown = |(name, value): &(&'static str, Val)| match value {
            Val::Absent => (*name, Val::Absent),
            _ if is_redacted(name) => (*name, Val::Redacted),
            _ => (*name, value.clone()),
        };
        fields.iter().map(shown).collect()
    }
}

impl Session {
    fn is_followed(&self, around: &[usize]) -> bool {
        around.iter().any(|span| self.followed.contains(span))
    }
}

/// The span that a session is to follow once an event with these spans around it belongs to it, innermost first.
fn to_follow(follow: &Follow, router: usize, spans: &[Span], around: &[usize]) -> Option<usize> {
    let mut visible = around.iter().copied().filter(|span| spans[*span].visible[router]);
    match follow {
        Follow::Event => None,
        Follow::Span => visible.next(),
        Follow::Root => around.last().copied(),
        Follow::Named(name) => visible.find(|span| SPANS[spans[*span].site].name == name),
        other => unreachable!("no history has {other:?}"),
    }
}
