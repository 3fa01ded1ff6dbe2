//! Places that sessions are opened at, so that one endpoint serves them all.

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
/// Why a session could not be opened; the text follows "failed to".
pub type OpenError = Box<dyn Error + Send + Sync>;

/// A place that sessions can be opened at, besides the router of this process: a fleet, another protocol.
///
/// An endpoint that is given one opens its sessions there, and carries the items to its readers in the forms that the
/// items themselves write.
pub trait SessionSource: Debug + Send + Sync + 'static {
    /// Opens a session.
    fn open(&self, session: SessionOptions) -> Opening<'_>;
}

/// The reading end of a session opened at a [`SessionSource`]; dropping it closes the session.
pub trait SessionStream: Debug + Send {
    /// The next item, if there is one now.
    ///
    /// # Errors
    /// `Empty` if there is none now, `Ended` after the last.
    fn try_recv(&mut self) -> Result<Arc<dyn StreamItem>, TryRecvError>;

    /// The next item; `None` after the last. Wakes the task as a `futures_core::Stream` does.
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<dyn StreamItem>>>;

    /// How many items wait to be read.
    fn buffered(&self) -> u64;

    /// What the session has counted so far: a JSON object of numbers.
    fn stats(&self) -> serde_json::Value;

    /// Ends the session. The stream gives what is left, and then the end with this reason.
    fn end(&self, reason: EndReason);
}

/// An item of a [`SessionStream`].
pub trait StreamItem: Debug + Send + Sync {
    /// What kind of item it is, as the `type` of its JSON says; `None` for an event.
    fn kind(&self) -> Option<&'static str>;

    /// Whether it is the last item.
    fn is_end(&self) -> bool;

    /// Appends the item in a form, with its terminator.
    fn write(&self, out: &mut Vec<u8>, options: FormatOptions);

    /// How many bytes it holds on the heap.
    fn held_bytes(&self) -> usize;
}

impl StreamItem for Item {
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Event { .. } => None,
            Self::Missing(_) => Some("missing"),
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
        match self {
            Self::Event { event, .. } => event.held_bytes(),
            _ => 0,
        }
    }
}
