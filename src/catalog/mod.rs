//! The callsites of a service: the places in its code that emit events and spans.
//!
//! A callsite is known from the first time that it is reached.

mod outcomes;

use crate::predicate::Predicate;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One callsite that has been reached. Returned by [`TapRouter::catalog`](crate::TapRouter::catalog).
///
/// Serialized as an object of its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CatalogEntry {
    /// What it emits.
    pub kind: CallsiteKind,
    /// The span's name, or the event's: `event src/hub.rs:214` unless the code names it.
    pub name: Cow<'static, str>,
    /// Its target, usually the module path.
    pub target: Cow<'static, str>,
    /// Its level in capitals: `DEBUG`.
    pub level: Cow<'static, str>,
    /// The source file; `None` if the callsite does not record it.
    pub file: Option<Cow<'static, str>>,
    /// The line in the source file, from 1; `None` if the callsite does not record it.
    pub line: Option<u32>,
    /// The names of its declared fields, in order.
    pub fields: Vec<Cow<'static, str>>,
    /// Whether a layer other than the router's wants it; `None` if that is not known yet. The router learns it while a
    /// session is open that could match this callsite.
    pub wanted_by_others: Option<bool>,
    /// Whether the router vetoes it wherever no open session can match. The arguments of a vetoed event are not evaluated.
    pub is_vetoed: bool,
}

/// What a callsite emits. Serialized as `event`, `span` or `hint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallsiteKind {
    /// Events.
    Event,
    /// Spans.
    Span,
    /// Nothing: it belongs to `enabled!` or a similar macro.
    Hint,
}

impl CatalogEntry {
    /// Creates the entry of an event callsite that has not been reached, from its target and its level in capitals.
    ///
    /// It has no name and no declared fields. Use it with [`may_match`](Self::may_match).
    pub fn unseen_event(target: impl Into<Cow<'static, str>>, level: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: CallsiteKind::Event,
            name: Cow::Borrowed(""),
            target: target.into(),
            level: level.into(),
            file: None,
            line: None,
            fields: Vec::new(),
            wanted_by_others: None,
            is_vetoed: false,
        }
    }

    /// Whether an event of this callsite can match `predicate` inside spans of the callsites `spans`.
    ///
    /// Compares names, levels, targets and declared fields. Assumes that a declared field has the wanted value. Linear in
    /// the tests of the predicate times the declared fields.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    /// use tracing_tap::catalog::CatalogEntry;
    ///
    /// let hyper = CatalogEntry::unseen_event("hyper::proto", "TRACE");
    /// assert!(hyper.may_match(&"@target = hyper".parse()?, &[]));
    /// assert!(!hyper.may_match(&"user = 42".parse()?, &[]));
    /// # Ok::<(), tracing_tap::PredicateError>(())
    /// ```
    pub fn may_match(&self, predicate: &Predicate, spans: &[&Self]) -> bool {
        outcomes::may_satisfy(predicate, self, spans)
    }
}
