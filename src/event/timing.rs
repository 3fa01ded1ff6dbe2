//! The times of a span that has closed: a captured event whose own fields are the times.

use super::request::RequestId;
use super::{CapturedEvent, CapturedSpan, Fields};
use crate::value::{TextRef, Value, ValueRef};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::field::FieldSet;
use tracing_core::{Interest, Level, Metadata};

/// The times of one span, reported when it closes. See [`SessionOptions::timings`](crate::SessionOptions::timings).
///
/// The times are those of `tracing_subscriber`'s `FmtSpan::CLOSE`. A span is *busy* while any thread is in it, and idle
/// otherwise. What is not known is `None`: a span that the session has not watched since its creation is not
/// [whole](Self::is_whole).
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::{Item, Predicate, SessionOptions, TapRouter};
///
/// let router = TapRouter::new();
/// tracing_subscriber::registry().with(router.layer()).init();
/// let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).timings());
/// tracing::info_span!("request", user = 42).in_scope(|| tracing::info_span!("query").in_scope(|| ()));
/// let timings: Vec<_> = stream.drain().filter_map(Item::into_timing).collect();
/// assert_eq!(timings.iter().map(|timing| timing.name()).collect::<Vec<_>>(), ["query", "request"]);
/// assert_eq!(timings[0].path().map(|span| span.name()).collect::<Vec<_>>(), ["request", "query"]);
/// assert_eq!((timings[1].polls(), timings[1].is_whole()), (Some(1), true));
/// assert_eq!(timings[1].wall(), Some(timings[1].busy().unwrap() + timings[1].idle().unwrap()));
/// ```
#[derive(Clone, Debug)]
pub struct SpanTiming(Arc<CapturedEvent>);

/// What is known of a span's times when it closes, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) busy: u64,
    /// How often it was entered.
    pub(crate) polls: u64,
    /// How long it was timed.
    pub(crate) seen: u64,
    /// Whether that is since its creation.
    pub(crate) is_whole: bool,
}

struct Names;

impl Callsite for Names {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &METADATA
    }
}

static NAMES: Names = Names;

/// The callsite that the times would have as an event of their own. It is never registered.
static METADATA: Metadata<'static> = Metadata::new(
    "close",
    "tracing_tap",
    Level::TRACE,
    None,
    None,
    None,
    FieldSet::new(
        &[
            Fields::MESSAGE,
            SpanTiming::BUSY,
            SpanTiming::IDLE,
            SpanTiming::WALL,
            SpanTiming::SEEN,
            SpanTiming::POLLS,
            SpanTiming::SINCE,
        ],
        Identifier(&NAMES),
    ),
    tracing_core::metadata::Kind::EVENT,
);

impl Busy {
    /// Nothing is known.
    pub(crate) const UNSEEN: Self = Self { busy: 0, polls: 0, seen: 0, is_whole: false };

    /// Makes a captured event that has no fields yet the close of its innermost span.
    pub(crate) fn write_to(&self, close: &mut CapturedEvent, span_bytes: usize) {
        let Self { busy, polls, seen, is_whole } = *self;
        let was_seen = *self != Self::UNSEEN;
        let number = |is_known: bool, number| Some(ValueRef::U64(number)).filter(|_| is_known);
        let text = |text| Some(ValueRef::Str(TextRef { text, cut: false }));
        let values = [
            text("close"),
            number(was_seen, busy),
            number(is_whole, seen.saturating_sub(busy)),
            number(is_whole, seen),
            number(was_seen && !is_whole, seen),
            number(was_seen, polls),
            text("session").filter(|_| !is_whole),
        ];
        close.own.restart(METADATA.fields());
        let known = values.into_iter().enumerate().filter_map(|(index, value)| Some((index, value?)));
        known.for_each(|(index, value)| close.own.push(index, value));
        close.weigh(span_bytes);
    }
}

impl CapturedEvent {
    /// Whether this is the close of a span, with its times, as a producer captured it.
    pub(crate) fn is_close(&self) -> bool {
        self.own.are_named(METADATA.fields())
    }
}

impl SpanTiming {
    /// The key of [`busy`](Self::busy).
    pub const BUSY: &'static str = "time.busy";
    /// The key of [`idle`](Self::idle).
    pub const IDLE: &'static str = "time.idle";
    /// The key of [`wall`](Self::wall).
    pub const WALL: &'static str = "time.wall";
    /// The key of [`seen`](Self::seen).
    pub const SEEN: &'static str = "time.seen";
    /// The key of [`polls`](Self::polls).
    pub const POLLS: &'static str = "polls";
    /// The key that a timing has which is not [whole](Self::is_whole).
    pub const SINCE: &'static str = "since";

    /// Takes an event for the close of its innermost span.
    pub(crate) fn of(close: Arc<CapturedEvent>) -> Self {
        Self(close)
    }

