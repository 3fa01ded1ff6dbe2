//! Looking back and deciding by outcome together: whole requests of the past, and those that were under way.

use super::{LONG, looking_back, plenty, router, told, wait_for_past};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testing::measure::check_account;
use testing::{PATIENCE, wait_until};
use tracing::Span;
use tracing_subscriber::prelude::*;
use tracing_tap::{
    EndReason, EventStream, Follow, Item, LookBack, MissingReason, Overflow, Predicate, SessionOptions, TapRouter,
};

fn installed() -> TapRouter {
    let router = router(plenty());
    tracing_subscriber::registry().with(router.layer()).init();
    wait_for_past(&router);
    router
}

fn everything() -> SessionOptions {
    SessionOptions::new(Predicate::everything()).look_back(LONG)
}

fn failing() -> SessionOptions {
    everything().only_if(Predicate::ge("status", 500))
}

/// A request of three events.
fn request(number: u64, status: u64) {
    let span = tracing::info_span!("request", number);
    begin(&span, number);
    answer(&span, number, status);
}

fn begin(span: &Span, number: u64) {
    span.in_scope(|| {
        tracing::debug!("accepted {number}");
        tracing::info_span!("handler").in_scope(|| tracing::debug!("handled {number}"));
    });
}

fn answer(span: &Span, number: u64, status: u64) {
    span.in_scope(|| tracing::info!(status, "answered {number}"));
}

/// A request of two events that take some 9 KiB, and so more than half of 16.
fn large_request(number: u64) {
    let text = "x".repeat(900);
    let text = text.as_str();
    tracing::info_span!("request").in_scope(|| {
        for _ in 0..2 {
            let status = 500;
            tracing::info!(status, a = text, b = text, c = text, d = text, e = text, "large {number}");
        }
    });
}

fn past(number: u64) -> Vec<String> {
    ["accepted", "handled", "answered"].map(|word| format!("past {word} {number}")).to_vec()
}

fn pass(millis: u64) {
    let until = Instant::now() + Duration::from_millis(millis);
    wait_until("time to pass", || Instant::now() >= until);
}

