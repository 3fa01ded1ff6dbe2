//! Taking an event or a span's fields out of `tracing`, once, for everyone who wants them.

use super::facts::Facts;
use super::visit::{Sink, Visitor};
use crate::config::Config;
use crate::event::{CapturedEvent, FieldList, Fields};
use crate::session::scope::CapturedSpans;
use crate::value::{Value, ValueRef};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::{Event, span};

/// Captures an event that matched, in the memory of `spare` if there is one. Formats the event's values: the caller
/// holds the guard.
pub(crate) fn capture(
    event: &Event<'_>,
    facts: &Facts<'_>,
    spans: &CapturedSpans,
    config: &Config,
    spare: Option<Arc<CapturedEvent>>,
) -> Arc<CapturedEvent> {
    let mut captured = spare.unwrap_or_else(|| Arc::new(CapturedEvent::blank(Arc::clone(&spans.spans))));
    match Arc::get_mut(&mut captured) {
        Some(unshared) => write(unshared, event, facts, spans, config),
        // Nobody hands over an event that is shared; if somebody did, it would be the other's.
        None => return capture(event, facts, spans, config, None),
    }
    captured
}

fn write(captured: &mut CapturedEvent, event: &Event<'_>, facts: &Facts<'_>, spans: &CapturedSpans, config: &Config) {
    captured.time = SystemTime::now();
    captured.level = *event.metadata().level();
    captured.target = facts.target();
    captured.name = facts.name();
    captured.file = facts.file();
    captured.line = facts.metadata().line();
    captured.module_path = facts.module_path();
    set_thread_name(&mut captured.thread);
    if !Arc::ptr_eq(&captured.spans, &spans.spans) {
        captured.spans = Arc::clone(&spans.spans);
    }
    let mut sink = EventSink { fields: &mut captured.fields.0, written: 0, facts, config };
    event.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes });
    let written = sink.written;
    captured.fields.0.truncate(written);
    captured.message = captured.fields.message_text();
    captured.weigh(spans.bytes);
}

/// The fields a new span keeps. Formats its values: the caller holds the guard.
pub(crate) fn span_fields(attributes: &span::Attributes<'_>, config: &Config) -> Fields {
    let mut sink = SpanSink { fields: Fields(FieldList::with_capacity(attributes.fields().len())), config };
    attributes.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes });
    sink.fields
}

/// The values of a record that a span keeps. Formats them: the caller holds the guard.
pub(crate) fn recorded_fields(record: &span::Record<'_>, config: &Config) -> Fields {
    let mut sink = SpanSink { fields: Fields::default(), config };
    record.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes });
    sink.fields
}

/// Keeps every field, in order; a name that is recorded twice is there twice. Writes over what was there before.
struct EventSink<'a> {
    fields: &'a mut FieldList,
    written: usize,
    facts: &'a Facts<'a>,
    config: &'a Config,
}

impl EventSink<'_> {
    fn write(&mut self, name: &'static str, value: ValueRef<'_>) {
        match self.fields.get_mut(self.written) {
            Some((old_name, old_value)) => {
                *old_name = Cow::Borrowed(name);
                old_value.assign(value);
            }
            None => self.fields.push((Cow::Borrowed(name), value.to_value())),
        }
        self.written += 1;
    }
}

impl Sink for EventSink<'_> {
    fn wants(&mut self, name: &'static str) -> bool {
        if self.config.redacts(name) {
            self.write(name, ValueRef::Redacted);
            return false;
        }
        !self.facts.tell_field(name)
    }

    fn take(&mut self, name: &'static str, value: ValueRef<'_>) {
        self.write(name, value);
    }
}

/// Keeps the fields that the configuration captures; the last value of a name wins.
struct SpanSink<'a> {
    fields: Fields,
    config: &'a Config,
}

impl Sink for SpanSink<'_> {
    fn wants(&mut self, name: &'static str) -> bool {
        let captures = self.config.captures(name);
        if captures && self.config.redacts(name) {
            self.fields.set(Cow::Borrowed(name), Value::Redacted);
            return false;
        }
        captures
    }

    fn take(&mut self, name: &'static str, value: ValueRef<'_>) {
        self.fields.set(Cow::Borrowed(name), value.to_value());
    }
}

thread_local! {
    static THREAD_NAME: Arc<str> = name_or_id(&std::thread::current()).into();
}

/// Sets the name of this thread, or its id where it has none; none where it is too far gone to tell. Events of one
/// thread follow each other through the same memory, so it is usually there already.
fn set_thread_name(name: &mut Option<Arc<str>>) {
    let kept = THREAD_NAME.try_with(|current| {
        if !name.as_ref().is_some_and(|name| Arc::ptr_eq(name, current)) {
            *name = Some(Arc::clone(current));
        }
    });
    if kept.is_err() {
        *name = None;
    }
}

fn name_or_id(thread: &std::thread::Thread) -> String {
    thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned)
}
