//! Where a watch reads from: what is told, in order, and a handle to ask about it and to close it.
//!
//! A source runs on its own and leaves what it has in a channel of a few places, so it takes no more from whoever sends
//! than is printed. HTTP is the only one.

use super::reader::Remote;
use crate::error::Error;
use crate::remote::Coverage;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tracing_tap::Item;

/// What a source gives, one after the other.
#[derive(Debug)]
pub(crate) enum Told {
    /// An event, as it came: a line of JSON in the wire form, if the sender is honest.
    Event(Bytes),
    /// A loss, or the end.
    Item(Item),
    /// Something that is neither, and why.
    Unreadable(String),
    Notice(Notice),
}

/// What became of the reading itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The connection is gone; it is tried again for so long.
    Cut { why: String, patience: Duration },
    /// It is there again, and goes on where it was.
    Continued { after: Duration },
    /// It is there again, and the session was not: this is a new one, after a gap nothing is known of.
    Anew { after: Duration },
    /// It is there again, and the session was not, and it is not to be watched any longer.
    Gone { after: Duration },
}

/// A source at work.
#[derive(Debug)]
pub(crate) struct Source {
    /// Closed when there is nothing more.
    pub(crate) told: Receiver<Vec<Told>>,
    pub(crate) handle: Handle,
    /// How it came to its end.
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

/// To ask about a source, and to close it.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    Http(Arc<Remote>),
}

/// What a source knows of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// What names the session to `close`.
    pub(crate) session: String,
    pub(crate) ends_at: Option<Instant>,
}

impl Handle {
    /// Closes the session; its reader gets what is left, and the end.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        match self {
            Self::Http(remote) => remote.close().await,
        }
    }

    pub(crate) fn whereabouts(&self) -> Whereabouts {
        match self {
            Self::Http(remote) => remote.whereabouts(),
        }
    }

    /// How many events wait at the service to be read.
    pub(crate) async fn waiting(&self) -> Result<u64, Error> {
        match self {
            Self::Http(remote) => remote.waiting().await,
        }
    }

    /// What the session can see, and why not more, as of now.
    pub(crate) async fn coverage(&self) -> Result<Coverage, Error> {
        match self {
            Self::Http(remote) => remote.coverage().await,
        }
    }
}
