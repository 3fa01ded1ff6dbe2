//! What each session must get of a history: the slow evaluator, fed with everything that happened.
//!
//! Which spans exist the model says itself, from the router's span level, from what sessions ask for and from what there
//! is without a router. Some things may or may not happen and both are right, such as whether a span was made for a
//! session that asks for spans where it cannot match: what is known of a callsite decides that. These are read from the
//! run, as [`Facts`]; what must be true of them is asserted here too.

use super::asked::Limit;
use super::callsites::Parent;
use super::described::described;
use super::evaluator::{Around, Fields, Happened, Pred, Val, plain, verbosity};
use super::history::{Closer, EVENTS, Emission, History, Inner, Logged, Op, SPANS, Stack, THREADS};
use super::owing::{Expected, Kept, Session, Span};
use super::requests::Requests;
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
    /// The name of the span that was captured as the current one.
    pub(crate) current: Option<String>,
    /// The arguments of the event were evaluated.
    pub(crate) evaluated: bool,
    /// How often the other layer has formatted the argument that logs.
    pub(crate) formatted_by_other: usize,
    /// The hint said that some layer wants such an event.
    pub(crate) hinted: bool,
}

/// What the model says about a run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// What each session is to deliver, in order.
    pub(crate) expected: Vec<Expected>,
    /// A span that only the router or a session that asks for spans wanted is the parent of one that the other layer
    /// sees. Whose child that is, the other layer sees it differently than without us: `tracing` has no way to hide a
    /// span from the context.
    pub(crate) scopes_may_differ: bool,
    /// The code has asked for the current span inside such a span: what it did with the answer differs too.
    pub(crate) code_may_differ: bool,
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
    /// The span of each number in the plan, if it exists.
    numbered: Vec<Option<usize>>,
    /// The subscriber that is each thread's default.
    defaults: [usize; THREADS],
    /// How often each thread has ended, and another one come in its place.
    respawned: [usize; THREADS],
    /// One for each thread and subscriber.
    stacks: [[Vec<Entered>; SUBSCRIBERS]; THREADS],
    sessions: Vec<Session>,
    kept: Vec<Kept>,
    verdict: Verdict,
}

/// Judges a run with the router: `facts` has one entry for each step, and so has `without`, of the run without it.
pub(crate) fn judge(history: &History, ops: &[Op], facts: &[Facts], without: &[Facts]) -> Verdict {
    let mut model = Model {
        history,
        wanted_by_other: if history.setting.stack == Stack::Unfiltered {
            LevelFilter::TRACE
        } else {
            history.setting.other
        },
        spans: Vec::new(),
        numbered: Vec::new(),
        defaults: Default::default(),
        respawned: Default::default(),
        stacks: Default::default(),
        sessions: Vec::new(),
        kept: Vec::new(),
        verdict: Verdict::default(),
    };
    for ((op, facts), without) in ops.iter().zip(facts).zip(without) {
        model.step(op, facts, without);
    }
    for (session, expected) in model.sessions.iter().zip(&mut model.verdict.expected) {
        (expected.not_chosen, expected.undecided) = (session.requests.not_chosen, session.requests.held());
    }
    model.verdict
}

