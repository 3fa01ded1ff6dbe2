//! With no session open events cost nothing: they are not even asked about, and nothing is allocated.
#![expect(unsafe_code, reason = "an allocator is unsafe")]

#[macro_use]
extern crate testing;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use testing::{Evaluations, Output, info_printer, wait_until};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, TapRouter};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct Counting;

// SAFETY: all of it is the system's allocator's, called with what we were called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_during(code: impl Fn()) -> usize {
    // Callsites are registered when they are first reached.
    code();
    let before = ALLOCATIONS.get();
    code();
    ALLOCATIONS.get() - before
}

fn silent_events(evaluations: &Evaluations) {
    for _ in 0..100 {
        tracing::debug!(n = evaluations.count(), "debug");
        tracing::trace!(n = evaluations.count(), user = 42, "trace");
        tracing::debug!(parent: None, n = evaluations.count(), "root");
        let _ = tracing::debug_span!("verbose", n = evaluations.count(), user = 42).entered();
    }
}

fn check_idle(router: &TapRouter) {
    let evaluations = Evaluations::default();
    let span = tracing::info_span!("conn", user = 42);
    let in_and_out = || (0..100).for_each(|_| drop(span.enter()));
    let idle = |_: &str| {
        evaluations.during(|| silent_events(&evaluations)) == 0
            && evaluations.during(|| span.in_scope(|| silent_events(&evaluations))) == 0
            && allocations_during(|| silent_events(&evaluations)) == 0
            && allocations_during(in_and_out) == 0
    };
    assert!(idle("before any session"));
    for round in 0..3 {
        let mut stream = router.watch(Predicate::eq("user", 42));
        assert_ne!(evaluations.during(|| span.in_scope(|| silent_events(&evaluations))), 0, "round {round}");
        assert_ne!(testing::messages(&mut stream).len(), 0, "round {round}");
        drop(stream);
        wait_until("idleness after a session", || idle("after a session"));
        assert!(LevelFilter::current() == LevelFilter::INFO, "round {round}");
    }
}

isolated! {
    fn idle_events_beside_another_layer_allocate_nothing() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
        check_idle(&router);
    }

    fn idle_events_are_neither_evaluated_nor_allocated_for_alone() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        check_idle(&router);
    }

    fn vetoed_events_allocate_nothing() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let _stream = router.watch(Predicate::eq("user", 42));
        let evaluations = Evaluations::default();
        let emit = || (0..100).for_each(|_| tracing::debug!(n = evaluations.count(), "vetoed"));
        wait_until("the veto", || evaluations.during(emit) == 0);
        assert_eq!(allocations_during(emit), 0);
        let bob = tracing::info_span!("conn", user = 43);
        assert_eq!(allocations_during(|| bob.in_scope(emit)), 0);
    }
}
