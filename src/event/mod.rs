//! The captured copy of one event: immutable, without I/O.
//!
//! An event that was read back from JSON lacks what the [wire form](crate::wire) does not carry: its
//! [name](CapturedEvent::name) and [module path](CapturedEvent::module_path), and the [target](CapturedSpan::target) and
//! [level](CapturedSpan::level) of its spans.

mod fields;
mod kept;
mod keys;
mod last;
mod origin;
mod request;
mod timing;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use fields::Fields;
pub(crate) use kept::{KeptFields, tested_values};
pub(crate) use keys::{Ends, Key, name_of_key};
pub(crate) use origin::{Origin, OwnedOrigin};
pub(crate) use request::Lane;
pub use request::{RequestId, RequestIdError};
pub(crate) use timing::Busy;
pub use timing::SpanTiming;

use crate::trace::TraceContext;
use crate::value::{Value, ValueRef};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::Level;

/// A name: static in the traced process, owned in an item that was read back.
pub(crate) type Name = Cow<'static, str>;

/// One matching event: its own fields and those of its spans, with their values at the moment of the event.
///
/// `Display` prints it for people, see [`Format::Human`](crate::Format::Human). Shared by all sessions that it matched; a
/// [`Value`] is built when it is first asked for.
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::{Item, Predicate, TapRouter, Value};
///
/// let router = TapRouter::new();
/// tracing_subscriber::registry().with(router.layer()).init();
/// let mut stream = router.watch(Predicate::eq("user", 42));
/// tracing::info_span!("conn", user = 42).in_scope(|| tracing::debug!(attempt = 3, "rejected"));
/// let event = stream.drain().find_map(Item::into_event).expect("one event has matched");
/// assert_eq!(event.message(), "rejected");
/// assert_eq!(event.field("attempt").and_then(Value::as_i64), Some(3));
/// assert_eq!(event.field("user"), None);
/// assert_eq!(event.find("user").and_then(Value::as_i64), Some(42));
/// assert_eq!(event.spans().map(|span| span.name()).collect::<Vec<_>>(), ["conn"]);
/// ```
#[derive(Clone, Debug)]
pub struct CapturedEvent {
    pub(crate) time: SystemTime,
    pub(crate) origin: Origin,
    pub(crate) thread: Option<Arc<str>>,
    pub(crate) spans: Arc<[Arc<CapturedSpan>]>,
    pub(crate) own: Fields,
    /// The number of fields past the limit, which were not kept.
    pub(crate) omitted_fields: u32,
    /// Bytes held in memory; 0 for an event that was read back.
    pub(crate) held_bytes: u32,
    /// Whether it happened before its session was opened.
    pub(crate) is_past: bool,
}

/// One span around an event, with the values of its fields at the moment of the event.
#[derive(Clone, Debug)]
pub struct CapturedSpan {
    pub(crate) name: Name,
    pub(crate) level: Level,
    pub(crate) target: Name,
    pub(crate) fields: Fields,
    /// Its ids in a trace, where they are known.
    pub(crate) trace: Option<TraceContext>,
    /// The request that it is the root of, where it is one.
    pub(crate) request: Option<RequestId>,
}

impl CapturedEvent {
    /// An event without time, thread or counts.
    pub(crate) fn new(origin: Origin, own: Fields, spans: Arc<[Arc<CapturedSpan>]>) -> Self {
        Self {
            time: SystemTime::UNIX_EPOCH,
            origin,
            thread: None,
            spans,
            own,
            omitted_fields: 0,
            held_bytes: 0,
            is_past: false,
        }
    }

    /// The time of capture, by the system's clock, which may step back.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Whether it happened before its session was opened, which [looks back](crate::SessionOptions::look_back).
    pub fn is_past(&self) -> bool {
        self.is_past
    }

    /// The event's level.
    pub fn level(&self) -> Level {
        self.origin.level()
    }

    /// The event's target, usually its module path.
    pub fn target(&self) -> &str {
        self.origin.target()
    }

    /// The callsite's name: `event src/hub.rs:214` unless the code names it. Empty if the event was read back.
    pub fn name(&self) -> &str {
        self.origin.name()
    }

