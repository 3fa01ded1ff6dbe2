//! How the reader gets the counts of events kept back.

use super::{Announced, check_account, install, of_42};
use futures_util::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Instant;
use testing::{Output, bounded, runtime, wait_for};
use tracing_tap::{EventStream, Format, Item, MissingReason, TapRouter};

/// The next item by way of `Stream`.
async fn next(stream: &mut EventStream) -> Option<Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// Keeps back events for both reasons: of 100, some by sampling, the rest by a rate of 0.
fn watch_and_keep_back(router: &TapRouter) -> EventStream {
    let stream = router.watch(of_42().sample(2).max_rate(0));
    (0..100).for_each(|_| tracing::debug!(user = 42, "kept back"));
    stream
}

#[track_caller]
fn check_announced(items: &[Item]) {
    let mut announced = Announced::default();
    assert_eq!(items.len(), 2, "one for each reason: {items:?}");
    items.iter().for_each(|item| announced.note(item));
    assert!(
        announced.rate > 0 && announced.sampling > 0 && announced.rate + announced.sampling == 100,
        "{announced:?}"
    );
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
                (0..count).for_each(|_| tracing::debug!(user = 42, "kept back"));
                let item = runtime::soon("an announcement", received.recv()).await.unwrap().unwrap();
                let Item::Missing(missing) = item else { panic!("{item:?}") };
                assert_eq!((missing.count, missing.reason), (count, MissingReason::RateLimited));
            }
            reading.await.unwrap();
        });
    }

    fn a_waiting_thread_is_woken_by_an_announcement_alone() {
        let router = install();
        let mut stream = watch_and_keep_back(&router);
        let items = bounded("reading", move || [stream.blocking_recv().unwrap(), stream.blocking_recv().unwrap()]);
        check_announced(&items);
    }

    fn a_reader_that_drains_gets_the_announcement() {
        let router = install();
        let mut stream = watch_and_keep_back(&router);
        let drain = || Some(stream.drain().collect::<Vec<_>>()).filter(|items| !items.is_empty());
        check_announced(&wait_for("an announcement", drain));
    }

    fn forwarded_lines_announce_kept_back_events() {
        let router = install();
        let output = Output::default();
        let _forwarding = watch_and_keep_back(&router).forward_to(output.clone(), Format::Json).unwrap();
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
        let mut announced = Announced::default();
        for announcement in 1..=2 {
            let item = wait_for("an announcement", || {
                tracing::debug!(user = 42, "kept back");
                stream.try_recv().ok()
            });
            announced.note(&item);
            assert!(opening.elapsed().as_secs() >= announcement, "{item:?}");
        }
        router.shutdown();
        announced.read(&mut stream);
        announced.check(stream.stats());
    }

    fn draining_ends_although_its_body_emits_events() {
        let router = install();
        let mut stream = router.watch(of_42().max_rate(10));
        (0..20).for_each(|_| tracing::debug!(user = 42, "routed or kept back"));
        let count = bounded("draining", move || {
            stream.drain().inspect(|_| (0..10).for_each(|_| tracing::debug!(user = 42, "kept back"))).count()
        });
        assert!(count >= 10, "{count}");
    }

    fn a_routers_sums_include_closed_sessions() {
        let router = install();
        drop(watch_and_keep_back(&router));
        let stream = watch_and_keep_back(&router);
        let events = router.stats().events;
        check_account(events);
        assert_eq!((events.matched, events.missing[MissingReason::RateLimited] + events.missing[MissingReason::SampledOut]), (200, 200));
        drop(stream);
        assert_eq!(router.stats().events, events);
    }
}
