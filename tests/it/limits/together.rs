//! Several limits of one session.

use super::{Announced, check_account, everything, install};
use testing::wait_until;
use tracing_tap::session::Overflow;
use tracing_tap::{EndReason, MissingReason};

isolated! {
    fn sampling_goes_before_the_rate() {
        let router = install();
        let mut stream = router.watch(everything().sample(2).max_rate(0));
        for request in 0..100 {
            tracing::info_span!("request", request).in_scope(|| tracing::debug!("kept back for one reason or the other"));
        }
        assert_eq!(stream.drain().count(), 0);
        let stats = stream.stats();
        assert!((20..=80).contains(&stats.missing[MissingReason::RateLimited]), "{stats:?}");
        assert_eq!(stats.missing[MissingReason::RateLimited] + stats.missing[MissingReason::SampledOut], 100, "each is counted once");
        check_account(stats);
    }

    fn max_events_counts_only_admitted_events() {
        let router = install();
        let mut stream = router.watch(everything().sample(3).max_rate(1_000).max_events(50));
        let none = router.watch(everything().max_rate(0).max_events(1));
        for request in 0..1_000 {
            tracing::info_span!("request", request).in_scope(|| tracing::debug!("an event"));
        }
        let mut announced = Announced::default();
        announced.read(&mut stream);
        assert_eq!((announced.events, announced.ended), (50, Some(EndReason::MaxEvents)));
        assert!(announced.sampling > 50, "{announced:?}");
        announced.check(stream.stats());
        assert_eq!(none.stats().missing[MissingReason::RateLimited], 1_000, "an event that is kept back does not count for the end");
        assert_eq!(router.sessions().len(), 1);
    }

    fn all_limits_on_many_threads_count_every_event() {
        let router = install();
        for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
            // So few that the slowest machine emits more.
            let limited = everything().sample(2).max_rate(100).max_events(150);
            let mut stream = router.watch(limited.capacity(16).overflow(overflow));
            let id = stream.id();
            let is_open = || router.sessions().iter().any(|session| session.id == id);
            let announced = std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        while is_open() {
                            let request = tracing::info_span!("request");
                            request.in_scope(|| (0..5_u64).for_each(|n| tracing::debug!(n, "in a request")));
                            tracing::debug!("outside");
                        }
                    });
                }
                wait_until("an overflow", || stream.stats().missing[MissingReason::Overflow] > 0);
                let mut announced = Announced::default();
                announced.read(&mut stream);
                announced
            });
            announced.check(stream.stats());
            assert_eq!((announced.events + announced.overflow, announced.ended), (150, Some(EndReason::MaxEvents)), "{announced:?}");
            assert!(announced.rate > 0 && announced.sampling > 0, "{announced:?}");
            drop(stream);
            wait_until("the session to be freed", || router.stats().events.buffered == 0);
            check_account(router.stats().events);
        }
    }
}
