//! The items of a fleet's stream.

use super::event::FleetEvent;
use super::message::LeaveReason;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use tracing_tap::escape::escaped;
use tracing_tap::missing::MissingCounts;
use tracing_tap::past::ThreadHorizon;
use tracing_tap::render::{Format, FormatOptions, Severity, write_item, write_notice};
use tracing_tap::{EndReason, Horizon, Item, Missing};

/// How much of a text from an instance is shown, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// An item of a fleet's stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FleetItem {
    /// An event that matched at one instance.
    Event(FleetEvent),
    /// Events that matched at one instance and are missing there: lost, rate-limited or sampled out.
    #[non_exhaustive]
    Missing {
        /// The instance's name.
        instance: Arc<str>,
        /// Their number, and the reason.
        missing: Missing,
    },
    /// How far the past of one instance reaches back. Comes before its past events.
    #[non_exhaustive]
    Horizon {
        /// The instance's name.
        instance: Arc<str>,
        /// What its session says.
        horizon: Horizon,
    },
    /// An instance has opened the session, or sends messages again after it was silent.
    #[non_exhaustive]
    Joined {
        /// The instance's name.
        instance: Arc<str>,
    },
    /// An instance does not open the session.
    #[non_exhaustive]
    Refused {
        /// The instance's name.
        instance: Arc<str>,
        /// The reason in one word: a limit's name, `redacted_field`, `too_costly`, `no_look_back`,
        /// `invalid_session`, `clock` or `version`.
        reason: String,
        /// The reason in words.
        error: String,
    },
    /// No message of an instance arrived for five renewals. Other instances do not wait for it.
    #[non_exhaustive]
    Silent {
        /// The instance's name.
        instance: Arc<str>,
    },
    /// The session is over at an instance.
    #[non_exhaustive]
    Left {
        /// The instance's name.
        instance: Arc<str>,
        /// The reason.
        reason: LeaveReason,
        /// The counts of the session there.
        account: InstanceAccount,
    },
    /// Events of an instance were lost between its session and this stream.
    Gap(Gap),
    /// The session is over; nothing follows.
    Ended(EndReason),
}

/// Events of one instance that matched and did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The instance's name.
    pub instance: Arc<str>,
    /// Their number.
    pub count: u64,
    /// Where they were lost.
    pub place: GapPlace,
}

/// Where events were lost between a session and its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapPlace {
    /// At the instance: the session was over before they were sent, or the server accepts no message of that size.
    Instance,
    /// On the way: the connection to the server broke, or the server or a client dropped messages to a slow consumer.
    Network,
    /// Here: the stream was not read, and its buffer was full.
    Watcher,
    /// Here: their lines were not readable.
    Malformed,
}

/// The counts of a session at one instance, as of its last report.
///
/// `matched = arrived + lost + missing.kept_back()` once the instance has sent its last message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceAccount {
    /// Events that matched.
    pub matched: u64,
    /// Events that arrived here.
    pub arrived: u64,
    /// Events that were lost, there or on the way.
    pub lost: u64,
    /// Events that the instance announced as missing, by reason.
    pub missing: MissingCounts,
}

