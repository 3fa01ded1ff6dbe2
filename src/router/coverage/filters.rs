//! What the subscriber and other layers hide from this router's layer.

use super::{Inquiry, LEVELS};
use crate::coverage::Finding;
use crate::layer::{Instance, Visibility};
use crate::predicate::reach_admits;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use tracing_core::{Dispatch, Level, LevelFilter, Metadata};

/// How many targets of callsites seen so far are tried against global filters.
const MAX_TARGETS: usize = 256;

/// How many targets are named that some filter keeps something of.
const MAX_FINDINGS_BY_TARGET: usize = 8;

impl Inquiry<'_> {
    pub(super) fn look_at_filters(&mut self) {
        for (instance, dispatch) in self.installed.clone() {
            for (level, target) in self.most_severe(&instance, &dispatch, Visibility::Disabled) {
                self.find(Finding::HiddenByGlobalFilter { level: level.to_string(), target });
            }
            for (level, target) in self.most_severe(&instance, &dispatch, Visibility::HiddenFromLayer) {
                self.find(Finding::HiddenFromLayer { level: level.to_string(), what: "events".to_owned(), target });
            }
            self.look_at_spans_hidden_from_layer(&instance, &dispatch);
            self.look_at_most_verbose_level(&instance);
        }
        self.look_at_refused_events();
    }

    /// Whether events of this callsite are handed to a layer of this router.
    pub(super) fn arrives(&self, metadata: &Metadata<'_>) -> bool {
        self.installed.iter().any(|(instance, dispatch)| {
            !instance.callsites().never_arrives(metadata)
                && instance.visibility(dispatch, metadata) == Visibility::Visible
        })
    }

    /// The targets to try filters with: those of the predicate, or else those seen so far.
    fn targets(&self) -> BTreeSet<&str> {
        let tested: BTreeSet<_> = self.compiled.reach().iter().filter_map(|reach| reach.target.as_deref()).collect();
        if !tested.is_empty() {
            return tested;
        }
        let seen = self.events.iter().map(|metadata| metadata.target());
        seen.chain([env!("CARGO_CRATE_NAME")]).collect::<BTreeSet<_>>().into_iter().take(MAX_TARGETS).collect()
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
    /// An event in such a span is attributed to the span around it, perhaps another user's. The layer is never
    /// asked about callsites that a filter keeps from it for good; it notices them when an event happens inside.
    fn look_at_spans_hidden_from_layer(&mut self, instance: &Instance, dispatch: &Dispatch) {
        let is_hidden = |visibility| visibility == Visibility::HiddenFromLayer;
        let by_level = LEVELS
            .into_iter()
            .filter(|level| *level <= instance.max_level_hint())
            .find(|level| is_hidden(instance.span_visibility(dispatch, *level)));
        let noticed = instance.hidden_span().filter(|span| is_hidden(instance.visibility(dispatch, span)));
        let noticed = noticed.map(|span| (*span.level(), Some(span.target().to_owned())));
        if let Some((level, target)) = by_level.map(|level| (level, None)).or(noticed) {
            self.find(Finding::HiddenFromLayer { level: level.to_string(), what: "spans".to_owned(), target });
        }
    }

    /// Whether the maximum level of `tracing` excludes levels that this layer wants.
    fn look_at_most_verbose_level(&mut self, instance: &Instance) {
        let asked_for = instance.max_level_hint();
        let is_hidden = |level: &Level| *level <= asked_for && *level > LevelFilter::current();
        let hidden = self.wanted_levels().find(is_hidden);
        if let Some(level) = hidden.filter(|_| self.core.shared.inbox.is_settled()) {
            self.find(Finding::LevelHidden { level: level.to_string() });
        }
    }

    /// Events that were enabled and never arrived, though nothing is known that hides them.
    fn look_at_refused_events(&mut self) {
        let mut refused: BTreeMap<&str, (Level, usize)> = BTreeMap::new();
        for metadata in self.events.iter().filter(|metadata| self.is_refused(metadata)) {
            let (level, callsites) = refused.entry(metadata.target()).or_insert((*metadata.level(), 0));
            *level = (*level).min(*metadata.level());
            *callsites += 1;
        }
        for (target, (level, callsites)) in refused.into_iter().take(MAX_FINDINGS_BY_TARGET) {
            self.find(Finding::RefusedByLayer { level: level.to_string(), target: target.to_owned(), callsites });
        }
    }

    fn is_refused(&self, metadata: &Metadata<'_>) -> bool {
        reach_admits(self.compiled.reach(), *metadata.level(), metadata.target())
            && self.installed.iter().any(|(instance, dispatch)| {
                instance.callsites().never_arrives(metadata)
                    && instance.visibility(dispatch, metadata) == Visibility::Visible
            })
    }
}