testing::isolated! {
    fn a_failed_request_of_the_past_is_shown_whole_and_no_other() {
        let router = installed();
        (0..4).for_each(|number| request(number, if number % 2 == 0 { 200 } else { 503 }));
        let mut stream = router.watch(failing());
        assert_eq!(told(&mut stream), [past(1), past(3)].concat());
        let stats = stream.stats();
        assert_eq!((stats.matched, stats.delivered, stats.held), (12, 6, 0));
        assert_eq!(stats.missing[MissingReason::NotChosen], 6);
        check_account(stats);
        request(4, 500);
        request(5, 200);
        assert_eq!(told(&mut stream), ["accepted 4", "handled 4", "answered 4"]);
        assert_eq!(stream.stats().missing[MissingReason::NotChosen], 9);
    }

    fn a_request_that_is_under_way_is_decided_later() {
        let router = installed();
        let spans = [0, 1].map(|number| tracing::info_span!("request", number));
        for (number, span) in (0..).zip(&spans) {
            begin(span, number);
        }
        let mut stream = router.watch(failing());
        assert_eq!(told(&mut stream), [""; 0], "the outcome is not known yet");
        assert_eq!(stream.stats().held, 4);
        answer(&spans[0], 0, 200);
        answer(&spans[1], 1, 503);
        assert_eq!(told(&mut stream), ["past accepted 1", "past handled 1", "answered 1"]);
        drop(spans);
        let stats = stream.stats();
        assert_eq!((stats.held, stats.missing[MissingReason::NotChosen], stats.delivered), (0, 3, 3));
        check_account(stats);
    }

    fn a_request_that_has_failed_and_goes_on_is_shown_as_it_goes() {
        let router = installed();
        let span = tracing::info_span!("request");
        begin(&span, 0);
        answer(&span, 0, 500);
        let mut stream = router.watch(failing());
        assert_eq!(told(&mut stream), past(0));
        span.in_scope(|| tracing::debug!("cleaned up"));
        assert_eq!(told(&mut stream), ["cleaned up"]);
    }

    fn a_child_that_outlives_its_root_keeps_the_request_under_way() {
        let router = installed();
        let root = tracing::info_span!("request");
        let task = tracing::info_span!(parent: &root, "task");
        begin(&root, 0);
        drop(root);
        let mut stream = router.watch(failing());
        assert_eq!(stream.stats().held, 2);
        task.in_scope(|| tracing::error!(status = 500, "failed"));
        assert_eq!(told(&mut stream), ["past accepted 0", "past handled 0", "failed"]);
    }

    fn the_request_is_that_of_the_followed_name() {
        let router = installed();
        tracing::info_span!("connection").in_scope(|| {
            tracing::debug!("connected");
            request(0, 200);
            request(1, 503);
        });
        let named = failing().follow(Follow::Named("request".to_owned()));
        assert_eq!(told(&mut router.watch(named)), past(1));
        let all = ["past connected".to_owned()].into_iter().chain(past(0)).chain(past(1)).collect::<Vec<_>>();
        assert_eq!(told(&mut router.watch(failing())), all, "the connection is the root");
    }

    fn what_the_past_has_followed_is_decided_as_a_whole() {
        let router = installed();
        let span = tracing::info_span!("request", number = 7);
        tracing::info_span!("request", number = 8).in_scope(|| tracing::error!(status = 500, "of another"));
        begin(&span, 7);
        answer(&span, 7, 200);
        let followed = looking_back("@span = handler").only_if(Predicate::ge("status", 500)).follow(Follow::Root);
        let mut stream = router.watch(followed);
        assert_eq!(told(&mut stream), [""; 0]);
        answer(&span, 7, 502);
        assert_eq!(told(&mut stream), ["past handled 7", "past answered 7", "answered 7"]);
        check_account(stream.stats());
    }

    fn events_outside_any_request_are_decided_alone() {
        let router = installed();
        tracing::info!(status = 200, "fine");
        tracing::info!(status = 500, "failed");
        let mut stream = router.watch(failing());
        assert_eq!(told(&mut stream), ["past failed"]);
        assert_eq!(stream.stats().missing[MissingReason::NotChosen], 1);
        check_account(stream.stats());
    }

    fn a_slow_request_counts_from_its_creation_before_the_session() {
        let router = installed();
        let slow = tracing::info_span!("request", number = 0);
        request(1, 200);
        let runs = tracing::info_span!("request", number = 2);
        begin(&runs, 2);
        pass(510);
        begin(&slow, 0);
        answer(&slow, 0, 200);
        drop(slow);
        request(3, 200);
        let mut stream = router.watch(everything().slower_than(Duration::from_millis(500)));
        let shown = ["past accepted 2".to_owned(), "past handled 2".to_owned()].into_iter().chain(past(0));
        assert_eq!(told(&mut stream), shown.collect::<Vec<_>>(), "one has ended, one runs");
        assert_eq!(stream.stats().missing[MissingReason::NotChosen], 6, "{:?}", stream.stats());
        answer(&runs, 2, 200);
        assert_eq!(told(&mut stream), ["answered 2"]);
    }

    fn a_request_that_becomes_slow_after_the_opening_is_shown() {
        let router = installed();
        let begun = Instant::now();
        let span = tracing::info_span!("request");
        begin(&span, 0);
        let mut stream = router.watch(everything().slower_than(Duration::from_millis(200)));
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let item = stream.blocking_recv_timeout(PATIENCE).expect("the request becomes slow");
            seen.extend(item.into_event().map(|event| (event.message().to_owned(), event.is_past())));
        }
        assert_eq!(seen, [("accepted 0".to_owned(), true), ("handled 0".to_owned(), true)]);
        assert!(begun.elapsed() >= Duration::from_millis(200), "not before");
    }

    fn a_duration_of_zero_shows_the_whole_past() {
        let router = installed();
        request(0, 200);
        tracing::info!("alone");
        let open = tracing::info_span!("request");
        begin(&open, 1);
        let mut stream = router.watch(everything().slower_than(Duration::ZERO));
        let expected = past(0).into_iter().chain(["past alone", "past accepted 1", "past handled 1"].map(str::to_owned));
        assert_eq!(told(&mut stream), expected.collect::<Vec<_>>());
        check_account(stream.stats());
    }

    fn sampling_takes_or_leaves_requests_of_the_past_whole() {
        let router = installed();
        (0..200).for_each(|number| request(number, if number % 2 == 0 { 200 } else { 503 }));
        let mut stream = router.watch(failing().sample(4));
        let mut requests: BTreeMap<String, usize> = BTreeMap::new();
        for text in told(&mut stream) {
            *requests.entry(text.rsplit(' ').next().unwrap().to_owned()).or_default() += 1;
        }
        assert!(requests.len() > 5 && requests.len() < 60, "{}", requests.len());
        assert!(requests.values().all(|events| *events == 3), "{requests:?}");
        let stats = stream.stats();
        assert_eq!((stats.matched, stats.delivered), (600, 3 * requests.len() as u64));
        check_account(stats);
    }

    fn a_past_request_is_within_the_maximum_or_ends_the_session() {
        let router = installed();
        (0..4).for_each(|number| request(number, 500));
        let mut stream = router.watch(failing().max_events(7));
        assert_eq!(told(&mut stream), [past(0), past(1)].concat());
        let stats = stream.stats();
        assert_eq!((stats.delivered, stats.missing[MissingReason::Undecided]), (6, 3));
        check_account(stats);
        let mut whole = router.watch(failing().max_events(6));
        assert_eq!(told(&mut whole), [past(0), past(1)].concat());
        assert_eq!(whole.stats().matched, 6, "nothing is asked after the end");
    }

    fn the_end_by_a_maximum_comes_after_the_past() {
        let router = installed();
        (0..2).for_each(|number| request(number, 500));
        let open = tracing::info_span!("request");
        begin(&open, 2);
        let mut stream = router.watch(failing().max_events(3));
        let mut last = None;
        let mut events = 0;
        while let Some(item) = stream.blocking_recv_timeout(PATIENCE) {
            events += u64::from(matches!(item, Item::Event { .. }));
            last = Some(item);
        }
        assert!(matches!(last, Some(Item::Ended(EndReason::MaxEvents))), "{last:?}");
        assert_eq!(events, 3);
        check_account(stream.stats());
    }

    fn a_request_of_the_past_without_room_is_lost_whole() {
        let router = installed();
        (0..3).for_each(|number| request(number, 500));
        let open = tracing::info_span!("request");
        begin(&open, 3);
        answer(&open, 3, 500);
        let session = failing().capacity(5).overflow(Overflow::DropNewest);
        let mut stream = router.watch(session);
        answer(&open, 3, 500);
        assert_eq!(told(&mut stream), past(0));
        let stats = stream.stats();
        assert_eq!((stats.delivered, stats.missing[MissingReason::Overflow]), (3, 10));
        check_account(stats);
        let mut longer = router.watch(failing().capacity(2));
        assert_eq!(told(&mut longer), [""; 0], "no request is as short as that");
        check_account(longer.stats());
    }

    fn a_request_without_room_in_bytes_takes_no_places() {
        let router = installed();
        request(0, 500);
        large_request(1);
        large_request(2);
        request(3, 500);
        let session = failing().capacity(8).capacity_bytes(16 << 10).overflow(Overflow::DropNewest);
        let mut stream = router.watch(session);
        let seen = [past(0), vec!["past large 1".to_owned(), "past large 1".to_owned()], past(3)].concat();
        assert_eq!(told(&mut stream), seen);
        assert_eq!(stream.stats().missing[MissingReason::Overflow], 2);
        check_account(stream.stats());
    }

    fn room_for_the_present_is_not_that_of_the_past() {
        let router = installed();
        (0..2).for_each(|number| request(number, 500));
        let mut stream = router.watch(failing().capacity(6).overflow(Overflow::DropNewest));
        (2..4).for_each(|number| request(number, 500));
        request(4, 500);
        let seen = told(&mut stream);
        assert_eq!(seen.len(), 12, "{seen:?}");
        assert_eq!(stream.stats().missing[MissingReason::Overflow], 3);
        (5..7).for_each(|number| request(number, 500));
        assert_eq!(told(&mut stream).len(), 6, "the reader has made room");
        check_account(stream.stats());
    }

    fn a_confined_session_decides_by_its_own_events() {
        let router = installed();
        for (number, tenant) in [(0, 7), (1, 8)] {
            let span = tracing::info_span!("request", tenant);
            begin(&span, number);
            answer(&span, number, 500);
        }
        let mut stream = router.watch(failing().confined_to(Predicate::eq("tenant", 7)));
        assert_eq!(told(&mut stream), past(0));
        assert_eq!(stream.stats().matched, 3);
    }

    fn a_redacted_field_decides_nothing_of_the_past() {
        let router = TapRouter::builder().look_back(plenty()).redact_fields(["status"]).build();
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        request(0, 500);
        assert!(router.try_watch(failing()).unwrap_err().is_redacted_field());
        assert_eq!(told(&mut router.watch(failing())), [""; 0]);
    }

    fn what_is_held_of_the_past_is_undecided_at_the_end() {
        let router = installed();
        let span = tracing::info_span!("request");
        begin(&span, 0);
        let mut stream = router.watch(failing());
        router.close(stream.id());
        assert_eq!(told(&mut stream), [""; 0]);
        let stats = stream.stats();
        assert_eq!((stats.held, stats.missing[MissingReason::Undecided]), (0, 2));
        check_account(stats);
    }

    fn requests_on_busy_threads_are_whole_across_the_opening() {
        let router = router(LookBack::new(16 << 20).thread_bytes(1 << 20).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let is_over = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..3_u64 {
                scope.spawn(move || {
                    let mut number = thread << 32;
                    while !is_over.load(Ordering::Relaxed) {
                        busy_request(number);
                        number += 1;
                        std::thread::yield_now();
                    }
                });
            }
            let _over = Over(is_over);
            let (start, mut before, mut across) = (Instant::now(), 0, 0);
            // Until some were past, and some under way.
            while before < 40 || across < 4 {
                assert!(start.elapsed() < PATIENCE, "{before} were past, {across} under way");
                let session = failing().capacity(1 << 18).capacity_bytes(1 << 28).look_back(Duration::from_millis(100));
                let found = check_whole(router.watch(session));
                before += found.0;
                across += found.1;
            }
        });
    }
}