    /// The close of a span as it was read back.
    ///
    /// # Errors
    /// If there is no span, or a time is not an integer. The text says what was expected.
    pub(crate) fn read(close: Arc<CapturedEvent>) -> Result<Self, String> {
        let timing = Self(close);
        let numbers = [Self::BUSY, Self::IDLE, Self::WALL, Self::SEEN, Self::POLLS];
        let is_wrong = |name: &&str| timing.0.own.last(name).is_some() && timing.number(name).is_none();
        match numbers.iter().find(|name| is_wrong(name)) {
            Some(name) => Err(format!("`{name}` of a timing is not a positive integer")),
            None if timing.0.spans.is_empty() => Err("a timing has no span".to_owned()),
            None => Ok(timing),
        }
    }

    /// The time of the close, by the system's clock.
    pub fn time(&self) -> SystemTime {
        self.0.time()
    }

    /// The request that the span belongs to, see [`CapturedEvent::request`].
    pub fn request(&self) -> Option<RequestId> {
        self.0.request()
    }

    /// The spans from the root to this one, with their fields at the close.
    pub fn path(&self) -> impl DoubleEndedIterator<Item = &CapturedSpan> + ExactSizeIterator {
        self.0.spans()
    }

    /// The span's name; empty in a line that names none.
    pub fn name(&self) -> &str {
        self.0.spans.last().map_or("", |span| span.name())
    }

    /// The value of a field of the span.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.0.spans.last()?.field(name)
    }

    /// The span's fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.spans.last().into_iter().flat_map(|span| span.fields())
    }

    /// The time in which some thread was in the span. Of a span that is not [whole](Self::is_whole): in the enters that the
    /// session has seen, so at least that; `None` if it has seen none.
    pub fn busy(&self) -> Option<Duration> {
        self.nanos(Self::BUSY)
    }

    /// The time in which no thread was in the span; `None` if it is not [whole](Self::is_whole).
    pub fn idle(&self) -> Option<Duration> {
        self.nanos(Self::IDLE)
    }

    /// The time from the span's creation to its close; `None` if it is not [whole](Self::is_whole).
    pub fn wall(&self) -> Option<Duration> {
        self.nanos(Self::WALL)
    }

    /// The time from the moment at which the session began to watch the span to its close; `None` if it never did.
    pub fn seen(&self) -> Option<Duration> {
        self.wall().or_else(|| self.nanos(Self::SEEN))
    }

    /// How often the span was entered: for a future, how often it was polled, and once more where it was dropped. Of a span
    /// that is not [whole](Self::is_whole): at least.
    pub fn polls(&self) -> Option<u64> {
        self.number(Self::POLLS)
    }

    /// Whether the session has watched the span since its creation. It has not if the span is older than the session, or did
    /// not match at first.
    pub fn is_whole(&self) -> bool {
        self.0.field(Self::SINCE).is_none() && self.wall().is_some()
    }

    /// The close as an event of the span's callsite, with the times in nanoseconds as its fields.
    pub fn as_event(&self) -> &Arc<CapturedEvent> {
        &self.0
    }

    /// The same with the times as texts, for people.
    pub(crate) fn for_people(&self) -> CapturedEvent {
        let mut event = CapturedEvent::clone(&self.0);
        let shown = |(name, value): (&str, &Value)| {
            let nanos = value.as_u64().filter(|_| name.starts_with("time."));
            let value = nanos.map_or_else(|| value.clone(), |nanos| Value::from(Nanos(nanos).to_string()));
            (name.to_owned().into(), value)
        };
        event.own = Fields::listed(self.0.fields().map(shown).collect());
        event
    }

    fn nanos(&self, name: &str) -> Option<Duration> {
        self.number(name).map(Duration::from_nanos)
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.0.own.last(name)? {
            ValueRef::U64(number) => Some(number),
            ValueRef::I64(number) => number.try_into().ok(),
            _ => None,
        }
    }
}

/// A time as `fmt` prints it: three digits and a unit.
struct Nanos(u64);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut time = self.0 as f64;
        for unit in ["ns", "µs", "ms", "s"] {
            match time {
                ..10.0 => return write!(f, "{time:.2}{unit}"),
                ..100.0 => return write!(f, "{time:.1}{unit}"),
                ..1000.0 => return write!(f, "{time:.0}{unit}"),
                _ => time /= 1000.0,
            }
        }
        write!(f, "{:.0}s", time * 1000.0)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_printed_as_fmt_prints_it() {
        let shown = |nanos| Nanos(nanos).to_string();
        assert_eq!(
            [0, 7, 12_345, 999_900, 5_000_000_000].map(shown),
            ["0.00ns", "7.00ns", "12.3µs", "1000µs", "5.00s"]
        );
        assert_eq!(shown(90_000_000_000_000), "90000s");
    }
}
