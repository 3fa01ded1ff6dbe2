//! Spans that a predicate tests or follows, and that do not exist or came to be known too late.

use super::Inquiry;
use crate::coverage::{Finding, Note};
use crate::layer::thread::{Caller, asking};
use crate::layer::{Instance, key_of};
use crate::predicate::{Test, plain_name};
use crate::router::core::Core;
use crate::session::{Follow, SessionOptions};
use std::sync::Arc;
use tracing_core::{Dispatch, Metadata};

/// A span callsite, and since when its spans are known to the router.
pub(super) struct SpanSite {
    pub(super) metadata: &'static Metadata<'static>,
    tracked: Tracked,
}

/// How long spans of a callsite are tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tracked {
    /// From start to end, session or not.
    Always,
    /// From the first session on: another layer wants them, or this session does.
    WhileWatched,
    /// They do not exist, or are denied.
    Never,
}

impl SpanSite {
    pub(super) fn new(
        core: &Core,
        session: &SessionOptions,
        installed: &[(Arc<Instance>, Dispatch)],
        metadata: &'static Metadata<'static>,
    ) -> Self {
        let config = &core.shared.config;
        let tracked = if config.denies(metadata.target()) {
            Tracked::Never
        } else if config.always_tracks(metadata) {
            Tracked::Always
        } else if *metadata.level() <= session.spans || is_wanted_by_others(core, installed, metadata) {
            Tracked::WhileWatched
        } else {
            Tracked::Never
        };
        Self { metadata, tracked }
    }

    /// Whether spans of this callsite exist and may be in a scope.
    pub(super) fn exists(&self) -> bool {
        self.tracked != Tracked::Never
    }

    pub(super) fn declares(&self, name: &str) -> bool {
        declares(self.metadata, name)
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        plain_name(self.metadata.name()) == plain_name(name)
    }

    /// The finding on spans of this callsite; `None` if they are always tracked.
    fn finding(&self, field: Option<&str>) -> Option<Finding> {
        let span = plain_name(self.metadata.name()).to_owned();
        let (target, level) = (self.metadata.target().to_owned(), self.metadata.level().to_string());
        let field = field.map(str::to_owned);
        match self.tracked {
            Tracked::Always => None,
            Tracked::WhileWatched => Some(Finding::SpanTooVerbose { span, target, level, field }),
            Tracked::Never => Some(Finding::SpanNotEnabled { span, target, level, field }),
        }
    }
}

/// Whether another layer has spans of this callsite enabled. Asked only where callsites are not being asked just now: who
/// waits for that may hold a lock that another layer needs to answer.
fn is_wanted_by_others(
    core: &Core,
    installed: &[(Arc<Instance>, Dispatch)],
    metadata: &'static Metadata<'static>,
) -> bool {
    installed.iter().any(|(instance, dispatch)| {
        instance.standing(metadata).0.unwrap_or_else(|| {
            let ask =
                || asking(Caller::Probe(core.shared.router, key_of(metadata)), || dispatch.register_callsite(metadata));
            core.shared.inbox.is_settled()
                && crate::guard::run_user_code(ask).is_some_and(|interest| !interest.is_never())
        })
    })
}

impl Inquiry<'_> {
    /// Spans that would match by a field or by their name, or be followed, were they there.
    pub(super) fn look_at_spans(&mut self) {
        let config = &self.core.shared.config;
        let mut found = Vec::new();
        for site in self.spans.iter().filter(|site| !config.denies(site.metadata.target())) {
            match self.tested_fields().find(|name| site.declares(name)) {
                Some(field) if !config.captures(field) => {
                    found.push(Finding::FieldNotCaptured { field: field.to_owned() });
                }
                Some(field) => found.extend(site.finding(Some(field))),
                None if self.is_needed_by_name(site) => found.extend(site.finding(None)),
                None => {}
            }
        }
        found.into_iter().for_each(|finding| self.find(finding));
        self.look_at_spans_left_out();
        if let Follow::Named(name) = &self.session.follow
            && !self.spans.iter().any(|site| site.is_named(name))
        {
            self.notes.push(Note::UnseenSpan { span: name.clone() });
        }
    }

    /// Whether a span is tested for or followed by its name. One without fields is as good if it was not tracked before.
    fn is_needed_by_name(&self, site: &SpanSite) -> bool {
        let is_tested = self.compiled.tests().iter().any(|test| test.is_of_span(site.metadata.name()));
        let is_followed = matches!(&self.session.follow, Follow::Named(name) if site.is_named(name));
        let has_nothing_to_keep = !self.core.shared.config.keeps_fields_of(site.metadata);
        (is_tested || is_followed) && !(has_nothing_to_keep && site.exists())
    }

    /// Spans that a session asks for and that were vetoed before it was known that their request matches.
    fn look_at_spans_left_out(&mut self) {
        let left_out = self.core.shared.seen.left_out();
        let is_left_out = |site: &&SpanSite| {
            *site.metadata.level() <= self.session.spans && left_out.contains(&key_of(site.metadata))
        };
        let found: Vec<_> = self.spans.iter().filter(is_left_out).map(|site| site.metadata).collect();
        for metadata in found {
            self.find(Finding::SpanLeftOut {
                span: plain_name(metadata.name()).to_owned(),
                target: metadata.target().to_owned(),
                level: metadata.level().to_string(),
            });
        }
    }

    /// Whether a span that exists may have what a test asks of spans.
    pub(super) fn spans_may_pass(&self, test: &Test) -> bool {
        let config = &self.core.shared.config;
        let mut existing = self.spans.iter().filter(|site| site.exists());
        match test {
            Test::Span(name) => existing.any(|site| site.is_named(name)),
            Test::Field(test) => {
                test.keys().iter().any(|key| self.traces_may_pass(key))
                    || test.keys().iter().filter(|key| config.captures(key) && !config.redacts(key)).any(|key| {
                        existing.clone().any(|site| site.declares(key) && self.may_supply(site.metadata, key, test))
                    })
            }
            _ => false,
        }
    }
}

pub(super) fn declares(metadata: &Metadata<'_>, name: &str) -> bool {
    metadata.fields().iter().any(|field| plain_name(field.name()) == name)
}