/// Ends the busy threads, also where a check fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A request of six events; every other request fails.
fn busy_request(number: u64) {
    let span = tracing::info_span!("request", number);
    for place in 0..5_u64 {
        span.in_scope(|| tracing::debug!(place, "step"));
        // For the rate: any slower one passes too, and at full speed no buffer holds what comes while the past is read. A
        // request that waited for the opening would have no event during it, which is what this is about.
        std::thread::sleep(Duration::from_micros(50));
    }
    let status = if number.is_multiple_of(2) { 200 } else { 500 };
    span.in_scope(|| tracing::info!(place = 5_u64, status, "answered"));
}

/// Reads for a while, and checks that each request is there whole and in order, failed, and none of them is missing. Returns
/// how many were past, and how many were under way at the opening.
fn check_whole(mut stream: EventStream) -> (usize, usize) {
    let start = Instant::now();
    let mut requests: BTreeMap<u64, Vec<(u64, bool)>> = BTreeMap::new();
    let mut present = 0;
    while present < 30 {
        assert!(start.elapsed() < PATIENCE, "{present} events");
        for event in stream.drain().filter_map(Item::into_event) {
            let number = |name: &str| event.find(name).unwrap().as_u64().unwrap();
            requests.entry(number("number")).or_default().push((number("place"), event.is_past()));
            present += usize::from(!event.is_past());
        }
        std::thread::yield_now();
    }
    let stats = stream.stats();
    assert_eq!((stats.lost, stats.missing[MissingReason::Undecided]), (0, 0), "the buffer was large enough: {stats:?}");
    let (mut past, mut across) = (0, 0);
    for (number, events) in &requests {
        assert_eq!(number % 2, 1, "it has not failed");
        let is_first_or_last = is_at_an_edge(&requests, *number);
        let places: Vec<_> = events.iter().map(|(place, _)| *place).collect();
        assert!(is_first_or_last || places == [0, 1, 2, 3, 4, 5], "request {number}: {events:?}");
        let of_past = events.iter().filter(|(_, is_past)| *is_past).count();
        past += usize::from(of_past == 6);
        across += usize::from(of_past > 0 && of_past < events.len());
        let is_next_there = requests.contains_key(&(number + 2));
        assert!(is_next_there || is_at_an_edge(&requests, *number), "the request after {number} is missing");
    }
    (past, across)
}

/// Whether a request is the first or the last one of its thread: the one may begin before the time that was asked for, the
/// other is not over.
fn is_at_an_edge(requests: &BTreeMap<u64, Vec<(u64, bool)>>, number: u64) -> bool {
    let thread = number >> 32;
    let mut of_thread = requests.keys().filter(|number| **number >> 32 == thread);
    of_thread.next() == Some(&number) || of_thread.next_back() == Some(&number)
}
