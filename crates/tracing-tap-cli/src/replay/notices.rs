//! What a recording says of itself between its events, for the formats that are not JSON.

use crate::remote::Coverage;
use crate::watch::Update;
use bytes::Bytes;
use serde::Deserialize;
use std::borrow::Cow;
use std::time::Duration;
use tracing_tap::Item;
use tracing_tap::render::Severity;

/// A line that is not an event.
#[derive(Debug)]
pub(super) enum Other {
    /// Known to the library, or about an instance.
    Update(Update),
    /// Of the programs that record.
    Words(Severity, String),
    /// Missing events, for a reason of a later version, which may be a loss.
    Missing(u64, String),
    /// Of a later version, or of another program.
    Unknown,
}

/// The parts of such a line that are shown.
#[derive(Debug, Deserialize)]
struct Parts<'a> {
    #[serde(default, borrow)]
    instance: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    after_ms: Option<u64>,
}

impl Other {
    /// Reads a line of this type.
    pub(super) fn of(kind: &str, line: &[u8]) -> Self {
        let Ok(parts) = serde_json::from_slice::<Parts<'_>>(line) else { return Self::Unknown };
        let is_of_instance = matches!(kind, "joined" | "left" | "silent" | "refused" | "gap" | "missing" | "horizon");
        if is_of_instance && parts.instance.is_some() {
            return Self::Update(Update::OfInstance(Bytes::copy_from_slice(line)));
        }
        let coverage = || coverage_words(line).map(|words| (Severity::Notice, words));
        let words = if kind == "coverage" { coverage() } else { parts.words(kind) };
        if let Some((severity, words)) = words {
            return Self::Words(severity, words);
        }
        match serde_json::from_slice::<Item>(line) {
            Ok(item) if !matches!(item, Item::Event { .. }) => Self::Update(Update::Item(item)),
            _ if kind == "missing" => parts.missing().unwrap_or(Self::Unknown),
            _ => Self::Unknown,
        }
    }
}

impl Parts<'_> {
    fn missing(&self) -> Option<Other> {
        let (count, reason) = (self.count?, self.reason.as_deref()?);
        let plural = if count == 1 { "" } else { "s" };
        Some(Other::Missing(count, format!("{count} event{plural} missing: {reason}")))
    }

    fn words(&self, kind: &str) -> Option<(Severity, String)> {
        let lasting = |preposition| lasting(preposition, self.after_ms);
        Some(match kind {
            "continued" => {
                (Severity::Warning, format!("reconnected{}: missing events, if any, are reported", lasting("after")))
            }
            "gap" => {
                (Severity::Warning, format!("the session was gone{}: events in between are unknown", lasting("for")))
            }
            "unreadable" => {
                let why = self.reason.as_deref().unwrap_or("no reason given");
                (Severity::Warning, format!("unreadable data arrived: {why}"))
            }
            "superseded" => (Severity::Warning, "another reader took the session over".to_owned()),
            "stalled" => (Severity::Warning, "the reader was too slow, and the stream was ended".to_owned()),
            "note" => (Severity::Notice, self.text.as_deref().unwrap_or_default().to_owned()),
            _ => return None,
        })
    }
}

fn coverage_words(line: &[u8]) -> Option<String> {
    let coverage: Coverage = serde_json::from_slice(line).ok()?;
    let verdict = coverage.verdict.map(|verdict| verdict.to_string());
    let parts: Vec<_> = verdict.into_iter().chain(coverage.findings.into_iter().map(|finding| finding.text)).collect();
    Some(format!("coverage: {}", parts.join("; ")))
}

/// `for 1.5s`, if the time is known.
fn lasting(preposition: &str, milliseconds: Option<u64>) -> String {
    let words = |milliseconds| format!(" {preposition} {:.1?}", Duration::from_millis(milliseconds));
    milliseconds.map_or_else(String::new, words)
}
