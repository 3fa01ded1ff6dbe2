//! A child of `fork` has none of its parent's threads: its router starts its own.
#![cfg(unix)]
#![expect(unsafe_code, reason = "`fork` is unsafe")]

use std::panic::catch_unwind;
use testing::messages;
use tracing_subscriber::prelude::*;
use tracing_tap::coverage::Finding;
use tracing_tap::{Predicate, TapRouter, Verdict};

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    router
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

isolated! {
    fn a_child_of_fork_watches_as_its_parent_does() {
        let router = install();
        // The parent's control thread is there.
        drop(router.watch(Predicate::eq("user", 1)));
        testing::wait_until("the router to rest", || {
            let stats = router.stats();
            stats.open_sessions == 0 && stats.events.buffered == 0
        });
        let inherited = std::panic::AssertUnwindSafe(&router);
        assert!(succeeds_in_a_child(|| check_watch(&inherited)));
        check_watch(&router);
    }

    fn a_child_of_fork_has_a_copy_of_each_open_session() {
        let router = install();
        let mut stream = router.watch(Predicate::eq("user", 42));
        // Until then the parent's control thread is at work, and the child would inherit what it has locked.
        testing::wait_until("all callsites to be asked", || {
            !stream.coverage().findings().contains(&Finding::RebuildPending)
        });
        let inherited = std::panic::AssertUnwindSafe((&router, std::cell::RefCell::new(&mut stream)));
        assert!(succeeds_in_a_child(|| {
            let (router, stream) = &*inherited;
            tracing::debug!(user = 42, "in the child");
            assert_eq!(messages(&mut stream.borrow_mut()), ["in the child"]);
            check_watch(router);
            router.shutdown();
            assert_eq!(router.sessions().len(), 0);
        }));
        tracing::debug!(user = 42, "in the parent");
        assert_eq!(messages(&mut stream), ["in the parent"]);
    }
}
