//! The places in the code that emit events and spans, as far as they have been reached.

mod outcomes;

use crate::predicate::Predicate;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One callsite that has been reached; got from [`TapRouter::catalog`](crate::TapRouter::catalog).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CatalogEntry {
    /// What it emits.
    pub kind: CallsiteKind,
    /// Its name: a span's, or `event src/hub.rs:214`.
    pub name: Cow<'static, str>,
    /// Its target.
    pub target: Cow<'static, str>,
    /// Its level, in capitals.
    pub level: Cow<'static, str>,
    /// The source file, where it tells.
    pub file: Option<Cow<'static, str>>,
    /// The line in the source file, from 1.
    pub line: Option<u32>,
    /// The names of the fields it declares, in order.
    pub fields: Vec<Cow<'static, str>>,
    /// Whether a layer other than the router's wants it; nothing while that is not known. It is learned while a
    /// session is open that could match it.
    pub wanted_by_others: Option<bool>,
    /// Whether it is vetoed wherever no open session can match: nothing of it is evaluated there.
    pub is_vetoed: bool,
}

/// What a callsite emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallsiteKind {
    /// Events.
    Event,
    /// Spans.
    Span,
    /// Nothing: it asks whether something is enabled.
    Hint,
}

impl CatalogEntry {
    /// An event's callsite that was not reached yet, of which only target and level are known; the level in capitals.
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

    /// Whether an event of this callsite can match, inside of spans of no other callsites than these.
    ///
    /// Goes by names, levels, targets and declared fields: values are taken to be what the predicate asks for.
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
