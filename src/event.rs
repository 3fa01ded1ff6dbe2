//! What was captured of one event: an immutable record, without I/O.
//!
//! An event that was read back from JSON is the same but for what the [wire form](crate::wire) does not carry: it has
//! no [name](CapturedEvent::name) and no [module path](CapturedEvent::module_path), its spans no
//! [target](CapturedSpan::target), and their [level](CapturedSpan::level) is not known.

use crate::value::Value;
use smallvec::SmallVec;
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
    pub(crate) level: Level,
    pub(crate) target: Name,
    pub(crate) name: Name,
    pub(crate) file: Option<Name>,
    pub(crate) line: Option<u32>,
    pub(crate) module_path: Option<Name>,
    pub(crate) thread: Option<Arc<str>>,
    pub(crate) fields: Fields,
    /// The text of a message that is not text itself (`message = 42`); empty otherwise.
    pub(crate) message: Option<Box<str>>,
    pub(crate) spans: Arc<[Arc<CapturedSpan>]>,
    /// Bytes held in memory; known where the event was captured.
    pub(crate) held_bytes: usize,
}

/// One span of an event's scope, with its fields as they were when the event happened.
#[derive(Clone, Debug)]
pub struct CapturedSpan {
    pub(crate) name: Name,
    pub(crate) level: Level,
    pub(crate) target: Name,
    pub(crate) fields: Fields,
}

/// Named values in the order they were recorded; two of them without an allocation of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) FieldList);

pub(crate) type FieldList = SmallVec<[(Name, Value); 2]>;

impl CapturedEvent {
    /// An event to be written over.
    pub(crate) fn blank(spans: Arc<[Arc<CapturedSpan>]>) -> Self {
        Self {
            time: SystemTime::UNIX_EPOCH,
            level: Level::TRACE,
            target: Name::default(),
            name: Name::default(),
            file: None,
            line: None,
            module_path: None,
            thread: None,
            fields: Fields::default(),
            message: None,
            spans,
            held_bytes: 0,
        }
    }

    /// When the event was captured, by the system's clock; it may step back.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// How severe the event is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The event's target, usually the module it is in.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The callsite's name; `event src/hub.rs:214` unless the code names it. Empty where the event was read back.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of the field `message`, or nothing where the event has none.
    pub fn message(&self) -> &str {
        match (&self.message, self.field(Fields::MESSAGE)) {
            (Some(text), _) => text,
            (None, Some(value)) => value.as_str().unwrap_or_default(),
            (None, None) => "",
        }
    }

    /// A field of the event itself; the last one where a name was recorded twice.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// A field of the event, or else of the innermost span that has it.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.field(name).or_else(|| self.spans.iter().rev().find_map(|span| span.field(name)))
    }

    /// The event's own fields in the order they were recorded, `message` among them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter()
    }

    /// The spans around the event, root first.
    pub fn spans(&self) -> impl DoubleEndedIterator<Item = &CapturedSpan> + ExactSizeIterator {
        self.spans.iter().map(Arc::as_ref)
    }

    /// The source file, where the callsite tells.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The line in the source file, from 1.
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// The module the callsite is in; nothing where the event was read back.
    pub fn module_path(&self) -> Option<&str> {
        self.module_path.as_deref()
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
        self.held_bytes
    }

    /// Adds up what the event holds, once it is written.
    pub(crate) fn weigh(&mut self, span_bytes: usize) {
        let message_bytes = self.message.as_deref().map_or(0, str::len);
        self.held_bytes = size_of::<Self>() + self.fields.heap_bytes() + message_bytes + span_bytes;
    }
}

impl CapturedSpan {
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
        self.fields.iter()
    }
}

impl Fields {
    /// The name of the field that an event says first.
    pub(crate) const MESSAGE: &'static str = "message";

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields that no later one of the same name replaces: what people are shown.
    pub(crate) fn last_values(&self) -> impl Iterator<Item = (&str, &Value)> {
        let is_replaced = |index: usize, name: &str| self.0[index + 1..].iter().any(|(later, _)| later == name);
        self.iter().enumerate().filter_map(move |(index, field)| (!is_replaced(index, field.0)).then_some(field))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.iter().rev().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The text of a message that is not text itself; `CapturedEvent::message` must have some to lend.
    pub(crate) fn message_text(&self) -> Option<Box<str>> {
        let message = self.get(Self::MESSAGE)?;
        message.as_str().is_none().then(|| message.to_string().into())
    }

    /// Sets a field to its new value, in the place of the old one if there is one, which it returns.
    pub(crate) fn set(&mut self, name: Name, value: Value) -> Option<Value> {
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.0.push((name, value));
                None
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        let spilled = if self.0.spilled() { self.0.capacity() * size_of::<(Name, Value)>() } else { 0 };
        spilled + self.0.iter().map(|(_, value)| value.heap_bytes()).sum::<usize>()
    }
}
