//! Looking at the open spans, on behalf of coverage.

use super::{Chunk, Entry, Slot, Spans};
use crate::event::Fields;
use crate::layer::span::Span;
use crate::sync::OnceBox;
use std::sync::Arc;
use tracing_core::Metadata;

/// The fields of an open span, to be looked at while nothing is locked.
enum Copied {
    New(Fields),
    Known(Arc<Span>),
}

impl Spans {
    /// Shows the fields of at most `limit` open spans of the callsites that `wants` picks. `wants` must not call anybody
    /// else: a lock is held. `look` may.
    pub(in crate::layer) fn survey(
        &self,
        limit: usize,
        wants: impl Fn(&'static Metadata<'static>) -> bool,
        mut look: impl FnMut(&'static Metadata<'static>, &Fields),
    ) {
        let chunks = self.shards.0.iter().filter_map(OnceBox::get).flat_map(|shard| &shard.0).filter_map(OnceBox::get);
        let in_slots = chunks.flat_map(|Chunk(slots)| slots).filter_map(|slot| slot.copied(&wants));
        for (metadata, copied) in in_slots.take(limit) {
            match copied {
                Copied::New(fields) => look(metadata, &fields),
                Copied::Known(span) if span.is_visible() => look(metadata, &span.captured().fields),
                Copied::Known(_) => {}
            }
        }
    }
}

impl Slot {
    fn copied(
        &self,
        wants: impl Fn(&'static Metadata<'static>) -> bool,
    ) -> Option<(&'static Metadata<'static>, Copied)> {
        match &*self.lock() {
            Entry::New { metadata, fields } if wants(metadata) => Some((*metadata, Copied::New(fields.clone()))),
            Entry::Known(span) if wants(span.metadata()) => Some((span.metadata(), Copied::Known(Arc::clone(span)))),
            _ => None,
        }
    }
}