    /// The text of the field `message`. Empty if the event has none.
    pub fn message(&self) -> &str {
        self.own.message()
    }

    /// The value of a field of the event itself; the last one if the name was recorded more than once. Linear in the number
    /// of fields.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.own.get(name)
    }

    /// The value of a field of the event, or else of the innermost span that has it.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.field(name).or_else(|| self.spans.iter().rev().find_map(|span| span.field(name)))
    }

    /// The event's own fields in the order of recording, `message` included.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.own.values()
    }

    /// The number of fields past [`max_event_fields`](crate::TapRouterBuilder::max_event_fields). They are the last ones,
    /// and were not kept.
    pub fn omitted_fields(&self) -> u32 {
        self.omitted_fields
    }

    /// The spans around the event, root first.
    pub fn spans(&self) -> impl DoubleEndedIterator<Item = &CapturedSpan> + ExactSizeIterator {
        self.spans.iter().map(Arc::as_ref)
    }

    /// The request that the event belongs to: the tree under its [outermost span](Self::spans). `None` outside of spans, and if it
    /// was read back from a line of an earlier version.
    pub fn request(&self) -> Option<RequestId> {
        self.spans.first().and_then(|root| root.request)
    }

    /// The trace of the event: that of the innermost span whose trace is known; `None` without a
    /// [trace source](crate::TapRouterBuilder::trace_source), and outside of spans.
    pub fn trace(&self) -> Option<&TraceContext> {
        self.spans.iter().rev().find_map(|span| span.trace())
    }

    /// The source file; `None` if the callsite does not record it.
    pub fn file(&self) -> Option<&str> {
        self.origin.file()
    }

    /// The line in the source file, from 1; `None` if the callsite does not record it.
    pub fn line(&self) -> Option<u32> {
        self.origin.line()
    }

    /// The callsite's module; `None` if the callsite does not record it, or the event was read back.
    pub fn module_path(&self) -> Option<&str> {
        self.origin.module_path()
    }

    /// The name of the event's thread, or `ThreadId(7)` if the thread has no name.
    ///
    /// `None` if the thread was ending at the time of the event.
    pub fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }

    /// Bytes held in memory. Counts the event's spans in full although events may share them: one event in a ring is
    /// enough to keep them alive.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes as usize
    }

    /// Computes the bytes held. Called once the event is complete.
    #[inline]
    pub(crate) fn weigh(&mut self, span_bytes: usize) {
        let bytes = size_of::<Self>() + self.own.heap_bytes() + self.origin.heap_bytes() + span_bytes;
        self.held_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// Drops the values built for readers, before the event is overwritten.
    pub(crate) fn forget_values(&mut self) {
        self.own.forget_values();
    }

    /// Every value of the event and of its spans.
    pub(crate) fn all_values(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        self.own.iter().chain(self.spans().flat_map(CapturedSpan::tested_values))
    }
}

impl CapturedSpan {
    /// The key of a span's name among its fields.
    pub(crate) const NAME: &'static str = "name";

    /// The span's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The span's level; TRACE if the event was read back, since JSON does not carry it.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The span's target, usually its module path. Empty if the event was read back.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The value of a field of the span, the last one recorded. Linear in the number of fields.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// The span's ids in a trace; `None` if they are not known.
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// The fields that a predicate may test, with the ids of the trace among them.
    pub(crate) fn tested_values(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        self.fields.iter().chain(self.trace.iter().flat_map(TraceContext::fields))
    }

    /// The same of the names that are wanted.
    #[inline]
    pub(crate) fn tested_by(&self, wanted: impl Fn(&str) -> bool + Copy) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let traced = self.trace.iter().flat_map(TraceContext::fields).filter(move |(name, _)| wanted(name));
        self.fields.named_by(wanted).chain(traced)
    }

    /// Bytes that the span holds in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.fields.heap_bytes()
    }

    /// The span's fields in the order of their first recording.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.values()
    }
}

/// A name without the mark of a raw identifier: `type` for `r#type`.
#[inline]
pub(crate) fn plain_name(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}
