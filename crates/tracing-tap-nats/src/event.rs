//! An event as an instance sent it: a line of JSON that is parsed on demand.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tracing_tap::SessionId;
use tracing_tap::escape::is_plain;
use tracing_tap::render::{Format, write_item};
use tracing_tap::wire::read_time;
use tracing_tap::{CapturedEvent, SpanTiming};
use tracing_tap::{Horizon, Item, Missing};

/// The beginnings of every line of an event, and of every line of a span's times.
const BEGINNINGS: [&str; 2] = [r#"{"type":"event","#, r#"{"type":"timing","#];

/// An event of the session at one instance, or the times of a span there: the line of JSON that the instance has signed.
///
/// Parsing the line costs more than everything else this crate does with it, so it happens in [`read`](Self::read) only.
///
/// ```no_run
/// # async fn example(mut stream: tracing_tap_nats::FleetStream) -> Result<(), Box<dyn std::error::Error>> {
/// use tracing_tap_nats::FleetItem;
///
/// while let Some(item) = stream.recv().await {
///     if let FleetItem::Event(event) = item {
///         println!("{} says: {}", event.instance(), event.read()?.message());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FleetEvent {
    instance: Arc<str>,
    line: Box<str>,
}

/// Error of [`FleetEvent::read`]: this version of the crate does not accept the JSON as an event.
#[derive(Debug)]
pub struct FleetEventError(serde_json::Error);

/// A parsed line.
#[derive(Debug)]
pub(super) enum Line {
    Event(FleetEvent, SystemTime),
    Missing(Missing),
    Horizon(Horizon),
    Ended,
}

/// The keys that are checked of an event before it is parsed: enough to tell it from every other item.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    #[serde(rename = "session")]
    _session: SessionId,
    #[serde(rename = "sequence")]
    _sequence: u64,
    timestamp: &'a str,
    level: &'a str,
    #[serde(rename = "fields")]
    _fields: IgnoredAny,
    #[serde(rename = "target")]
    _target: IgnoredAny,
    instance: Option<IgnoredAny>,
}

impl Line {
    /// Parses a line of a batch; `None` if it is no item.
    pub(super) fn read(line: &str, instance: &Arc<str>) -> Option<Self> {
        if let Some(time) = time_of_event(line) {
            return Some(Self::event(instance, line.into(), time));
        }
        // Written by another program, or no event: this crate writes the line again.
        match serde_json::from_str(line).ok()? {
            item if item.is_numbered() => {
                let time = item.time()?;
                let mut line = Vec::new();
                write_item(&mut line, &item, Format::Json);
                line.pop();
                Some(Self::event(instance, String::from_utf8(line).ok()?.into(), time))
            }
            Item::Missing(missing) => Some(Self::Missing(missing)),
            Item::Horizon(horizon) => Some(Self::Horizon(horizon)),
            Item::Ended(_) => Some(Self::Ended),
            _ => None,
        }
    }

    fn event(instance: &Arc<str>, line: Box<str>, time: SystemTime) -> Self {
        Self::Event(FleetEvent { instance: Arc::clone(instance), line }, time)
    }
}

/// The time of an event, if the line is written as this crate writes it.
fn time_of_event(line: &str) -> Option<SystemTime> {
    if !is_plain(line.as_bytes()) {
        return None;
    }
    match BEGINNINGS.iter().position(|beginning| line.starts_with(beginning))? {
        0 => {}
        // They are few, and their numbers are checked as well.
        _ => drop(serde_json::from_str::<Item>(line).ok()?),
    }
    let head: Head<'_> = serde_json::from_str(line).ok()?;
    let is_known = matches!(head.level, "ERROR" | "WARN" | "INFO" | "DEBUG" | "TRACE") && head.instance.is_none();
    read_time(head.timestamp).ok().filter(|_| is_known)
}

impl FleetEvent {
    /// The name of its instance.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The line of [JSON](tracing_tap::wire) as it was signed, without a line break. A line with hidden characters, or
    /// written in another way by another program, was written again.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Whether it is the times of a span, and no event.
    pub fn is_timing(&self) -> bool {
        self.line.starts_with(BEGINNINGS[1])
    }

    /// Parses the times of a span; `None` if it is an event.
    ///
    /// # Errors
    /// If this version of the crate does not accept them.
    pub fn timing(&self) -> Result<Option<SpanTiming>, FleetEventError> {
        Ok(self.item()?.into_timing())
    }

    /// Parses the line; the times of a span as the event of its close.
    ///
    /// # Errors
    /// If this version of the crate does not accept it as an event.
    pub fn read(&self) -> Result<CapturedEvent, FleetEventError> {
        serde_json::from_str(&self.line).map_err(FleetEventError)
    }

