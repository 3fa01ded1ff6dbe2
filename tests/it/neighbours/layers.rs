//! The other layers, writing to an output that the test reads.

use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;
use testing::Output;
use tracing_forest::ForestLayer;
use tracing_forest::printer::{PrettyPrinter, Printer};
use tracing_forest::tag::NoTag;
use tracing_forest::tree::{Field, Tree};
use tracing_subscriber::fmt::format::{DefaultFields, FmtSpan, Format, Full};
use tracing_subscriber::{Layer, Registry, fmt};
use tracing_tree::HierarchicalLayer;

/// `fmt`, with all it says of spans.
pub(crate) fn printed(output: &Output) -> fmt::Layer<Registry, DefaultFields, Format<Full, ()>, Output> {
    let layer = fmt::layer().with_writer(output.clone()).with_ansi(false).without_time();
    layer.with_span_events(FmtSpan::NEW | FmtSpan::ACTIVE | FmtSpan::CLOSE)
}

pub(crate) fn tree(output: &Output) -> HierarchicalLayer<Output> {
    let layer = HierarchicalLayer::default().with_writer(output.clone()).with_ansi(false);
    layer.with_targets(true).with_verbose_entry(true).with_verbose_exit(true)
}

type FormatTree = fn(&Tree) -> Result<String, Infallible>;
pub(crate) type Forest = ForestLayer<Printer<FormatTree, Output>, NoTag>;

/// Prints each tree as a line, without times.
pub(crate) fn forest(output: &Output) -> Forest {
    let format: FormatTree = |tree| Ok(format!("{}\n", described(tree)));
    PrettyPrinter::new().formatter(format).writer(output.clone()).into()
}

fn described(tree: &Tree) -> String {
    let fields = |fields: &[Field]| -> String {
        fields.iter().map(|field| format!(" {}={}", field.key(), field.value())).collect()
    };
    match tree {
        Tree::Event(event) => format!("{}{}", event.message().unwrap_or_default(), fields(event.fields())),
        Tree::Span(span) => {
            let nodes: Vec<_> = span.nodes().iter().map(described).collect();
            format!("{}{} [{}]", span.name(), fields(span.fields()), nodes.join(", "))
        }
    }
}

/// A tracer that prints each span when it ends, by the name of its parent.
pub(crate) fn opentelemetry(output: &Output) -> impl Layer<Registry> + use<> {
    let prints = Prints { output: Mutex::new(output.clone()), names: Mutex::default() };
    let provider = SdkTracerProvider::builder().with_span_processor(prints).build();
    tracing_opentelemetry::layer().with_location(false).with_threads(false).with_tracer(provider.tracer("service"))
}

#[derive(Debug)]
struct Prints {
    output: Mutex<Output>,
    names: Mutex<HashMap<SpanId, String>>,
}

impl SpanProcessor for Prints {
    fn on_start(&self, span: &mut Span, _: &opentelemetry::Context) {
        use opentelemetry::trace::Span as _;
        let name = span.exported_data().map(|data| data.name.to_string()).unwrap_or_default();
        self.names.lock().unwrap().insert(span.span_context().span_id(), name);
    }

    fn on_end(&self, span: SpanData) {
        let names = self.names.lock().unwrap();
        let parent = names.get(&span.parent_span_id).map_or("nothing", String::as_str);
        let events: Vec<_> = span.events.iter().map(|event| &*event.name).collect();
        let links = span.links.len();
        let line = format!("ended {} below {parent}, with {events:?} and {links} links\n", span.name);
        self.output.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
