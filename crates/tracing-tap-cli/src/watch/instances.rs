//! Lines about instances, as an HTTP endpoint of a fleet sends them: the fleet's own JSON.

use super::counts::Counted;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;
use tracing_tap::Horizon;
use tracing_tap::missing::{Missing, MissingCounts, MissingReason};
use tracing_tap::render::Severity;

/// The parts of a line that are shown, for any type.
#[derive(Debug, Deserialize)]
pub(crate) struct OfInstance<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) instance: Cow<'a, str>,
    #[serde(default, borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    place: Option<Cow<'a, str>>,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    matched: u64,
    #[serde(default)]
    arrived: u64,
    #[serde(default)]
    lost: u64,
    #[serde(default)]
    missing: MissingCounts,
    #[serde(default)]
    asked_ms: u64,
    #[serde(default)]
    reaches_ms: u64,
    #[serde(default)]
    overwritten: u64,
    #[serde(default)]
    unresolved: u64,
    #[serde(default)]
    unkept: u64,
}

/// The instance that a line names, if it does.
pub(crate) fn instance_of(line: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        instance: Cow<'a, str>,
    }
    serde_json::from_slice(line).ok().map(|Head { instance }| instance)
}

impl OfInstance<'_> {
    /// How the line is counted.
    pub(crate) fn counted(&self) -> Counted {
        match &*self.kind {
            "gap" => Counted::Gap(self.count),
            // A reason of a later version may be a loss.
            "missing" => self.announced().map_or(Counted::Gap(self.count), Counted::Missing),
            _ => Counted::Nothing,
        }
    }

    /// The severity, the same as if the fleet is read without an endpoint.
    pub(crate) fn severity(&self) -> Severity {
        match self.counted() {
            Counted::Missing(missing) if missing.reason.is_asked_for() => Severity::Notice,
            Counted::Nothing if &*self.kind == "horizon" && !self.horizon().is_whole() => Severity::Warning,
            Counted::Nothing => Severity::Notice,
            _ => Severity::Warning,
        }
    }

    /// How far the past of the instance reaches back.
    fn horizon(&self) -> Horizon {
        let mut horizon = Horizon::default();
        (horizon.asked_ms, horizon.reaches_ms) = (self.asked_ms, self.reaches_ms);
        (horizon.overwritten, horizon.unresolved, horizon.unkept) = (self.overwritten, self.unresolved, self.unkept);
        horizon
    }

    /// The missing events that it announces, if the reason is known.
    fn announced(&self) -> Option<Missing> {
        let reason = MissingReason::ALL.iter().find(|reason| self.reason.as_deref() == Some(reason.word()));
        reason.map(|reason| Missing::new(self.count, *reason))
    }
}

/// The words are those of the fleet's own items.
impl fmt::Display for OfInstance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, instance, reason, error, place, count, matched, arrived, lost, missing, .. } = self;
        let plural = if *count == 1 { "" } else { "s" };
        let word = |word: &Option<Cow<'_, str>>| word.as_deref().unwrap_or("no reason given").to_owned();
        write!(f, "{instance}: ")?;
        match &**kind {
            "joined" => f.write_str("takes part"),
            "silent" => f.write_str("is silent"),
            "refused" => write!(f, "takes no part: {}", word(error)),
            "left" => {
                let (reason, kept_back) = (word(reason), missing.kept_back_words());
                write!(f, "takes no more part: {reason}; {matched} matched, {arrived} arrived, {lost} lost{kept_back}")
            }
            "gap" => write!(f, "{count} event{plural} lost, place: {}", word(place)),
            "missing" => match self.announced() {
                Some(missing) => missing.fmt(f),
                None => write!(f, "{count} event{plural} missing: {}", word(reason)),
            },
            "horizon" => self.horizon().fmt(f),
            other => f.write_str(other),
        }
    }
}
