//! A child of `fork` has none of its parent's threads: its router starts its own.
#![cfg(unix)]
#![expect(unsafe_code, reason = "`fork` is unsafe")]

use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use testing::{messages, wait_until};
use tracing::{Event, Metadata, Subscriber, subscriber::Interest};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_tap::coverage::Finding;
use tracing_tap::{Predicate, TapRouter, Verdict};

/// Another layer, which keeps the router's thread busy at a place where it holds no lock: a child would inherit that.
#[derive(Clone, Default)]
struct Stop(Arc<AtomicU8>);

const OPEN: u8 = 0;
/// The thread is stopped as it next logs the audit, or as it asks about a callsite in a rebuild.
const AT_LOG: u8 = 1;
const AT_REBUILD: u8 = 2;
const STOPPED: u8 = 3;

impl Stop {
    fn set(&self, place: u8) {
        self.0.store(place, Ordering::SeqCst);
    }

    fn wait_until_stopped(&self) {
        wait_until("the router's thread to be stopped", || self.0.load(Ordering::SeqCst) == STOPPED);
    }

    fn pass(&self, place: u8) {
        let is_routers = std::thread::current().name() == Some("tracing-tap");
        if is_routers && self.0.compare_exchange(place, STOPPED, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            wait_until("the test to go on", || self.0.load(Ordering::SeqCst) != STOPPED);
        }
    }
}

impl<S: Subscriber> Layer<S> for Stop {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        self.pass(AT_REBUILD);
        Interest::sometimes()
    }

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.pass(AT_LOG);
    }
}

fn install() -> (TapRouter, Stop) {
    let (router, stop) = (TapRouter::new(), Stop::default());
    tracing_subscriber::registry().with(router.layer()).with(stop.clone()).init();
    (router, stop)
}

/// Runs `child` in a child process. Whether it came to its end without a panic.
fn succeeds_in_a_child(child: impl Fn() + std::panic::RefUnwindSafe) -> bool {
    // SAFETY: the child has this thread alone, and no other one of this process holds a lock that it takes.
    match unsafe { libc::fork() } {
        -1 => panic!("no child can be made"),
        0 => {
            let has_failed = catch_unwind(&child).is_err();
            // SAFETY: it ends the child without running what the parent runs at its end.
            unsafe { libc::_exit(i32::from(has_failed)) }
        }
        child => {
            let mut status = -1;
            // SAFETY: `status` lives as long as the call.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            waited == child && status == 0
        }
    }
}

/// A session of the child's own gets its events, which needs all callsites asked, and coverage has nothing to blame.
fn check_watch(router: &TapRouter) {
    let mut stream = router.watch(Predicate::eq("user", 42));
    tracing::debug!(user = 42, "in the child");
    assert_eq!(messages(&mut stream), ["in the child"]);
    let coverage = stream.coverage();
    assert_eq!(coverage.verdict(), Verdict::Everything, "{coverage}");
}

/// First in a child, in which nothing stops the thread.
fn check_watch_in_both(router: &TapRouter, stop: &Stop) {
    let inherited = std::panic::AssertUnwindSafe((router, stop));
    assert!(succeeds_in_a_child(|| {
        let (router, stop) = *inherited;
        stop.set(OPEN);
        check_watch(router);
    }));
    stop.set(OPEN);
    check_watch(router);
}

isolated! {
    fn a_child_of_fork_watches_as_its_parent_does() {
        let (router, stop) = install();
        // The parent's control thread is there.
        stop.set(AT_LOG);
        drop(router.watch(Predicate::eq("user", 1)));
        stop.wait_until_stopped();
        check_watch_in_both(&router, &stop);
    }

    fn a_child_of_fork_waits_for_no_rebuild_of_its_parent() {
        let (router, stop) = install();
        let stream = router.watch(Predicate::eq("user", 1));
        stop.set(AT_REBUILD);
        drop(stream);
        stop.wait_until_stopped();
        check_watch_in_both(&router, &stop);
    }

    fn a_child_of_fork_has_a_copy_of_each_open_session() {
        let (router, stop) = install();
        stop.set(AT_LOG);
        let mut stream = router.watch(Predicate::eq("user", 42));
        stop.wait_until_stopped();
        assert!(!stream.coverage().findings().contains(&Finding::RebuildPending));
        let inherited = std::panic::AssertUnwindSafe((&router, &stop, std::cell::RefCell::new(&mut stream)));
        assert!(succeeds_in_a_child(|| {
            let (router, stop, stream) = &*inherited;
            stop.set(OPEN);
            tracing::debug!(user = 42, "in the child");
            assert_eq!(messages(&mut stream.borrow_mut()), ["in the child"]);
            check_watch(router);
            router.shutdown();
            assert_eq!(router.sessions().len(), 0);
        }));
        stop.set(OPEN);
        tracing::debug!(user = 42, "in the parent");
        assert_eq!(messages(&mut stream), ["in the parent"]);
    }
}
