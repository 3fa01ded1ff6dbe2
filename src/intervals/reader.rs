//! The reading end.

use super::error::IntervalsError;
use super::options::IntervalOptions;
use super::queue::{Known, ThreadQueue};
use super::record::IntervalRecord;
use super::recording::{Recording, Recordings};
use crate::session::SessionId;
use crate::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Instant;

/// The recorded intervals of a session. Dropping it ends the recording. Returned by
/// [`TapRouter::intervals`](crate::TapRouter::intervals).
#[derive(Debug)]
pub struct Intervals {
    recordings: Arc<Recordings>,
    recording: Arc<Recording>,
    origin: Instant,
}

/// The intervals of one thread.
#[derive(Debug)]
pub struct ThreadIntervals {
    queue: Arc<ThreadQueue>,
    known: Known,
    recording: Arc<Recording>,
}

impl Intervals {
    pub(crate) fn begin(
        recordings: &Arc<Recordings>,
        session: SessionId,
        options: IntervalOptions,
        origin: Instant,
    ) -> Result<Self, IntervalsError> {
        let recording = recordings.begin(session, options).ok_or_else(IntervalsError::in_use)?;
        Ok(Self { recordings: Arc::clone(recordings), recording, origin })
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.recording.session
    }

    /// The moment that times are counted from.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// The threads that have entered a watched span for the first time since the last call. Keep each until it
    /// [is over](ThreadIntervals::is_over): it counts towards [`IntervalOptions::max_threads`] until it is dropped.
    pub fn new_threads(&mut self) -> impl Iterator<Item = ThreadIntervals> {
        let recording = &self.recording;
        let new = std::iter::from_fn(|| recording.new.pop());
        new.map(|queue| ThreadIntervals { queue, known: Known::default(), recording: Arc::clone(recording) })
    }

    /// How many threads found no room so far: see [`IntervalOptions::max_threads`]. Each is recorded once there is room.
    pub fn left_out_threads(&self) -> u64 {
        // Relaxed: a number.
        self.recording.left_out.load(Ordering::Relaxed)
    }
}

impl ThreadIntervals {
    /// What [`IntervalOptions::thread_id`] has named it.
    pub fn thread(&self) -> u64 {
        self.queue.thread
    }

    /// The thread's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.queue.name.as_deref()
    }

    /// Takes the oldest record; `None` if there is none.
    ///
    /// After `None` it is known where the thread was until the moment before the call, unless the record before was
    /// [`Lost`](IntervalRecord::Lost). A thread that is inside an enter or an exit at that moment counts as before it.
    pub fn pop(&mut self) -> Option<IntervalRecord> {
        self.queue.pop(&mut self.known)
    }

    /// Whether the thread has ended, and all that it has recorded was read.
    pub fn is_over(&self) -> bool {
        // The thread's own reference is weak, and goes with it.
        Arc::weak_count(&self.queue) == 0 && self.queue.is_empty()
    }
}

impl Drop for ThreadIntervals {
    fn drop(&mut self) {
        // Relaxed: a number.
        self.recording.threads.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Intervals {
    fn drop(&mut self) {
        self.recordings.end();
    }
}
