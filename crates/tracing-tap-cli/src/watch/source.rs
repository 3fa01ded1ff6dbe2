//! What a watch reads from: updates in order, and a handle to query and close the session.
//!
//! A source is a task that sends to a bounded channel, so it takes no more from the server than is printed. There are
//! sources over HTTP, and over NATS for fleets.

use super::opened::{Began, Opened};
use super::update::Update;
use super::{fleet, reader};
use crate::error::Error;
use crate::remote::Coverage;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout_at};

/// How long a query about a session may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// After how long a provisional answer is requested again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// A running source.
#[derive(Debug)]
pub(crate) struct Source {
    /// Closed at the end.
    pub(crate) updates: Receiver<Vec<Update>>,
    pub(crate) handle: Handle,
    /// Its result.
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

/// A handle to query and close the session.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    Http(Arc<reader::Remote>),
    Fleet(Arc<fleet::Remote>),
}

impl Source {
    /// The source of a session that has just been opened, and what to report of it.
    pub(crate) fn of<R>(opened: Opened<R>, handle: fn(Arc<R>) -> Handle) -> (Self, Began) {
        let Opened { updates, remote, task, began } = opened;
        (Self { updates, handle: handle(remote), task }, began)
    }
}

impl Handle {
    /// Closes the session; its reader gets what is left, then the end.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        match self {
            Self::Http(remote) => remote.close().await,
            Self::Fleet(remote) => {
                remote.close();
                Ok(())
            }
        }
    }

    /// Closes the session if what is left is not read, and waits until every service knows.
    pub(crate) async fn abandon(&self) -> Result<(), Error> {
        match self {
            Self::Http(remote) => remote.close().await,
            Self::Fleet(remote) => {
                remote.close_and_wait().await;
                Ok(())
            }
        }
    }

    /// What happens to a session that was not closed.
    pub(crate) fn left_open(&self) -> &'static str {
        match self {
            Self::Http(_) => "the service closes the session 30 s after it was last read",
            Self::Fleet(_) => "the instances close the session 6.5 s after its last renewal",
        }
    }

    /// When the session ends, by this machine's clock.
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

    /// The coverage after the end; `None` if the service does not answer soon.
    ///
    /// The end of a session makes the service ask its callsites again, so the answer may be provisional for a moment.
    pub(crate) async fn last_coverage(&self) -> Option<Coverage> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let coverage = timeout_at(deadline, self.coverage()).await.ok()?.ok()?;
            if !coverage.is_provisional() || timeout_at(deadline, sleep(ASK_AGAIN)).await.is_err() {
                return Some(coverage);
            }
        }
    }

    /// What the session can match, and what hides events from it, at this moment.
    pub(crate) async fn coverage(&self) -> Result<Coverage, Error> {
        match self {
            Self::Http(remote) => remote.coverage().await,
            Self::Fleet(remote) => Ok(remote.coverage()),
        }
    }
}
