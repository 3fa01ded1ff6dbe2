//! The rate, and what it has in common with sampling.

use super::{Announced, check_account, everything, install, of_42};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use testing::events;
use tracing_tap::{EndReason, EventStream, Item, MissingReason};

/// Counts how often it was printed.
#[derive(Default)]
struct Prints(AtomicUsize);

impl fmt::Debug for Prints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fetch_add(1, Ordering::SeqCst);
        f.write_str("printed")
    }
}

impl Prints {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Each of so many requests has a fresh span and four events: one by its own span, one by name, two in a span inside.
fn requests(count: u64) {
    for request in 0..count {
        let span = tracing::info_span!("request", request, user = 42);
        let _entered = span.enter();
        tracing::debug!("begun");
        tracing::debug!(parent: &span, "on its way");
        tracing::info_span!("inside", step = 1).in_scope(|| {
            tracing::debug!("inside");
            tracing::debug!(n = 2, "inside still");
        });
    }
}

isolated! {
    fn a_rate_of_zero_captures_nothing_and_counts_everything() {
        let router = install();
        let mut stream = router.watch(of_42().max_rate(0));
        let prints = Prints::default();
        for _ in 0..100 {
            tracing::debug!(user = 42, ?prints, "over the rate");
        }
        assert_eq!(stream.drain().count(), 0);
        let stats = stream.stats();
        assert_eq!((prints.count(), stats.matched, stats.missing[MissingReason::RateLimited], stats.lost), (0, 100, 100, 0));
        check_account(stats);
        assert_eq!(router.stats().events, stats);
        router.shutdown();
        let rest: Vec<_> = stream.drain().collect();
        let [Item::Missing(missing), Item::Ended(EndReason::Shutdown)] = rest.as_slice() else { panic!("{rest:?}") };
        assert_eq!((missing.count, missing.reason), (100, MissingReason::RateLimited));
    }

    fn events_refused_in_fresh_spans_are_each_counted_once() {
        const REQUESTS: u64 = 25;
        let router = install();
        let sessions = [everything().max_rate(0), of_42().max_rate(0), everything().sample(u32::MAX), of_42().max_rate(3)];
        let check = |streams: Vec<EventStream>| {
            requests(REQUESTS);
            for stream in streams {
                let stats = stream.stats();
                check_account(stats);
                assert_eq!(stats.matched, 4 * REQUESTS, "{stats:?}");
                assert!(stats.buffered <= 4 * 3, "{stats:?}");
            }
        };
        // Each by itself, so that no other session admits what it refuses, and then all of them at once.
        sessions.iter().for_each(|session| check(vec![router.watch(session.clone())]));
        check(sessions.into_iter().map(|session| router.watch(session)).collect());
    }

    fn an_event_kept_back_from_one_session_reaches_another() {
        let router = install();
        let mut limited = router.watch(of_42().max_rate(0));
        let mut free = router.watch(of_42());
        let prints = Prints::default();
        tracing::debug!(user = 42, ?prints, "an event");
        assert_eq!((events(&mut limited).len(), events(&mut free).len(), prints.count()), (0, 1, 1));
        assert_eq!((limited.stats().missing[MissingReason::RateLimited], free.stats().lost), (1, 0));
    }

    fn a_session_admits_no_more_than_its_rate() {
        const RATE: u64 = 50;
        let router = install();
        let opening = Instant::now();
        let mut stream = router.watch(of_42().max_rate(RATE));
        let emit = |count| (0..count).for_each(|n: u64| tracing::debug!(user = 42, n, "routed"));
        emit(RATE);
        let mut shown = events(&mut stream).len() as u64;
        assert_eq!(shown, RATE, "a full bucket at the opening");
        emit(20_000 - RATE);
        shown += events(&mut stream).len() as u64;
        let elapsed_nanos = opening.elapsed().as_nanos();
        let bound = RATE + (u128::from(RATE) * elapsed_nanos / 1_000_000_000) as u64;
        assert!(shown <= bound, "{shown} of at most {bound}");
        let stats = stream.stats();
        assert_eq!((stats.matched, stats.delivered, stats.missing[MissingReason::RateLimited]), (20_000, shown, 20_000 - shown));
    }

    fn extreme_rates_and_samples_hold() {
        let router = install();
        let mut all = [
            router.watch(of_42().max_rate(u64::MAX)),
            router.watch(of_42().sample(0)),
            router.watch(of_42().sample(1)),
        ];
        let mut hardly_any = router.watch(of_42().sample(u32::MAX));
        for _ in 0..1_000 {
            tracing::debug!(user = 42, "routed");
        }
        for stream in &mut all {
            assert_eq!((events(stream).len(), stream.stats().lost), (1_000, 0));
        }
        let shown = events(&mut hardly_any).len() as u64;
        assert!(shown <= 1, "{shown}");
        assert_eq!(hardly_any.stats().missing[MissingReason::SampledOut], 1_000 - shown);
    }

    fn events_after_the_end_are_not_counted_as_kept_back() {
        let router = install();
        let mut stream = router.watch(of_42().max_rate(0));
        tracing::debug!(user = 42, "over the rate");
        router.close(stream.id());
        tracing::debug!(user = 42, "after the end");
        let mut announced = Announced::default();
        announced.read(&mut stream);
        assert_eq!(announced, Announced { rate: 1, ended: Some(EndReason::Closed), ..Announced::default() });
        announced.check(stream.stats());
    }
}
