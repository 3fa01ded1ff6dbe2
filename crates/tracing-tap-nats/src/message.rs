//! The headers of the messages between watchers and instances.

use super::seal::{hex_digits, read_hex};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use std::fmt;
use tracing_tap::EndReason;
use tracing_tap::missing::MissingCounts;
use tracing_tap::{Item, Missing, MissingReason};

/// The default of `every_ms`. Part of the format: a change needs a new version.
const RENEWAL_MS: u64 = 2_000;

/// The largest count, so that no sum overflows, whatever a holder of the key sends.
pub(super) const MAX_COUNT: u64 = 1 << 44;

/// Adds within the bound of all counts.
pub(super) fn add_counts(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MAX_COUNT)
}

/// Names a session of the fleet: 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionKey([u8; 16]);

/// Names one joining of one instance: 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct MemberId([u8; 8]);

/// The header of a watcher's message. `turn` grows with each message of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WatcherHeader {
    pub(super) session: SessionKey,
    pub(super) turn: u64,
    /// Microseconds since 1970.
    pub(super) time: u64,
    #[serde(flatten)]
    pub(super) message: WatcherMessage,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum WatcherMessage {
    /// Opens the session, or renews it: complete each time, for instances that have just joined.
    Open(Box<Announcement>),
    /// Closes it.
    Close { reason: CloseReason },
    /// To one instance: how many of the events it asked for it may send. After the last grant there are no more for any
    /// instance.
    Grant {
        #[serde(default, skip_serializing_if = "is_zero")]
        opening: u64,
        asked: u64,
        granted: u64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_last: bool,
    },
}

/// A session as it is announced. Options that are not set have the defaults of `SessionOptions::new`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Announcement {
    pub(super) predicate: String,
    #[serde(default = "renewal_ms", skip_serializing_if = "is_renewal_ms")]
    pub(super) every_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) confinement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) opened_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) follow: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sample: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capacity: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capacity_bytes: Option<usize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) drop_newest: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_rate: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_level: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) spans: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) timings: bool,
    /// Whether there are only timings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) no_events: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) look_back_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) only_if: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) slower_than_us: Option<u64>,
    /// Whether requests are followed from one service into the next.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) across_services: bool,
    /// Whether instances ask before they send, because the fleet's events are limited.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_limited: bool,
    /// Options of later versions. The session would be a different one without them, so it is refused.
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

/// Why a watcher closes its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CloseReason {
    /// Waiting events are still sent.
    Closed,
    /// The limit is reached; no more is granted.
    MaxEvents,
}

/// The header of an instance's message to the watcher of a session. `number` grows by one with each message of an
/// opening.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InstanceHeader {
    pub(super) member: MemberId,
    /// Grows each time the instance opens a session, or tries to.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) opening: u64,
    pub(super) number: u64,
    /// Microseconds since 1970.
    pub(super) time: u64,
    pub(super) instance: String,
    #[serde(flatten)]
    pub(super) message: InstanceMessage,
}

/// The keys that headers of all versions have, so that their senders can be answered.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct AnyVersionHeader {
    pub(super) session: Option<SessionKey>,
    pub(super) instance: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum InstanceMessage {
    /// The session is open here.
    Joined,
    /// The instance does not open the session.
    Refused { reason: String, error: String },
    /// Items follow. `before` counts those sent earlier.
    Batch {
        #[serde(default, skip_serializing_if = "Tally::is_empty")]
        before: Tally,
        count: Tally,
        /// Their bytes when unpacked; 0 if they are not packed.
        #[serde(default, skip_serializing_if = "is_zero")]
        unpacked: u64,
    },
    /// A sign of life.
    Beat {
        #[serde(default, skip_serializing_if = "Tally::is_empty")]
        sent: Tally,
        #[serde(default, skip_serializing_if = "is_zero")]
        matched: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        unsent: u64,
    },
    /// Events are ready to be sent: their number, with all asked for before.
    Ask { asked: u64 },
    /// The session is over here.
    Ended(FinalAccount),
}

/// The account of a session in the last message of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FinalAccount {
    pub(super) reason: LeaveReason,
    pub(super) sent: Tally,
    pub(super) matched: u64,
    /// Events taken from the ring and not sent, as in `Beat`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) unsent: u64,
}

/// Why a session is over at an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeaveReason {
    /// The watcher closed it.
    Closed,
    /// The instance received no renewal from the watcher for 3.25 intervals.
    Unrenewed,
    /// The instance was shut down, or left the fleet.
    Shutdown,
    /// The instance itself closed it.
    ClosedHere,
    /// The instance ended it, because its predicate had cost more of the instance's time than its router allows.
    TooCostly,
    /// No message of the instance arrived for 30 renewals; its account is the last it reported.
    Lost,
}

/// Events sent, and events announced as missing by reason. As a list, the events come first, then the
/// counts in the order of [`MissingReason::ALL`]. The reasons that are newer than the format come last, and are left out
/// while they are 0: a watcher that does not know them opens no session that has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u64>", into = "Vec<u64>")]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) missing: MissingCounts,
}

const TALLY_LENGTH: usize = 1 + MissingReason::ALL.len();

/// The events and the four reasons that every version knows.
const FIRST_TALLY_LENGTH: usize = 5;

impl Announcement {
    pub(super) fn every(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.every_ms)
    }
}

impl Tally {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sent and missing events together.
    pub(super) fn total(&self) -> u64 {
        self.events + self.missing.total()
    }

