//! What a door to a fleet tells of its instances: lines of JSON, which are the fleet's own.

use super::form::Counted;
use super::source::Told;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;

/// What is shown of a line, whatever its type.
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
}

impl Told {
    /// Whether a line is of an instance of a fleet.
    pub(crate) fn is_of_instance(line: &[u8]) -> bool {
        instance_of(line).is_some()
    }
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
    /// What it counts as.
    pub(crate) fn counted(&self) -> Counted {
        match &*self.kind {
            "lost" | "gap" => Counted::Lost(self.count),
            _ => Counted::Nothing,
        }
    }
}

/// In the words of the fleet's own items.
impl fmt::Display for OfInstance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, instance, reason, error, place, count, matched, arrived, lost } = self;
        let plural = if *count == 1 { "" } else { "s" };
        let word = |word: &Option<Cow<'_, str>>| word.as_deref().unwrap_or("it is not said why").to_owned();
        write!(f, "{instance}: ")?;
        match &**kind {
            "joined" => f.write_str("takes part"),
            "silent" => f.write_str("is silent"),
            "refused" => write!(f, "takes no part: {}", word(error)),
            "left" => {
                write!(f, "takes no more part: {}; {matched} matched, {arrived} arrived, {lost} lost", word(reason))
            }
            "gap" => write!(f, "{count} event{plural} lost, place: {}", word(place)),
            "lost" => write!(f, "{count} event{plural} lost: {}", word(reason)),
            other => f.write_str(other),
        }
    }
}
