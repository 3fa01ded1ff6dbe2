//! Finding out what a session can and cannot see, from what the router knows and by asking the subscriber.

use super::core::Core;
use crate::config::is_audit;
use crate::coverage::{Coverage, Finding, Note};
use crate::layer::{Instance, Visibility};
use crate::predicate::{Compiled, Predicate, Test, plain_name, reach_admits};
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing_core::{Dispatch, Level, LevelFilter, Metadata};

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// How many targets of callsites seen so far are tried against global filters.
const MAX_TARGETS: usize = 256;

/// How many targets are named that some filter keeps something of.
const MAX_FINDINGS_BY_TARGET: usize = 8;

/// What one question for coverage works on.
struct Inquiry<'a> {
    core: &'a Core,
    compiled: Compiled,
    callsites: Vec<&'static Metadata<'static>>,
    found: Coverage,
}

impl Core {
    /// What a session on this predicate can see.
    pub(super) fn coverage_of(&self, predicate: &Predicate) -> Coverage {
        self.ask_for_hidden_levels();
        let installed: Vec<_> = self.installed().collect();
        let callsites = installed.iter().flat_map(|(instance, _)| instance.callsites().all());
        // Nobody can ask for the router's own.
        let callsites = callsites.filter(|metadata| !is_audit(metadata.target())).collect();
        let mut inquiry =
            Inquiry { core: self, compiled: Compiled::new(predicate), callsites, found: Coverage::default() };
        inquiry.look_at_router(installed.is_empty());
        for (instance, dispatch) in &installed {
            inquiry.look_at_filters(instance, dispatch);
        }
        inquiry.look_at_spans();
        inquiry.look_at_names(predicate);
        inquiry.count_callsites();
        inquiry.found
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

impl Inquiry<'_> {
    fn find(&mut self, finding: Finding) {
        if !self.found.findings.contains(&finding) {
            self.found.findings.push(finding);
        }
    }

    fn look_at_router(&mut self, nowhere: bool) {
        let sessions_open = !self.core.sessions().is_empty();
        if nowhere {
            self.find(Finding::NotInstalled);
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

    /// The levels that the predicate can be true of, the most severe first.
    fn wanted_levels(&self) -> impl Iterator<Item = Level> {
        let widest = self.compiled.reach().iter().map(|reach| reach.level).max().unwrap_or(LevelFilter::OFF);
        LEVELS.into_iter().filter(move |level| *level <= widest)
    }

    /// The targets to try filters with: those of the predicate, or else those seen so far.
    fn targets(&self) -> BTreeSet<&str> {
        let tested: BTreeSet<_> = self.compiled.reach().iter().filter_map(|reach| reach.target.as_deref()).collect();
        if !tested.is_empty() {
            return tested;
        }
        let seen = self.callsites.iter().filter(|metadata| metadata.is_event()).map(|metadata| metadata.target());
        seen.chain([env!("CARGO_CRATE_NAME")]).collect::<BTreeSet<_>>().into_iter().take(MAX_TARGETS).collect()
    }

    fn look_at_filters(&mut self, instance: &Instance, dispatch: &Dispatch) {
        for (level, target) in self.most_severe(instance, dispatch, Visibility::Hidden) {
            self.find(Finding::HiddenByGlobalFilter { level: level.to_string(), target });
        }
        for (level, target) in self.most_severe(instance, dispatch, Visibility::Withheld) {
            self.find(Finding::WithheldFromLayer { level: level.to_string(), what: "events".to_owned(), target });
        }
        self.look_at_withheld_spans(instance, dispatch);
        self.look_at_most_verbose_level(instance);
    }

    /// The most severe level of events that fare so: of every target, or of each target that does.
    fn most_severe(&self, instance: &Instance, dispatch: &Dispatch, fare: Visibility) -> Vec<(Level, Option<String>)> {
        let targets = self.targets();
        let mut found: Vec<(Level, Option<String>)> = Vec::new();
        for level in self.wanted_levels() {
            let admitted = targets.iter().filter(|target| reach_admits(self.compiled.reach(), level, target));
            let faring: Vec<_> =
                admitted.filter(|target| instance.event_visibility(dispatch, level, target) == fare).collect();
            if !faring.is_empty() && faring.len() == targets.len() {
                return vec![(level, None)];
            }
            for target in faring {
                if !found.iter().any(|(_, known)| known.as_deref() == Some(*target)) {
                    found.push((level, Some((*target).to_owned())));
                }
            }
        }
        found.truncate(MAX_FINDINGS_BY_TARGET);
        found
    }

    /// Whether a filter around the layer itself keeps spans from it.
    ///
    /// An event in such a span is taken for one in the span around it, which may be somebody else's. Of callsites that
    /// a filter withholds for good the layer is never told; it notices them when an event happens inside.
    fn look_at_withheld_spans(&mut self, instance: &Instance, dispatch: &Dispatch) {
        let withheld = |visibility| visibility == Visibility::Withheld;
        let by_level = LEVELS
            .into_iter()
            .filter(|level| *level <= instance.max_level_hint())
            .find(|level| withheld(instance.span_visibility(dispatch, *level)));
        let noticed = instance.withheld_span().filter(|span| withheld(instance.visibility(dispatch, span)));
        let noticed = noticed.map(|span| (*span.level(), Some(span.target().to_owned())));
        if let Some((level, target)) = by_level.map(|level| (level, None)).or(noticed) {
            self.find(Finding::WithheldFromLayer { level: level.to_string(), what: "spans".to_owned(), target });
        }
    }

    /// Whether `tracing` was told a most verbose level that leaves out what this layer has asked for.
    fn look_at_most_verbose_level(&mut self, instance: &Instance) {
        let asked_for = instance.max_level_hint();
        let is_hidden = |level: &Level| *level <= asked_for && *level > LevelFilter::current();
        let hidden = self.wanted_levels().find(is_hidden);
        if let Some(level) = hidden.filter(|_| self.core.shared.inbox.is_settled()) {
            self.find(Finding::LevelHidden { level: level.to_string() });
        }
    }

    /// Spans that would match by a field they declare, had they been tracked from their creation.
    fn look_at_spans(&mut self) {
        let config = &self.core.shared.config;
        let spans = self.callsites.iter().filter(|metadata| metadata.is_span() && !config.denies(metadata.target()));
        let mut found = Vec::new();
        for metadata in spans {
            let Some(field) = self.tested_fields().find(|name| declares(metadata, name)).map(str::to_owned) else {
                continue;
            };
            if !config.captures(&field) {
                found.push(Finding::FieldNotCaptured { field });
            } else if !config.always_tracks(metadata) {
                found.push(Finding::SpanTooVerbose {
                    span: plain_name(metadata.name()).to_owned(),
                    target: metadata.target().to_owned(),
                    level: metadata.level().to_string(),
                    field,
                });
            }
        }
        found.into_iter().for_each(|finding| self.find(finding));
    }

    fn tested_fields(&self) -> impl Iterator<Item = &str> {
        self.compiled.tests().iter().filter_map(Test::field).flat_map(|test| test.keys().iter().map(|key| &**key))
    }

    fn look_at_names(&mut self, predicate: &Predicate) {
        let config = &self.core.shared.config;
        let declared: BTreeSet<_> = self
            .callsites
            .iter()
            .flat_map(|metadata| metadata.fields().iter())
            .map(|field| plain_name(field.name()))
            .collect();
        let mut found = Coverage::default();
        // Alternatives are names for one thing: it is enough that one of them is declared.
        for test in predicate.tests().filter_map(Test::field) {
            found.findings.extend(
                test.keys()
                    .iter()
                    .filter(|key| config.redacts(key))
                    .map(|key| Finding::RedactedField { field: key.to_string() }),
            );
            if test.keys().iter().any(|key| declared.contains(&**key)) {
                continue;
            }
            for key in test.keys() {
                match nearest(key, &declared) {
                    Some(near) => {
                        found.findings.push(Finding::MisspeltField { field: key.to_string(), near: near.to_owned() })
                    }
                    None => found.notes.push(Note::UnseenField { field: key.to_string() }),
                }
            }
        }
        for test in predicate.tests() {
            if let Test::Target(target) = test
                && config.denies(target)
            {
                found.findings.push(Finding::DeniedTarget { target: target.to_string() });
            }
        }
        found.findings.into_iter().for_each(|finding| self.find(finding));
        self.found.notes.extend(found.notes);
    }

    fn count_callsites(&mut self) {
        let events: Vec<_> = self.callsites.iter().filter(|metadata| metadata.is_event()).collect();
        let reach = if self.compiled.is_never() { &[] } else { self.compiled.reach() };
        let can_match = events.iter().filter(|metadata| reach_admits(reach, *metadata.level(), metadata.target()));
        let note = Note::Callsites { can_match: can_match.count(), seen: events.len() };
        self.found.notes.insert(0, note);
    }
}

fn declares(metadata: &Metadata<'_>, name: &str) -> bool {
    metadata.fields().iter().any(|field| plain_name(field.name()) == name)
}

/// The declared name that `name` is most likely a slip of: at most one letter in three is another.
fn nearest<'a>(name: &str, declared: &BTreeSet<&'a str>) -> Option<&'a str> {
    let distances = declared.iter().map(|known| (strsim::osa_distance(name, known), *known));
    let limit = name.chars().count().div_ceil(3);
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, known)| known)
}
