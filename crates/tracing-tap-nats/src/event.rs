//! An event as an instance has sent it: a line of JSON, read when somebody looks into it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tracing_tap::CapturedEvent;
use tracing_tap::SessionId;
use tracing_tap::escape::is_plain;
use tracing_tap::render::{Format, write_item};
use tracing_tap::wire::read_time;
use tracing_tap::{Item, Missing};

/// What every line of an event begins with.
const BEGINNING: &str = r#"{"type":"event","#;

/// An event of the session at one instance: the line of JSON that the instance has signed.
///
/// To read the line costs more than all else that is done with it here, so that is for whoever wants the event's fields.
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

/// Why an event could not be read: an instance has sent JSON that this version of the crate does not take for an event.
#[derive(Debug)]
pub struct FleetEventError(serde_json::Error);

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    Event(FleetEvent, SystemTime),
    Missing(Missing),
    Ended,
}

/// What is looked at of an event before anybody reads it: enough that no other item passes for one.
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

/// Where an event was in its session at the instance.
#[derive(Deserialize)]
struct Place {
    session: SessionId,
    sequence: u64,
}

impl Line {
    /// Reads a line of a batch; nothing where it is no item.
    pub(super) fn read(line: &str, instance: &Arc<str>) -> Option<Self> {
        if let Some(time) = time_of_event(line) {
            return Some(Self::event(instance, line.into(), time));
        }
        // Somebody else's writing, or no event: it is written anew as this crate does it.
        match serde_json::from_str(line).ok()? {
            Item::Event { session, sequence, event, .. } => {
                let time = event.time();
                let mut line = Vec::new();
                write_item(&mut line, &Item::event(session, sequence, event), Format::Json);
                line.pop();
                Some(Self::event(instance, String::from_utf8(line).ok()?.into(), time))
            }
            Item::Missing(missing) => Some(Self::Missing(missing)),
            Item::Ended(_) => Some(Self::Ended),
            _ => None,
        }
    }

    fn event(instance: &Arc<str>, line: Box<str>, time: SystemTime) -> Self {
        Self::Event(FleetEvent { instance: Arc::clone(instance), line }, time)
    }
}

/// The time of an event that is written as this crate does it.
fn time_of_event(line: &str) -> Option<SystemTime> {
    if !line.starts_with(BEGINNING) || !is_plain(line.as_bytes()) {
        return None;
    }
    let head: Head<'_> = serde_json::from_str(line).ok()?;
    let is_known = matches!(head.level, "ERROR" | "WARN" | "INFO" | "DEBUG" | "TRACE") && head.instance.is_none();
    read_time(head.timestamp).ok().filter(|_| is_known)
}

impl FleetEvent {
    /// The name of the instance it happened at.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The line of [JSON](tracing_tap::wire) as it was signed, without a line break. Nothing in it is hidden: a line in which
    /// something is, or that another program has written in its own way, is written anew.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Reads the line.
    ///
    /// # Errors
    /// If it is no event as this version of the crate knows them, whatever its type says.
    pub fn read(&self) -> Result<CapturedEvent, FleetEventError> {
        serde_json::from_str(&self.line).map_err(FleetEventError)
    }

    /// Reads the line, as what a stream of the instance gives.
    pub(super) fn item(&self) -> Result<Item, FleetEventError> {
        let Place { session, sequence } = serde_json::from_str(&self.line).map_err(FleetEventError)?;
        Ok(Item::event(session, sequence, Arc::new(self.read()?)))
    }

    /// A line that ends with its type.
    pub(super) const NOTHING_BEHIND_TYPE: &str = BEGINNING;

    /// What is behind the type in the line of an event.
    pub(super) fn behind_type(line: &str) -> &str {
        // The comma is part of it.
        &line[BEGINNING.len() - 1..]
    }

    /// What keeping it holds on the heap.
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
        f.write_str("read an event of the fleet")
    }
}

impl std::error::Error for FleetEventError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
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
    fn what_somebody_else_has_written_is_written_anew() {
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
    fn other_items_are_told_apart() {
        let missing = line(r#"{"type":"missing","count":3,"reason":"rate_limited"}"#);
        assert!(matches!(missing, Some(Line::Missing(missing)) if missing.count == 3), "{missing:?}");
        assert!(matches!(line(r#"{"type":"ended","reason":"closed"}"#), Some(Line::Ended)));
    }

    #[test]
    fn an_event_that_only_its_reader_cannot_read_says_why() {
        let event = FleetEvent::of("chat-1", &EVENT.replace(r#"{"message":"rejected"}"#, "7"));
        let error = event.read().expect_err("fields are an object");
        assert_eq!(error.to_string(), "read an event of the fleet");
        assert!(std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("invalid type")));
    }

    proptest! {
        #[test]
        fn no_line_shows_what_is_hidden_and_what_is_an_item_is_taken(text in any::<String>(), place in 0..EVENT.len()) {
            let mut changed = EVENT.to_owned();
            changed.insert_str(place, &text);
            if serde_json::from_str::<Item>(&changed).is_ok() {
                prop_assert!(line(&changed).is_some());
            }
            if let Some(Line::Event(event, _)) = line(&changed) {
                prop_assert!(!event.line().contains(is_hidden));
                prop_assert!(event.line().starts_with(BEGINNING));
            }
        }
    }
}