impl FleetItem {
    /// The name of its instance; `None` for [`Ended`](Self::Ended).
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(event.instance()),
            Self::Missing { instance, .. }
            | Self::Horizon { instance, .. }
            | Self::Joined { instance }
            | Self::Refused { instance, .. }
            | Self::Silent { instance }
            | Self::Left { instance, .. }
            | Self::Gap(Gap { instance, .. }) => Some(instance),
            Self::Ended(_) => None,
        }
    }

    /// Appends the item in a [`Format`], or as [`FormatOptions`] say.
    ///
    /// A line of JSON has the key `instance` after its `type`, and is otherwise the line that [`write_item`] writes. In
    /// other formats an event begins with the instance's name in brackets.
    ///
    /// ```
    /// use tracing_tap::Format;
    /// use tracing_tap_nats::FleetItem;
    ///
    /// let mut out = Vec::new();
    /// FleetItem::Ended(tracing_tap::EndReason::Closed).write(&mut out, Format::Json);
    /// assert_eq!(out, b"{\"type\":\"ended\",\"reason\":\"closed\"}\n");
    /// ```
    pub fn write(&self, out: &mut Vec<u8>, form: impl Into<FormatOptions>) {
        let options = form.into();
        let format = options.format();
        match (self, format) {
            (Self::Ended(reason), _) => write_item(out, &Item::Ended(*reason), format),
            (Self::Event(event), Format::Json) if options != FormatOptions::new(format) => {
                write_line_with(out, event, options)
            }
            (Self::Event(event), Format::Json) => write_line(out, event, event.line()),
            (_, Format::Json) => self.write_json(out),
            (Self::Event(event), _) => match event.item() {
                Ok(item) => write_of_instance(out, event.instance(), &item, format),
                Err(_) => self.write_words(out, format),
            },
            (Self::Missing { instance, missing }, _) => {
                write_of_instance(out, instance, &Item::Missing(*missing), format);
            }
            (Self::Horizon { instance, horizon }, _) => {
                write_of_instance(out, instance, &Item::Horizon(horizon.clone()), format);
            }
            _ => self.write_words(out, format),
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, &Notice(self))
            .expect("texts and numbers are written to memory without errors");
        out.push(b'\n');
    }

    fn write_words(&self, out: &mut Vec<u8>, format: Format) {
        let severity = if matches!(self, Self::Gap(_)) { Severity::Warning } else { Severity::Notice };
        write_notice(out, severity, self, format);
    }
}

/// Writes the instance after the type, which is the first key of every line.
fn write_line(out: &mut Vec<u8>, event: &FleetEvent, line: &str) {
    out.extend_from_slice(event.beginning().as_bytes());
    out.extend_from_slice(br#""instance":"#);
    serde_json::to_writer(&mut *out, &shown(event.instance())).expect("text is written to memory without errors");
    out.extend_from_slice(event.behind_type(line).as_bytes());
    out.push(b'\n');
}

/// Writes the line with options; one that is not readable is passed on as it was signed.
fn write_line_with(out: &mut Vec<u8>, event: &FleetEvent, options: FormatOptions) {
    let Ok(item) = event.item() else { return write_line(out, event, event.line()) };
    let mut named = Vec::new();
    write_line(&mut named, event, event.beginning());
    let mut line = Vec::new();
    // The new beginning replaces the old one, and ends in a line break.
    let added = named.len() - event.beginning().len() - 1;
    write_item(&mut line, &item, options.with_room_for(added));
    let line = String::from_utf8_lossy(&line);
    write_line(out, event, line.trim_end());
}

fn write_of_instance(out: &mut Vec<u8>, instance: &str, item: &Item, format: Format) {
    if format != Format::GithubActions {
        write_to(out, format_args!("[{}] ", shown(instance)));
    }
    write_item(out, item, format);
}

fn write_to(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes all that is written");
}

/// A text from an instance, safe for a terminal.
fn shown(text: &str) -> String {
    escaped(text, MAX_TEXT_BYTES)
}

fn shown_thread(thread: &ThreadHorizon) -> ThreadHorizon {
    let mut safe = thread.clone();
    safe.thread = shown(&thread.thread);
    safe
}

/// In words, without an event's fields: `chat-1: 3 events lost on the way`.
impl fmt::Display for FleetItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(instance) = self.instance() {
            write!(f, "{}: ", shown(instance))?;
        }
        match self {
            Self::Event(event) => match event.read() {
                Ok(event) => f.write_str(&shown(event.message())),
                Err(error) => write!(f, "sent an unreadable event: {}", shown(&error.why())),
            },
            Self::Missing { missing, .. } => missing.fmt(f),
            Self::Horizon { horizon, .. } => horizon.fmt(f),
            Self::Ended(reason) => write!(f, "session over: {reason}"),
            Self::Joined { .. } => f.write_str("takes part"),
            Self::Refused { error, .. } => write!(f, "takes no part: {}", shown(error)),
            Self::Silent { .. } => f.write_str("is silent"),
            Self::Left { reason, account, .. } => {
                let InstanceAccount { matched, arrived, lost, missing } = account;
                let kept_back = missing.kept_back_words();
                write!(f, "takes no more part: {reason}; {matched} matched, {arrived} arrived, {lost} lost{kept_back}")
            }
            Self::Gap(gap) => {
                let plural = if gap.count == 1 { "" } else { "s" };
                write!(f, "{} event{plural} lost {}", gap.count, gap.place)
            }
        }
    }
}

