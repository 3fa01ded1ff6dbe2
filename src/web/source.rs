//! Where a session's items come from: the router of this process, or all instances of a fleet.

#[cfg(feature = "nats")]
use crate::fleet::{FleetItem, FleetStats, FleetStream};
use crate::render::{FormatOptions, write_item};
use crate::session::{EndReason, SessionId, SessionStats};
use crate::stream::{EventStream, Item, LossReason, Lost, TryRecvError};
use futures_core::Stream;
use serde_json::{Value, json};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A session's reading end; dropping it closes the session.
#[derive(Debug)]
pub(super) enum Source {
    Own(EventStream),
    #[cfg(feature = "nats")]
    Fleet(Box<FleetStream>),
}

/// One thing that a session gives.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Own(Item),
    #[cfg(feature = "nats")]
    Fleet(FleetItem),
}

/// What a session has counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stats {
    Own(SessionStats),
    #[cfg(feature = "nats")]
    Fleet(FleetStats),
}

impl Source {
    pub(super) fn try_recv(&mut self) -> Result<Told, TryRecvError> {
        match self {
            Self::Own(stream) => stream.try_recv().map(Told::Own),
            #[cfg(feature = "nats")]
            Self::Fleet(stream) => stream.try_recv().map(Told::Fleet),
        }
    }

    pub(super) fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Told>> {
        match self {
            Self::Own(stream) => Pin::new(stream).poll_next(context).map(|item| item.map(Told::Own)),
            #[cfg(feature = "nats")]
            Self::Fleet(stream) => Pin::new(&mut **stream).poll_next(context).map(|item| item.map(Told::Fleet)),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        match self {
            Self::Own(stream) => Stats::Own(stream.stats()),
            #[cfg(feature = "nats")]
            Self::Fleet(stream) => Stats::Fleet(stream.stats()),
        }
    }

    /// The session's number in this process; one of the fleet has none.
    pub(super) fn id(&self) -> Option<SessionId> {
        match self {
            Self::Own(stream) => Some(stream.id()),
            #[cfg(feature = "nats")]
            Self::Fleet(_) => None,
        }
    }

    /// Ends the session where this is the only way to: one of the router's own is ended by the router.
    #[cfg_attr(not(feature = "nats"), expect(unused_variables, reason = "there is only the router's own"))]
    pub(super) fn end(&self, reason: EndReason) {
        match self {
            Self::Own(_) => {}
            #[cfg(feature = "nats")]
            Self::Fleet(stream) => stream.end(reason),
        }
    }
}

impl Told {
    /// Events that were lost at this place.
    pub(super) fn lost(count: u64) -> Self {
        Self::Own(Item::Lost(Lost { count, reason: LossReason::Overflow }))
    }

    /// How far this brings a reader who counts events; nothing where it is about none.
    pub(super) fn advance(&self) -> Option<u64> {
        match self {
            Self::Own(Item::Event { .. }) => Some(1),
            Self::Own(Item::Lost(Lost { count, reason: LossReason::Overflow })) => Some(*count),
            Self::Own(_) => None,
            // Each instance counts for itself: here only what is told counts.
            #[cfg(feature = "nats")]
            Self::Fleet(item) => matches!(item, FleetItem::Event(_)).then_some(1),
        }
    }

    pub(super) fn is_end(&self) -> bool {
        match self {
            Self::Own(item) => matches!(item, Item::Ended(_)),
            #[cfg(feature = "nats")]
            Self::Fleet(item) => matches!(item, FleetItem::Ended(_)),
        }
    }

    /// What it is called where events are not called anything.
    pub(super) fn name(&self) -> Option<&'static str> {
        let item = match self {
            Self::Own(item) => item,
            #[cfg(feature = "nats")]
            Self::Fleet(FleetItem::Event(_)) => return None,
            #[cfg(feature = "nats")]
            Self::Fleet(item) => return Some(item.kind()),
        };
        match item {
            Item::Event { .. } => None,
            Item::Lost(_) => Some("lost"),
            Item::Ended(_) => Some("ended"),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, options: FormatOptions) {
        match self {
            Self::Own(item) => write_item(out, item, options),
            #[cfg(feature = "nats")]
            Self::Fleet(item) => item.write(out, options),
        }
    }

    /// What keeping it holds on the heap.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Own(Item::Event { event, .. }) => event.held_bytes(),
            #[cfg(feature = "nats")]
            Self::Fleet(FleetItem::Event(event)) => event.held_bytes(),
            _ => 0,
        }
    }
}

impl Stats {
    pub(super) fn buffered(&self) -> u64 {
        match self {
            Self::Own(stats) => stats.buffered,
            #[cfg(feature = "nats")]
            Self::Fleet(stats) => stats.buffered,
        }
    }

    pub(super) fn to_json(self) -> Value {
        match self {
            Self::Own(stats) => json!({
                "matched": stats.matched,
                "delivered": stats.delivered,
                "buffered": stats.buffered,
                "lost": stats.lost,
                "lost_overflow": stats.lost_overflow,
                "lost_closed": stats.lost_closed,
                "lost_rate": stats.lost_rate,
                "lost_sampling": stats.lost_sampling,
            }),
            #[cfg(feature = "nats")]
            Self::Fleet(stats) => json!({
                "matched": stats.matched,
                "delivered": stats.delivered,
                "buffered": stats.buffered,
                "lost": stats.lost,
                "lost_overflow": stats.lost_overflow,
                "lost_rate": stats.lost_rate,
                "lost_sampling": stats.lost_sampling,
                "lost_at_instances": stats.lost_at_instances,
                "lost_on_the_way": stats.lost_on_the_way,
                "lost_here": stats.lost_here,
                "instances": stats.instances,
            }),
        }
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self::Own(SessionStats::default())
    }
}
