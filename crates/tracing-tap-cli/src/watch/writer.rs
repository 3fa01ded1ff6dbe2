//! Formats updates for the output.

use super::counts::Counted;
use super::duration::exact;
use super::instances::{OfInstance, instance_of};
use super::update::{Notice, Update};
use crate::shown;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;
use tracing_tap::Item;
use tracing_tap::escape::is_plain;
use tracing_tap::render::{Format, FormatOptions, Severity, write_item, write_item_coloured, write_notice};
use tracing_tap_nats::FleetItem;

/// Writes updates in one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) format: Format,
    pub(crate) is_coloured: bool,
    /// How JSON lines are written.
    pub(crate) json: FormatOptions,
}

impl Writer {
    /// Appends an update, with its line breaks. What a terminal would obey or not show is escaped.
    pub(crate) fn write(&self, out: &mut Vec<u8>, update: &Update) -> Counted {
        match update {
            Update::Event(line) => match self.write_event(out, line) {
                Ok(()) => Counted::Event,
                Err(error) => self.write_unreadable(out, error.to_string()),
            },
            Update::Item(item) => {
                self.write_item(out, item);
                if let Item::Missing(missing) = item { Counted::Missing(*missing) } else { Counted::Nothing }
            }
            Update::Fleet(item) => {
                self.write_fleet_item(out, item);
                counted(item)
            }
            Update::OfInstance(line) => match self.write_of_instance(out, line) {
                Ok(counted) => counted,
                Err(error) => self.write_unreadable(out, error.to_string()),
            },
            Update::Unreadable(why) => self.write_unreadable(out, why.clone()),
            Update::Notice(notice) => {
                self.write_words(out, Severity::Warning, &notice.to_string(), notice.json());
                Counted::Nothing
            }
        }
    }

    fn write_unreadable(&self, out: &mut Vec<u8>, why: String) -> Counted {
        let json = json!({ "type": "unreadable", "reason": why });
        self.write_words(out, Severity::Warning, &format!("unreadable data arrived: {why}"), Some(json));
        Counted::Unreadable(why)
    }

    /// A line of JSON is copied if it is valid and has nothing hidden: to read it into an item and write that takes
    /// twenty
    /// times as long.
    ///
    /// # Errors
    /// If the line is not an event.
    pub(crate) fn write_event(&self, out: &mut Vec<u8>, line: &[u8]) -> serde_json::Result<()> {
        if self.copies(line) {
            check_event(line)?;
            out.extend_from_slice(line);
            out.push(b'\n');
            return Ok(());
        }
        let item: Item = serde_json::from_slice(line)?;
        if !item.is_numbered() {
            return Err(serde::de::Error::custom("an item of another type was sent as an event"));
        }
        match instance_of(line) {
            // An item has no instance.
            Some(_) if self.format == Format::Json && self.passes_on() => self.pass_on(out, line)?,
            Some(instance) if self.format == Format::Json => self.write_named(out, &instance, &item),
            Some(instance) => self.write_fleet_event(out, &instance, &item),
            None => self.write_item(out, &item),
        }
        Ok(())
    }

    /// Whether a valid line is written as it is.
    pub(crate) fn copies(&self, line: &[u8]) -> bool {
        self.format == Format::Json && self.passes_on() && is_plain(line)
    }

    /// Whether lines can be copied.
    fn passes_on(&self) -> bool {
        self.json == FormatOptions::new(Format::Json)
    }

