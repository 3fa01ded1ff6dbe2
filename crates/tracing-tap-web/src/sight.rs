//! The catalog and the coverage within a caller's confinement.

use super::auth::Caller;
use super::form::Notice;
use super::own_traffic;
use super::security::Admitted;
use super::state::EndpointState;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Display;
use tracing_tap::SessionOptions;
use tracing_tap::TapRouter;
use tracing_tap::catalog::CatalogEntry;
use tracing_tap::coverage::{Coverage, Verdict};

/// A session's coverage, with the endpoint's own note.
#[derive(Debug)]
pub(super) struct Sight {
    coverage: Coverage,
    /// A note for a session that can see how its own stream is carried.
    own_traffic: Option<Value>,
}

/// The callsites that can emit something the caller may see.
pub(super) fn catalog(router: &TapRouter, caller: &Caller) -> Vec<CatalogEntry> {
    caller.confinement().map_or_else(|| router.catalog(), |confinement| router.catalog_within(confinement))
}

impl Sight {
    /// Adds the endpoint's note to `coverage`, which the router has confined already.
    pub(super) fn of(
        coverage: Coverage,
        session: &SessionOptions,
        endpoint: &EndpointState,
        admitted: &Admitted,
    ) -> Self {
        // Where the endpoint is served alone, its stack logs into no session.
        let note = |catalog: &[_]| own_traffic::note(&session.confined_predicate(), catalog, admitted.version);
        let may_see_it = endpoint.is_mounted && coverage.verdict() != Verdict::Nothing;
        let own_traffic = may_see_it.then(|| note(&endpoint.router.catalog())).flatten();
        Self { coverage, own_traffic }
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

fn with_text(shown: &(impl Serialize + Display)) -> Value {
    let mut value = serde_json::to_value(shown).expect("findings and notes are plain data");
    if let Value::Object(members) = &mut value {
        members.insert("text".to_owned(), shown.to_string().into());
    }
    value
}
