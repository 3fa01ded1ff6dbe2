//! Matching events that a session's reader does not get: the reasons and the counts.
//!
//! # The account of a session
//! Every matching event is counted in exactly one place. For each session, and for the sums of a router:
//!
//! ```text
//! matched  = admitted + rate_limited + sampled_out
//! admitted = delivered + buffered + lost + held + undecided + not_chosen
//! lost     = overflow + closed
//! ```
//!
//! So `matched = delivered + buffered + held + missing.total()`. While other threads log or read, a sum may be off by the events
//! in transit; it is exact whenever no call is in progress.
//!
//! *Lost* events were admitted and could not be delivered. *Rate-limited* and *sampled-out* events were kept back by a
//! limit of the session, as its opener asked. The last three are 0 unless the session
//! [decides by outcome](crate::SessionOptions::only_if): *held* events wait for the outcome of their request, *not chosen*
//! ones were of requests without it, and *undecided* ones of requests that ran into a bound before it was known.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Index, IndexMut};

/// What kind of reason it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingKind {
    /// The events were admitted and could not be delivered.
    Loss,
    /// A limit of the session kept the events back.
    Limit,
    /// The session [decides by outcome](crate::SessionOptions::only_if), and did not release the request of the events.
    Outcome,
}

/// The one list of reasons: variant, word for machines, its kind, words for people.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $reason:ident: $word:literal, $kind:ident, $text:literal;)+) => {
        /// Why a session's reader does not get matching events.
        ///
        /// Later versions may add reasons: handle an unknown one by [`is_loss`](Self::is_loss) and [`word`](Self::word).
        /// Serialized as its [word](Self::word).
        ///
        /// ```
        /// use tracing_tap::MissingReason;
        ///
        /// let losses: Vec<_> = MissingReason::ALL.iter().filter(|reason| reason.is_loss()).collect();
        /// assert_eq!(losses, [&MissingReason::Overflow, &MissingReason::Closed]);
        /// assert_eq!(MissingReason::RateLimited.word(), "rate_limited");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum MissingReason {
            $($(#[$doc])+ #[serde(rename = $word)] $reason,)+
        }

        impl MissingReason {
            /// Every reason, in the order of the counts in lists.
            pub const ALL: &'static [Self] = &[$(Self::$reason),+];

            /// The reason as one word for machines, its serialized form: `rate_limited`.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$reason => $word,)+ }
            }

            /// What kind of reason it is.
            pub const fn kind(self) -> MissingKind {
                match self { $(Self::$reason => MissingKind::$kind,)+ }
            }

            /// Whether the events were lost. Otherwise the session left them out, as its opener asked.
            pub const fn is_loss(self) -> bool {
                matches!(self.kind(), MissingKind::Loss)
            }

            /// Whether the opener asked for exactly this, so that it is no warning: sampled out, or not chosen.
            pub const fn is_asked_for(self) -> bool {
                matches!(self, Self::SampledOut | Self::NotChosen)
            }

            const fn text(self) -> &'static str {
                match self { $(Self::$reason => $text,)+ }
            }
        }
    };
}

reasons! {
    /// The session's buffer was full: the reader was slower than the events.
    Overflow: "overflow", Loss, "the buffer was full";
    /// The events were buffered when the stream was dropped, or lost after it had ended.
    Closed: "closed", Loss, "the stream was dropped";
    /// The events exceeded the session's [rate](crate::SessionOptions::max_rate).
    RateLimited: "rate_limited", Limit, "rate-limited";
    /// The events were outside the session's [sample](crate::SessionOptions::sample).
    SampledOut: "sampled_out", Limit, "sampled out";
    /// The events were held for the outcome of their request, and a bound or the end of the session came before it. Later
    /// events of that request are left out as well.
    Undecided: "undecided", Outcome, "undecided";
    /// The request of the events ended without the [outcome](crate::SessionOptions::only_if) that the session wants.
    NotChosen: "not_chosen", Outcome, "not chosen";
}

/// A number of missing events with their reason.
///
/// ```
/// use tracing_tap::{Missing, MissingReason};
///
/// let missing = Missing::new(3, MissingReason::Overflow);
/// assert_eq!(missing.to_string(), "3 events lost: the buffer was full");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Missing {
    /// The number of events.
    pub count: u64,
    /// The reason why they are missing.
    pub reason: MissingReason,
}

/// The number of missing events for each [reason](MissingReason::ALL). Indexed by the reason.
///
/// Serialized as an object with each reason's word as a key, in the order of [`MissingReason::ALL`]. On reading, an absent
/// key is 0 and an unknown key is ignored.
///
/// ```
/// use tracing_tap::MissingReason;
/// use tracing_tap::missing::MissingCounts;
///
/// let mut counts = MissingCounts::default();
/// counts[MissingReason::Overflow] += 3;
/// counts[MissingReason::SampledOut] += 4;
/// assert_eq!((counts.total(), counts.lost(), counts.kept_back()), (7, 3, 4));
/// let json = serde_json::to_string(&counts)?;
/// assert!(json.starts_with(r#"{"overflow":3,"closed":0,"rate_limited":0,"sampled_out":4,"#));
/// assert_eq!(serde_json::from_str::<MissingCounts>(&json)?, counts);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingCounts([u64; MissingReason::ALL.len()]);

impl Missing {
    /// Creates the number of events missing for `reason`.
    pub fn new(count: u64, reason: MissingReason) -> Self {
        Self { count, reason }
    }
}

