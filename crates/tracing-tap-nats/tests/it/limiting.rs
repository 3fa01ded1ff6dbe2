//! Limits of the whole fleet, and the bytes on the network.

use crate::bridge::kind;
use crate::instance::{Instance, KEY, config};
use crate::proxy::Proxy;
use crate::sealing::{VERSION, now_us, publish, sealed, session_of};
use crate::watching::{instances, is_event, joined, read_all, read_events, read_until, user, watch};
use futures_util::StreamExt;
use std::time::{Duration, Instant};
use testing::nats_server::{Server, client};
use testing::runtime::{run, soon, until};
use tracing_tap::{EndReason, MissingReason};
use tracing_tap_nats::{self as fleet, FleetItem, LeaveReason};

const SESSION: &str = "00112233445566778899aabbccddeeff";

isolated! {

fn max_events_holds_over_all_instances() {
    run(async {
        let server = Server::start();
        let start = |name| Instance::start(&server.url(), name);
        let mut fleet = ["chat-1", "chat-2", "chat-3"].map(start);
        let mut stream = watch(&client(&server.url()).await, user(42).max_events(100)).await;
        joined(&mut stream, 3).await;
        fleet.iter_mut().for_each(|instance| instance.emit(70, 42));
        let items = read_all(&mut stream).await;
        assert_eq!(items.iter().filter(|item| is_event(item)).count(), 100);
        assert!(matches!(items.last(), Some(FleetItem::Ended(EndReason::MaxEvents))));
        let stats = stream.stats();
        assert_eq!((stats.delivered, stats.matched, stats.lost, stats.lost_at_instances), (100, 210, 110, 110));
        fleet.iter_mut().for_each(|instance| instance.wait_for_sessions(0));
    });
}

fn the_grant_of_an_opening_that_was_replaced_is_granted_again() {
    run(async {
        let server = Server::start();
        let client = client(&server.url()).await;
        let mut heard = client.subscribe("tap.chat.announce").await.expect("the client is open");
        let mut grants = client.subscribe("tap.chat.grant.*").await.expect("the client is open");
        let _stream = watch(&client, user(42).max_events(10)).await;
        let announced = soon("the announcement", heard.next()).await.expect("the client is open");
        let subject = format!("tap.chat.events.{}", session_of(&announced));
        for opening in [0, 1] {
            let header = serde_json::json!({"kind": "ask", "member": "0011223344556677", "opening": opening,
                "number": 0, "time": now_us(), "instance": "chat", "asked": 10});
            publish(&client, &subject, sealed(KEY, VERSION, "instances", &subject, &header, "")).await;
            let grant = soon("a grant", grants.next()).await.expect("the client is open");
            let text = String::from_utf8_lossy(&grant.payload).into_owned();
            assert!(text.contains("\"granted\":10"), "opening {opening}: {text}");
        }
    });
}

fn the_grant_of_an_instance_that_was_given_up_goes_to_another() {
    run(async {
        let server = Server::start();
        let client = client(&server.url()).await;
        let mut announcements = client.subscribe("tap.chat.announce").await.expect("the client is open");
        let mut grants = client.subscribe("tap.chat.grant.*").await.expect("the client is open");
        let config = config().renew_every(Duration::from_millis(50)).expect("it is allowed");
        let watched = fleet::watch(client.clone(), &config, user(42).max_events(10)).await;
        let mut stream = watched.expect("the session is announced");
        let announced = soon("the announcement", announcements.next()).await.expect("the client is open");
        let subject = format!("tap.chat.events.{}", session_of(&announced));
        let ask = |member: &str| {
            let header = serde_json::json!({"kind": "ask", "member": member.repeat(8), "number": 0, "time": now_us(),
                "instance": member, "asked": 10});
            publish(&client, &subject, sealed(KEY, VERSION, "instances", &subject, &header, ""))
        };
        ask("aa").await;
        soon("a grant", grants.next()).await.expect("the client is open");
        read_until(&mut stream, |item| matches!(item, FleetItem::Left { reason: LeaveReason::Lost, .. })).await;
        ask("bb").await;
        let grant = soon("a grant", grants.next()).await.expect("the client is open");
        let text = String::from_utf8_lossy(&grant.payload);
        assert!(text.contains("\"granted\":10"), "{text}");
    });
}

fn a_grant_of_more_than_was_asked_for_stops_no_instance() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let client = client(&server.url()).await;
        let subject = format!("tap.chat.events.{SESSION}");
        let mut messages = client.subscribe(subject).await.expect("the client is open");
        client.flush().await.expect("the server is there");
        let say = async |turn: u64, subject: &str, rest: serde_json::Value| {
            let mut header = serde_json::json!({"session": SESSION, "turn": turn, "time": now_us()});
            header.as_object_mut().expect("it is one").extend(rest.as_object().expect("it is one").clone());
            publish(&client, subject, sealed(KEY, VERSION, "watchers", subject, &header, "")).await;
        };
        let open = serde_json::json!({"kind": "open", "predicate": "user = 42", "is_limited": true, "every_ms": 60_000});
        say(1, "tap.chat.announce", open).await;
        let mut next = async |wanted: &str| loop {
            let message = soon(wanted, messages.next()).await.expect("the client is open");
            if kind(&message) == wanted {
                let text = String::from_utf8_lossy(&message.payload);
                let header = text.splitn(3, ' ').nth(2).and_then(|rest| rest.lines().next()).expect("it has a header");
                return serde_json::from_str::<serde_json::Value>(header).expect("it is JSON");
            }
        };
        next("joined").await;
        for (round, asked) in [(1, 3), (2, 6)] {
            instance.emit(3, 42);
            let ask = next("ask").await;
            assert_eq!(ask["asked"], asked);
            let grant = |asked: u64| {
                serde_json::json!({"kind": "grant", "opening": ask["opening"].as_u64().unwrap_or(0), "asked": asked,
                    "granted": asked})
            };
            let subject = format!("tap.chat.grant.{}", ask["member"].as_str().expect("it is text"));
            say(10 * round, &subject, grant(u64::MAX)).await;
            say(10 * round + 1, &subject, grant(asked)).await;
            assert_eq!(next("batch").await["count"][0], 3);
        }
    });
}

