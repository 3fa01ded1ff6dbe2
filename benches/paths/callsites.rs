//! A service with many callsites, without compiling one.

use std::sync::OnceLock;
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;
use tracing_core::{Interest, Level, Metadata, callsite};

struct Callsites(OnceLock<Metadata<'static>>);

impl Callsite for Callsites {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0.get().expect("metadata is set before the callsite is registered")
    }
}

/// Registers this many DEBUG events, as a service does that has run for a while.
pub(crate) fn register(count: usize) {
    for _ in 0..count {
        let callsite: &'static Callsites = Box::leak(Box::new(Callsites(OnceLock::new())));
        let fields = FieldSet::new(&["message", "n"], Identifier(callsite));
        let metadata = Metadata::new("event", "service::part", Level::DEBUG, None, None, None, fields, Kind::EVENT);
        assert!(callsite.0.set(metadata).is_ok(), "a new callsite has no metadata");
        callsite::register(callsite);
    }
}
