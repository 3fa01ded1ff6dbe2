//! Joining, leaving, and the events delivered in between.

use crate::instance::{Instance, KEY, config};
use crate::sealing::{VERSION, now_us, publish, sealed, session_of, tally};
use crate::watching::{instances, is_event, joined, next, numbers, read_all, read_events, read_until, user, watch};
use futures_util::StreamExt;
use serde_json::json;
use std::time::Duration;
use testing::nats_server::{Server, client};
use testing::runtime::{run, soon};
use tracing_tap::EndReason;
use tracing_tap_nats::{self as fleet, FleetItem, LeaveReason};

isolated! {

fn a_session_gets_the_events_of_all_instances_in_order() {
    run(async {
        let server = Server::start();
        let mut first = Instance::start(&server.url(), "chat-1");
        let mut second = Instance::start(&server.url(), "chat-2");
        let mut stream = watch(&client(&server.url()).await, user(42)).await;
        joined(&mut stream, 2).await;
        for _ in 0..3 {
            first.emit(100, 42);
            second.emit(100, 42);
            first.emit(100, 43);
        }
        let items = read_events(&mut stream, 600).await;
        let expected: Vec<i64> = (0..3).flat_map(|_| 0..100).collect();
        let numbers = numbers(&items);
        assert_eq!(numbers["chat-1"], expected);
        assert_eq!(numbers["chat-2"], expected);
        assert_eq!(items.len(), 600, "and nothing else");

        stream.close();
        let rest = read_all(&mut stream).await;
        let left = |item: &FleetItem| matches!(item, FleetItem::Left { reason: LeaveReason::Closed, account, .. }
            if (account.matched, account.arrived, account.lost) == (300, 300, 0));
        assert_eq!(instances(&rest, left), ["chat-1", "chat-2"]);
        assert!(matches!(rest.last(), Some(FleetItem::Ended(EndReason::Closed))));
        let stats = stream.stats();
        assert_eq!((stats.matched, stats.delivered, stats.lost, stats.buffered), (600, 600, 0, 0));
        first.wait_for_sessions(0);
        second.wait_for_sessions(0);
    });
}

fn a_later_instance_joins_open_sessions() {
    run(async {
        let server = Server::start();
        let mut stream = watch(&client(&server.url()).await, user(42)).await;
        let mut late = Instance::start(&server.url(), "late");
        assert!(matches!(next(&mut stream).await, FleetItem::Joined { instance, .. } if &*instance == "late"));
        late.emit(1, 42);
        assert!(is_event(&next(&mut stream).await));
        assert_eq!(late.ask("leave"), "left");
        let left = read_until(&mut stream, |item| matches!(item, FleetItem::Left { .. })).await;
        assert!(matches!(left[..], [FleetItem::Left { reason: LeaveReason::Shutdown, .. }]));
    });
}


fn a_dropped_stream_closes_its_own_session_everywhere() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let client = client(&server.url()).await;
        let mut kept = watch(&client, user(42)).await;
        let mut dropped = watch(&client, user(42)).await;
        joined(&mut kept, 1).await;
        joined(&mut dropped, 1).await;
        assert_eq!(instance.open_sessions(), 2);
        drop(dropped);
        instance.wait_for_sessions(1);
        instance.emit(3, 42);
        assert_eq!(numbers(&read_events(&mut kept, 3).await)["chat"], [0, 1, 2]);
    });
}

fn a_membership_may_be_dropped_outside_its_runtime() {
    let server = Server::start();
    let runtime = testing::runtime::multi_thread();
    let client = runtime.block_on(client(&server.url()));
    let router = tracing_tap::TapRouter::new();
    let mut membership = fleet::join(router, client, config(), std::future::pending());
    let polled = runtime.block_on(async { tokio::time::timeout(Duration::from_millis(1), &mut membership).await });
    assert!(polled.is_err(), "it takes part");
    drop(membership);
}

fn what_cannot_be_announced_opens_no_session() {
    run(async {
        let server = Server::start();
        let client = client(&server.url()).await;
        let long = user(42).name("a".repeat(257));
        let error = fleet::watch(client, &config(), long).await.expect_err("it is refused");
        let text = "the session was not opened on the fleet: the name has 257 bytes, more than the 256 allowed";
        assert_eq!(error.to_string(), text);
    });
}

fn events_are_merged_in_order_despite_clock_offsets() {
    run(async {
        let server = Server::start();
        let client = client(&server.url()).await;
        let mut announcements = client.subscribe("tap.chat.announce").await.expect("the client is open");
        let stream = watch(&client, user(42)).await;
        let mut stream = stream.reorder_window(Duration::from_secs(3));
        let announced = soon("the announcement", announcements.next()).await.expect("the client is open");
        let subject = format!("tap.chat.events.{}", session_of(&announced));
        let now = now_us();
        // What happened so many milliseconds ago, told by clocks that are off by twenty seconds either way.
        for (member, ahead_us, ago) in [("aa", 20_000_000, [1200, 600]), ("bb", -20_000_000, [900, 300])] {
            let lines: String = ago.iter().map(|ago| event(now.saturating_add_signed(ahead_us - ago * 1000), *ago)).collect();
            let header = json!({"kind": "batch", "member": member.repeat(8), "number": 0, "instance": member,
                "time": now_us().saturating_add_signed(ahead_us), "count": tally(2)});
            publish(&client, &subject, sealed(KEY, VERSION, "instances", &subject, &header, &lines)).await;
        }
        let items = read_events(&mut stream, 4).await;
        let ago = |item: &FleetItem| {
            let FleetItem::Event(event) = item else { return None };
            event.read().expect("it is an event").field("ago").and_then(|ago| ago.as_i64())
        };
        assert_eq!(items.iter().filter_map(ago).collect::<Vec<_>>(), [1200, 900, 600, 300]);
    });
}

fn lines_and_keys_of_a_later_version_are_no_gap() {
    run(async {
        let server = Server::start();
        let client = client(&server.url()).await;
        let mut announcements = client.subscribe("tap.chat.announce").await.expect("the client is open");
        let mut stream = watch(&client, user(42)).await;
        let announced = soon("the announcement", announcements.next()).await.expect("the client is open");
        let subject = format!("tap.chat.events.{}", session_of(&announced));
        for (number, later) in ["", r#""later":[{}],"#].into_iter().enumerate() {
            let event = event(now_us(), 1).replace("\"fields\"", &format!("{later}\"fields\""));
            let lines = format!("{{\"type\":\"later\",\"count\":7}}\n{event}");
            let header = json!({"kind": "batch", "member": "ee".repeat(8), "number": number, "instance": "new",
                "time": now_us(), "later": 1, "before": tally(number as u64), "count": tally(1)});
            publish(&client, &subject, sealed(KEY, VERSION, "instances", &subject, &header, &lines)).await;
        }
        let items = read_events(&mut stream, 2).await;
        assert!(items.iter().all(|item| !matches!(item, FleetItem::Gap(_))), "{items:?}");
        let with_key = |item: &FleetItem| matches!(item, FleetItem::Event(event) if event.line().contains("later"));
        assert_eq!(items.iter().filter(|item| with_key(item)).count(), 1, "the key is passed on");
    });
}

}

fn event(time_us: u64, ago: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(time_us as i64).expect("it is a time");
    let header = format!(r#""session":1,"sequence":0,"timestamp":"{time}","level":"INFO""#);
    format!("{{\"type\":\"event\",{header},\"fields\":{{\"ago\":{ago}}},\"target\":\"a\"}}\n")
}