    /// Writes a line again, with the instance after its type.
    fn write_named(&self, out: &mut Vec<u8>, instance: &str, item: &Item) {
        let beginning = if matches!(item, Item::Event { .. }) { r#"{"type":"event","# } else { r#"{"type":"timing","# };
        let named = format!(r#"{beginning}"instance":{},"#, shown::json(&instance.into()).trim_end());
        let mut line = Vec::new();
        write_item(&mut line, item, self.json_with_room_for(named.len() - beginning.len()));
        out.extend_from_slice(named.as_bytes());
        out.extend_from_slice(&line[beginning.len()..]);
    }

    fn json_with_room_for(&self, bytes: usize) -> FormatOptions {
        self.json.line_bytes().map_or(self.json, |max| self.json.max_line_bytes(max.saturating_sub(bytes)))
    }

    fn write_fleet_item(&self, out: &mut Vec<u8>, item: &FleetItem) {
        match item {
            FleetItem::Event(event) if self.is_coloured && self.format == Format::Compact => {
                match serde_json::from_str(event.line()) {
                    Ok(event_item) => self.write_fleet_event(out, event.instance(), &event_item),
                    Err(_) => item.write(out, self.options()),
                }
            }
            item => item.write(out, self.options()),
        }
    }

    /// Like the library, with colours.
    fn write_fleet_event(&self, out: &mut Vec<u8>, instance: &str, item: &Item) {
        if matches!(self.format, Format::Human | Format::Compact) {
            out.extend_from_slice(format!("[{}] ", shown::line(instance)).as_bytes());
        }
        self.write_item(out, item);
    }

    fn write_of_instance(&self, out: &mut Vec<u8>, line: &[u8]) -> serde_json::Result<Counted> {
        let about: OfInstance<'_> = serde_json::from_slice(line)?;
        match self.format {
            Format::Json => self.pass_on(out, line)?,
            format => write_notice(out, about.severity(), &about, format),
        }
        Ok(about.counted())
    }

    /// Copies a line of JSON, with hidden characters as escapes.
    ///
    /// # Errors
    /// If the line is not JSON.
    pub(crate) fn pass_on(&self, out: &mut Vec<u8>, line: &[u8]) -> serde_json::Result<()> {
        if is_plain(line) {
            out.extend_from_slice(line);
            out.push(b'\n');
        } else {
            out.extend_from_slice(shown::json(&serde_json::from_slice(line)?).as_bytes());
        }
        Ok(())
    }

    fn write_item(&self, out: &mut Vec<u8>, item: &Item) {
        match self.format {
            Format::Compact if self.is_coloured => write_item_coloured(out, item),
            _ => write_item(out, item, self.options()),
        }
    }

    /// Writes a line of the program itself: in words, or as JSON. Without JSON it is not part of the output.
    fn write_words(&self, out: &mut Vec<u8>, severity: Severity, words: &str, json: Option<Value>) {
        let Some(json) = json else { return };
        match self.format {
            Format::Json => out.extend_from_slice(shown::json(&json).as_bytes()),
            format => write_notice(out, severity, shown::line(words), format),
        }
    }

    fn options(&self) -> FormatOptions {
        if self.format == Format::Json { self.json } else { self.format.into() }
    }
}

/// How an item of a fleet is counted.
fn counted(item: &FleetItem) -> Counted {
    match item {
        FleetItem::Event(_) => Counted::Event,
        FleetItem::Missing { missing, .. } => Counted::Missing(*missing),
        FleetItem::Gap(gap) => Counted::Gap(gap.count),
        _ => Counted::Nothing,
    }
}

/// Checks that a line is JSON, and of the type `event` or `timing`.
fn check_event(line: &[u8]) -> serde_json::Result<()> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    let head: Head<'_> = serde_json::from_slice(line)?;
    match &*head.kind {
        "event" | "timing" => Ok(()),
        _ => Err(serde::de::Error::custom("it is not of the type `event`")),
    }
}

impl Notice {
    /// Whether it is not known what is missing.
    pub(crate) fn leaves_a_gap(&self) -> bool {
        matches!(self, Self::Reopened { .. } | Self::Gone { .. })
    }

    /// The line of JSON in the output; `None` if the output does not have it.
    fn json(&self) -> Option<Value> {
        let milliseconds = |after: &Duration| u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Cut { .. } => None,
            Self::Continued { after } => Some(json!({ "type": "continued", "after_ms": milliseconds(after) })),
            Self::Reopened { after } | Self::Gone { after } => {
                Some(json!({ "type": "gap", "after_ms": milliseconds(after) }))
            }
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { why, patience } => {
                write!(f, "connection lost, trying again for {}: failed to {why}", exact(*patience))
            }
            Self::Continued { after } => {
                write!(f, "reconnected after {after:.1?}: missing events, if any, are reported")
            }
            Self::Reopened { after } => {
                write!(f, "reconnected after {after:.1?} with a new session: events in between are unknown")
            }
            Self::Gone { .. } => {
                f.write_str("the session was gone before its end was read: events in between are unknown")
            }
        }
    }
}