impl MissingCounts {
    /// Adds the counts of another session. Saturates.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, other)| *count = count.saturating_add(other));
    }

    /// Each reason with its count, zeros included, in the order of [`MissingReason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Missing> + use<> {
        MissingReason::ALL.iter().zip(self.0).map(|(reason, count)| Missing { count, reason: *reason })
    }

    /// The number of all missing events. Like every sum here it saturates at [`u64::MAX`]: counts may be read from JSON.
    pub fn total(&self) -> u64 {
        self.sum(|_| true)
    }

    /// The number of lost events.
    pub fn lost(&self) -> u64 {
        self.sum(MissingReason::is_loss)
    }

    /// The number of events that a limit of the session kept back.
    pub fn kept_back(&self) -> u64 {
        self.sum(|reason| reason.kind() == MissingKind::Limit)
    }

    /// The number of events whose request was not released: undecided or not chosen.
    pub fn unreleased(&self) -> u64 {
        self.sum(|reason| reason.kind() == MissingKind::Outcome)
    }

    /// The events that were left out and not lost, as text that follows `3 lost`: `, 4 rate-limited, 2 sampled out`. Empty if there are none.
    ///
    /// ```
    /// use tracing_tap::missing::{Missing, MissingCounts, MissingReason};
    ///
    /// let counts: MissingCounts = [Missing::new(4, MissingReason::RateLimited)].into_iter().collect();
    /// assert_eq!(format!("{} lost{}", counts.lost(), counts.kept_back_words()), "0 lost, 4 rate-limited");
    /// ```
    pub fn kept_back_words(&self) -> String {
        let kept_back = self.iter().filter(|missing| missing.count > 0 && !missing.reason.is_loss());
        kept_back.map(|Missing { count, reason }| format!(", {count} {reason}")).collect()
    }

    fn sum(&self, counts: impl Fn(MissingReason) -> bool) -> u64 {
        let counted = self.iter().filter(|missing| counts(missing.reason));
        counted.fold(0, |sum, missing| sum.saturating_add(missing.count))
    }
}

impl Index<MissingReason> for MissingCounts {
    type Output = u64;

    fn index(&self, reason: MissingReason) -> &u64 {
        &self.0[reason as usize]
    }
}

impl IndexMut<MissingReason> for MissingCounts {
    fn index_mut(&mut self, reason: MissingReason) -> &mut u64 {
        &mut self.0[reason as usize]
    }
}

impl FromIterator<Missing> for MissingCounts {
    fn from_iter<I: IntoIterator<Item = Missing>>(missing: I) -> Self {
        let mut counts = Self::default();
        for Missing { count, reason } in missing {
            counts[reason] = counts[reason].saturating_add(count);
        }
        counts
    }
}

impl Serialize for MissingCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|missing| (missing.reason.word(), missing.count)))
    }
}

impl<'de> Deserialize<'de> for MissingCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let count_of = |reason: &MissingReason| counts.get(reason.word()).copied().unwrap_or_default();
        Ok(MissingReason::ALL.iter().map(|reason| Missing::new(count_of(reason), *reason)).collect())
    }
}

/// `3 events lost: the buffer was full`, `3 events rate-limited`
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, reason } = self;
        let plural = if *count == 1 { "" } else { "s" };
        let lost = if reason.is_loss() { "lost: " } else { "" };
        write!(f, "{count} event{plural} {lost}{reason}")
    }
}

/// `the buffer was full`, `rate-limited`
impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_word_text_and_place() {
        for (place, reason) in MissingReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
            let same = |other: &&MissingReason| other.word() == reason.word() || other.text() == reason.text();
            assert_eq!(MissingReason::ALL.iter().filter(same).count(), 1, "{reason:?}");
        }
    }

    #[test]
    fn only_losses_are_called_lost() {
        let texts = MissingReason::ALL.iter().map(|reason| Missing::new(3, *reason).to_string());
        for (text, reason) in texts.zip(MissingReason::ALL) {
            assert_eq!(text.contains("lost"), reason.is_loss(), "{text}");
        }
        assert_eq!(Missing::new(1, MissingReason::Overflow).to_string(), "1 event lost: the buffer was full");
        assert_eq!(Missing::new(3, MissingReason::RateLimited).to_string(), "3 events rate-limited");
        assert_eq!(Missing::new(3, MissingReason::SampledOut).to_string(), "3 events sampled out");
    }

    #[test]
    fn sums_hold_every_reason_once() {
        let powers = MissingReason::ALL.iter().zip(0..).map(|(reason, power)| Missing::new(1 << power, *reason));
        let mut counts: MissingCounts = powers.collect();
        assert_eq!(counts.total(), (1 << MissingReason::ALL.len()) - 1);
        assert_eq!(counts.lost() + counts.kept_back() + counts.unreleased(), counts.total(), "each is of one kind");
        let one = counts;
        counts.add(&one);
        assert!(counts.iter().zip(one.iter()).all(|(two, one)| two.count == 2 * one.count));
        let most: MissingCounts = MissingReason::ALL.iter().map(|reason| Missing::new(u64::MAX, *reason)).collect();
        counts.add(&most);
        assert_eq!((counts.total(), counts.lost()), (u64::MAX, u64::MAX), "sums end there");
    }

    #[test]
    fn counts_of_another_version_are_read() {
        let read: MissingCounts = serde_json::from_str(r#"{"closed":2,"later":7}"#).unwrap();
        assert_eq!(read, [Missing::new(2, MissingReason::Closed)].into_iter().collect());
    }

    /// The papers have one list of the reasons as well.
    #[test]
    fn the_http_paper_lists_every_reason() {
        let paper = std::fs::read_to_string("docs/http.md").unwrap();
        for reason in MissingReason::ALL {
            let kind = match reason.kind() {
                MissingKind::Loss => "lost",
                MissingKind::Limit => "kept back",
                MissingKind::Outcome => "unreleased",
            };
            let row = format!("| `{}` | {kind} |", reason.word());
            assert!(paper.contains(&row), "docs/http.md has no row {row}");
        }
    }
}