fn one_instance_can_use_the_whole_limit() {
    run(async {
        let server = Server::start();
        let mut idle = Instance::start(&server.url(), "idle");
        let mut busy = Instance::start(&server.url(), "busy");
        let mut stream = watch(&client(&server.url()).await, user(42).max_events(100)).await;
        joined(&mut stream, 2).await;
        busy.emit(99, 42);
        read_events(&mut stream, 99).await;
        idle.emit(1, 42);
        let items = read_all(&mut stream).await;
        assert_eq!(instances(&items, is_event), ["idle"]);
    });
}

fn max_rate_holds_over_all_instances_and_excess_is_counted() {
    run(async {
        let server = Server::start();
        let start = |name| Instance::start(&server.url(), name);
        let mut fleet = ["chat-1", "chat-2", "chat-3"].map(start);
        let opened = Instant::now();
        let mut stream = watch(&client(&server.url()).await, user(42).max_rate(50)).await;
        joined(&mut stream, 3).await;
        fleet.iter_mut().for_each(|instance| instance.emit(200, 42));
        stream.close();
        read_all(&mut stream).await;
        let stats = stream.stats();
        let allowed = 50 + opened.elapsed().as_millis() as u64 * 50 / 1000;
        assert!((50..=allowed).contains(&stats.delivered), "{stats:?}, {allowed} allowed");
        assert_eq!(stats.matched, 600);
        assert_eq!(stats.matched, stats.delivered + stats.lost + stats.missing[MissingReason::RateLimited], "{stats:?}");
        assert_eq!(stats.lost, stats.lost_at_instances + stats.missing[MissingReason::Overflow], "{stats:?}");
        assert!(stats.missing[MissingReason::RateLimited] > 0, "{stats:?}");
    });
}

fn a_session_ends_when_its_time_is_over() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let session = user(42).expires_in(Duration::from_millis(500));
        let mut stream = watch(&client(&server.url()).await, session).await;
        let items = read_all(&mut stream).await;
        assert!(matches!(items.last(), Some(FleetItem::Ended(EndReason::Expired))));
        instance.wait_for_sessions(0);
    });
}

fn a_session_ended_by_its_instance_stays_ended_there() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let proxy = Proxy::to(server.port());
        let mut other = Instance::start(&proxy.url(), "other");
        let mut stream = watch(&client(&server.url()).await, user(42)).await;
        joined(&mut stream, 2).await;
        assert_eq!(instance.ask("shutdown"), "shut down");
        let left = |item: &FleetItem| matches!(item, FleetItem::Left { reason: LeaveReason::Shutdown, .. });
        read_until(&mut stream, left).await;
        // Renewals go on: the other instance hears them.
        let before = proxy.bytes();
        until("two more renewals", || proxy.bytes() >= before + 600).await;
        assert_eq!((instance.open_sessions(), other.open_sessions()), (0, 1));
    });
}

fn a_session_without_matches_sends_under_200_bytes_a_second() {
    run(async {
        let server = Server::start();
        let proxy = Proxy::to(server.port());
        let mut instance = Instance::start(&proxy.url(), "chat-7f9c");
        let mut stream = watch(&client(&server.url()).await, user(42).opened_by("ann").max_rate(5000)).await;
        joined(&mut stream, 1).await;
        instance.emit(10_000, 43);
        // Eight renewals, sixteen seconds at least: the beats that answer them are said at every second one.
        let heard = client(&server.url()).await;
        let mut announcements = heard.subscribe("tap.chat.announce").await.expect("the client is open");
        soon("a renewal", announcements.next()).await.expect("the client is open");
        let before = proxy.bytes();
        for _ in 0..8 {
            soon("a renewal", announcements.next()).await.expect("the client is open");
        }
        let rate = (proxy.bytes() - before) as f64 / 16.0;
        println!("{rate:.0} bytes a second, both ways");
        assert!(rate > 0.0 && rate <= 200.0, "{rate} bytes a second");
    });
}

}
