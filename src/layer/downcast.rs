//! The only unsafe code: `Layer::downcast_raw`, by which `tracing-subscriber` finds per-layer filters, and we find
//! ourselves in a subscriber.
#![expect(unsafe_code, reason = "`Layer::downcast_raw` is an unsafe method")]

use super::{Instance, Nothing, Outside, TapFilter};
use std::any::TypeId;
use std::sync::Arc;
use tracing_core::Subscriber;
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// Answers with a pointer to the value of the type that `id` names, valid for as long as the layer is borrowed.
///
/// The contract is that the pointer, if any, points to a live value of that very type. [`Instance`] is behind
/// an `Arc` that the layer owns, [`Outside`] is in the layer, and every other answer is `Filtered`'s own, about a value the layer owns.
/// Without it the registry would not know that this layer filters for itself: every callsite would be enabled.
pub(super) fn downcast_raw<S>(
    (instance, outside): (&Arc<Instance>, &Outside),
    filtered: &Filtered<Nothing, TapFilter, S>,
    id: TypeId,
) -> Option<*const ()>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    if id == TypeId::of::<Instance>() {
        return Some(Arc::as_ptr(instance).cast());
    }
    if id == TypeId::of::<Outside>() {
        return Some(std::ptr::from_ref(outside).cast());
    }
    // SAFETY: `Filtered` only returns pointers to itself and its parts, of the type it was asked for.
    unsafe { filtered.downcast_raw(id) }
}
