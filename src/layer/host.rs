//! The registry that a layer is on, as far as the layer may see it.
//!
//! What asks it by `dyn` is compiled once, with this crate. What every event passes knows the type, and is compiled again for
//! each subscriber: see the architecture paper.

use std::any::Any;
use tracing_core::span::{Current, Id};
use tracing_core::{Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// What the layer asks the registry.
pub(super) trait Host {
    /// The innermost span that this thread is in, whether a filter hides it from the layer or not.
    fn current_span(&self) -> Current;

    /// The innermost span that this thread is in, of those that no filter hides.
    fn visible_span(&self) -> Option<Registered>;

    /// A span that is open, unless a filter hides it.
    fn span(&self, id: u64) -> Option<Registered>;

    /// The nearest span around it that no filter hides; `None` for a root.
    fn parent(&self, id: u64) -> Option<Registered>;

    /// Keeps something until a span closes. What was kept for it before is dropped.
    fn keep_until_close(&self, id: u64, kept: Box<dyn Any + Send + Sync>);
}

/// A subscriber that a layer of this crate can be on.
pub(super) trait HasRegistry: Subscriber + for<'lookup> LookupSpan<'lookup> {}

impl<S> HasRegistry for S where S: Subscriber + for<'lookup> LookupSpan<'lookup> {}

/// A span in the registry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registered {
    pub(super) id: u64,
    pub(super) metadata: &'static Metadata<'static>,
}

/// What is kept in the registry's data of a span: a type of our own, so that no other layer has it there as well.
struct UntilClose {
    _kept: Box<dyn Any + Send + Sync>,
}

impl<S: HasRegistry> Host for Context<'_, S> {
    fn current_span(&self) -> Current {
        self.current_span()
    }

    fn visible_span(&self) -> Option<Registered> {
        self.lookup_current().as_ref().map(Registered::of)
    }

    fn span(&self, id: u64) -> Option<Registered> {
        self.span(&Id::from_u64(id)).as_ref().map(Registered::of)
    }

    fn parent(&self, id: u64) -> Option<Registered> {
        self.span(&Id::from_u64(id))?.parent().as_ref().map(Registered::of)
    }

    fn keep_until_close(&self, id: u64, kept: Box<dyn Any + Send + Sync>) {
        if let Some(span) = self.span(&Id::from_u64(id)) {
            span.extensions_mut().replace(UntilClose { _kept: kept });
        }
    }
}

impl Registered {
    fn of<'a, R: LookupSpan<'a>>(span: &SpanRef<'a, R>) -> Self {
        Self { id: span.id().into_u64(), metadata: span.metadata() }
    }
}
