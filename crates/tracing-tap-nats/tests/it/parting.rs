//! Partitions between instances and a watcher, and the events lost in them.

use crate::instance::{Instance, often, seldom};
use crate::road::Road;
use crate::watching::{
    Sequences, check_account, instances, is_event, joined, read_all, read_events, read_until, settle, user,
};
use std::sync::atomic::Ordering;
use testing::nats_server::{Server, client};
use testing::runtime::run;
use tracing_tap_nats::{self as fleet, FleetItem, LeaveReason};

isolated! {

fn a_healed_partition_has_an_exact_account() {
    run(outlast_the_lease(Road::build()));
}

fn a_healed_stall_has_an_exact_account() {
    run(outlast_the_lease(Road::stalling()));
}

fn a_partition_that_is_over_within_the_lease_costs_nothing() {
    let (road, server) = Road::build();
    run(async {
        let mut near = Instance::start(&server.url(), "near");
        let mut far = road.start(&server, "far");
        let client = client(&server.url()).await;
        let mut stream = fleet::watch(client, &seldom(), user(42)).await.expect("the session is announced");
        joined(&mut stream, 2).await;
        road.cut();
        far.flow(20, 0);
        assert_eq!(far.answer(), "emitted");
        near.flow(10, 0);
        let mut items = read_events(&mut stream, 10).await;
        assert_eq!(instances(&items, is_event), ["near"; 10], "nothing gets through");
        road.mend();
        items.extend(read_events(&mut stream, 20).await);
        assert_eq!(items.len(), 30, "and nobody has left, was silent or has lost anything: {items:?}");
        stream.close();
        items.extend(read_all(&mut stream).await);
        let mut sequences = Sequences::default();
        items.iter().for_each(|item| sequences.note(item));
        assert_eq!([sequences.count("near", "arrived"), sequences.count("far", "arrived")], [10, 20]);
        check_account(&stream.stats(), 30);
    });
}

fn events_on_a_broken_connection_are_a_gap() {
    let (road, mut server) = Road::build();
    run(async {
        let mut near = Instance::start(&server.url(), "near");
        let mut far = road.start(&server, "far");
        let client = client(&server.url()).await;
        let mut stream = fleet::watch(client, &seldom(), user(42)).await.expect("the session is announced");
        joined(&mut stream, 2).await;
        road.cut();
        let before = far.sent();
        far.flow(20, 0);
        assert_eq!(far.answer(), "emitted");
        far.wait_until_sent(before, 1);
        server.restart();
        road.mend();
        let matched = settle(&stream, &mut [&mut near, &mut far], 20).await;
        stream.close();
        let mut sequences = Sequences::default();
        read_all(&mut stream).await.iter().for_each(|item| sequences.note(item));
        assert!(sequences.count("far", "network") >= 20, "{sequences:?}");
        assert_eq!(sequences.lost("far"), sequences.count("far", "network"));
        assert!(sequences.count("far", "arrived") > 0 && sequences.count("near", "arrived") > 0, "{sequences:?}");
        check_account(&stream.stats(), matched);
    });
}

fn events_without_a_server_arrive_later_or_are_counted() {
    run(async {
        let mut server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let client = client(&server.url()).await;
        let watched = fleet::watch(client.clone(), &seldom(), user(42).capacity(64)).await;
        let mut stream = watched.expect("the session is announced");
        joined(&mut stream, 1).await;
        let mut sequences = Sequences::default();
        instance.flow(10, 0);
        assert_eq!(instance.answer(), "emitted");
        read_events(&mut stream, 10).await.iter().for_each(|item| sequences.note(item));
        server.kill();
        // A batch is on its way to nowhere, and the ring has room for 64.
        instance.flow(5_000, 0);
        assert_eq!(instance.answer(), "emitted");
        server.restart();
        let matched = settle(&stream, &mut [&mut instance], 5_010).await;
        stream.close();
        read_all(&mut stream).await.iter().for_each(|item| sequences.note(item));
        check_account(&stream.stats(), matched);
        assert!(sequences.count("chat", "ring") > 0, "{sequences:?}");
        assert_eq!(sequences.lost("chat"), stream.stats().lost);
        assert_eq!(client.statistics().connects.load(Ordering::Relaxed), 2);
    });
}

}

/// Longer than instances keep a session that nobody renews, and than a watcher waits for one that says nothing.
async fn outlast_the_lease((road, server): (Road, Server)) {
    let mut near = Instance::start(&server.url(), "near");
    let mut far = road.start(&server, "far");
    let client = client(&server.url()).await;
    let mut stream = fleet::watch(client, &often(), user(42)).await.expect("the session is announced");
    joined(&mut stream, 2).await;
    far.emit(10, 42);
    read_events(&mut stream, 10).await;
    road.cut();
    far.emit(20, 42);
    near.emit(10, 42);
    let items = read_events(&mut stream, 10).await;
    assert_eq!(instances(&items, |_| true), vec!["near"; items.len()], "nobody waits for the far one");
    let items = read_until(&mut stream, |item| matches!(item, FleetItem::Silent { .. })).await;
    assert_eq!(items.last().and_then(FleetItem::instance), Some("far"));
    far.wait_for_sessions(0);

    road.mend();
    // The end of the first opening, then the second.
    let unrenewed = |item: &FleetItem| matches!(item, FleetItem::Left { reason: LeaveReason::Unrenewed, .. });
    read_until(&mut stream, unrenewed).await;
    joined(&mut stream, 1).await;
    far.emit(5, 42);
    read_events(&mut stream, 5).await;
    stream.close();
    read_all(&mut stream).await;
    check_account(&stream.stats(), 45);
}
