//! Taking an event or a span's fields out of `tracing`, once, for everyone who wants them.

use super::facts::Facts;
use super::visit::{Named, Sink, Visitor};
use crate::config::Config;
use crate::event::{CapturedEvent, Fields};
use crate::session::scope::CapturedSpans;
use crate::value::{PackedBytes, ValueRef};
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::{Event, Metadata, span};

/// Captures an event that matched, in the memory of `spare` if there is one. Formats the event's values: the caller
/// holds the guard.
pub(crate) fn capture(
    event: &Event<'_>,
    facts: &Facts<'_>,
    spans: &CapturedSpans,
    config: &Config,
    spare: Option<Arc<CapturedEvent>>,
) -> Arc<CapturedEvent> {
    let mut captured = spare.unwrap_or_else(|| Arc::new(blank(event, facts, spans)));
    match Arc::get_mut(&mut captured) {
        Some(unshared) => write(unshared, event, facts, spans, config),
        // No caller hands over a shared event; if one did, it would be the other's.
        None => return capture(event, facts, spans, config, None),
    }
    captured
}

fn blank(event: &Event<'_>, facts: &Facts<'_>, spans: &CapturedSpans) -> CapturedEvent {
    CapturedEvent::new(facts.origin(), Fields::named(event.metadata().fields()), Arc::clone(&spans.spans))
}

fn write(captured: &mut CapturedEvent, event: &Event<'_>, facts: &Facts<'_>, spans: &CapturedSpans, config: &Config) {
    captured.time = SystemTime::now();
    captured.origin = facts.origin();
    set_thread_name(&mut captured.thread);
    if !Arc::ptr_eq(&captured.spans, &spans.spans) {
        captured.spans = Arc::clone(&spans.spans);
    }
    captured.own.restart(event.metadata().fields());
    let mut sink = EventSink { fields: &mut captured.own, room: config.max_event_fields, omitted: 0, facts, config };
    event.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes, prints: true });
    captured.omitted_fields = sink.omitted;
    captured.weigh(spans.bytes);
}

/// Packs the fields a new span keeps. Formats its values: the caller holds the guard.
#[inline]
pub(crate) fn pack_span_fields(packed: &mut PackedBytes, attributes: &span::Attributes<'_>, config: &Config) {
    let mut sink = SpanSink { packed, config };
    attributes.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes, prints: true });
}

/// The values of a record that a span of this callsite keeps. Formats them if it `prints`: then the caller holds the guard.
pub(crate) fn recorded_fields(
    record: &span::Record<'_>,
    metadata: &'static Metadata<'static>,
    config: &Config,
    prints: bool,
) -> Fields {
    let mut packed = PackedBytes::new();
    let mut sink = SpanSink { packed: &mut packed, config };
    record.record(&mut Visitor { sink: &mut sink, max_value_bytes: config.max_value_bytes, prints });
    Fields::packed_as(metadata.fields(), packed)
}

/// Keeps the fields of an event, in order; a name that is recorded twice is there twice.
struct EventSink<'a> {
    fields: &'a mut Fields,
    room: usize,
    omitted: u32,
    facts: &'a Facts<'a>,
    config: &'a Config,
}

impl Sink for EventSink<'_> {
    #[inline(always)]
    fn wants(&mut self, field: Named) -> bool {
        if self.facts.tell_field(field.name) {
            return false;
        }
        if self.room == 0 {
            self.omitted += 1;
            return false;
        }
        self.room -= 1;
        let redacted = self.config.redacts(field.name);
        if redacted {
            self.fields.push(field.index, ValueRef::Redacted);
        }
        !redacted
    }

    #[inline(always)]
    fn take(&mut self, field: Named, value: ValueRef<'_>) {
        self.fields.push(field.index, value);
    }
}

/// Keeps the fields that the configuration captures.
struct SpanSink<'a> {
    packed: &'a mut PackedBytes,
    config: &'a Config,
}

impl Sink for SpanSink<'_> {
    #[inline(always)]
    fn wants(&mut self, field: Named) -> bool {
        let captures = self.config.captures(field.name);
        if captures && self.config.redacts(field.name) {
            self.packed.push(field.index, ValueRef::Redacted);
            return false;
        }
        captures
    }

    #[inline(always)]
    fn take(&mut self, field: Named, value: ValueRef<'_>) {
        self.packed.push(field.index, value);
    }
}

thread_local! {
    static THREAD_NAME: Arc<str> = name_or_id(&std::thread::current()).into();
}

/// Sets the name of this thread, or its id where it has none; none if it is ending. Events of one
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

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::event::CapturedSpan;
    use crate::event::testing::bare_event;
    use crate::layer::testing::with_event;
    use crate::session::scope::CapturedChain;

    fn spans(name: &'static str) -> CapturedSpans {
        let (level, fields) = (tracing_core::Level::INFO, Fields::listed(Vec::new()));
        let span = CapturedSpan { name: name.into(), level, target: "it".into(), fields, trace: None, request: None };
        CapturedSpans::new(CapturedChain::from_iter([Arc::new(span)]))
    }

    #[test]
    fn an_event_in_the_memory_of_another_has_its_own_spans() {
        let (config, spare) = (Config::default(), bare_event());
        let memory = Arc::as_ptr(&spare);
        let both = [spans("request"), spans("job")];
        let last = both.iter().chain(&both[1..]).fold(spare, |spare, spans| {
            let captured = with_event(42, |event| capture(event, &Facts::of(event), spans, &config, Some(spare)));
            assert_eq!(Arc::as_ptr(&captured), memory);
            assert!(Arc::ptr_eq(&captured.spans, &spans.spans));
            captured
        });
        assert_eq!(last.find("user").and_then(crate::Value::as_i64), Some(42));
    }
}
