//! What a line is, found with as little reading as possible.

use memchr::memmem::Finder;
use serde::Deserialize;
use std::borrow::Cow;

/// How every event begins in the lines of this project.
const EVENT: &[u8] = br#"{"type":"event","#;
/// How every timing begins.
const TIMING: &[u8] = br#"{"type":"timing","#;
/// The key of an event's time. Only the type, an instance and two numbers come before it.
const TIMESTAMP: &[u8] = br#""timestamp":""#;
/// Where it is looked for.
const NEAR: usize = 1 << 10;
/// No time is longer.
const MAX_TIME_BYTES: usize = 64;

/// Whether a line begins as an event. Others may be events too.
#[inline]
pub(super) fn begins_as_event(line: &[u8]) -> bool {
    line.starts_with(EVENT)
}

/// The same for the times of a span.
#[inline]
pub(super) fn begins_as_timing(line: &[u8]) -> bool {
    line.starts_with(TIMING)
}

/// Whether a line is as long as it was written, as far as that shows without reading it: a system that crashes may leave
/// zeros behind.
#[inline]
pub(super) fn looks_whole(line: &[u8]) -> bool {
    line.ends_with(b"}") && line.iter().fold(true, |plain, byte| plain & (*byte >= b' '))
}

/// Whether bytes may be the beginning of a line of this project.
pub(super) fn may_begin_line(bytes: &[u8]) -> bool {
    let beginning = br#"{"type":""#;
    let length = beginning.len().min(bytes.len());
    bytes[..length] == beginning[..length]
}

/// The type of a line.
///
/// # Errors
/// What is wrong, if it is not JSON with a `type`.
pub(super) fn type_of(line: &[u8]) -> Result<Cow<'_, str>, String> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    serde_json::from_slice(line).map(|Head { kind }| kind).map_err(|error| error.to_string())
}

/// Finds the times of events.
#[derive(Debug)]
pub(super) struct Timestamps(Finder<'static>);

impl Default for Timestamps {
    fn default() -> Self {
        Self(Finder::new(TIMESTAMP))
    }
}

impl Timestamps {
    /// The text of an event's time.
    #[inline]
    pub(super) fn of<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, str>> {
        let near = &line[..line.len().min(NEAR)];
        let text = self.0.find(near).map(|place| &line[place + TIMESTAMP.len()..]);
        match text.and_then(string_that_begins) {
            Some(text) if begins_as_event(line) || begins_as_timing(line) => Some(Cow::Borrowed(text)),
            _ => read_timestamp(line),
        }
    }
}

/// The content of a string without escapes, up to its closing quote.
fn string_that_begins(text: &[u8]) -> Option<&str> {
    let length = memchr::memchr2(b'"', b'\\', &text[..text.len().min(MAX_TIME_BYTES)])?;
    if text[length] == b'"' { str::from_utf8(&text[..length]).ok() } else { None }
}

#[cold]
fn read_timestamp(line: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        timestamp: Cow<'a, str>,
    }
    serde_json::from_slice(line).ok().map(|Head { timestamp }| timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_event_is_found_wherever_it_is() {
        let timestamps = Timestamps::default();
        for line in [
            r#"{"type":"event","session":1,"sequence":0,"timestamp":"2026-11-20T08:15:02.123456Z","level":"INFO"}"#,
            r#"{"type":"event","instance":"\"timestamp\":\"x\"","timestamp":"2026-11-20T08:15:02.123456Z"}"#,
            r#"{"fields":{"timestamp":"x"},"type":"event","timestamp":"2026-11-20T08:15:02.123456Z"}"#,
            r#"{"type":"event","timestamp": "2026-11-20T08:15:02.123456Z"}"#,
            r#"{"type":"event","timestamp":"2026\u002d11-20T08:15:02.123456Z"}"#,
        ] {
            assert_eq!(timestamps.of(line.as_bytes()).as_deref(), Some("2026-11-20T08:15:02.123456Z"), "{line}");
        }
        assert_eq!(timestamps.of(br#"{"type":"event","timestamp":7}"#), None);
        assert_eq!(timestamps.of(br#"{"type":"event","timestamp":"2026"#), None);
    }

    #[test]
    fn zeros_and_missing_ends_are_found_without_reading() {
        assert!(looks_whole(br#"{"type":"event","n":1}"#));
        assert!(!looks_whole(b"{\"type\":\"event\",\0\0\0}"));
        assert!(!looks_whole(br#"{"type":"event","n":1"#));
        assert!(!looks_whole(b""));
    }

    #[test]
    fn a_cut_line_is_known_by_its_beginning() {
        assert!([&b"{"[..], br#"{"typ"#, br#"{"type":"eve"#].iter().all(|bytes| may_begin_line(bytes)));
        assert!([&b"x"[..], br#"{"time":"#, b"08:15"].iter().all(|bytes| !may_begin_line(bytes)));
    }
}
