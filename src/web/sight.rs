//! What an asker may see of the service's code: catalog and coverage within their scope.

use super::auth::Asker;
use super::door::Inner;
use super::form::Notice;
use super::own_traffic;
use super::security::Admitted;
use crate::catalog::{CallsiteKind, CatalogEntry};
use crate::coverage::{Coverage, Finding, Note, Verdict};
use crate::predicate::{Compiled, reach_admits, target_within};
use crate::router::TapRouter;
use crate::session::Session;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Display;
use tracing_core::Level;

/// What a session can see, and what there is to say of it.
#[derive(Debug)]
pub(super) struct Sight {
    coverage: Coverage,
    /// A note for a session that can see how its own stream is carried.
    own_traffic: Option<Value>,
}

/// The callsites that can emit something the asker may see; spans by their target alone.
pub(super) fn catalog(router: &TapRouter, asker: &Asker) -> Vec<CatalogEntry> {
    let mut catalog = router.catalog();
    if let Some(scope) = asker.confinement() {
        let reach = Compiled::new(scope);
        catalog.retain(|entry| {
            // A span may be more verbose than the events in it that the asker may see.
            let level = if entry.kind == CallsiteKind::Span { Ok(Level::ERROR) } else { entry.level.parse() };
            level.is_ok_and(|level| reach_admits(reach.reach(), level, &entry.target))
        });
    }
    catalog
}

/// A coverage without what is outside of the asker's scope.
fn confined(mut coverage: Coverage, router: &TapRouter, asker: &Asker) -> Coverage {
    let Some(scope) = asker.confinement() else { return coverage };
    let reach = Compiled::new(scope);
    let sees = |target: &str| reach_admits(reach.reach(), Level::ERROR, target);
    let own = catalog(router, asker);
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
    coverage.notes.retain(|note| !matches!(note, Note::OutsideSpans { target, .. } if !sees(target)));
    for note in &mut coverage.notes {
        if let Note::Callsites { seen, .. } = note {
            *seen = own.iter().filter(|entry| entry.kind == CallsiteKind::Event).count();
        }
    }
    coverage
}

impl Sight {
    /// What `coverage` says within the asker's scope.
    pub(super) fn of(coverage: Coverage, session: &Session, door: &Inner, admitted: &Admitted) -> Self {
        // Where the door is served alone, its stack logs into no session.
        let note = |catalog: &[_]| own_traffic::note(&session.confined_predicate(), catalog, admitted.version);
        let may_see_it = door.is_mounted && coverage.verdict() != Verdict::Nothing;
        let own_traffic = may_see_it.then(|| note(&door.router.catalog())).flatten();
        Self { coverage: confined(coverage, &door.router, &admitted.asker), own_traffic }
    }

    /// Its verdict, and its findings and notes, each with its text.
    pub(super) fn to_json(&self) -> Value {
        let mut notes: Vec<_> = self.coverage.notes().iter().map(with_text).collect();
        notes.extend(self.own_traffic.clone());
        let findings: Vec<_> = self.coverage.findings().iter().map(with_text).collect();
        let Self { coverage, .. } = self;
        let (verdict, is_clear) = (coverage.verdict(), coverage.is_clear());
        json!({ "verdict": verdict, "is_clear": is_clear, "findings": findings, "notes": notes })
    }

    /// The first thing in a stream.
    pub(super) fn notice(&self) -> Notice {
        Notice { name: "coverage", members: self.to_json(), words: self.coverage.to_string() }
    }
}

/// Whether the asker's own catalog has what a test of metadata was taken for.
fn is_in(catalog: &[CatalogEntry], test: &str, near: &str) -> bool {
    catalog.iter().any(|entry| match test {
        "@span" => entry.kind == CallsiteKind::Span && entry.name == near,
        "@name" => entry.name == near,
        "@file" => entry.file.as_deref().is_some_and(|file| file.ends_with(near)),
        _ => target_within(&entry.target, near),
    })
}

fn with_text(told: &(impl Serialize + Display)) -> Value {
    let mut value = serde_json::to_value(told).expect("findings and notes are plain data");
    if let Value::Object(members) = &mut value {
        members.insert("text".to_owned(), told.to_string().into());
    }
    value
}
