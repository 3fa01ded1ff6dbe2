//! What was captured of one event: an immutable record, without I/O.
//!
//! An event that was read back from JSON is the same but for what the [wire form](crate::wire) does not carry: it has
//! no [name](CapturedEvent::name) and no [module path](CapturedEvent::module_path), its spans no
//! [target](CapturedSpan::target), and their [level](CapturedSpan::level) is not known.

mod fields;
mod kept;
mod keys;
mod origin;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use fields::Fields;
pub(crate) use kept::KeptFields;
pub(crate) use keys::{Ends, Key, name_of_key};
pub(crate) use origin::{Origin, Told};

use crate::value::{Value, ValueRef};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::Level;

/// A name that is static in the traced process and owned where an item was read back.
pub(crate) type Name = Cow<'static, str>;

/// One matching event, as it was when it happened: its own fields and those of its scope.
#[derive(Clone, Debug)]
pub struct CapturedEvent {
    pub(crate) time: SystemTime,
    pub(crate) origin: Origin,
    pub(crate) thread: Option<Arc<str>>,
    pub(crate) spans: Arc<[Arc<CapturedSpan>]>,
    pub(crate) own: Fields,
    /// Fields past the bound on their number, which were not kept.
    pub(crate) omitted_fields: u32,
    /// Bytes held in memory; known where the event was captured.
    pub(crate) held_bytes: u32,
}

/// One span of an event's scope, with its fields as they were when the event happened.
#[derive(Clone, Debug)]
pub struct CapturedSpan {
    pub(crate) name: Name,
    pub(crate) level: Level,
    pub(crate) target: Name,
    pub(crate) fields: Fields,
}

impl CapturedEvent {
    /// An event that has nothing yet but where it comes from.
    pub(crate) fn new(origin: Origin, own: Fields, spans: Arc<[Arc<CapturedSpan>]>) -> Self {
        Self { time: SystemTime::UNIX_EPOCH, origin, thread: None, spans, own, omitted_fields: 0, held_bytes: 0 }
    }

    /// When the event was captured, by the system's clock; it may step back.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// How severe the event is.
    pub fn level(&self) -> Level {
        self.origin.level()
    }

    /// The event's target, usually the module it is in.
    pub fn target(&self) -> &str {
        self.origin.target()
    }

    /// The callsite's name; `event src/hub.rs:214` unless the code names it. Empty where the event was read back.
    pub fn name(&self) -> &str {
        self.origin.name()
    }

    /// The text of the field `message`, or nothing where the event has none.
    pub fn message(&self) -> &str {
        self.own.message()
    }

    /// A field of the event itself; the last one where a name was recorded twice.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.own.get(name)
    }

    /// A field of the event, or else of the innermost span that has it.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.field(name).or_else(|| self.spans.iter().rev().find_map(|span| span.field(name)))
    }

    /// The event's own fields in the order they were recorded, `message` among them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.own.values()
    }

    /// How many more fields the event had than [`max_event_fields`](crate::TapRouterBuilder::max_event_fields) lets
    /// through: the last ones, which were not kept.
    pub fn omitted_fields(&self) -> u32 {
        self.omitted_fields
    }

    /// The spans around the event, root first.
    pub fn spans(&self) -> impl DoubleEndedIterator<Item = &CapturedSpan> + ExactSizeIterator {
        self.spans.iter().map(Arc::as_ref)
    }

    /// The source file, where the callsite tells.
    pub fn file(&self) -> Option<&str> {
        self.origin.file()
    }

    /// The line in the source file, from 1.
    pub fn line(&self) -> Option<u32> {
        self.origin.line()
    }

    /// The module the callsite is in; nothing where the event was read back.
    pub fn module_path(&self) -> Option<&str> {
        self.origin.module_path()
    }

    /// The name of the thread the event happened on, or `ThreadId(7)` of one without a name.
    ///
    /// Nothing where the event happened while its thread was ending.
    pub fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }

    /// Bytes this event holds in memory, its spans included: each event answers for them, though they may be shared. A
    /// ring may be all that keeps them, and then one event is enough.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes as usize
    }

    /// Adds up what the event holds, once it is written.
    #[inline]
    pub(crate) fn weigh(&mut self, span_bytes: usize) {
        let bytes = size_of::<Self>() + self.own.heap_bytes() + self.origin.heap_bytes() + span_bytes;
        self.held_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// Drops what was made for its readers, where the event is to be written over.
    pub(crate) fn forget_values(&mut self) {
        self.own.forget_values();
    }

    /// Every value that the event and its spans have.
    pub(crate) fn all_values(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        self.own.iter().chain(self.spans().flat_map(|span| span.fields.iter()))
    }
}

impl CapturedSpan {
    /// The key of a span's name among its fields.
    pub(crate) const NAME: &'static str = "name";

    /// The span's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How severe the span is; TRACE where it was read back, since JSON does not carry it.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The span's target, usually the module it is in. Empty where the span was read back.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// A field of the span; the last value that was recorded.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// Bytes this span holds in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.fields.heap_bytes()
    }

    /// The span's fields in the order they were first recorded.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.values()
    }
}

/// A name without the mark of a raw identifier: `type` for `r#type`.
#[inline]
pub(crate) fn plain_name(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}
