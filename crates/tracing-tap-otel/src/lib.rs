//! OpenTelemetry's trace ids in sessions of [`tracing_tap`]: `trace_id` and `span_id` on every event, and as predicates.
//!
//! A service that uses [`tracing-opentelemetry`] gives the router a [source](traces) of trace contexts:
//!
//! ```
//! use opentelemetry::trace::TracerProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use tracing_subscriber::prelude::*;
//! use tracing_tap::{Item, TapRouter};
//!
//! let provider = SdkTracerProvider::builder().build(); // with your exporter
//! let router = TapRouter::builder().trace_source(tracing_tap_otel::traces()).build();
//! tracing_subscriber::registry()
//!     .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("service")))
//!     .with(router.layer())
//!     .init();
//!
//! let mut stream = router.watch("trace_id exists");
//! # let mut stream = stream?;
//! tracing::info_span!("request").in_scope(|| tracing::debug!("accepted"));
//! let event = stream.drain().find_map(Item::into_event).expect("one event has matched");
//! assert_eq!(event.trace().map(|trace| trace.trace_id().len()), Some(32));
//! # Ok::<_, tracing_tap::PredicateError>(())
//! ```
//!
//! - An operator who has a trace id opens a session on `trace_id = 4bf92f3577b34da6a3ce929d0e0e4736`, also for requests that
//!   are older than the session. It is indexed like any other equality.
//! - Events show the ids of the innermost span that is known to OpenTelemetry: as the keys `trace_id` and `span_id` in JSON,
//!   at the end of a line, and below the source in the form for people.
//! - **No OpenTelemetry span is ever started early.** The ids are read from the active context, at the first event right
//!   inside a span. So `set_parent` works as without a session, before and after it opens.
//! - The order of the layers does not matter, nor do filters and `reload` around the other layer. Ids of spans that a sampler
//!   does not record are shown, too.
//! - A service without a session pays nothing. With one, the context is read once for a span, not for each event.
//!
//! # Features
//! - `otlp`: `otlp::Collector` forwards a session to an OTLP endpoint as log records over HTTP.
//!
//! # Limits
//! - The trace of a span becomes known at the first event right inside it that a session captures, or, while an open session
//!   tests `trace_id` or `span_id`, at the first that may match by it. Until then, an event with that span as an explicit
//!   parent has no ids, or those of a span further out.
//! - The layer must activate its contexts, which is its default (`with_context_activation`).
//! - A context that code attaches by hand inside of a span is taken for that of the span if the span's trace is not known yet.
//! - The crate `opentelemetry` keeps the active context in a static of its own, so this crate must be built with the same
//!   version of it (0.33) as the service. [Coverage](tracing_tap::Coverage) reports that no context was seen, and a version
//!   that does not fit where it can tell.
//!
//! [`tracing-opentelemetry`]: https://docs.rs/tracing-opentelemetry

#![cfg_attr(docsrs, feature(doc_cfg))]

mod absence;
#[cfg(feature = "otlp")]
pub mod otlp;
mod source;

pub use source::{ActiveContext, traces};
