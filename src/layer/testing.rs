//! An event of a callsite, for tests.

use tracing_core::{Callsite, Event};

/// Looks at an event of the level INFO with one field.
pub(super) fn with_event<R>(user: i64, look: impl FnOnce(&Event<'_>) -> R) -> R {
    let callsite = tracing::callsite! { name: "event", kind: tracing::metadata::Kind::EVENT, fields: user };
    let metadata = callsite.metadata();
    let field = metadata.fields().field("user").expect("it is declared");
    let values = [(&field, Some(&user as &dyn tracing_core::field::Value))];
    look(&Event::new(metadata, &metadata.fields().value_set(&values)))
}
