//! The account of a session: whatever matched is read, lost or buffered, and its end comes once and last.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testing::{Output, bounded, events, info_printer, messages, wait_until};
use tracing_subscriber::prelude::*;
use tracing_tap::session::Overflow;
use tracing_tap::stream::TryRecvError;
use tracing_tap::{EndReason, EventStream, Item, MissingReason, Predicate, SessionOptions, SessionStats, TapRouter};

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router
}

fn of_42() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

fn emit(count: usize) {
    for n in 0..count {
        tracing::debug!(user = 42, n, "routed");
        tracing::debug!(user = 43, n, "not routed");
    }
}

/// Items in a form that can be compared: `number` for an event, `lost number`, `ended reason`.
fn shown(items: impl IntoIterator<Item = Item>) -> Vec<String> {
    items
        .into_iter()
        .map(|item| match item {
            Item::Event { sequence, .. } => sequence.to_string(),
            Item::Missing(missing) => {
                assert_eq!(missing.reason, MissingReason::Overflow);
                format!("lost {}", missing.count)
            }
            Item::Ended(reason) => format!("ended {reason:?}"),
            other => panic!("an item of an unknown kind: {other:?}"),
        })
        .collect()
}

#[track_caller]
fn check_account(stats: SessionStats) {
    assert_eq!(stats.matched, stats.delivered + stats.lost + stats.buffered, "{stats:?}");
    assert_eq!(stats.lost, stats.missing[MissingReason::Overflow] + stats.missing[MissingReason::Closed], "{stats:?}");
}

#[track_caller]
fn check_end(stream: &mut EventStream, reason: EndReason) {
    assert!(matches!(stream.blocking_recv_timeout(testing::PATIENCE), Some(Item::Ended(ended)) if ended == reason));
    assert_eq!(stream.try_recv().unwrap_err(), TryRecvError::Ended);
    assert!(stream.blocking_recv().is_none());
    assert_eq!(stream.drain().count(), 0);
    check_account(stream.stats());
}

/// Four threads emit, one reads whenever it can; every event is accounted for, in order.
fn check_account_under_load(overflow: Overflow) {
    const EACH: usize = 5_000;
    let router = install();
    let mut stream = router.watch(of_42().capacity(64).overflow(overflow));
    let producers: Vec<_> = (0..4_usize)
        .map(|thread| {
            std::thread::spawn(move || {
                for n in 0..EACH {
                    tracing::debug!(user = 42, thread, n, "routed");
                }
            })
        })
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let all_done = Arc::clone(&done);
    let joining = std::thread::spawn(move || {
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        all_done.store(true, Ordering::SeqCst);
    });

    let (mut next_sequence, mut delivered, mut lost) = (0, 0, 0);
    let mut last = [None; 4];
    wait_until("the producers", || {
        let was_done = done.load(Ordering::SeqCst);
        for item in stream.drain() {
            match item {
                Item::Event { sequence, event, .. } => {
                    assert_eq!(sequence, next_sequence);
                    next_sequence += 1;
                    delivered += 1;
                    let number = |name| event.field(name).unwrap().as_u64().unwrap();
                    let last = &mut last[number("thread") as usize];
                    assert!(last.is_none_or(|last| last < number("n")), "one thread's events keep their order");
                    *last = Some(number("n"));
                }
                Item::Missing(missing) => {
                    next_sequence += missing.count;
                    lost += missing.count;
                }
                other => panic!("{other:?} while the session is open"),
            }
        }
        was_done
    });
    joining.join().unwrap();
    let stats = stream.stats();
    check_account(stats);
    assert_eq!((stats.delivered, stats.lost, stats.buffered), (delivered, lost, 0));
    assert_eq!(stats.matched, 4 * EACH as u64);
}

