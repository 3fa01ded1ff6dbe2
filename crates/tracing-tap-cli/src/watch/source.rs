//! Where a watch reads from: what is told, in order, and a handle to ask about it and to close it.
//!
//! A source runs on its own and leaves what it has in a channel of a few places, so it takes no more from whoever sends
//! than is printed. There are doors, over HTTP, and fleets, over NATS.

use super::{fleet, reader};
use crate::error::Error;
use crate::remote::Coverage;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout_at};
use tracing_tap::Item;
use tracing_tap_nats::FleetItem;

/// How long a question about a session may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// After how long a provisional answer is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What a source gives, one after the other.
#[derive(Debug)]
pub(crate) enum Told {
    /// An event, as it came: a line of JSON in the wire form, if the sender is honest.
    Event(Bytes),
    /// A loss, or the end.
    Item(Item),
    /// Anything that a fleet gives.
    Fleet(FleetItem),
    /// What a door to a fleet tells of an instance: a line of JSON, as it came.
    OfInstance(Bytes),
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
    Http(Arc<reader::Remote>),
    Fleet(Arc<fleet::Remote>),
}

/// What there is to tell of a session before its first event.
#[derive(Clone, Debug)]
pub(crate) struct Began {
    pub(crate) predicate: String,
    pub(crate) level: Option<String>,
    pub(crate) spans: Option<String>,
    /// Where it is read from.
    pub(crate) place: String,
    /// What names it there; a fleet's has no name.
    pub(crate) session: Option<String>,
    pub(crate) lasts: Option<Duration>,
    pub(crate) coverage: Coverage,
}

impl Handle {
    /// Closes the session; its reader gets what is left, and the end.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        match self {
            Self::Http(remote) => remote.close().await,
            Self::Fleet(remote) => {
                remote.close();
                Ok(())
            }
        }
    }

    /// Closes the session where nobody reads what is left, and waits until that is known wherever it is open.
    pub(crate) async fn abandon(&self) -> Result<(), Error> {
        match self {
            Self::Http(remote) => remote.close().await,
            Self::Fleet(remote) => {
                remote.close_and_wait().await;
                Ok(())
            }
        }
    }

    /// What becomes of a session that was not closed.
    pub(crate) fn left_open(&self) -> &'static str {
        match self {
            Self::Http(_) => "the service closes it when nobody has read it for 30 s",
            Self::Fleet(_) => "the instances close it when it was not renewed for 6.5 s",
        }
    }

    /// When the session is over, by this machine's clock.
    pub(crate) fn ends_at(&self) -> Option<Instant> {
        match self {
            Self::Http(remote) => remote.whereabouts().ends_at,
            Self::Fleet(remote) => remote.ends_at(),
        }
    }

    /// How many events wait at the service to be read.
    pub(crate) async fn waiting(&self) -> Result<u64, Error> {
        match self {
            Self::Http(remote) => remote.waiting().await,
            Self::Fleet(remote) => Ok(remote.waiting()),
        }
    }

    /// What the session could see, once it is over; `None` if the service does not answer soon.
    ///
    /// Its end has callsites asked again, so what is said then may be provisional for a moment.
    pub(crate) async fn last_coverage(&self) -> Option<Coverage> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let coverage = timeout_at(deadline, self.coverage()).await.ok()?.ok()?;
            if !coverage.is_provisional() || timeout_at(deadline, sleep(ASK_AGAIN)).await.is_err() {
                return Some(coverage);
            }
        }
    }

    /// What the session can see, and why not more, as of now.
    pub(crate) async fn coverage(&self) -> Result<Coverage, Error> {
        match self {
            Self::Http(remote) => remote.coverage().await,
            Self::Fleet(remote) => Ok(remote.coverage()),
        }
    }
}
