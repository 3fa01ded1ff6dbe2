//! What a session's rate, sampling and number of events withhold: never captured, counted by reason, announced.
#![expect(clippy::unwrap_used, reason = "a test may")]

use futures_util::Stream;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use testing::{Output, bounded, events, info_printer, runtime, wait_for, wait_until};
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::session::Overflow;
use tracing_tap::{
    EndReason, EventStream, Format, Item, MissingReason, Predicate, SessionOptions, SessionStats, TapRouter,
};

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router
}

fn everything() -> SessionOptions {
    SessionOptions::new(Predicate::everything())
}

fn of_42() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

/// The next item by way of `Stream`.
async fn next(stream: &mut EventStream) -> Option<Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// What a reader was told: events, and losses by reason.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    events: u64,
    overflow: u64,
    rate: u64,
    sampling: u64,
    ended: Option<EndReason>,
}

impl Told {
    /// Takes note of an item; sequence numbers are those of what was to be delivered.
    fn note(&mut self, item: &Item) {
        match item {
            Item::Event { sequence, .. } => {
                assert_eq!(*sequence, self.events + self.overflow, "what is withheld takes no sequence numbers");
                self.events += 1;
            }
            Item::Missing(missing) => {
                assert!(missing.count > 0, "{missing}");
                *match missing.reason {
                    MissingReason::Overflow => &mut self.overflow,
                    MissingReason::RateLimited => &mut self.rate,
                    MissingReason::SampledOut => &mut self.sampling,
                    other => panic!("{other:?} is not announced"),
                } += missing.count;
            }
            Item::Ended(reason) => assert_eq!(self.ended.replace(*reason), None),
            other => panic!("an item of an unknown kind: {other:?}"),
        }
    }

    /// Reads to the end.
    fn read(&mut self, stream: &mut EventStream) {
        while let Some(item) = stream.blocking_recv_timeout(testing::PATIENCE) {
            self.note(&item);
        }
        assert!(self.ended.is_some(), "the session ends in time: {self:?}");
    }

    /// Whether this is what the session says it has counted, once it is over.
    #[track_caller]
    fn check(&self, stats: SessionStats) {
        check_account(stats);
        let told = (self.events, self.overflow, self.rate, self.sampling);
        let [overflow, rate, sampling] =
            [MissingReason::Overflow, MissingReason::RateLimited, MissingReason::SampledOut]
                .map(|it| stats.missing[it]);
        assert_eq!(told, (stats.delivered, overflow, rate, sampling), "{stats:?}");
    }
}

