//! A receiver that refuses for a while, one that dies, one that never comes.

use crate::receiver::{Answers, Receiver, body_of};
use std::time::Duration;
use testing::{bounded, wait_until};
use tracing::debug;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};
use tracing_tap_otel::otlp::Record;

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    router
}

fn numbers(bodies: &[String]) -> Vec<String> {
    bodies.iter().filter(|body| body.starts_with("event ")).cloned().collect()
}

fn expected(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("event {number}")).collect()
}

isolated! {
    fn a_retry_after_of_0_is_no_busy_loop() {
        let receiver = Receiver::start(Answers::Postpones("0"));
        let collector = receiver.collector().retry_for(Duration::from_millis(350)).build().unwrap();
        let exporter = collector.exporter().unwrap();
        exporter.send(Record::warning("hello"));
        let delivery = bounded("giving up", move || exporter.finish());
        assert_eq!((delivery.delivered, delivery.dropped), (0, 1), "{delivery}");
        let tries = receiver.got(|got| got.refused);
        assert!(tries <= 4, "tried {tries} times");
    }

    fn what_is_refused_for_a_while_arrives_once_and_in_order() {
        for status in [429, 502, 503, 504] {
            let receiver = Receiver::start(Answers::Refuses(status, 3));
            let router = TapRouter::new();
            tracing::subscriber::with_default(tracing_subscriber::registry().with(router.layer()), || {
                let forwarding = receiver.collector().build().unwrap().forward(router.watch(Predicate::everything())).unwrap();
                (0..100).for_each(|number| debug!("event {number}"));
                router.close(forwarding.id());
                let delivery = forwarding.join();
                assert!(delivery.is_complete(), "{status}: {delivery}");
            });
            assert_eq!(receiver.got(|got| got.refused), 3, "{status}");
            assert_eq!(numbers(&receiver.bodies()), expected(100), "{status}");
        }
    }

    fn what_is_refused_for_good_is_dropped_counted_and_reported() {
        let receiver = Receiver::start(Answers::Refuses(400, 1));
        let router = install();
        let stream = router.watch(Predicate::everything());
        let collector = receiver.collector().batch_delay(Duration::ZERO).build().unwrap();
        let forwarding = collector.forward(stream).unwrap();
        debug!("event 0");
        wait_until("the refusal", || receiver.got(|got| got.refused == 1));
        debug!("event 1");
        router.close(forwarding.id());
        let delivery = forwarding.join();
        assert_eq!((delivery.delivered, delivery.dropped), (2, 1), "{delivery}");
        let records = receiver.records();
        let report = records.iter().find(|record| record.event_name == "tracing_tap.notice").expect("it is reported");
        assert!(body_of(report).contains("1 records of this session were not delivered") && body_of(report).contains("400"), "{report:?}");
    }

    fn a_retry_after_beyond_all_time_drops_the_batch_at_once() {
        let receiver = Receiver::start(Answers::Postpones("18446744073709551615"));
        let router = install();
        let forwarding = receiver.collector().build().unwrap().forward(router.watch(Predicate::everything())).unwrap();
        debug!("event 0");
        router.close(forwarding.id());
        let delivery = bounded("giving up", move || forwarding.join());
        assert_eq!((delivery.delivered, delivery.dropped), (0, 2), "the event and the end: {delivery}");
    }

    fn what_a_collector_rejects_is_counted() {
        let receiver = Receiver::start(Answers::Rejects(2));
        let router = install();
        let forwarding = receiver.collector().build().unwrap().forward(router.watch(Predicate::everything())).unwrap();
        (0..5).for_each(|number| debug!("event {number}"));
        router.close(forwarding.id());
        let delivery = forwarding.join();
        assert!(delivery.rejected >= 2 && delivery.delivered + delivery.rejected == 6, "{delivery}");
        assert!(delivery.to_string().contains("no room"), "{delivery}");
    }

    fn a_receiver_that_dies_and_comes_back_gets_the_rest() {
        let mut receiver = Receiver::start(Answers::Accepts);
        let router = install();
        let collector = receiver.collector().batch_delay(Duration::ZERO).build().unwrap();
        let forwarding = collector.forward(router.watch(Predicate::everything())).unwrap();
        debug!("event 0");
        wait_until("the first event", || !receiver.records().is_empty());
        receiver.die();
        (1..50).for_each(|number| debug!("event {number}"));
        let again = Receiver::start_at(receiver.address, Answers::Accepts);
        router.close(forwarding.id());
        let delivery = forwarding.join();
        assert!(delivery.is_complete(), "{delivery}");
        let all = [receiver.bodies(), again.bodies()].concat();
        assert_eq!(numbers(&all), expected(50));
    }

    fn without_a_receiver_producers_go_on_and_losses_are_counted() {
        let mut receiver = Receiver::start(Answers::Accepts);
        receiver.die();
        let router = install();
        let session = SessionOptions::new(Predicate::everything()).capacity(64);
        let stream = router.watch(session);
        let collector = receiver.collector().retry_for(Duration::from_millis(300)).build().unwrap();
        let forwarding = collector.forward(stream).unwrap();
        bounded("producing", || (0..20_000).for_each(|number| debug!("event {number}")));
        let id = forwarding.id();
        router.close(id);
        let delivery = bounded("giving up", move || forwarding.join());
        assert_eq!(delivery.delivered, 0, "{delivery}");
        assert!(delivery.dropped > 0 && delivery.reason.is_some(), "{delivery}");
    }
}
