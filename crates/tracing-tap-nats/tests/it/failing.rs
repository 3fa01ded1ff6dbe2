//! Processes that die, and the events lost with them.

use crate::bridge::{Bridge, kind};
use crate::instance::{Instance, often};
use crate::watching::{check_account, instances, joined, numbers, read_all, read_events, read_until, user};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use testing::nats_server::{Server, client};
use testing::runtime::{run, soon, until};
use tracing_tap::MissingReason;
use tracing_tap_nats::{self as fleet, FleetItem, FleetStream, Gap, GapPlace, LeaveReason};

async fn watch(client: &async_nats::Client) -> FleetStream {
    fleet::watch(client.clone(), &often(), user(42)).await.expect("the session is announced")
}

fn gap(item: &FleetItem) -> Option<&Gap> {
    if let FleetItem::Gap(gap) = item { Some(gap) } else { None }
}

isolated! {

fn a_killed_instance_is_silent_and_joins_again() {
    run(async {
        let server = Server::start();
        let mut steady = Instance::start(&server.url(), "steady");
        let mut frail = Instance::start(&server.url(), "frail");
        let mut stream = watch(&client(&server.url()).await).await;
        joined(&mut stream, 2).await;
        frail.emit(10, 42);
        read_events(&mut stream, 10).await;
        frail.kill();
        steady.emit(10, 42);
        read_events(&mut stream, 10).await;
        let items = read_until(&mut stream, |item| matches!(item, FleetItem::Silent { .. })).await;
        assert_eq!(items.last().and_then(FleetItem::instance), Some("frail"));

        let mut frail = Instance::start(&server.url(), "frail");
        joined(&mut stream, 1).await;
        frail.emit(5, 42);
        let items = read_events(&mut stream, 5).await;
        assert_eq!(numbers(&items)["frail"], [0, 1, 2, 3, 4]);
        stream.close();
        let rest = read_all(&mut stream).await;
        let lost = |item: &FleetItem| matches!(item, FleetItem::Left { reason: LeaveReason::Lost, account, .. }
            if account.arrived == 10);
        assert_eq!(instances(&rest, lost), ["frail"]);
        check_account(&stream.stats(), 25);
    });
}

fn a_watcher_that_was_killed_leaves_no_session_behind() {
    let server = Server::start();
    let mut instance = Instance::start(&server.url(), "chat");
    let mut watcher = Instance::start(&server.url(), "watcher");
    assert_eq!(watcher.ask("watch"), "joined");
    instance.wait_for_sessions(1);
    watcher.kill();
    instance.wait_for_sessions(0);
}

fn a_server_that_restarts_costs_a_gap_at_most() {
    run(async {
        let mut server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let mut stream = watch(&client(&server.url()).await).await;
        joined(&mut stream, 1).await;
        instance.emit(100, 42);
        read_events(&mut stream, 100).await;
        server.kill();
        instance.emit(100, 42);
        server.restart();
        // Whether the session outlived that or is a new one is a matter of time; either way it goes on.
        let emitted = AtomicU64::new(200);
        soon("events of after that", async {
            loop {
                instance.emit(1, 42);
                let emitted = emitted.fetch_add(1, Ordering::Relaxed) as i64;
                let look = tokio::time::timeout(Duration::from_millis(100), read_events(&mut stream, 1));
                if look.await.is_ok_and(|items| numbers(&items).contains_key("chat")) && emitted > 250 {
                    break;
                }
            }
        })
        .await;
        stream.close();
        let items = read_all(&mut stream).await;
        let stats = stream.stats();
        assert_eq!(stats.matched, stats.delivered + stats.lost, "{stats:?}: {items:?}");
        assert!(stats.delivered >= 101, "{stats:?}");
        assert!(stats.matched <= emitted.into_inner(), "what matched while no session was open is no part of it");
    });
}

fn a_lost_batch_is_a_gap_of_exactly_its_events() {
    run(async {
        let bridge = Bridge::new().await;
        let mut instance = Instance::start(&bridge.instances.url(), "chat");
        let mut stream = watch(&bridge.to_watchers).await;
        joined(&mut stream, 1).await;
        instance.emit(10, 42);
        read_events(&mut stream, 10).await;
        bridge.passes(|message| if kind(message) == "batch" { Vec::new() } else { vec![message.clone()] });
        instance.emit(7, 42);
        // Only the beat that follows shows it.
        let items = read_until(&mut stream, |item| gap(item).is_some()).await;
        let gap = items.last().and_then(gap).expect("it is one");
        assert_eq!((&*gap.instance, gap.count, gap.place), ("chat", 7, GapPlace::Network));
        bridge.passes(|message| vec![message.clone()]);
        instance.emit(3, 42);
        read_events(&mut stream, 3).await;
        until("the account to be at rest", || stream.stats().matched == 20).await;
        check_account(&stream.stats(), 20);
        assert_eq!((stream.stats().delivered, stream.stats().lost_on_the_way), (13, 7));
    });
}

fn an_event_too_large_for_the_server_is_lost_alone() {
    run(async {
        let server = Server::with_settings("max_payload: 4096", &[]);
        let mut instance = Instance::start(&server.url(), "chat");
        let client = client(&server.url()).await;
        let mut stream = crate::watching::watch(&client, user(42)).await;
        joined(&mut stream, 1).await;
        ["flow 2 0", "large 1", "flow 3 0"].iter().for_each(|what| instance.say(what));
        (0..3).for_each(|_| assert_eq!(instance.answer(), "emitted"));
        let numbers = numbers(&read_events(&mut stream, 5).await);
        assert_eq!(numbers["chat"], [0, 1, 3, 4, 5]);
        // It is reported while the session goes on.
        let items = read_until(&mut stream, |item| gap(item).is_some()).await;
        let told = gap(&items[items.len() - 1]).map(|gap| (gap.count, gap.place));
        assert_eq!(told, Some((1, GapPlace::Instance)));
        stream.close();
        read_all(&mut stream).await;
        check_account(&stream.stats(), 6);
        assert_eq!(stream.stats().lost_at_instances, 1);
    });
}

fn an_overflow_is_reported_with_its_instance() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let client = client(&server.url()).await;
        let mut stream = crate::watching::watch(&client, user(42).capacity(8)).await;
        joined(&mut stream, 1).await;
        instance.emit(20_000, 42);
        stream.close();
        let items = read_all(&mut stream).await;
        let lost = |item: &FleetItem| matches!(item, FleetItem::Missing { .. });
        assert!(items.iter().any(lost), "a ring of eight has no room for as many");
        let stats = stream.stats();
        check_account(&stats, 20_000);
        assert_eq!(stats.lost, stats.missing[MissingReason::Overflow]);
    });
}

}
