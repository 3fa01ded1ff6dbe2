//! What happens where the system refuses the router its thread, and how it recovers.
#![cfg(target_os = "linux")]

use rlimit::Resource;
use testing::messages;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_tap::coverage::Finding;
use tracing_tap::{EndReason, Item, MissingReason, Predicate, SessionOptions, TapRouter};

/// Less than any thread's stack, and more than what a test allocates.
const ROOM_BYTES: u64 = 1 << 20;

/// How much memory the process has mapped.
fn mapped_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = status.lines().find(|line| line.starts_with("VmSize:")).expect("the system tells the size");
    let kibibytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    kibibytes.expect("a size is a number") << 10
}

/// Runs `work` while there is no room for another thread's stack.
fn without_threads<T>(work: impl FnOnce() -> T) -> T {
    let (soft, hard) = Resource::AS.get().expect("the limit can be read");
    Resource::AS.set(mapped_bytes() + ROOM_BYTES, hard).expect("the limit can be lowered");
    let refused = std::thread::Builder::new().spawn(|| ());
    assert!(refused.is_err(), "no thread can be started");
    let result = work();
    Resource::AS.set(soft, hard).expect("the limit can be raised again");
    result
}

isolated! {
    fn without_a_thread_a_router_says_so_and_tries_again() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let service = || tracing::debug!(user = 42, "an event");
        tracing::info!(user = 1, "reached, so that something can match");

        let mut stream = without_threads(|| router.watch(Predicate::eq("user", 42)));
        let coverage = stream.coverage();
        assert_eq!(coverage.findings()[0], Finding::NoControlThread, "{coverage}");
        assert!(coverage.to_string().contains("the next session tries again"), "{coverage}");
        service();
        assert!(messages(&mut stream).is_empty(), "the finding is true");

        let mut next = router.watch(Predicate::eq("user", 42));
        assert!(next.coverage().is_clear(), "{}", next.coverage());
        assert!(stream.coverage().is_clear(), "it does for all sessions");
        service();
        assert_eq!(messages(&mut next), ["an event"]);
        assert_eq!(messages(&mut stream), ["an event"]);
    }

    fn without_a_thread_kept_back_counts_come_before_the_end() {
        let router = TapRouter::new();
        let other = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        registry().with(other).with(router.layer()).init();
        let mut stream = without_threads(|| router.watch(SessionOptions::new(Predicate::eq("user", 42)).max_rate(0)));
        (0..3).for_each(|_| tracing::info!(user = 42, "over the rate"));
        assert_eq!((stream.stats().missing[MissingReason::RateLimited], stream.drain().count()), (3, 0));
        router.close(stream.id());
        let rest: Vec<_> = stream.drain().collect();
        let [Item::Missing(missing), Item::Ended(EndReason::Closed)] = rest.as_slice() else { panic!("{rest:?}") };
        assert_eq!((missing.count, missing.reason), (3, MissingReason::RateLimited));
    }
}
