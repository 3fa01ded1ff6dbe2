//! Counts the messages that the service handles and the events that it emits.
//!
//! Unwanted events are discarded before any subscriber receives them, so they are counted where they are emitted, by
//! macros with the names of those of `tracing`. Each thread has its own counters, with a plain load and store, which
//! costs
//! the same whether or not a session is open.

use crossbeam_utils::CachePadded;
use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// As `tracing::info!`, and counted.
macro_rules! info {
    ($($arguments:tt)+) => {{ $crate::count::event(); ::tracing::info!($($arguments)+) }};
}

/// As `tracing::debug!`, and counted.
macro_rules! debug {
    ($($arguments:tt)+) => {{ $crate::count::event(); ::tracing::debug!($($arguments)+) }};
}

/// As `tracing::trace!`, and counted.
macro_rules! trace {
    ($($arguments:tt)+) => {{ $crate::count::event(); ::tracing::trace!($($arguments)+) }};
}

pub(crate) use {debug, info, trace};

/// The counts since the start of the process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) events: u64,
}

/// The counts of one thread, the only one that writes them.
#[derive(Debug, Default)]
struct ThreadCounts {
    messages: AtomicU64,
    events: AtomicU64,
}

static THREADS: Mutex<Vec<Arc<CachePadded<ThreadCounts>>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: Arc<CachePadded<ThreadCounts>> = {
        let own = Arc::<CachePadded<ThreadCounts>>::default();
        THREADS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&own));
        own
    };
}

/// Counts an event that is about to be emitted.
pub(crate) fn event() {
    OWN.with(|own| increment(&own.events));
}

/// Counts a message of a client that was handled.
pub(crate) fn message() {
    OWN.with(|own| increment(&own.messages));
}

/// Relaxed, and no read-modify-write: no other thread writes it, and a reader that sees it late sees it in its next
/// slice.
fn increment(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Counts {
    /// Adds up all threads.
    pub(crate) fn now() -> Self {
        let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().fold(Self::default(), |sum, thread| Self {
            messages: sum.messages + thread.messages.load(Ordering::Relaxed),
            events: sum.events + thread.events.load(Ordering::Relaxed),
        })
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { messages: self.messages - earlier.messages, events: self.events - earlier.events }
    }
}
