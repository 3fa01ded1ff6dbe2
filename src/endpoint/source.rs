//! Sources of sessions, so that one endpoint serves them all.

use crate::render::{FormatOptions, write_item};
use crate::session::{EndReason, SessionOptions};
use crate::stream::{Item, TryRecvError};
use std::error::Error;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The future of [`SessionSource::open`].
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn SessionStream>, OpenError>> + Send + 'a>>;
/// The error of [`SessionSource::open`]. Its `Display` text is shown to the client as it is.
pub type OpenError = Box<dyn Error + Send + Sync>;

/// Opens sessions somewhere other than in the router of this process: in a fleet, over another protocol.
///
/// An endpoint with a source opens its sessions there. The items write themselves in the form that its reader wants.
pub trait SessionSource: Debug + Send + Sync + 'static {
    /// Opens a session.
    ///
    /// # Errors
    /// If the source is unreachable or rejects the session.
    fn open(&self, session: SessionOptions) -> Opening<'_>;
}

/// The reading end of a session opened by a [`SessionSource`]. Dropping it closes the session.
pub trait SessionStream: Debug + Send {
    /// Takes the next item without waiting.
    ///
    /// # Errors
    /// `Empty` if no item is buffered, `Ended` after the last item.
    fn try_recv(&mut self) -> Result<Arc<dyn StreamItem>, TryRecvError>;

    /// Polls for the next item; `None` after the last. Wakes the task like a `futures_core::Stream`.
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<dyn StreamItem>>>;

    /// The number of buffered items.
    fn buffered(&self) -> u64;

    /// The session's counts so far, as a JSON object of numbers.
    fn stats(&self) -> serde_json::Value;

    /// Ends the session. The stream yields the buffered items, then the end with this reason.
    fn end(&self, reason: EndReason);
}

/// An item of a [`SessionStream`].
pub trait StreamItem: Debug + Send + Sync {
    /// The `type` of the item's JSON; `None` for an event.
    fn kind(&self) -> Option<&'static str>;

    /// Whether it is the last item of its session.
    fn is_end(&self) -> bool;

    /// Appends the item in the given form, with its terminator.
    fn write(&self, out: &mut Vec<u8>, options: FormatOptions);

    /// The number of bytes that it holds on the heap.
    fn held_bytes(&self) -> usize;
}

impl StreamItem for Item {
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Event { .. } => None,
            Self::Timing { .. } => Some("timing"),
            Self::Missing(_) => Some("missing"),
            Self::Horizon(_) => Some("horizon"),
            Self::Ended(_) => Some("ended"),
        }
    }

    fn is_end(&self) -> bool {
        matches!(self, Self::Ended(_))
    }

    fn write(&self, out: &mut Vec<u8>, options: FormatOptions) {
        write_item(out, self, options);
    }

    fn held_bytes(&self) -> usize {
        self.captured().map_or(0, |(.., captured)| captured.held_bytes())
    }
}
