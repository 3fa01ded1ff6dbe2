//! Context that got lost: events outside any span although others of their callsite are inside, and guards that are held
//! across `.await`.

use super::Inquiry;
use super::context::crate_of;
use crate::coverage::{Finding, NameMarks, Note};
use crate::layer::key_of;
use crate::predicate::{Test, plain_name};
use std::collections::BTreeSet;
use std::path::Path;
use tracing_core::Metadata;

/// How many callsites are named.
const MAX_CALLSITES: usize = 8;

impl Inquiry<'_> {
    pub(super) fn look_at_lost_context(&mut self) {
        self.look_at_lost_events();
        self.look_at_held_guards();
    }

    /// The number of a callsite's events that were outside any span although others were inside spans with what the
    /// predicate asks of spans; 0 if it does not need them to be inside.
    pub(super) fn lost_events(&self, metadata: &Metadata<'_>) -> u64 {
        match self.core.shared.seen.lost(key_of(metadata), self.tested_names()) {
            0 => 0,
            _ if !self.can_match(metadata) || self.can_match_outside_spans(metadata) => 0,
            events => events,
        }
    }

    fn tested_names(&self) -> NameMarks {
        let spans = self.compiled.tests().iter().filter_map(|test| match test {
            Test::Span(name) => Some(&**name),
            _ => None,
        });
        NameMarks::of(self.tested_fields().chain(spans))
    }

    fn look_at_lost_events(&mut self) {
        let mut lost: Vec<_> = self
            .events
            .iter()
            .map(|metadata| (self.lost_events(metadata), *metadata))
            .filter(|lost| lost.0 > 0)
            .collect();
        lost.sort_by_key(|(events, metadata)| (u64::MAX - events, metadata.target(), metadata.line()));
        let supplying: BTreeSet<&str> = self.supplying_spans().map(|metadata| crate_of(metadata.target())).collect();
        for (events, metadata) in lost.into_iter().take(MAX_CALLSITES) {
            let target = metadata.target().to_owned();
            let (file, line) = (metadata.file().map(str::to_owned), metadata.line());
            if supplying.contains(crate_of(metadata.target())) || is_of_the_service(metadata) {
                let (spawned_at, spawned_in) = self.spawn_of(metadata).unzip();
                self.find(Finding::LostContext { target, file, line, events, spawned_at, spawned_in });
            } else {
                self.notes.push(Note::LostContext { target, file, line, events });
            }
        }
    }

    /// Where a task was spawned in which an event of this callsite lost its context, and in which span.
    #[cfg(all(feature = "tokio", tokio_unstable))]
    fn spawn_of(&self, metadata: &Metadata<'_>) -> Option<(String, String)> {
        let spawn = self.core.shared.seen.spawns.of(key_of(metadata))?;
        let is_shown = !self.core.shared.config.denies(spawn.within.target());
        is_shown.then(|| (spawn.at.to_string(), plain_name(spawn.within.name()).to_owned()))
    }

    #[cfg(not(all(feature = "tokio", tokio_unstable)))]
    fn spawn_of(&self, _: &Metadata<'_>) -> Option<(String, String)> {
        None
    }

    fn look_at_held_guards(&mut self) {
        let config = &self.core.shared.config;
        let held = self.core.shared.seen.held_guards();
        let found = held.into_iter().filter(|span| !config.denies(span.target())).take(MAX_CALLSITES);
        let found: Vec<_> = found
            .map(|span| Finding::GuardAcrossAwait {
                span: plain_name(span.name()).to_owned(),
                target: span.target().to_owned(),
                file: span.file().map(str::to_owned),
                line: span.line(),
            })
            .collect();
        found.into_iter().for_each(|finding| self.find(finding));
    }
}

/// Whether a callsite is in the service's own sources, as far as its path says: that of a dependency from elsewhere is
/// absolute, and an event with a target of its own may speak for another crate.
fn is_of_the_service(metadata: &Metadata<'_>) -> bool {
    let is_own_target = metadata.module_path().is_some_and(|module| crate_of(module) == crate_of(metadata.target()));
    is_own_target && metadata.file().is_some_and(|file| Path::new(file).is_relative())
}
