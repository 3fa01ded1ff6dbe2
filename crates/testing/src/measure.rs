//! What a process holds, and whether its accounts are exact.
#![expect(unsafe_code, reason = "an allocator is unsafe")]

use crate::wait_until;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing_tap::{SessionStats, TapRouter};

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts what is allocated, and the most of it there was: to be the `global_allocator` of a test binary.
pub struct Counting;

// SAFETY: all of it is the system's allocator's, called with what we were called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK_BYTES.fetch_max(live, Ordering::Relaxed);
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often this thread has allocated so far.
pub fn allocations() -> usize {
    ALLOCATIONS.get()
}

/// What is allocated now.
pub fn live_bytes() -> usize {
    LIVE_BYTES.load(Ordering::SeqCst)
}

/// The most that was allocated at once, from here on, beyond what is now.
pub struct Growth(usize);

impl Growth {
    pub fn from_here() -> Self {
        let live = live_bytes();
        PEAK_BYTES.store(live, Ordering::SeqCst);
        Self(live)
    }

    pub fn most(&self) -> usize {
        PEAK_BYTES.load(Ordering::SeqCst).saturating_sub(self.0)
    }

    /// Prints the figure as well, for the record.
    #[track_caller]
    pub fn check_at_most(&self, bytes: usize) {
        println!("{} bytes more than before, {bytes} are the bound", self.most());
        assert!(self.most() <= bytes, "{} bytes more than before, {bytes} are the bound", self.most());
    }
}

/// Waits until no more is allocated than this.
#[track_caller]
pub fn wait_for_at_most(bytes: usize) {
    wait_until("the memory to be back", || live_bytes() <= bytes);
}

#[track_caller]
pub fn check_account(stats: SessionStats) {
    let SessionStats { matched, delivered, buffered, held, lost, missing, .. } = stats;
    assert_eq!(matched, delivered + buffered + held + missing.total(), "{stats:?}");
    assert_eq!(
        lost,
        missing[tracing_tap::MissingReason::Overflow] + missing[tracing_tap::MissingReason::Closed],
        "{stats:?}"
    );
}

/// Waits until all sessions are gone and taken apart; what has become of their events.
#[track_caller]
pub fn final_account(router: &TapRouter) -> SessionStats {
    wait_until("the sessions to be taken apart", || {
        let stats = router.stats();
        stats.open_sessions == 0 && stats.events.buffered == 0 && stats.buffered_bytes == 0
    });
    let stats = router.stats().events;
    check_account(stats);
    stats
}

pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