#[track_caller]
fn check_account(stats: SessionStats) {
    assert_eq!(stats.matched, stats.delivered + stats.buffered + stats.missing.total(), "{stats:?}");
    assert_eq!(stats.lost, stats.missing[MissingReason::Overflow] + stats.missing[MissingReason::Closed], "{stats:?}");
}

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
    fn a_rate_of_none_admits_nothing_captures_nothing_and_counts_everything() {
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

    fn what_one_session_withholds_another_one_gets() {
        let router = install();
        let mut limited = router.watch(of_42().max_rate(0));
        let mut free = router.watch(of_42());
        let prints = Prints::default();
        tracing::debug!(user = 42, ?prints, "an event");
        assert_eq!((events(&mut limited).len(), events(&mut free).len(), prints.count()), (0, 1, 1));
        assert_eq!((limited.stats().missing[MissingReason::RateLimited], free.stats().lost), (1, 0));
    }

    fn a_session_admits_a_second_s_events_at_once_and_no_more_than_its_rate() {
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

    fn rates_and_samples_out_of_all_proportion_do_what_they_say() {
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

    fn what_comes_after_the_end_was_never_withheld() {
        let router = install();
        let mut stream = router.watch(of_42().max_rate(0));
        tracing::debug!(user = 42, "over the rate");
        router.close(stream.id());
        tracing::debug!(user = 42, "after the end");
        let mut told = Told::default();
        told.read(&mut stream);
        assert_eq!(told, Told { rate: 1, ended: Some(EndReason::Closed), ..Told::default() });
        told.check(stream.stats());
    }
}

isolated! {
    fn a_request_is_shown_whole_or_not_at_all_whoever_works_on_it() {
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

    fn with_spans_requests_of_verbose_roots_are_shown_whole_or_not_at_all() {
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

    fn descendants_of_a_root_that_is_not_tracked_agree_all_the_same() {
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

    fn an_event_that_brings_the_index_key_itself_goes_with_its_root() {
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

    fn another_request_with_a_recurring_id_is_decided_anew() {
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

    fn sampling_goes_before_the_rate() {
        let router = install();
        let mut stream = router.watch(everything().sample(2).max_rate(0));
        for request in 0..100 {
            tracing::info_span!("request", request).in_scope(|| tracing::debug!("withheld for one reason or the other"));
        }
        assert_eq!(stream.drain().count(), 0);
        let stats = stream.stats();
        assert!((20..=80).contains(&stats.missing[MissingReason::RateLimited]), "{stats:?}");
        assert_eq!(stats.missing[MissingReason::RateLimited] + stats.missing[MissingReason::SampledOut], 100, "each is counted once");
        check_account(stats);
    }

    fn the_number_of_events_counts_those_that_sampling_and_the_rate_admit() {
        let router = install();
        let mut stream = router.watch(everything().sample(3).max_rate(1_000).max_events(50));
        let none = router.watch(everything().max_rate(0).max_events(1));
        for request in 0..1_000 {
            tracing::info_span!("request", request).in_scope(|| tracing::debug!("an event"));
        }
        let mut told = Told::default();
        told.read(&mut stream);
        assert_eq!((told.events, told.ended), (50, Some(EndReason::MaxEvents)));
        assert!(told.sampling > 50, "{told:?}");
        told.check(stream.stats());
        assert_eq!(none.stats().missing[MissingReason::RateLimited], 1_000, "what is withheld ends nothing");
        assert_eq!(router.sessions().len(), 1);
    }
}

isolated! {
    fn all_limits_at_once_on_many_threads_lose_count_of_nothing() {
        let router = install();
        for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
            // So few that the slowest machine emits more.
            let limited = everything().sample(2).max_rate(100).max_events(150);
            let mut stream = router.watch(limited.capacity(16).overflow(overflow));
            let id = stream.id();
            let is_open = || router.sessions().iter().any(|session| session.id == id);
            let told = std::thread::scope(|scope| {
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
                let mut told = Told::default();
                told.read(&mut stream);
                told
            });
            told.check(stream.stats());
            assert_eq!((told.events + told.overflow, told.ended), (150, Some(EndReason::MaxEvents)), "{told:?}");
            assert!(told.rate > 0 && told.sampling > 0, "{told:?}");
            drop(stream);
            wait_until("the session to be freed", || router.stats().events.buffered == 0);
            check_account(router.stats().events);
        }
    }
}

/// Withholds events by both reasons: of 100, some by sampling, the rest by a rate of 0.
fn watch_and_withhold(router: &TapRouter) -> EventStream {
    let stream = router.watch(of_42().sample(2).max_rate(0));
    (0..100).for_each(|_| tracing::debug!(user = 42, "withheld"));
    stream
}

#[track_caller]
fn check_announced(items: &[Item]) {
    let mut told = Told::default();
    assert_eq!(items.len(), 2, "one for each reason: {items:?}");
    items.iter().for_each(|item| told.note(item));
    assert!(told.rate > 0 && told.sampling > 0 && told.rate + told.sampling == 100, "{told:?}");
}

isolated! {
    fn a_waiting_task_is_woken_by_an_announcement_alone() {
        let router = install();
        runtime::run(async {
            let mut stream = router.watch(of_42().max_rate(0));
            let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
            let reading = tokio::spawn(async move {
                sender.send(stream.recv().await).unwrap();
                sender.send(next(&mut stream).await).unwrap();
            });
            for count in [1, 2] {
                (0..count).for_each(|_| tracing::debug!(user = 42, "withheld"));
                let item = runtime::soon("an announcement", received.recv()).await.unwrap().unwrap();
                let Item::Missing(missing) = item else { panic!("{item:?}") };
                assert_eq!((missing.count, missing.reason), (count, MissingReason::RateLimited));
            }
            reading.await.unwrap();
        });
    }

    fn a_waiting_thread_is_woken_by_an_announcement_alone() {
        let router = install();
        let mut stream = watch_and_withhold(&router);
        let items = bounded("reading", move || [stream.blocking_recv().unwrap(), stream.blocking_recv().unwrap()]);
        check_announced(&items);
    }

    fn a_reader_that_drains_now_and_then_is_told() {
        let router = install();
        let mut stream = watch_and_withhold(&router);
        let drain = || Some(stream.drain().collect::<Vec<_>>()).filter(|items| !items.is_empty());
        check_announced(&wait_for("an announcement", drain));
    }

    fn what_is_forwarded_tells_what_was_withheld_in_lines_that_read_back() {
        let router = install();
        let output = Output::default();
        let _forwarding = watch_and_withhold(&router).forward_to(output.clone(), Format::Json).unwrap();
        let lines = wait_for("two lines", || Some(output.lines()).filter(|lines| lines.len() >= 2));
        let items: Vec<Item> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        check_announced(&items);
        assert!(lines[0].starts_with(r#"{"type":"missing","count":"#) && lines[0].ends_with(r#""reason":"rate_limited"}"#));
        assert!(lines[1].ends_with(r#""reason":"sampled_out"}"#), "{lines:?}");
    }

    fn nothing_is_announced_more_often_than_once_a_second() {
        let router = install();
        let opening = Instant::now();
        let mut stream = router.watch(of_42().max_rate(0));
        let mut told = Told::default();
        for announcement in 1..=2 {
            let item = wait_for("an announcement", || {
                tracing::debug!(user = 42, "withheld");
                stream.try_recv().ok()
            });
            told.note(&item);
            assert!(opening.elapsed().as_secs() >= announcement, "{item:?}");
        }
        router.shutdown();
        told.read(&mut stream);
        told.check(stream.stats());
    }

    fn a_loop_over_what_is_there_ends_though_its_body_emits_what_is_withheld() {
        let router = install();
        let mut stream = router.watch(of_42().max_rate(10));
        (0..20).for_each(|_| tracing::debug!(user = 42, "routed or withheld"));
        let count = bounded("draining", move || {
            stream.drain().inspect(|_| (0..10).for_each(|_| tracing::debug!(user = 42, "withheld"))).count()
        });
        assert!(count >= 10, "{count}");
    }

    fn the_sums_of_a_router_keep_what_its_closed_sessions_withheld() {
        let router = install();
        drop(watch_and_withhold(&router));
        let stream = watch_and_withhold(&router);
        let events = router.stats().events;
        check_account(events);
        assert_eq!((events.matched, events.missing[MissingReason::RateLimited] + events.missing[MissingReason::SampledOut]), (200, 200));
        drop(stream);
        assert_eq!(router.stats().events, events);
    }
}
