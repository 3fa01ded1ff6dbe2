//! Events made of parts, for tests.

use super::{CapturedEvent, CapturedSpan, Fields, Name, Origin, OwnedOrigin};
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::Level;

/// An event in parts, so that a test may change one of them.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) time: SystemTime,
    pub(crate) level: Level,
    pub(crate) target: Name,
    pub(crate) file: Option<Name>,
    pub(crate) line: Option<u32>,
    pub(crate) thread: Option<Arc<str>>,
    pub(crate) fields: Fields,
    pub(crate) spans: Arc<[Arc<CapturedSpan>]>,
    pub(crate) omitted_fields: u32,
}

impl From<Parts> for CapturedEvent {
    fn from(parts: Parts) -> Self {
        let Parts { time, level, target, file, line, thread, fields, spans, omitted_fields } = parts;
        let name = "event src/hub.rs:214".into();
        let origin = OwnedOrigin { level, target, name, file, line, module_path: Some("chat::hub".into()) };
        Self { time, thread, omitted_fields, ..Self::new(Origin::Owned(Box::new(origin)), fields, spans) }
    }
}

/// An event without fields and spans, of the size that it has in memory.
#[cfg(not(loom))]
pub(crate) fn bare_event() -> Arc<CapturedEvent> {
    let callsite = tracing::callsite! { name: "event", kind: tracing::metadata::Kind::EVENT, fields: };
    let metadata = tracing_core::Callsite::metadata(callsite);
    let mut event = CapturedEvent::new(Origin::Callsite(metadata), Fields::named(metadata.fields()), Arc::new([]));
    event.weigh(0);
    Arc::new(event)
}
