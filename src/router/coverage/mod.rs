//! Finding out what a session can and cannot see, from what the router knows and by asking the subscriber.

mod confined;
mod context;
mod filters;
mod log;
mod matching;
mod names;
mod spans;
mod traces;
mod values;

use super::core::Core;
use crate::config::is_audit;
use crate::coverage::{Coverage, Finding, Note, Verdict};
use crate::layer::Instance;
use crate::predicate::{Compiled, Predicate, Test};
use crate::session::SessionOptions;
use spans::SpanSite;
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing_core::{Dispatch, Level, LevelFilter, Metadata};
use values::SpanShapes;

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// Whether a session has matched something already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matched {
    Something,
    Nothing,
}

/// What one question for coverage works on.
struct Inquiry<'a> {
    core: &'a Core,
    session: &'a SessionOptions,
    predicate: &'a Predicate,
    matched: Matched,
    compiled: Compiled,
    installed: Vec<(Arc<Instance>, Dispatch)>,
    events: Vec<&'static Metadata<'static>>,
    spans: Vec<SpanSite>,
    span_shapes: SpanShapes,
    findings: Vec<Finding>,
    notes: Vec<Note>,
}

impl Core {
    /// What a session with these limits can see.
    pub(super) fn coverage_of(&self, session: &SessionOptions, matched: Matched) -> Coverage {
        self.ask_for_hidden_levels();
        let predicate = session.confined_predicate();
        let mut inquiry = Inquiry::new(self, session, &predicate, matched);
        inquiry.look_at_router();
        inquiry.look_at_filters();
        inquiry.look_at_names();
        inquiry.look_at_values();
        inquiry.look_at_spans();
        inquiry.look_at_context();
        inquiry.look_at_log_records();
        inquiry.look_at_traces();
        let mut coverage = inquiry.finish();
        if let Some(outcome) = session.only_outcome() {
            coverage = coverage.narrowed(self.coverage_of(&outcome, Matched::Nothing));
        }
        match &session.confinement {
            Some(confinement) => self.confined(coverage, confinement),
            None => coverage,
        }
    }

    /// The layers that are in a subscriber, with it.
    pub(super) fn installed(&self) -> impl Iterator<Item = (Arc<Instance>, Dispatch)> {
        self.live_instances().into_iter().filter_map(|instance| {
            tracing_core::dispatcher::get_default(|default| instance.adopt_dispatch(default));
            let dispatch = instance.dispatch()?;
            Some((instance, dispatch))
        })
    }
}

impl<'a> Inquiry<'a> {
    fn new(core: &'a Core, session: &'a SessionOptions, predicate: &'a Predicate, matched: Matched) -> Self {
        let installed: Vec<_> = core.installed().collect();
        let mut known: Vec<_> = installed.iter().flat_map(|(instance, _)| instance.callsites().all()).collect();
        known.sort_unstable_by_key(|metadata| std::ptr::from_ref(*metadata).addr());
        known.dedup_by(|one, other| std::ptr::eq(*one, *other));
        // No session captures the router's own events.
        known.retain(|metadata| !is_audit(metadata.target()));
        let is_span = |metadata: &&'static Metadata<'static>| metadata.is_span();
        let (spans, events): (Vec<_>, Vec<_>) = known.into_iter().partition(is_span);
        let spans = spans.into_iter().map(|metadata| SpanSite::new(core, session, &installed, metadata)).collect();
        Self {
            core,
            session,
            predicate,
            matched,
            compiled: Compiled::new(predicate),
            installed,
            events: events.into_iter().filter(|metadata| may_happen(metadata)).collect(),
            spans,
            span_shapes: SpanShapes::default(),
            findings: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn find(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn look_at_router(&mut self) {
        let sessions_open = !self.core.sessions().is_empty();
        if self.installed.is_empty() {
            self.find(Finding::NotInstalled);
        }
        if self.is_installed_twice() {
            self.find(Finding::InstalledTwice);
        }
        if sessions_open && !self.core.shared.inbox.has_thread() {
            self.find(Finding::NoControlThread);
        } else if !self.core.shared.inbox.is_settled() {
            self.find(Finding::RebuildPending);
        }
        if self.compiled.is_never() {
            self.find(Finding::NeverMatches);
        }
        let max_level = tracing::level_filters::STATIC_MAX_LEVEL;
        if self.wanted_levels().any(|level| LevelFilter::from_level(level) > max_level) {
            self.find(Finding::CompiledOut { max_level: max_level.to_string().to_uppercase() });
        }
    }

    /// Each layer learns which subscriber it is in, so two that name the same one are both in it.
    fn is_installed_twice(&self) -> bool {
        self.installed
            .iter()
            .enumerate()
            .any(|(index, (_, one))| self.installed[..index].iter().any(|(_, other)| Instance::is_same(one, other)))
    }

    /// The levels that the predicate can be true of, the most severe first.
    fn wanted_levels(&self) -> impl Iterator<Item = Level> {
        let widest = self.compiled.reach().iter().map(|reach| reach.level).max().unwrap_or(LevelFilter::OFF);
        LEVELS.into_iter().filter(move |level| *level <= widest)
    }

    fn tested_fields(&self) -> impl Iterator<Item = &str> {
        self.compiled.tests().iter().filter_map(Test::field).flat_map(|test| test.keys().iter().map(|key| &**key))
    }

    /// The verdict, once everything was looked at.
    fn finish(mut self) -> Coverage {
        let can_match = self.events.iter().filter(|metadata| self.can_match(metadata)).copied().collect::<Vec<_>>();
        let visible = can_match.into_iter().filter(|metadata| self.arrives(metadata)).count();
        let note = Note::Callsites { can_match: visible, seen: self.events.len() };
        self.notes.insert(0, note);
        let is_known = visible > 0 || self.matched == Matched::Something;
        let may_be_of_log = !is_known && self.log_records_can_match();
        let verdict = match (is_known || may_be_of_log) && !self.installed.is_empty() {
            false => Verdict::Nothing,
            true if self.findings.is_empty() && is_known => Verdict::Everything,
            true => Verdict::Partly,
        };
        if verdict == Verdict::Partly && may_be_of_log {
            self.find(Finding::LogRecordsAlone);
        }
        if verdict == Verdict::Nothing && !self.findings.iter().any(Finding::is_reason_for_nothing) {
            self.find(Finding::NothingMatches { seen: self.events.len() });
        }
        Coverage::new(verdict, self.findings, self.notes)
    }
}

/// Whether events of this callsite may ever arrive: not those of `enabled!` and its like, which only ask.
fn may_happen(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && !metadata.name().starts_with("enabled ")
}

/// The name among `declared` that a name is most likely a slip of: at most one letter in three is another, in the whole or
/// in one of its words.
fn nearest<'n>(name: &str, declared: &BTreeSet<&'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).max(1);
    let whole = |known: &str| (strsim::osa_distance(name, known), 0, known.len());
    let word = |known: &str| {
        let words = known.split(['_', '.', '-', ':']).filter(|word| *word != known && word.len().min(name.len()) >= 3);
        words.map(|word| (strsim::osa_distance(name, word), 1, known.len())).min()
    };
    let distances =
        declared.iter().map(|known| (word(known).map_or(whole(known), |word| word.min(whole(known))), *known));
    distances.filter(|((distance, ..), _)| *distance <= limit).min().map(|(_, known)| known)
}
