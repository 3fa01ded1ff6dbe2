//! A layer that writes down what it gets, by every hook that reports; those that ask are asked more often with us.

use super::recorder::{CHURN, INSIDE, Line, Log, text_of};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// One of several in a subscriber.
pub(crate) struct Witness {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
}

/// What each witness keeps of a span.
#[derive(Default)]
struct Kept(Vec<(&'static str, String)>);

impl Witness {
    fn note(&self, what: &str, scope: String) {
        let (inside, by_tap) = INSIDE.get();
        let what = format!("{} gets {what}", self.name);
        self.log.lock().unwrap().push(Line { what, scope, inside, by_tap });
    }

    fn note_span<S>(&self, what: &str, id: &Id, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let Some(span) = context.span(id).filter(|span| span.metadata().target() != CHURN) else { return };
        self.note(&format!("{what} {}", span.name()), self.scope_of(Some(span)));
    }

    /// The span and all around it that this layer sees, innermost first.
    fn scope_of<'a, R>(&self, span: Option<SpanRef<'a, R>>) -> String
    where
        R: LookupSpan<'a>,
    {
        let described = |span: SpanRef<'a, R>| {
            let extensions = span.extensions();
            let kept = extensions.get::<Kept>().and_then(|kept| kept.0.iter().find(|(name, _)| *name == self.name));
            format!("{} {}", span.name(), kept.map(|(_, fields)| fields.as_str()).unwrap_or_default())
        };
        span.into_iter().flat_map(|span| span.scope()).map(described).collect::<Vec<_>>().join(" < ")
    }
}

impl<S> Layer<S> for Witness
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.target() == CHURN {
            return;
        }
        let fields = text_of(|visitor| attributes.record(visitor));
        let span = context.span(id).expect("a new span is there");
        self.note(&format!("new {} {fields}", head(metadata)), self.scope_of(span.parent()));
        let mut extensions = span.extensions_mut();
        if extensions.get_mut::<Kept>().is_none() {
            extensions.insert(Kept::default());
        }
        extensions.get_mut::<Kept>().expect("it is there now").0.push((self.name, fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let fields = text_of(|visitor| values.record(visitor));
        self.note_span(&format!("record {fields}"), id, &context);
    }

    fn on_follows_from(&self, id: &Id, _: &Id, context: Context<'_, S>) {
        self.note_span("follows", id, &context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Witnessed of sessions, which this layer is compared without.
        if event.metadata().target() == AUDIT {
            return;
        }
        let fields = text_of(|visitor| event.record(visitor));
        let scope = self.scope_of(context.event_span(event));
        self.note(&format!("event {} {fields}", head(event.metadata())), scope);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.note_span("enter", id, &context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.note_span("exit", id, &context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.note_span("close", &id, &context);
    }
}

const AUDIT: &str = "tracing_tap::audit";

fn head(metadata: &Metadata<'_>) -> String {
    format!("{} {}", metadata.level(), metadata.target())
}
