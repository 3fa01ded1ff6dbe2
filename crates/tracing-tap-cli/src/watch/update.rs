//! What a watch reads: one update after the other.

use bytes::Bytes;
use std::time::Duration;
use tracing_tap::Item;
use tracing_tap_nats::FleetItem;

/// One update of a source.
#[derive(Debug)]
pub(crate) enum Update {
    /// An event or the times of a span, as it arrived: a line of JSON in the wire form, if the sender is honest.
    Event(Bytes),
    /// A loss, or the end of the session.
    Item(Item),
    /// An item of a fleet.
    Fleet(FleetItem),
    /// What an HTTP endpoint of a fleet sends about an instance: a line of JSON as it arrived.
    OfInstance(Bytes),
    /// Unreadable data, and why they are.
    Unreadable(String),
    Notice(Notice),
}

/// What happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The connection is lost; attempts follow for `patience`.
    Cut { why: String, patience: Duration },
    /// Reconnected, and resumed at the same position.
    Continued { after: Duration },
    /// Reconnected with a new session, because the old one was gone: events in between are unknown.
    Reopened { after: Duration },
    /// Reconnected, and the session was gone, and its time is over.
    Gone { after: Duration },
}
