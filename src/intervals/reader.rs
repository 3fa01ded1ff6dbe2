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
    threads: Vec<ThreadIntervals>,
    origin: Instant,
}

/// The intervals of one thread.
#[derive(Debug)]
pub struct ThreadIntervals {
    queue: Arc<ThreadQueue>,
    known: Known,
}

impl Intervals {
    pub(crate) fn begin(
        recordings: &Arc<Recordings>,
        session: SessionId,
        options: IntervalOptions,
        origin: Instant,
    ) -> Result<Self, IntervalsError> {
        let recording = recordings.begin(session, options).ok_or_else(IntervalsError::in_use)?;
        Ok(Self { recordings: Arc::clone(recordings), recording, threads: Vec::new(), origin })
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.recording.session
    }

    /// The moment that times are counted from.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// The threads that have entered a watched span so far, without those that have ended and were read to their end.
    pub fn threads(&mut self) -> &mut [ThreadIntervals] {
        self.threads.extend(std::iter::from_fn(|| self.recording.new.pop()).map(ThreadIntervals::new));
        &mut self.threads
    }

    /// Forgets threads that have ended, once all their records were read; calls `gone` with each.
    pub fn forget_ended(&mut self, mut gone: impl FnMut(&ThreadIntervals)) {
        self.threads.retain(|thread| {
            let is_over = thread.has_ended() && thread.is_empty();
            if is_over {
                gone(thread);
                self.recording.threads.fetch_sub(1, Ordering::Relaxed);
            }
            !is_over
        });
    }

    /// How many threads had no room so far: see [`IntervalOptions::max_threads`].
    pub fn left_out_threads(&self) -> u64 {
        // Relaxed: a number.
        self.recording.left_out.load(Ordering::Relaxed)
    }
}

impl ThreadIntervals {
    fn new(queue: Arc<ThreadQueue>) -> Self {
        Self { queue, known: Known::default() }
    }

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

    /// Whether the thread has ended. What it has recorded can still be read.
    pub fn has_ended(&self) -> bool {
        Arc::weak_count(&self.queue) == 0
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl Drop for Intervals {
    fn drop(&mut self) {
        self.recordings.end();
    }
}