impl Model<'_> {
    fn step(&mut self, op: &Op, facts: &Facts, without: &Facts) {
        match op {
            Op::Span { .. } => self.span(op, facts, without.exists),
            Op::Enter { thread, span } => self.enter(*thread, *span),
            Op::Exit { thread, span, .. } => self.exit(*thread, *span),
            Op::Record { span, field, value, .. } => self.record(self.numbered[*span], field, value),
            Op::RecordCurrent { thread, field, value } => {
                let current = self.current(*thread, self.defaults[*thread]);
                self.note_asking_for(current);
                self.record(current, field, value);
            }
            Op::Capture { thread, subscriber } => self.capture(*thread, *subscriber, facts),
            Op::Event(emission) => self.event(emission, facts),
            Op::Open { asked, .. } => {
                let (limit, follows) = (asked.limit, asked.follow != Follow::Event);
                let decides = asked.decides_by_outcome();
                let hides_losses = asked.looks_back && asked.scope.is_some();
                self.verdict.expected.push(Expected { limit, follows, decides, hides_losses, ..Expected::default() });
                let is_open = asked.limit != Limit::Events(0);
                let (followed, requests) = (Vec::new(), Requests::default());
                self.sessions.push(Session { asked: asked.clone(), is_open, followed, requests });
                if asked.looks_back {
                    self.look_back();
                }
            }
            Op::Shut { session, by: Closer::Router | Closer::Drop } => self.sessions[*session].is_open = false,
            Op::Close { span, .. } => self.release(self.numbered[*span]),
            Op::Respawn { thread } => {
                let left: Vec<_> = self.stacks[*thread].iter_mut().flat_map(std::mem::take).collect();
                left.iter().for_each(|entered| self.release(Some(entered.span)));
                self.defaults[*thread] = 0;
                self.respawned[*thread] += 1;
            }
            Op::Reload { level, .. } if self.history.setting.stack != Stack::Unfiltered => {
                self.wanted_by_other = *level
            }
            Op::Hint { level, .. } => assert!(facts.hinted || !self.other_wants(*level), "a hint hides {level}"),
            Op::Switch { thread, to } => self.defaults[*thread] = *to,
            Op::Reload { .. } | Op::Drain { .. } | Op::Rebuild { .. } | Op::Breathe => {}
            Op::Churn { .. } | Op::Follows { .. } => {}
        }
    }

    fn other_wants(&self, level: Level) -> bool {
        LevelFilter::from(level) <= self.wanted_by_other
    }

    fn sessions_of(&self, router: usize) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(move |session| session.is_open && session.asked.router == router)
    }

    fn span(&mut self, op: &Op, facts: &Facts, exists_without: bool) {
        let Op::Span { thread, subscriber, site, parent, fields } = op else { return };
        let (thread, subscriber, site) = (*thread, *subscriber, *site);
        let of = &SPANS[site];
        let is_denied = self.history.setting.denies(of.target);
        let always_tracked = verbosity(of.level) <= verbosity(self.history.setting.span_level);
        let parent = match of.parent {
            Parent::Context => self.current(thread, subscriber),
            Parent::Explicit => parent.and_then(|parent| self.numbered[parent]),
            Parent::None => None,
        };
        let exists_anyway = exists_without || always_tracked && !is_denied;
        let described = || format!("{} {} {fields:?}", of.level, of.name);
        if self.sessions.iter().any(|session| LevelFilter::from(of.level) <= session.asked.spans) {
            let routers = self.history.setting.layers[subscriber];
            let is_asked_for = !is_denied && routers.iter().any(|router| self.is_asked_for(*router, site, parent));
            assert!(facts.exists || !(exists_anyway || is_asked_for), "a span is missing: {}", described());
        } else if self.history.setting.turns_callsites_off() {
            assert_eq!(facts.exists, exists_anyway, "whether a span exists: {}", described());
        } else {
            assert!(facts.exists || !exists_anyway, "a span is missing: {}", described());
        }
        self.numbered.push(facts.exists.then_some(self.spans.len()));
        if !facts.exists {
            return;
        }
        if self.other_wants(of.level) {
            self.note_parent_of_seen_span(parent);
        }
        let visible = |router| {
            let is_watched = self.history.setting.look_back.is_some() || self.sessions_of(router).next().is_some();
            !is_denied && (always_tracked || is_watched || of.fields.is_empty())
        };
        let visible = (0..self.history.setting.routers()).map(visible).collect();
        let given = fields.iter().filter(|(_, value)| !matches!(value, Val::Absent)).cloned().collect();
        let only_with_router = !exists_without;
        self.spans.push(Span { site, subscriber, visible, only_with_router, parent, fields: given, uses: 1 });
        self.hold(parent);
    }

    /// Whether a session of this router has asked for such a span here: where it may match, and everywhere if the span
    /// bears the one field or name that it tests.
    fn is_asked_for(&self, router: usize, site: usize, parent: Option<usize>) -> bool {
        let of = &SPANS[site];
        let around = self.around(parent);
        let shown = self.shown_spans(router, &around);
        self.sessions_of(router).any(|session| {
            let asks = LevelFilter::from(of.level) <= session.asked.spans;
            // Where a request is not sampled it may be left alone.
            let is_whole = !matches!(session.asked.limit, Limit::OneIn(_));
            let is_about_it = self.tests_alone(session, site);
            asks && is_whole && (is_about_it || session.asked.may_match_in(&shown, session.is_followed(&around)))
        })
    }

    fn capture(&mut self, thread: usize, subscriber: usize, facts: &Facts) {
        let current = self.current(thread, subscriber);
        let name = current.map(|span| SPANS[self.spans[span].site].name.to_owned());
        assert_eq!(facts.current, name, "the current span");
        self.note_asking_for(current);
        self.numbered.push(current);
        self.hold(current);
    }

    fn hold(&mut self, span: Option<usize>) {
        if let Some(span) = span {
            self.spans[span].uses += 1;
        }
    }

    /// A handle is gone, or a span inside has closed: then it may close too, and the one around it.
    fn release(&mut self, span: Option<usize>) {
        let mut next = span;
        while let Some(span) = next {
            self.spans[span].uses -= 1;
            if self.spans[span].uses > 0 {
                return;
            }
            for session in self.sessions.iter_mut().filter(|session| session.is_open) {
                session.requests.close(span);
            }
            next = self.spans[span].parent;
        }
    }

    fn note_parent_of_seen_span(&mut self, parent: Option<usize>) {
        self.verdict.scopes_may_differ |= parent.is_some_and(|parent| self.spans[parent].only_with_router);
    }

    fn note_asking_for(&mut self, current: Option<usize>) {
        self.verdict.code_may_differ |= current.is_some_and(|current| self.spans[current].only_with_router);
    }

    /// Whether the one field or name that a session tests is one that spans of this callsite bear.
    fn tests_alone(&self, session: &Session, site: usize) -> bool {
        let of = &SPANS[site];
        let is_shown = |key: &str| self.history.setting.redacted != Some(key);
        let declares =
            |keys: &[&str]| keys.iter().any(|key| is_shown(key) && of.fields.iter().any(|field| plain(field) == *key));
        match &session.asked.confined() {
            Pred::AnyOf(keys, _) | Pred::Ne(keys, _) | Pred::Exists(keys) => declares(keys),
            Pred::Text(keys, ..) | Pred::Order(keys, ..) => declares(keys),
            Pred::Span(name) => of.name == *name,
            _ => false,
        }
    }

    /// The innermost span the thread is in: the last in its stack that was not entered already when it was entered.
    fn current(&self, thread: usize, subscriber: usize) -> Option<usize> {
        self.stacks[thread][subscriber].iter().rfind(|entered| !entered.is_again).map(|entered| entered.span)
    }

    fn enter(&mut self, thread: usize, span: usize) {
        // One that does not exist is nothing to the registry.
        if let Some(span) = self.numbered[span] {
            let stack = &mut self.stacks[thread][self.spans[span].subscriber];
            let is_again = stack.iter().any(|entered| entered.span == span);
            stack.push(Entered { span, is_again });
            self.hold(Some(span));
        }
    }

    /// Nobody can tell which entry of a span entered twice is exited: the registry takes the later one.
    fn exit(&mut self, thread: usize, span: usize) {
        let Some(span) = self.numbered[span] else { return };
        let stack = &mut self.stacks[thread][self.spans[span].subscriber];
        if let Some(latest) = stack.iter().rposition(|entered| entered.span == span) {
            stack.remove(latest);
            self.release(Some(span));
        }
    }

    /// The span and all around it, innermost first, those that sessions do not see among them.
    fn around(&self, innermost: Option<usize>) -> Vec<usize> {
        std::iter::successors(innermost, |span| self.spans[*span].parent).collect()
    }

    fn record(&mut self, span: Option<usize>, field: &'static str, value: &Val) {
        let Some(span) = span.filter(|_| !matches!(value, Val::Absent)) else { return };
        let Some(field) = SPANS[self.spans[span].site].fields.iter().find(|declared| plain(declared) == field) else {
            return;
        };
        let fields = &mut self.spans[span].fields;
        match fields.iter_mut().find(|(name, _)| name == field) {
            Some((_, old)) => *old = value.clone(),
            None => fields.push((*field, value.clone())),
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
            Parent::Explicit => emission.parent.and_then(|parent| self.numbered[parent]),
            Parent::None => None,
        });
        for (layer, router) in self.history.setting.layers[emission.subscriber].iter().enumerate() {
            self.deliver_by((layer, *router), emission, &around);
        }
    }

    /// One layer of this router is called.
    fn deliver_by(&mut self, (layer, router): (usize, usize), emission: &Emission, around: &[usize]) {
        let happened = self.happened(router, emission, around);
        let text = described(&happened, &format!("worker {}", emission.thread));
        let thread = emission.thread + THREADS * self.respawned[emission.thread];
        let event = Kept { router, layer, thread, happened, text, around: around.to_vec() };
        for (session, expected) in self.sessions.iter_mut().zip(&mut self.verdict.expected) {
            session.owe(&event, expected, &self.spans);
        }
        if self.history.setting.look_back.is_some_and(|level| event.happened.level <= level) {
            self.kept.push(event);
        }
    }

    /// The session opened last gets what its router has kept.
    fn look_back(&mut self) {
        if let Some((session, expected)) = self.sessions.last_mut().zip(self.verdict.expected.last_mut()) {
            session.look_back(&self.kept, expected, &self.spans);
        }
    }

    fn happened(&self, router: usize, emission: &Emission, around: &[usize]) -> Happened {
        let of = &EVENTS[emission.site];
        let spans = self.shown_spans(router, around);
        Happened { level: of.level, target: of.target, fields: self.shown(&emission.fields), spans }
    }

    /// Those of the spans around something that this router's scopes show, root first.
    fn shown_spans(&self, router: usize, around: &[usize]) -> Vec<Around> {
        let spans = around.iter().rev().map(|number| &self.spans[*number]).filter(|span| span.visible[router]);
        let shown = |span: &Span| {
            let of = &SPANS[span.site];
            Around { name: of.name, level: of.level, target: of.target, fields: self.shown(&span.fields) }
        };
        spans.map(shown).collect()
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
