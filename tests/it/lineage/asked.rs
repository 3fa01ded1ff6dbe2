//! How often the registry is asked where a thread is.

use super::user;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testing::messages;
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::FilterId;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_tap::{Predicate, TapRouter};

/// A registry that counts how often it is asked for the current span.
struct Counting {
    registry: Registry,
    asked: Arc<AtomicUsize>,
}

impl Subscriber for Counting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.registry.enabled(metadata)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.registry.new_span(attributes)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        self.registry.record(id, values);
    }

    fn record_follows_from(&self, id: &Id, follows: &Id) {
        self.registry.record_follows_from(id, follows);
    }

    fn event(&self, event: &Event<'_>) {
        self.registry.event(event);
    }

    fn enter(&self, id: &Id) {
        self.registry.enter(id);
    }

    fn exit(&self, id: &Id) {
        self.registry.exit(id);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.registry.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.registry.try_close(id)
    }

    fn current_span(&self) -> Current {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.registry.current_span()
    }
}

impl<'a> LookupSpan<'a> for Counting {
    type Data = <Registry as LookupSpan<'a>>::Data;

    fn register_filter(&mut self) -> FilterId {
        self.registry.register_filter()
    }

    fn span_data(&'a self, id: &Id) -> Option<Self::Data> {
        self.registry.span_data(id)
    }
}

isolated! {
    fn the_registry_is_asked_once_for_each_event_shown() {
        let (router, asked) = (TapRouter::new(), Arc::new(AtomicUsize::new(0)));
        let registry = Counting { registry: tracing_subscriber::registry(), asked: asked.clone() };
        registry.with(router.layer()).init();
        let _request = user(42).entered();
        let mut stream = router.watch(Predicate::eq("user", 42));
        let event = || tracing::info!("shown");
        let step = || tracing::info_span!("step").in_scope(event);
        // The layer asks where the thread is, and follows it from there.
        event();
        let before = asked.load(Ordering::Relaxed);
        (0..100).for_each(|_| step());
        assert_eq!(asked.load(Ordering::Relaxed) - before, 100, "the registry has the last word, and no other");
        assert_eq!(messages(&mut stream).len(), 101);
    }
}
