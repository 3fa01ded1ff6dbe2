//! The source of a session's items: the router of this process, or another one.

use futures_core::Stream;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tracing_tap::endpoint::{SessionStream, StreamItem};
use tracing_tap::render::{FormatOptions, write_item};
use tracing_tap::stream::TryRecvError;
use tracing_tap::{EndReason, EventStream, Item, Missing, MissingReason, SessionId};

/// A session's reading end; dropping it closes the session.
#[derive(Debug)]
pub(super) enum Source {
    Own(Box<EventStream>),
    Other(Box<dyn SessionStream>),
}

/// One item of a session.
#[derive(Clone, Debug)]
pub(super) enum SourceItem {
    Own(Item),
    Other(Arc<dyn StreamItem>),
}

impl Source {
    pub(super) fn try_recv(&mut self) -> Result<SourceItem, TryRecvError> {
        match self {
            Self::Own(stream) => stream.try_recv().map(SourceItem::Own),
            Self::Other(stream) => stream.try_recv().map(SourceItem::Other),
        }
    }

    pub(super) fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<SourceItem>> {
        match self {
            Self::Own(stream) => Pin::new(stream).poll_next(context).map(|item| item.map(SourceItem::Own)),
            Self::Other(stream) => stream.poll_recv(context).map(|item| item.map(SourceItem::Other)),
        }
    }

    pub(super) fn buffered(&self) -> u64 {
        match self {
            Self::Own(stream) => stream.stats().buffered,
            Self::Other(stream) => stream.buffered(),
        }
    }

    /// The session's counts, as a JSON object.
    pub(super) fn stats(&self) -> Value {
        match self {
            Self::Own(stream) => serde_json::to_value(stream.stats()).expect("numbers are JSON"),
            Self::Other(stream) => stream.stats(),
        }
    }

    /// The session's number in this process, if it has one.
    pub(super) fn id(&self) -> Option<SessionId> {
        match self {
            Self::Own(stream) => Some(stream.id()),
            Self::Other(_) => None,
        }
    }

    /// Ends the session where this is the only way to: one of the router's own is ended by the router.
    pub(super) fn end(&self, reason: EndReason) {
        match self {
            Self::Own(_) => {}
            Self::Other(stream) => stream.end(reason),
        }
    }
}

impl SourceItem {
    /// Events that were lost at this place.
    pub(super) fn lost(count: u64) -> Self {
        Self::Own(Item::Missing(Missing::new(count, MissingReason::Overflow)))
    }

    /// Sequence numbers this item consumes; `None` if it carries none.
    pub(super) fn advance(&self) -> Option<u64> {
        match self {
            Self::Own(item) if item.is_numbered() => Some(1),
            Self::Own(Item::Missing(missing)) if missing.reason == MissingReason::Overflow => Some(missing.count),
            Self::Own(_) => None,
            // Elsewhere several may count for themselves: here only what matched counts.
            Self::Other(item) => matches!(item.kind(), None | Some("timing")).then_some(1),
        }
    }

    pub(super) fn is_end(&self) -> bool {
        match self {
            Self::Own(item) => matches!(item, Item::Ended(_)),
            Self::Other(item) => item.is_end(),
        }
    }

    /// The name of its server-sent event; events have none.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Own(item) => StreamItem::kind(item),
            Self::Other(item) => item.kind(),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, options: FormatOptions) {
        match self {
            Self::Own(item) => write_item(out, item, options),
            Self::Other(item) => item.write(out, options),
        }
    }

    /// How many bytes it holds on the heap.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Own(item) => item.held_bytes(),
            Self::Other(item) => item.held_bytes(),
        }
    }
}
