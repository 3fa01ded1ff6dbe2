//! A session that was opened at a service or a fleet: its updates, and what is reported of it at first.

use super::update::Update;
use crate::error::Error;
use crate::remote::Coverage;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

/// A session whose stream is being read by a task; `R` is all of it but the stream.
#[derive(Debug)]
pub(crate) struct Opened<R> {
    /// Closed at the end.
    pub(crate) updates: Receiver<Vec<Update>>,
    pub(crate) remote: Arc<R>,
    /// The result of the task.
    pub(crate) task: JoinHandle<Result<(), Error>>,
    pub(crate) began: Began,
}

/// What is reported of a session before its first event.
#[derive(Clone, Debug)]
pub(crate) struct Began {
    pub(crate) predicate: String,
    pub(crate) level: Option<String>,
    pub(crate) spans: Option<String>,
    /// The URL of the endpoint or the fleet.
    pub(crate) url: String,
    /// Its id; `None` for a fleet.
    pub(crate) session: Option<String>,
    pub(crate) lasts: Option<Duration>,
    pub(crate) coverage: Coverage,
}