impl fmt::Display for GapPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instance => "at the instance: they were not sent",
            Self::Network => "on the way",
            Self::Watcher => "here: the stream was not read",
            Self::Malformed => "here: they could not be read",
        })
    }
}

impl GapPlace {
    fn word(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Network => "network",
            Self::Watcher => "watcher",
            Self::Malformed => "malformed",
        }
    }
}

/// The JSON of an item that is no event.
struct Notice<'a>(&'a FleetItem);

impl Serialize for Notice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("type", self.0.kind())?;
        if let Some(instance) = self.0.instance() {
            line.serialize_entry("instance", &shown(instance))?;
        }
        match self.0 {
            FleetItem::Event(_) | FleetItem::Joined { .. } | FleetItem::Silent { .. } => {}
            FleetItem::Missing { missing, .. } => {
                line.serialize_entry("count", &missing.count)?;
                line.serialize_entry("reason", &missing.reason)?;
            }
            FleetItem::Horizon { horizon, .. } => {
                line.serialize_entry("asked_ms", &horizon.asked_ms)?;
                line.serialize_entry("reaches_ms", &horizon.reaches_ms)?;
                line.serialize_entry("overwritten", &horizon.overwritten)?;
                line.serialize_entry("unresolved", &horizon.unresolved)?;
                line.serialize_entry("unkept", &horizon.unkept)?;
                let threads: Vec<_> = horizon.threads.iter().map(shown_thread).collect();
                line.serialize_entry("threads", &threads)?;
            }
            FleetItem::Refused { reason, error, .. } => {
                line.serialize_entry("reason", &shown(reason))?;
                line.serialize_entry("error", &shown(error))?;
            }
            FleetItem::Left { reason, account, .. } => {
                line.serialize_entry("reason", reason)?;
                line.serialize_entry("matched", &account.matched)?;
                line.serialize_entry("arrived", &account.arrived)?;
                line.serialize_entry("lost", &account.lost)?;
                line.serialize_entry("missing", &account.missing)?;
            }
            FleetItem::Gap(gap) => {
                line.serialize_entry("count", &gap.count)?;
                line.serialize_entry("place", gap.place.word())?;
            }
            FleetItem::Ended(reason) => line.serialize_entry("reason", reason)?,
        }
        line.end()
    }
}

impl FleetItem {
    /// Its `type` as JSON.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Event(event) if event.is_timing() => "timing",
            Self::Event(_) => "event",
            Self::Missing { .. } => "missing",
            Self::Horizon { .. } => "horizon",
            Self::Joined { .. } => "joined",
            Self::Refused { .. } => "refused",
            Self::Silent { .. } => "silent",
            Self::Left { .. } => "left",
            Self::Gap(_) => "gap",
            Self::Ended(_) => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_tap::MissingReason;

    const EVENT: &str = r#"{"type":"event","session":1,"sequence":0,"timestamp":"2026-11-20T08:15:02.123456Z","level":"DEBUG","fields":{"message":"rejected"},"target":"chat::hub"}"#;

    fn written(item: &FleetItem, format: Format) -> String {
        let mut out = b"before ".to_vec();
        item.write(&mut out, format);
        let text = String::from_utf8(out).expect("it is text");
        text.strip_prefix("before ").expect("it was appended").to_owned()
    }

    fn event(instance: &str) -> FleetItem {
        FleetItem::Event(FleetEvent::of(instance, EVENT))
    }

