//! Where the past ends and the present begins: nothing is missing there, and nothing is there twice.

use super::{LONG, looking_back, plenty, router, wait_for_past};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use testing::{PATIENCE, events};
use tracing_subscriber::prelude::*;
use tracing_tap::{CapturedEvent, EventStream, Follow, Item, LookBack, TapRouter};

const THREADS: u64 = 4;

/// Logs numbered events on several threads, each in a span of its own now and then, while `watch` opens sessions.
fn while_busy(router: &TapRouter, watch: impl FnOnce(&TapRouter)) {
    let is_over = &AtomicBool::new(false);
    wait_for_past(router);
    std::thread::scope(|scope| {
        let _end = Ends(is_over);
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut number = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    let _span = tracing::info_span!("busy", thread).entered();
                    for _ in 0..7 {
                        tracing::debug!(number, "numbered");
                        number += 1;
                    }
                    std::thread::yield_now();
                }
            });
        }
        watch(router);
    });
}

/// Ends the threads, also where a check fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn number(event: &CapturedEvent, name: &str) -> u64 {
    event.find(name).unwrap().as_u64().unwrap()
}

/// The numbers of events, and whether each is of the past, by thread.
fn numbers(events: &[std::sync::Arc<CapturedEvent>]) -> HashMap<u64, Vec<(u64, bool)>> {
    let mut numbers: HashMap<u64, Vec<(u64, bool)>> = HashMap::new();
    for event in events {
        numbers.entry(number(event, "thread")).or_default().push((number(event, "number"), event.is_past()));
    }
    numbers
}

/// Reads until each thread has logged some present events. Returns how many threads had a past.
fn check_seam(stream: &mut EventStream) -> usize {
    let start = Instant::now();
    let (mut seen, mut accounted_for) = (Vec::new(), 0);
    let mut present: HashMap<u64, usize> = HashMap::new();
    let is_enough =
        |present: &HashMap<_, _>| present.len() == THREADS as usize && present.values().all(|number| *number > 20);
    while !is_enough(&present) {
        assert!(start.elapsed() < PATIENCE, "{} events", seen.len());
        for item in stream.drain() {
            match item {
                // A thread that is stopped for a second while it writes an event leaves it out, and the horizon says so.
                Item::Horizon(horizon) => accounted_for += horizon.unkept + horizon.unresolved,
                Item::Event { event, .. } => {
                    if !event.is_past() {
                        *present.entry(number(&event, "thread")).or_default() += 1;
                    }
                    seen.push(event);
                }
                other => panic!("{other:?}"),
            }
        }
        std::thread::yield_now();
    }
    assert_eq!(stream.stats().lost, 0, "the buffer was large enough");
    let numbers = numbers(&seen);
    let mut absent = 0;
    for (thread, of) in &numbers {
        for pair in of.windows(2) {
            assert!(pair[1].0 > pair[0].0, "thread {thread}: {pair:?}");
            absent += pair[1].0 - pair[0].0 - 1;
            assert!(pair[0].1 || !pair[1].1, "thread {thread}: the past is over: {pair:?}");
        }
    }
    assert!(absent <= accounted_for, "{absent} absent, {accounted_for} accounted for");
    numbers.values().filter(|of| of.iter().any(|(_, is_past)| *is_past)).count()
}

testing::isolated! {
    fn no_event_is_missing_or_there_twice_where_the_past_ends() {
        let router = router(LookBack::new(16 << 20).thread_bytes(64 << 10).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        while_busy(&router, |router| {
            let mut with_past = 0;
            for _ in 0..40 {
                let session = looking_back("@span = busy").capacity(1 << 18).capacity_bytes(1 << 28);
                with_past += check_seam(&mut router.watch(session));
            }
            assert!(with_past > 80, "there was a past");
        });
    }

    fn a_session_that_follows_has_no_seam_either() {
        let router = router(LookBack::new(16 << 20).thread_bytes(64 << 10).max_age(LONG));
        tracing_subscriber::registry().with(router.layer()).init();
        while_busy(&router, |router| {
            for _ in 0..20 {
                let session = looking_back("number exists").follow(Follow::Root);
                check_seam(&mut router.watch(session.capacity(1 << 18).capacity_bytes(1 << 28)));
            }
        });
    }

    fn sessions_that_do_not_look_back_see_the_present_alone() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        tracing::debug!(user = 42, "before");
        let mut stream = router.watch("user = 42").unwrap();
        tracing::debug!(user = 42, "after");
        assert_eq!(testing::messages(&mut stream), ["after"]);
    }

    fn a_span_that_closes_after_the_opening_is_timed_live() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        let span = tracing::info_span!("request", user = 42);
        span.in_scope(|| tracing::debug!("before"));
        let mut stream = router.watch(looking_back("user = 42").timings());
        drop(span);
        let kinds: Vec<_> = stream
            .drain()
            .map(|item| match item {
                Item::Horizon(_) => "horizon".to_owned(),
                Item::Event { event, .. } => format!("{}, past: {}", event.message(), event.is_past()),
                Item::Timing { timing, .. } => format!("times of {}", timing.name()),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(kinds, ["horizon", "before, past: true", "times of request"]);
    }

    fn a_session_without_events_has_none_of_the_past_either() {
        let router = router(plenty());
        tracing_subscriber::registry().with(router.layer()).init();
        wait_for_past(&router);
        tracing::debug!(user = 42, "before");
        let mut stream = router.watch(looking_back("user = 42").timings().without_events());
        assert_eq!(events(&mut stream).len(), 0);
    }
}