    pub(super) fn count(&mut self, item: &Item) {
        match item {
            item if item.is_numbered() => self.events += 1,
            Item::Missing(missing) => self.missing[missing.reason] += missing.count,
            _ => {}
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.zip(other, add_counts)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    fn zip(self, other: Self, combine: fn(u64, u64) -> u64) -> Self {
        let combined = |missing: Missing| combine(missing.count, other.missing[missing.reason]);
        Self {
            events: combine(self.events, other.events),
            missing: self.missing.iter().map(|missing| Missing::new(combined(missing), missing.reason)).collect(),
        }
    }
}

impl TryFrom<Vec<u64>> for Tally {
    type Error = String;

    fn try_from(list: Vec<u64>) -> Result<Self, String> {
        if !(FIRST_TALLY_LENGTH..=TALLY_LENGTH).contains(&list.len()) {
            return Err(format!("a list of {} counts, and not of {FIRST_TALLY_LENGTH} to {TALLY_LENGTH}", list.len()));
        }
        let bounded = |count: u64| count.min(MAX_COUNT);
        let missing = MissingReason::ALL.iter().zip(&list[1..]);
        Ok(Self {
            events: bounded(list[0]),
            missing: missing.map(|(reason, count)| Missing::new(bounded(*count), *reason)).collect(),
        })
    }
}

impl From<Tally> for Vec<u64> {
    fn from(tally: Tally) -> Self {
        let missing = tally.missing.iter().map(|missing| missing.count);
        let mut list: Self = std::iter::once(tally.events).chain(missing).collect();
        let is_new = |list: &Self| list.len() > FIRST_TALLY_LENGTH;
        while is_new(&list) && list.last() == Some(&0) {
            list.pop();
        }
        list
    }
}

impl LeaveReason {
    /// The reason if the router ended the session.
    pub(super) fn of_end(reason: EndReason) -> Self {
        match reason {
            EndReason::Shutdown => Self::Shutdown,
            EndReason::TooCostly => Self::TooCostly,
            _ => Self::ClosedHere,
        }
    }
}

/// `the watcher closed the session`
impl fmt::Display for LeaveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the watcher closed the session",
            Self::Unrenewed => "the instance received no renewal from the watcher",
            Self::Shutdown => "the instance was shut down",
            Self::ClosedHere => "the instance closed the session",
            Self::TooCostly => "its predicate cost the instance too much",
            Self::Lost => "no message of the instance arrived",
        })
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn renewal_ms() -> u64 {
    RENEWAL_MS
}

fn is_renewal_ms(every_ms: &u64) -> bool {
    *every_ms == RENEWAL_MS
}

impl SessionKey {
    /// Reads what `Display` writes.
    #[cfg(feature = "tower")]
    pub(super) fn of_hex(hex: &str) -> Option<Self> {
        read_hex(hex.as_bytes()).map(Self)
    }

    pub(super) fn random() -> Result<Self, getrandom::Error> {
        random().map(Self)
    }
}

impl MemberId {
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        random().map(Self)
    }
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().flat_map(|byte| hex_digits(*byte)).try_for_each(|digit| write!(f, "{}", char::from(digit)))
}

fn deserialize_hex<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(deserializer)?;
    read_hex(text.as_bytes()).ok_or_else(|| de::Error::custom(format_args!("expected {} hexadecimal digits", 2 * N)))
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl Serialize for SessionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for MemberId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_hex(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for MemberId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_hex(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(tally: Tally, expected: &str) {
        let text = serde_json::to_string(&tally).expect("it can be written");
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Tally>(&text).expect("it can be read"), tally);
    }

    #[test]
    fn a_tally_is_as_long_as_older_versions_expect() {
        let tally = |reason, count| Tally { events: 3, missing: [Missing::new(count, reason)].into_iter().collect() };
        check(Tally::default(), "[0,0,0,0,0]");
        check(tally(MissingReason::SampledOut, 2), "[3,0,0,0,2]");
        check(tally(MissingReason::Undecided, 2), "[3,0,0,0,0,2]");
        check(tally(MissingReason::NotChosen, 2), "[3,0,0,0,0,0,2]");
    }

    #[test]
    fn a_tally_of_another_length_is_refused() {
        for list in ["[]", "[1,2,3,4]", "[0,0,0,0,0,0,0,1]"] {
            assert!(serde_json::from_str::<Tally>(list).is_err(), "{list}");
        }
    }

    #[test]
    fn a_router_that_ends_a_session_says_why() {
        for (end, leave, text) in [
            (EndReason::Shutdown, LeaveReason::Shutdown, "the instance was shut down"),
            (EndReason::TooCostly, LeaveReason::TooCostly, "its predicate cost the instance too much"),
            (EndReason::Closed, LeaveReason::ClosedHere, "the instance closed the session"),
        ] {
            assert_eq!((LeaveReason::of_end(end), LeaveReason::of_end(end).to_string()), (leave, text.to_owned()));
        }
    }

    #[test]
    fn what_has_its_default_is_left_out_of_a_message() {
        let written = |json: Value| {
            let announcement: Announcement = serde_json::from_value(json).expect("it can be read");
            serde_json::to_value(announcement).expect("it can be written")
        };
        for json in [json!({"predicate": "*"}), json!({"predicate": "*", "every_ms": 500})] {
            assert_eq!(written(json.clone()), json);
        }
        assert_eq!(written(json!({"predicate": "*", "every_ms": RENEWAL_MS})), json!({"predicate": "*"}));
        let grant = |opening| WatcherMessage::Grant { opening, asked: 3, granted: 2, is_last: false };
        let grant = |opening| serde_json::to_value(grant(opening)).expect("it can be written");
        assert_eq!(grant(0), json!({"kind": "grant", "asked": 3, "granted": 2}));
        assert_eq!(grant(1), json!({"kind": "grant", "opening": 1, "asked": 3, "granted": 2}));
    }
}
