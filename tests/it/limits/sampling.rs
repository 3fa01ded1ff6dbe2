//! Sampling: each request is shown whole or not at all.

use super::{check_account, everything, install, of_42};
use std::collections::BTreeMap;
use testing::events;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, MissingReason, Predicate, SessionOptions, TapRouter};

/// Which of some requests a session shows: it must show each whole or not at all, and some of both.
#[track_caller]
fn shown_whole(stream: &mut EventStream, requests: u64, each: usize) -> Vec<u64> {
    let mut shown = BTreeMap::<u64, usize>::new();
    for event in events(stream) {
        *shown.entry(event.find("request").unwrap().as_u64().unwrap()).or_default() += 1;
    }
    assert!(shown.values().all(|count| *count == each), "{shown:?}");
    assert!(!shown.is_empty() && shown.len() < requests as usize, "{} of {requests}", shown.len());
    assert_eq!(stream.stats().missing[MissingReason::SampledOut], (requests - shown.len() as u64) * each as u64);
    check_account(stream.stats());
    shown.into_keys().collect()
}

isolated! {
    fn a_request_on_many_threads_is_shown_whole_or_not_at_all() {
        const REQUESTS: u64 = 200;
        let router = install();
        let old: Vec<Span> = (0..REQUESTS / 2).map(|request| tracing::info_span!("request", request)).collect();
        let mut stream = router.watch(everything().sample(4));
        let new = (REQUESTS / 2..REQUESTS).map(|request| tracing::info_span!("request", request));
        let requests: Vec<Span> = old.into_iter().chain(new).collect();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for request in &requests {
                        tracing::debug!(parent: request, "by its explicit parent");
                        let child = tracing::info_span!(parent: request, "child");
                        child.in_scope(|| tracing::debug!("in a child"));
                        let grandchild = child.in_scope(|| tracing::info_span!("grandchild", depth = 2));
                        grandchild.in_scope(|| tracing::info!("in a grandchild"));
                        request.in_scope(|| tracing::trace!("in itself"));
                        // A span that only a session could want: not there, and no root of its own.
                        let verbose = request.in_scope(|| tracing::debug_span!("verbose", depth = 1));
                        request.in_scope(|| verbose.in_scope(|| tracing::debug!("in a verbose span")));
                    }
                });
            }
        });
        let shown = shown_whole(&mut stream, REQUESTS, 3 * 5);
        assert!((20..=90).contains(&shown.len()), "about one in four of {REQUESTS}: {}", shown.len());
        assert!(shown.iter().any(|request| *request < REQUESTS / 2), "older ones than the session too");

        // The same roots, hours later, whatever else was opened meanwhile.
        let _other = router.watch(of_42());
        let before = stream.stats();
        requests.iter().for_each(|request| request.in_scope(|| tracing::debug!("later")));
        let later = events(&mut stream).into_iter().map(|event| event.find("request").unwrap().as_u64().unwrap());
        assert_eq!(later.collect::<Vec<_>>(), shown);
        assert_eq!(stream.stats().missing[MissingReason::SampledOut] - before.missing[MissingReason::SampledOut], REQUESTS - shown.len() as u64);
    }

    fn verbose_roots_are_sampled_whole() {
        const REQUESTS: u64 = 200;
        let router = install();
        let mut stream = router.watch(SessionOptions::new(Predicate::exists("request")).sample(2).spans(LevelFilter::DEBUG));
        std::thread::scope(|scope| {
            for worker in 0..2 {
                scope.spawn(move || {
                    for request in (0..REQUESTS).filter(|request| request % 2 == worker) {
                        tracing::debug_span!("request", request).in_scope(|| {
                            tracing::info!("begun");
                            tracing::debug_span!("step", n = 1).in_scope(|| tracing::debug!("in a step"));
                            tracing::info_span!("store").in_scope(|| tracing::trace!("in the store"));
                            tracing::info!("done");
                        });
                    }
                });
            }
        });
        let shown = shown_whole(&mut stream, REQUESTS, 4);
        assert!((60..=140).contains(&shown.len()), "about one in two of {REQUESTS}: {}", shown.len());
    }

    fn descendants_of_an_untracked_root_are_sampled_together() {
        const REQUESTS: u64 = 100;
        let router = TapRouter::new();
        // The other layer wants DEBUG spans, which this router does not track while no session is open.
        let other = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        tracing_subscriber::registry().with(other).with(router.layer()).init();
        let roots: Vec<Span> = (0..REQUESTS).map(|n| tracing::debug_span!("untracked", n)).collect();
        let mut stream = router.watch(SessionOptions::new(Predicate::exists("request")).sample(3));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (request, root) in roots.iter().enumerate() {
                        let child = tracing::info_span!(parent: root, "child", request);
                        child.in_scope(|| tracing::debug!("below a span that no scope shows"));
                        tracing::debug!(parent: root, request, "by a field of its own");
                    }
                });
            }
        });
        shown_whole(&mut stream, REQUESTS, 4 * 2);
    }

    fn an_event_with_the_index_key_is_sampled_with_its_root() {
        const REQUESTS: u64 = 100;
        let router = install();
        let mut stream = router.watch(of_42().sample(3));
        for request in 0..REQUESTS {
            tracing::info_span!("request", request).in_scope(|| {
                for _ in 0..5 {
                    tracing::debug!(user = 42, "matches by itself");
                }
            });
        }
        shown_whole(&mut stream, REQUESTS, 5);
    }

    fn events_outside_any_span_are_decided_one_by_one() {
        let router = install();
        let mut stream = router.watch(everything().sample(10));
        let (inside, outside) = (tracing::info_span!("request", request = 1), 5_000_usize);
        inside.in_scope(|| (0..outside).for_each(|n| tracing::debug!(parent: None, n, "outside, though inside")));
        (0..outside).for_each(|n| tracing::debug!(n, "outside"));
        let shown = events(&mut stream).len();
        assert!((700..=1_300).contains(&shown), "about 1,000 of 10,000: {shown}");
        assert_eq!(stream.stats().missing[MissingReason::SampledOut] as usize, 2 * outside - shown);
    }

    fn a_request_with_a_recurring_id_is_sampled_again() {
        const REQUESTS: u64 = 20_000;
        let router = install();
        let mut stream = router.watch(everything().sample(2).capacity(1 << 20).capacity_bytes(60 << 20));
        let mut requests_of_id = BTreeMap::<u64, Vec<u64>>::new();
        for request in 0..REQUESTS {
            let span = tracing::info_span!("request", request);
            requests_of_id.entry(span.id().unwrap().into_u64()).or_default().push(request);
            span.in_scope(|| tracing::debug!("begins"));
            span.in_scope(|| tracing::debug!("ends"));
        }
        let shown = shown_whole(&mut stream, REQUESTS, 2);
        assert!((9_000..=11_000).contains(&shown.len()), "about one in two of {REQUESTS}: {}", shown.len());
        let is_shown = |request: &u64| shown.binary_search(request).is_ok();
        let mixed = |requests: &&Vec<u64>| requests.iter().any(is_shown) && !requests.iter().all(is_shown);
        let mixed = requests_of_id.values().filter(mixed).count();
        assert!(mixed > 1_000, "{mixed} ids had requests of both kinds");
    }
}
