//! Events and spans that are outside of the spans they should be in.

use super::Inquiry;
use super::spans::declares;
use crate::coverage::{Finding, Note};
use crate::layer::key_of;
use crate::predicate::{Compiled, Test, plain_name, reach_admits};
use crate::session::Follow;
use std::collections::{BTreeMap, BTreeSet};
use tracing_core::{Level, Metadata};

/// How many targets are named whose events arrive outside any span.
const MAX_TARGETS: usize = 8;

/// How many events arrived outside any span, by target.
type Events = BTreeMap<&'static str, u64>;

/// Events that arrived outside any span.
#[derive(Debug, Default)]
struct Outside {
    /// A span of their own crate could make them match.
    lost: Events,
    /// They should be part of a request, and their crate has spans that do not exist.
    alone: Events,
    /// Only a span of another crate could make them match.
    of_libraries: Events,
}

impl Inquiry<'_> {
    pub(super) fn look_at_context(&mut self) {
        self.look_at_events_outside_spans();
        self.look_at_spans_of_tokio();
        self.look_at_links();
    }

    /// Events that arrived outside any span, where a span could make them match, or should make them one request.
    fn look_at_events_outside_spans(&mut self) {
        let not_enabled = self.not_enabled_spans();
        let Outside { lost, alone, of_libraries } = self.events_outside_spans(&not_enabled);
        let spans = |target: &str| not_enabled.get(crate_of(target)).map(Level::to_string);
        for (target, events) in lost.into_iter().take(MAX_TARGETS) {
            let (is_inside, spans, target) = (self.was_inside(target), spans(target), target.to_owned());
            match is_inside {
                true => self.find(Finding::OutsideSpans { target, events, spans }),
                false => self.notes.push(Note::OutsideSpans { target, events, spans }),
            }
        }
        for (target, events) in alone.into_iter().take(MAX_TARGETS) {
            let spans = spans(target).unwrap_or_default();
            self.find(Finding::OutsideRequests { target: target.to_owned(), events, spans });
        }
        for (target, events) in of_libraries.into_iter().take(MAX_TARGETS) {
            self.notes.push(Note::OutsideSpans { target: target.to_owned(), events, spans: spans(target) });
        }
    }

    /// A crate without a span that could make its events match is a library: they may belong to no request.
    fn events_outside_spans(&self, not_enabled: &BTreeMap<&'static str, Level>) -> Outside {
        let supplying: BTreeSet<&str> = self.supplying_spans().map(|metadata| crate_of(metadata.target())).collect();
        let goes_by_request = self.session.sample > 1 || self.session.follow != Follow::Event;
        let mut outside = Outside::default();
        for metadata in &self.events {
            let (target, count) = (metadata.target(), self.core.shared.seen.outside(key_of(metadata)));
            if count == 0 || !self.can_match(metadata) || self.lost_events(metadata) > 0 {
                continue;
            }
            let needs_span = !supplying.is_empty() && !self.can_match_outside_spans(metadata);
            let has_spans = not_enabled.contains_key(crate_of(target));
            let events = if needs_span && supplying.contains(crate_of(target)) {
                &mut outside.lost
            } else if goes_by_request && has_spans {
                &mut outside.alone
            } else if needs_span && (has_spans || self.was_inside(target)) {
                &mut outside.of_libraries
            } else {
                continue;
            };
            *events.entry(target).or_default() += count;
        }
        outside
    }

    /// Spans that `tokio` creates with `parent: None` around each task and `block_on`, if a layer enables them.
    fn look_at_spans_of_tokio(&mut self) {
        let (span, target) = ("runtime.spawn", "tokio::task");
        let mut existing = self.spans.iter().filter(|site| site.exists()).map(|site| site.metadata);
        let may_see = |scope| reach_admits(Compiled::new(scope).reach(), Level::ERROR, target);
        if existing.any(|metadata| metadata.name() == span && metadata.target() == target)
            && self.supplying_spans().next().is_some()
            && self.session.confinement.as_ref().is_none_or(may_see)
        {
            self.notes.push(Note::RootSpans { span: span.to_owned(), target: target.to_owned() });
        }
    }

    /// Whether an event of a target was seen inside spans with a tested field: then its module works for requests.
    fn was_inside(&self, target: &str) -> bool {
        let mut events = self.events.iter().filter(|metadata| metadata.target() == target);
        events.any(|metadata| self.core.shared.seen.was_inside(key_of(metadata)))
    }

    /// The most severe level at which a crate has spans that do not exist, by crate.
    fn not_enabled_spans(&self) -> BTreeMap<&'static str, Level> {
        let mut levels = BTreeMap::new();
        for metadata in self.spans.iter().filter(|site| !site.exists()).map(|site| site.metadata) {
            let level = levels.entry(crate_of(metadata.target())).or_insert(*metadata.level());
            *level = (*level).min(*metadata.level());
        }
        levels
    }

    /// Root spans that follow from one that could match, and lack what that one has.
    fn look_at_links(&mut self) {
        let config = &self.core.shared.config;
        let mut found = Vec::new();
        for link in self.core.shared.seen.links() {
            let is_lost = |test: &&Test| self.is_supplied_by(link.from, test) && !self.is_supplied_by(link.root, test);
            if !config.denies(link.root.target()) && self.predicate.wanted_tests().iter().any(is_lost) {
                found.push(Finding::FollowsFrom {
                    span: plain_name(link.root.name()).to_owned(),
                    target: link.root.target().to_owned(),
                    from: plain_name(link.from.name()).to_owned(),
                });
            }
        }
        found.into_iter().for_each(|finding| self.find(finding));
    }

    /// The span callsites that have what the predicate asks of spans.
    pub(super) fn supplying_spans(&self) -> impl Iterator<Item = &'static Metadata<'static>> {
        let wanted = self.predicate.wanted_tests();
        let supplies =
            move |metadata: &&'static Metadata<'static>| wanted.iter().any(|test| self.is_supplied_by(metadata, test));
        self.spans.iter().map(|site| site.metadata).filter(supplies)
    }

    fn is_supplied_by(&self, metadata: &Metadata<'_>, test: &Test) -> bool {
        match test {
            Test::Field(test) => test.keys().iter().any(|key| declares(metadata, key)),
            _ => test.is_of_span(metadata.name()),
        }
    }
}

/// The first part of a target's path.
pub(super) fn crate_of(target: &str) -> &str {
    target.split("::").next().unwrap_or(target)
}
