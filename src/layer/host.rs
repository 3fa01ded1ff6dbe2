//! What a layer of this crate goes on.

use tracing_core::Subscriber;
use tracing_subscriber::registry::LookupSpan;

/// A subscriber with a registry of spans.
pub(super) trait Host: Subscriber + for<'lookup> LookupSpan<'lookup> {}

impl<S> Host for S where S: Subscriber + for<'lookup> LookupSpan<'lookup> {}
