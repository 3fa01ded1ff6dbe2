//! How intervals are recorded.

/// How intervals are recorded by [`TapRouter::intervals`](crate::TapRouter::intervals).
///
/// ```
/// use tracing_tap::intervals::IntervalOptions;
///
/// let options = IntervalOptions::default().max_threads(8).capacity(1024);
/// assert_eq!((options.max_threads, options.capacity), (8, 1024));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct IntervalOptions {
    /// Names the thread that calls it. See [`thread_id`](Self::thread_id).
    pub thread_id: fn() -> u64,
    /// The maximum number of threads that are recorded at once.
    pub max_threads: usize,
    /// The maximum number of unread records of a thread.
    pub capacity: usize,
}

impl Default for IntervalOptions {
    /// 64 threads, 4096 unread records of each (160 KiB), and no names.
    fn default() -> Self {
        Self { thread_id: || 0, max_threads: 64, capacity: 4096 }
    }
}

impl IntervalOptions {
    /// Sets what names a thread to the reader, such as the kernel's id of it; default 0 for all.
    ///
    /// Called once on each recorded thread, from inside an enter of a span: it must not block or log.
    #[must_use]
    pub fn thread_id(mut self, thread_id: fn() -> u64) -> Self {
        self.thread_id = thread_id;
        self
    }

    /// Limits the number of threads that are recorded at once; default 64, from 1 to 65,536.
    #[must_use]
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = threads.clamp(1, 1 << 16);
        self
    }

    /// Limits the number of unread records of a thread; default 4096, from 2 to 1,048,576. A record takes 40 bytes.
    #[must_use]
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records.clamp(2, 1 << 20);
        self
    }
}
