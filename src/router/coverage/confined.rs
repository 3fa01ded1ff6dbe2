//! Coverage for an opener that may not see everything: nothing outside of its confinement is named.

use super::super::core::Core;
use crate::catalog::{CallsiteKind, CatalogEntry};
use crate::coverage::{Coverage, Finding, Note};
use crate::predicate::{Compiled, Predicate, reach_admits, target_within};
use std::collections::HashSet;
use tracing_core::Level;

impl Core {
    /// `coverage` without what is outside of the confinement.
    pub(super) fn confined(&self, mut coverage: Coverage, confinement: &Predicate) -> Coverage {
        let compiled = Compiled::new(confinement);
        let sees = |target: &str| reach_admits(compiled.reach(), Level::ERROR, target);
        let own = self.catalog_within(confinement);
        let declared: HashSet<&str> = own.iter().flat_map(|entry| &entry.fields).map(|field| &**field).collect();
        coverage.findings.retain(|finding| match finding {
            Finding::ValueShape { field, .. } => declared.contains(&**field),
            finding => finding.target_of_callsite().is_none_or(sees),
        });
        for finding in std::mem::take(&mut coverage.findings) {
            match finding {
                Finding::MisspeltField { field, near } if !declared.contains(&*near) => {
                    coverage.notes.push(Note::UnseenField { field });
                }
                Finding::MisspeltMetadata { test, value, near } if !is_in(&own, &test, &near) => {
                    coverage.notes.push(Note::Unseen { test, value });
                }
                finding => coverage.findings.push(finding),
            }
        }
        coverage.notes.retain(|note| match note {
            Note::OutsideSpans { target, .. } | Note::LostContext { target, .. } => sees(target),
            _ => true,
        });
        for note in &mut coverage.notes {
            if let Note::Callsites { seen, .. } = note {
                *seen = own.iter().filter(|entry| entry.kind == CallsiteKind::Event).count();
            }
        }
        coverage
    }
}

/// Whether the opener's own catalog has the value that a test of metadata was taken for.
fn is_in(catalog: &[CatalogEntry], test: &str, near: &str) -> bool {
    catalog.iter().any(|entry| match test {
        "@span" => entry.kind == CallsiteKind::Span && entry.name == near,
        "@name" => entry.name == near,
        "@file" => entry.file.as_deref().is_some_and(|file| file.ends_with(near)),
        _ => target_within(&entry.target, near),
    })
}
