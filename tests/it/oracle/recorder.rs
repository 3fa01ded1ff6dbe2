//! The other layer: it writes down all it gets, with the fields and the spans, like `fmt` does.

use super::callsites::LEVELS;
use std::cell::Cell;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// What the other layer got.
pub(crate) type Log = Arc<Mutex<Vec<Line>>>;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Line {
    pub(crate) what: String,
    /// The spans around it as this layer gets them, innermost first.
    pub(crate) scope: String,
    /// The event in whose argument this was logged; 0: none.
    pub(crate) inside: u64,
    /// It was logged while a session formatted a value, which without sessions nobody does.
    pub(crate) by_tap: bool,
}

thread_local! {
    /// Set while this layer formats values.
    pub(crate) static OTHER_FORMATS: Cell<bool> = const { Cell::new(false) };
    /// The event in whose argument this thread is, and whether a session is formatting that.
    pub(crate) static INSIDE: Cell<(u64, bool)> = const { Cell::new((0, false)) };
}

pub(crate) struct Recorder {
    pub(crate) log: Log,
    /// The number of the subscriber that it is in.
    pub(crate) subscriber: usize,
}

/// The target of spans that are made and closed by the thousand: what it gets of them is not kept.
pub(crate) const CHURN: &str = "churn";

/// What this layer keeps of a span.
struct Kept(String);

impl Recorder {
    fn note(&self, what: String, scope: String) {
        let (inside, by_tap) = INSIDE.get();
        let what = if self.subscriber == 0 { what } else { format!("{what} @{}", self.subscriber) };
        self.log.lock().unwrap().push(Line { what, scope, inside, by_tap });
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() == CHURN {
            return;
        }
        let fields = text_of(|visitor| attributes.record(visitor));
        let span = context.span(id).unwrap();
        let parent = span.parent().map(|parent| described(&parent)).unwrap_or_default();
        self.note(format!("new {} {fields}", head(span.metadata())), parent);
        span.extensions_mut().insert(Kept(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let fields = text_of(|visitor| values.record(visitor));
        let span = context.span(id).unwrap();
        self.note(format!("record {fields}"), described(&span));
        span.extensions_mut().get_mut::<Kept>().unwrap().0.push_str(&fields);
    }

    fn on_follows_from(&self, id: &Id, _: &Id, context: Context<'_, S>) {
        self.note("follows".to_owned(), described(&context.span(id).unwrap()));
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.note("enter".to_owned(), described(&context.span(id).unwrap()));
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.note("exit".to_owned(), described(&context.span(id).unwrap()));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Told of sessions, which this layer is compared without.
        if event.metadata().target() == "tracing_tap::audit" {
            return;
        }
        let fields = text_of(|visitor| event.record(visitor));
        let scope = context.event_scope(event).into_iter().flatten();
        let scope = scope.map(|span| described(&span)).collect::<Vec<_>>().join(" < ");
        self.note(format!("event {} {fields}", head(event.metadata())), scope);
    }
}

fn head(metadata: &tracing::Metadata<'_>) -> String {
    assert!(LEVELS.contains(metadata.level()));
    format!("{} {}", metadata.level(), metadata.target())
}

fn described<'a, R: LookupSpan<'a>>(span: &SpanRef<'a, R>) -> String {
    let kept = span.extensions().get::<Kept>().map(|kept| kept.0.clone()).unwrap_or_default();
    format!("{} {kept}", span.name())
}

/// Formats before anything is locked: a value may log.
pub(crate) fn text_of(record: impl FnOnce(&mut dyn Visit)) -> String {
    struct Text(String);
    impl Visit for Text {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            use std::fmt::Write;
            write!(self.0, "{}={value:?} ", field.name()).unwrap();
        }
    }
    let mut text = Text(String::new());
    OTHER_FORMATS.set(true);
    record(&mut text);
    OTHER_FORMATS.set(false);
    text.0
}