    #[test]
    fn json_is_the_line_of_the_session_with_its_instance() {
        let event = event("chat-1");
        let expected = EVENT.replace(r#"{"type":"event","#, r#"{"type":"event","instance":"chat-1","#);
        assert_eq!(written(&event, Format::Json), format!("{expected}\n"));
        assert!(serde_json::from_str::<Item>(&expected).is_ok(), "it can be read as an item");
        let missing = Missing::new(3, MissingReason::Overflow);
        let missing = FleetItem::Missing { instance: "chat-1".into(), missing };
        let line = "{\"type\":\"missing\",\"instance\":\"chat-1\",\"count\":3,\"reason\":\"overflow\"}\n";
        assert_eq!(written(&missing, Format::Json), line);
    }

    #[test]
    fn a_bounded_line_has_room_for_the_instance() {
        let long = "b".repeat(9_000);
        let line = EVENT.replace(r#"{"message":"rejected"}"#, &format!(r#"{{"n":9007199254740993,"body":"{long}"}}"#));
        for instance in ["chat-1", &"\"".repeat(400)] {
            let event = FleetItem::Event(FleetEvent::of(instance, &line));
            let mut out = Vec::new();
            event.write(&mut out, FormatOptions::new(Format::Json).max_line_bytes(2048).large_integers_as_strings());
            let text = String::from_utf8(out).expect("it is text");
            assert!((2040..=2048).contains(&text.len()), "{} bytes: {text}", text.len());
            let read: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            assert_eq!((&read["instance"], &read["fields"]["n"]), (&instance.into(), &"9007199254740993".into()));
            assert!(read["fields"]["body"].as_str().is_some_and(|body| body.ends_with("b…[cut]")), "{text}");
        }
    }

    #[test]
    fn every_kind_of_item_has_a_line() {
        let instance: Arc<str> = "chat-1".into();
        let missing = [Missing::new(2, MissingReason::Overflow), Missing::new(1, MissingReason::RateLimited)];
        let account = InstanceAccount { matched: 8, arrived: 4, lost: 3, missing: missing.into_iter().collect() };
        let refused = |error: &str| FleetItem::Refused {
            instance: instance.clone(),
            reason: "version".to_owned(),
            error: error.to_owned(),
        };
        for (item, json, compact) in [
            (
                FleetItem::Joined { instance: instance.clone() },
                r#"{"type":"joined","instance":"chat-1"}"#,
                "-- chat-1: takes part",
            ),
            (
                FleetItem::Silent { instance: instance.clone() },
                r#"{"type":"silent","instance":"chat-1"}"#,
                "-- chat-1: is silent",
            ),
            (
                refused("no\x1b[31m"),
                r#"{"type":"refused","instance":"chat-1","reason":"version","error":"no\\x1B[31m"}"#,
                "-- chat-1: takes no part: no\\x1B[31m",
            ),
            (
                FleetItem::Left { instance: instance.clone(), reason: LeaveReason::Unrenewed, account },
                r#"{"type":"left","instance":"chat-1","reason":"unrenewed","matched":8,"arrived":4,"lost":3,"missing":{"overflow":2,"closed":0,"rate_limited":1,"sampled_out":0,"undecided":0,"not_chosen":0}}"#,
                "-- chat-1: takes no more part: the instance received no renewal from the watcher; 8 matched, 4 arrived, 3 lost, 1 rate-limited",
            ),
            (
                FleetItem::Gap(Gap { instance: instance.clone(), count: 1, place: GapPlace::Network }),
                r#"{"type":"gap","instance":"chat-1","count":1,"place":"network"}"#,
                "-- chat-1: 1 event lost on the way",
            ),
            (FleetItem::Ended(EndReason::Closed), r#"{"type":"ended","reason":"closed"}"#, "-- session over: closed"),
        ] {
            assert_eq!(written(&item, Format::Json), format!("{json}\n"));
            assert_eq!(written(&item, Format::Compact), format!("{compact}\n"));
            let command = if matches!(item, FleetItem::Gap(_)) { "::warning" } else { "::notice" };
            assert!(written(&item, Format::GithubActions).starts_with(&format!("{command} title=tracing-tap::")));
            assert!(written(&item, Format::Human).starts_with("  -- "));
        }
    }

    #[test]
    fn the_name_of_an_instance_is_safe_for_a_terminal() {
        let item = event("a\x1b[2J\nb");
        for format in [Format::Json, Format::Human, Format::Compact, Format::GithubActions] {
            assert!(!written(&item, format).contains('\x1b'), "{format}");
        }
        let line = EVENT.replace(r#"{"message":"rejected"}"#, r#""\u001b""#);
        let unreadable = FleetItem::Event(FleetEvent::of("chat-1", &line));
        let words = written(&unreadable, Format::Compact);
        assert!(words.starts_with("-- chat-1: sent an unreadable event: "), "{words}");
        assert!(!words.contains('\x1b'), "{words:?}");
        assert!(written(&item, Format::Compact).starts_with("[a\\x1B[2J"));
    }
}