    /// Parses the line as an item of the instance's stream.
    pub(super) fn item(&self) -> Result<Item, FleetEventError> {
        serde_json::from_str(&self.line).map_err(FleetEventError)
    }

    /// The beginning of its line, up to the comma behind its type.
    pub(super) fn beginning(&self) -> &'static str {
        BEGINNINGS[usize::from(self.is_timing())]
    }

    /// The rest of its line, or of one that begins alike, behind its type.
    pub(super) fn behind_type<'a>(&self, line: &'a str) -> &'a str {
        // The comma is part of it.
        &line[self.beginning().len() - 1..]
    }

    /// Its bytes on the heap.
    pub(crate) fn held_bytes(&self) -> usize {
        self.line.len()
    }
}

impl FleetEventError {
    pub(super) fn why(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for FleetEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event of the fleet is not readable: {}", self.0)
    }
}

impl std::error::Error for FleetEventError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

#[cfg(test)]
impl FleetEvent {
    /// The event of a line.
    pub(super) fn of(instance: &str, line: &str) -> Self {
        match Line::read(line, &instance.into()) {
            Some(Line::Event(event, _)) => event,
            other => panic!("{other:?} is no event"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tracing_tap::escape::is_hidden;

    const EVENT: &str = r#"{"type":"event","session":1,"sequence":0,"timestamp":"2026-11-20T08:15:02.123456Z","level":"DEBUG","fields":{"message":"rejected"},"target":"chat::hub"}"#;

    fn line(text: &str) -> Option<Line> {
        Line::read(text, &"chat-1".into())
    }

    #[test]
    fn a_line_of_this_crate_is_passed_on_as_it_is() {
        let event = FleetEvent::of("chat-1", EVENT);
        assert_eq!((event.instance(), event.line()), ("chat-1", EVENT));
        let read = event.read().expect("it is an event");
        assert_eq!((read.message(), read.target()), ("rejected", "chat::hub"));
    }

    #[test]
    fn a_line_of_another_program_is_written_again() {
        let spaced =
            EVENT.replace(r#""session""#, r#" "session""#).replace(r#"{"type":"event","#, r#"{ "type": "event","#);
        let hidden = EVENT.replace("rejected", "re\u{9b}jec\u{202e}ted");
        let named = EVENT.replace(r#""target""#, r#""instance":"chat-9","target""#);
        assert_eq!(FleetEvent::of("chat-1", &spaced).line(), EVENT);
        assert_eq!(FleetEvent::of("chat-1", &named).line(), EVENT);
        let expected = EVENT.replace("rejected", r"re\u009bjec\u202eted");
        assert_eq!(FleetEvent::of("chat-1", &hidden).line(), expected);
    }

    #[test]
    fn what_is_no_item_is_none() {
        for (part, instead) in [
            ("2026-11-20T", "yesterday "),
            (r#""session":1,"#, ""),
            ("DEBUG", "LOUD"),
            (r#""fields":{"message":"rejected"},"#, ""),
            (r#"}"#, ""),
            ("rejected", "re\njected"),
            (r#""type":"event""#, r#""type":"news""#),
            (r#""type":"event""#, r#""type":"event","type":"missing","count":1,"reason":"overflow""#),
        ] {
            let text = EVENT.replace(part, instead);
            assert!(line(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn other_items_are_recognized() {
        let missing = line(r#"{"type":"missing","count":3,"reason":"rate_limited"}"#);
        assert!(matches!(missing, Some(Line::Missing(missing)) if missing.count == 3), "{missing:?}");
        assert!(matches!(line(r#"{"type":"ended","reason":"closed"}"#), Some(Line::Ended)));
    }

    #[test]
    fn an_unreadable_event_has_an_error_with_its_cause() {
        let event = FleetEvent::of("chat-1", &EVENT.replace(r#"{"message":"rejected"}"#, "7"));
        let error = event.read().expect_err("fields are an object");
        assert!(error.to_string().starts_with("an event of the fleet is not readable: invalid type"), "{error}");
    }

    proptest! {
        #[test]
        fn every_item_is_accepted_and_no_hidden_character_shown(text in any::<String>(), place in 0..EVENT.len()) {
            let mut changed = EVENT.to_owned();
            changed.insert_str(place, &text);
            if serde_json::from_str::<Item>(&changed).is_ok() {
                prop_assert!(line(&changed).is_some());
            }
            if let Some(Line::Event(event, _)) = line(&changed) {
                prop_assert!(!event.line().contains(is_hidden));
                prop_assert!(event.line().starts_with(event.beginning()));
            }
        }
    }
}