isolated! {
    fn the_bytes_of_the_spans_around_events_count_for_the_bounds() {
        let router = TapRouter::builder().max_buffered_bytes(1 << 20).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let stream = router.watch(Predicate::everything());
        let body = "x".repeat(8 << 10);
        for _ in 0..1000 {
            tracing::info_span!("request", body = &*body).in_scope(|| tracing::debug!("small"));
        }
        let stats = stream.stats();
        assert_eq!(stats.matched, 1000);
        assert!(stats.buffered <= 128, "a MiB holds at most 128 spans of 8 KiB: {stats:?}");
    }

    fn nothing_follows_the_end_though_threads_push_meanwhile() {
        let router = install();
        for _ in 0..50 {
            let mut stream = router.watch(of_42());
            let stop = Arc::new(AtomicBool::new(false));
            let threads: Vec<_> = (0..3).map(|_| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || while !stop.load(Ordering::Relaxed) { emit(10) })
            }).collect();
            let mut ended = false;
            wait_until("the first event", || stream.stats().matched > 0);
            router.close(stream.id());
            while !ended {
                ended = stream.drain().any(|item| matches!(item, Item::Ended(_)));
            }
            for _ in 0..100 {
                assert_eq!(stream.try_recv().unwrap_err(), TryRecvError::Ended);
                assert_eq!(stream.drain().count(), 0);
            }
            stop.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    }

    fn a_refused_session_is_not_counted_as_opened() {
        let router = TapRouter::builder().max_sessions(1).build();
        let _open = router.try_watch(of_42()).unwrap();
        assert!(router.try_watch(of_42()).is_err());
        assert_eq!(router.stats().opened_sessions, 1);
    }

    fn a_capacity_out_of_reason_is_bounded_and_kills_nobody() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        for capacity in [0, usize::MAX] {
            let mut stream = router.watch(SessionOptions::new(Predicate::everything()).capacity(capacity));
            tracing::debug!("event");
            assert_eq!(messages(&mut stream), ["event"]);
        }
    }

    fn drop_oldest_keeps_the_latest_and_reports_the_gap_before() {
        let router = install();
        let mut stream = router.watch(of_42().capacity(4).overflow(Overflow::DropOldest));
        emit(10);
        assert_eq!(shown(stream.drain()), ["lost 6", "6", "7", "8", "9"]);
        emit(3);
        assert_eq!(shown(stream.drain()), ["10", "11", "12"]);
        emit(6);
        assert_eq!(shown(stream.drain()), ["lost 2", "15", "16", "17", "18"]);
        let stats = stream.stats();
        check_account(stats);
        assert_eq!((stats.matched, stats.delivered, stats.missing[MissingReason::Overflow]), (19, 11, 8));
    }

    fn drop_newest_keeps_the_first_and_reports_the_gap_after() {
        let router = install();
        let mut stream = router.watch(of_42().capacity(4).overflow(Overflow::DropNewest));
        emit(10);
        assert_eq!(shown(stream.drain()), ["0", "1", "2", "3", "lost 6"]);
        emit(3);
        assert_eq!(shown(stream.drain()), ["10", "11", "12"]);
        emit(6);
        let first: Vec<_> = (0..2).filter_map(|_| stream.try_recv().ok()).collect();
        assert_eq!(shown(first), ["13", "14"]);
        emit(1);
        assert_eq!(shown(stream.drain()), ["15", "16", "lost 2", "19"]);
        let stats = stream.stats();
        check_account(stats);
        assert_eq!((stats.matched, stats.delivered, stats.missing[MissingReason::Overflow]), (20, 12, 8));
    }

    fn an_account_is_exact_under_load_when_the_oldest_is_dropped() {
        check_account_under_load(Overflow::DropOldest);
    }

    fn an_account_is_exact_under_load_when_the_newest_is_dropped() {
        check_account_under_load(Overflow::DropNewest);
    }

    fn bytes_bound_a_session_and_an_event_larger_than_them_is_lost() {
        let router = install();
        let mut stream = router.watch(of_42().capacity_bytes(4096));
        tracing::debug!(user = 42, text = "x".repeat(8000), "large");
        assert_eq!(shown(stream.drain()), ["lost 1"]);
        emit(100);
        let stats = stream.stats();
        assert!((1..100).contains(&stats.buffered), "{stats:?}");
        check_account(stats);
        assert_eq!(messages(&mut stream).len() as u64, stats.buffered);
        assert_eq!(stream.stats().matched, 101);
    }

    fn bytes_bound_all_sessions_together() {
        let router = TapRouter::builder().max_buffered_bytes(64 << 10).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut streams: Vec<_> = (0..10).map(|_| router.watch(of_42())).collect();
        for _ in 0..100 {
            tracing::debug!(user = 42, text = "x".repeat(1000), "routed");
        }
        let buffered: u64 = streams.iter().map(|stream| stream.stats().buffered).sum();
        assert!((1..=64).contains(&buffered), "{buffered}");
        for stream in &mut streams {
            check_account(stream.stats());
            assert_eq!(stream.stats().matched, 100);
            drop(events(stream));
        }
        tracing::debug!(user = 42, "there is room again");
        assert!(streams.iter_mut().all(|stream| messages(stream).len() == 1));
    }

    fn a_forgotten_stream_blocks_nobody() {
        let router = install();
        let stream = router.watch(of_42().capacity(8));
        let id = stream.id();
        std::mem::forget(stream);
        let mut other = router.watch(of_42());
        bounded("producers of a forgotten stream", || {
            let producers: Vec<_> = (0..4).map(|_| std::thread::spawn(|| emit(1000))).collect();
            producers.into_iter().for_each(|producer| producer.join().unwrap());
        });
        let info = router.sessions().into_iter().find(|info| info.id == id).expect("it is still open");
        check_account(info.stats);
        assert_eq!((info.stats.matched, info.stats.buffered), (4000, 8));
        assert_eq!(messages(&mut other).len(), 4000);
        assert!(router.close(id));
        emit(1);
        wait_until("the forgotten session to stay closed", || router.sessions().len() == 1);
    }

    fn a_reader_that_dies_closes_its_session_unread_ones_count() {
        let router = install();
        let mut stream = router.watch(of_42());
        let consumer = std::thread::spawn(move || {
            emit(10);
            let read: Vec<_> = stream.drain().take(3).collect();
            assert_eq!(read.len(), 3);
            std::panic::panic_any("the consumer dies");
        });
        assert!(consumer.join().is_err());
        assert!(router.sessions().is_empty());
        emit(10);
        wait_until("the account of the closed session", || router.stats().events.matched == 10);
        let stats = router.stats().events;
        check_account(stats);
        assert_eq!((stats.delivered, stats.missing[MissingReason::Closed], stats.buffered), (3, 7, 0));
    }

    fn the_sum_over_all_sessions_never_shrinks() {
        let router = install();
        let mut streams: Vec<_> = (0..20).map(|_| router.watch(of_42())).collect();
        let mut last = 0;
        let mut check = |expected: u64| {
            let stats = router.stats().events;
            check_account(stats);
            assert!(stats.matched >= last && stats.matched == expected, "{stats:?}");
            last = stats.matched;
        };
        emit(1);
        check(20);
        for stream in &streams[..10] {
            router.close(stream.id());
            check(20);
        }
        emit(1);
        check(30);
        while let Some(stream) = streams.pop() {
            drop(stream);
            (0..100).for_each(|_| check(30));
        }
        wait_until("the last to be freed", || router.stats().events.buffered == 0);
        check(30);
    }

    fn an_event_behind_a_loss_in_a_dropped_stream_is_not_delivered() {
        let router = install();
        let mut stream = router.watch(of_42().capacity(4));
        emit(10);
        assert!(matches!(stream.try_recv(), Ok(Item::Missing(_))));
        // What has been counted as delivered once must stay so: a scrape takes a count that shrinks for a restart.
        let stats = stream.stats();
        check_account(stats);
        assert_eq!((stats.delivered, stats.buffered), (0, 4));
        drop(stream);
        wait_until("the account of the closed session", || router.stats().events.matched == 10);
        let stats = router.stats().events;
        check_account(stats);
        assert_eq!((stats.delivered, stats.missing[MissingReason::Overflow], stats.missing[MissingReason::Closed]), (0, 6, 4));
    }

    fn the_number_of_events_is_exact_under_four_threads() {
        let router = install();
        for round in 0..50 {
            let mut stream = router.watch(of_42().max_events(100));
            let producers: Vec<_> = (0..4).map(|_| std::thread::spawn(|| emit(100))).collect();
            let mut read = Vec::new();
            while let Some(item) = stream.blocking_recv_timeout(testing::PATIENCE) {
                read.push(item);
            }
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            let mut expected: Vec<_> = (0..100).map(|n| n.to_string()).collect();
            expected.push("ended MaxEvents".to_owned());
            assert_eq!(shown(read), expected, "round {round}");
            assert_eq!(stream.stats().matched, 100);
            check_account(stream.stats());
            wait_until("the session to be closed", || router.sessions().is_empty());
        }
    }

    fn lost_events_count_among_the_number_of_events() {
        let router = install();
        let mut stream = router.watch(of_42().max_events(10).capacity(4));
        emit(20);
        assert_eq!(shown(stream.drain()), ["lost 6", "6", "7", "8", "9", "ended MaxEvents"]);
        check_end_was_given(&mut stream);
        let mut none = router.watch(of_42().max_events(0));
        emit(1);
        check_end(&mut none, EndReason::MaxEvents);
        assert_eq!(none.stats().matched, 0);
    }

    fn a_session_ends_when_its_time_is_over() {
        let router = install();
        let mut stream = router.watch(of_42().expires_in(Duration::from_millis(50)));
        let mut endless = router.watch(of_42().expires_in(Duration::MAX));
        let mut over = router.watch(of_42().expires_in(Duration::ZERO));
        emit(1);
        let mut items = Vec::new();
        while let Some(item) = stream.blocking_recv_timeout(testing::PATIENCE) {
            items.push(item);
        }
        let seen = shown(items);
        assert_eq!(seen.last().map(String::as_str), Some("ended Expired"), "{seen:?}");
        emit(1);
        check_end_was_given(&mut stream);
        wait_until("the end of what was over from the start", || {
            over.drain().any(|item| matches!(item, Item::Ended(EndReason::Expired)))
        });
        assert_eq!(messages(&mut endless).len(), 2);
        assert_eq!(router.sessions().len(), 1);
    }

    fn a_close_gives_what_is_unread_and_then_its_end() {
        let router = install();
        let mut stream = router.watch(of_42());
        emit(3);
        assert!(router.close(stream.id()));
        assert!(!router.close(stream.id()));
        emit(3);
        assert_eq!(shown(stream.drain()), ["0", "1", "2", "ended Closed"]);
        check_end_was_given(&mut stream);
    }

    fn a_shutdown_ends_every_stream_and_new_sessions_open() {
        let router = install();
        let mut streams: Vec<_> = (0..5).map(|_| router.watch(of_42())).collect();
        emit(1);
        router.shutdown();
        emit(1);
        for stream in &mut streams {
            assert_eq!(shown(stream.drain()), ["0", "ended Shutdown"]);
            check_end_was_given(stream);
        }
        let mut later = router.watch(of_42());
        emit(1);
        assert_eq!(shown(later.drain()), ["0"]);
    }

    fn a_reader_that_waits_learns_of_events_and_of_the_end() {
        let router = install();
        for round in 0..100 {
            let mut stream = router.watch(of_42());
            let id = stream.id();
            let reader = std::thread::spawn(move || {
                let mut items = Vec::new();
                while let Some(item) = stream.blocking_recv() {
                    items.push(item);
                }
                shown(items)
            });
            emit(3);
            router.close(id);
            let read = bounded("a reader that waits", move || reader.join().unwrap());
            assert_eq!(read, ["0", "1", "2", "ended Closed"], "round {round}");
        }
    }

    fn an_async_reader_gets_events_and_the_end_and_may_give_up() {
        let router = install();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut stream = router.watch(of_42());
            let id = stream.id();
            let given_up = tokio::time::timeout(Duration::from_millis(1), stream.recv()).await;
            assert!(given_up.is_err());
            let reader = tokio::spawn(async move {
                let mut items = Vec::new();
                while let Some(item) = stream.recv().await {
                    items.push(item);
                }
                shown(items)
            });
            tokio::task::yield_now().await;
            emit(3);
            tokio::task::yield_now().await;
            emit(1);
            router.close(id);
            let read = tokio::time::timeout(testing::PATIENCE, reader).await.expect("the reader hangs").unwrap();
            assert_eq!(read, ["0", "1", "2", "3", "ended Closed"]);
        });
    }

    fn draining_a_session_that_matches_what_the_drain_logs_ends() {
        let router = install();
        let mut stream = router.watch(of_42().capacity(100));
        emit(10);
        for _ in 0..10 {
            let mut read = 0;
            for item in stream.drain() {
                tracing::debug!(user = 42, "read {item:?}");
                read += 1;
                assert!(read <= 10, "the drain feeds itself");
            }
            assert_eq!(read, 10);
        }
        // Twice as many come of each: the ring bounds them.
        for _ in 0..10 {
            let mut read = 0;
            for _ in stream.drain() {
                emit(2);
                read += 1;
                assert!(read <= 202, "the drain feeds itself");
            }
        }
        check_account(stream.stats());
    }

    fn events_of_the_audit_and_denied_targets_are_not_captured() {
        let router = TapRouter::builder().deny_targets(["secrets"]).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut stream = router.watch(Predicate::everything());
        tracing::info!(target: "tracing_tap::audit", "opened");
        tracing::info!(target: "secrets", "denied");
        tracing::info!(target: "secrets::inner", "denied");
        tracing::info!(target: "secretsmanager", "not denied");
        tracing::info_span!(target: "secrets", "conn", key = "k").in_scope(|| tracing::info!("inside"));
        let seen = events(&mut stream);
        assert_eq!(seen.iter().map(|event| event.message()).collect::<Vec<_>>(), ["not denied", "inside"]);
        assert_eq!(seen[1].spans().len(), 0);
    }
}

#[track_caller]
fn check_end_was_given(stream: &mut EventStream) {
    assert_eq!(stream.try_recv().unwrap_err(), TryRecvError::Ended);
    assert!(stream.blocking_recv().is_none());
    assert_eq!(stream.drain().count(), 0);
    check_account(stream.stats());
}
