//! Taking an event or a span's fields out of `tracing`, once, for everyone who wants them.

use super::facts::Facts;
use super::visit::{Sink, Visitor};
use crate::config::Config;
use crate::event::{CapturedEvent, CapturedSpan, Fields, Name};
use crate::value::{Value, ValueRef};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::{Event, span};

/// Captures an event that matched. Formats its values: the caller holds the guard.
pub(crate) fn capture(
    event: &Event<'_>,
    facts: &Facts<'_>,
    spans: Arc<[Arc<CapturedSpan>]>,
    config: &Config,
) -> CapturedEvent {
    let time = SystemTime::now();
    let mut sink = EventSink { fields: Vec::with_capacity(event.fields().count()), facts, config };
    event.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes });
    let fields = Fields(sink.fields);
    CapturedEvent {
        time,
        level: *event.metadata().level(),
        target: facts.target(),
        name: facts.name(),
        file: facts.file(),
        line: facts.metadata().line(),
        module_path: facts.module_path(),
        thread: thread_name(),
        message: fields.message_text(),
        fields,
        spans,
    }
}

/// The fields a new span keeps. Formats its values: the caller holds the guard.
pub(crate) fn span_fields(attributes: &span::Attributes<'_>, config: &Config) -> Fields {
    let mut sink = SpanSink { fields: Fields::default(), config };
    attributes.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes });
    sink.fields
}

/// The values of a record that a span keeps. Formats them: the caller holds the guard.
pub(crate) fn recorded_fields(record: &span::Record<'_>, config: &Config) -> Fields {
    let mut sink = SpanSink { fields: Fields::default(), config };
    record.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes });
    sink.fields
}

/// Keeps every field, in order; a name that is recorded twice is there twice.
struct EventSink<'a> {
    fields: Vec<(Name, Value)>,
    facts: &'a Facts<'a>,
    config: &'a Config,
}

impl Sink for EventSink<'_> {
    fn wants(&mut self, name: &'static str) -> bool {
        if self.config.redacts(name) {
            self.fields.push((Cow::Borrowed(name), Value::Redacted));
            return false;
        }
        !self.facts.tell_field(name)
    }

    fn take(&mut self, name: &'static str, value: ValueRef<'_>) {
        self.fields.push((Cow::Borrowed(name), value.to_value()));
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

/// The name of this thread, or its id where it has none; nothing where the thread is too far gone to tell.
fn thread_name() -> Option<Arc<str>> {
    THREAD_NAME.try_with(Arc::clone).ok()
}

fn name_or_id(thread: &std::thread::Thread) -> String {
    thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned)
}
