//! The list of callsites that have been reached.

use super::core::Core;
use crate::catalog::{CallsiteKind, CatalogEntry};
use crate::config::is_audit;
use crate::predicate::{Compiled, Predicate, plain_name, reach_admits};
use std::borrow::Cow;
use std::collections::BTreeMap;
use tracing_core::{Level, Metadata};

impl Core {
    /// The callsites that can emit events or spans within `confinement`.
    pub(super) fn catalog_within(&self, confinement: &Predicate) -> Vec<CatalogEntry> {
        let compiled = Compiled::new(confinement);
        let mut catalog = self.catalog();
        catalog.retain(|entry| {
            // A span may be more verbose than the events inside it that the opener may see.
            let level = if entry.kind == CallsiteKind::Span { Ok(Level::ERROR) } else { entry.level.parse() };
            level.is_ok_and(|level| reach_admits(compiled.reach(), level, &entry.target))
        });
        catalog
    }

    /// Every callsite that has been reached, by file and line. A callsite in several subscribers is listed once: wanted if
    /// one of them wants it, vetoed if all of them veto it.
    pub(super) fn catalog(&self) -> Vec<CatalogEntry> {
        let mut entries = BTreeMap::new();
        for instance in self.live_instances() {
            let others = instance.callsites().all().into_iter().filter(|metadata| !is_audit(metadata.target()));
            for metadata in others {
                let (wanted, vetoed) = instance.standing(metadata);
                let key = (metadata.file(), metadata.line(), std::ptr::from_ref(metadata).addr());
                let entry = entries.entry(key).or_insert_with(|| entry(metadata, wanted, vetoed));
                entry.wanted_by_others = either(entry.wanted_by_others, wanted);
                entry.is_vetoed &= vetoed;
            }
        }
        entries.into_values().collect()
    }
}

/// `Some(true)` if either is, `Some(false)` if both are, `None` otherwise.
fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn entry(metadata: &'static Metadata<'static>, wanted_by_others: Option<bool>, is_vetoed: bool) -> CatalogEntry {
    CatalogEntry {
        kind: kind_of(metadata),
        name: Cow::Borrowed(plain_name(metadata.name())),
        target: Cow::Borrowed(metadata.target()),
        level: Cow::Borrowed(metadata.level().as_str()),
        file: metadata.file().map(Cow::Borrowed),
        line: metadata.line(),
        fields: metadata.fields().iter().map(|field| Cow::Borrowed(plain_name(field.name()))).collect(),
        wanted_by_others,
        is_vetoed,
    }
}

fn kind_of(metadata: &Metadata<'_>) -> CallsiteKind {
    match (metadata.is_span(), metadata.is_event()) {
        (true, _) => CallsiteKind::Span,
        (_, true) => CallsiteKind::Event,
        _ => CallsiteKind::Hint,
    }
}
