//! An allocator that knows how many bytes are out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::{Duration, Instant};

/// A statistic: no other memory is ordered by it, so relaxed is enough.
static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the control thread still frees is waited for: the count has come to rest when it is the same for this long.
const REST: Duration = Duration::from_millis(50);
const REST_WITHIN: Duration = Duration::from_secs(20);

struct Counting;

// SAFETY: all of it is the system's allocator's, called with what we were called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Bytes per item that `hold` adds, for what it gives back is kept meanwhile.
pub(crate) fn bytes_per_item<T>(items: usize, hold: impl FnOnce() -> T) -> f64 {
    let before = at_rest();
    let held = hold();
    let bytes = at_rest() - before;
    drop(held);
    bytes as f64 / items as f64
}

fn at_rest() -> isize {
    let deadline = Instant::now() + REST_WITHIN;
    loop {
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        std::thread::sleep(REST);
        if LIVE_BYTES.load(Ordering::Relaxed) == before {
            return before;
        }
        assert!(Instant::now() < deadline, "memory does not come to rest");
    }
}
