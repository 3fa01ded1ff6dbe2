//! Which messages are accepted, and what no message can change.

use crate::bridge::{Bridge, kind};
use crate::instance::{Instance, KEY, often};
use crate::sealing::{VERSION, now_us, publish, sealed, session_of, tally};
use crate::watching::{is_event, joined, next, numbers, read_all, read_events, read_until, user, watch};
use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt;
use serde_json::{Value, json};
use testing::nats_server::{Server, client, client_with};
use testing::runtime::{run, soon, until};
use testing::wait_for;
use tracing_tap::{Predicate, SessionOptions};
use tracing_tap_nats::{self as fleet, FleetItem};

const ANNOUNCE: &str = "tap.chat.announce";
const SESSION: &str = "00112233445566778899aabbccddeeff";
const MEMBER: &str = "0011223344556677";

fn announcement(turn: u64, time: u64) -> Value {
    json!({"kind": "open", "session": SESSION, "turn": turn, "time": time, "predicate": "user = 42"})
}

fn wait_for_ignored(instance: &mut Instance, part: &str) {
    wait_for(part, || instance.ask("ignored").contains(part).then_some(()));
}

/// An instance that receives what the client publishes.
async fn listening() -> (Server, Instance, Client) {
    let server = Server::start();
    let mut instance = Instance::start(&server.url(), "chat");
    let client = client(&server.url()).await;
    wait_until_joined(&mut instance, &client).await;
    (server, instance, client)
}

/// Returns once the instance receives announcements.
async fn wait_until_joined(instance: &mut Instance, client: &Client) {
    let mut stream = fleet::watch(client.clone(), &often(), user(0)).await.expect("the session is announced");
    joined(&mut stream, 1).await;
    drop(stream);
    instance.wait_for_sessions(0);
}

isolated! {

fn a_forged_announcement_opens_nothing_and_is_audited() {
    run(async {
        let (_server, mut instance, client) = listening().await;
        let header = announcement(1, now_us());
        let good = sealed(KEY, VERSION, "watchers", ANNOUNCE, &header, "");
        for text in [
            sealed("another key of thirty-two bytes, or more", VERSION, "watchers", ANNOUNCE, &header, ""),
            sealed(KEY, VERSION, "instances", ANNOUNCE, &header, ""),
            sealed(KEY, VERSION, "watchers", "tap.other.announce", &header, ""),
            good.replace("user = 42", "user = 43"),
        ] {
            publish(&client, ANNOUNCE, text).await;
        }
        wait_for_ignored(&mut instance, "forged: 4");
        assert_eq!(instance.open_sessions(), 0);
        let audit = wait_for("the audit", || Some(instance.ask("audit")).filter(|told| told.contains("forged")));
        assert!(audit.contains(r#"message ignored subject="tap.chat.announce" reason="forged" suppressed=0"#), "{audit}");
        // The same with a good signature, so that it was the signature.
        publish(&client, ANNOUNCE, good).await;
        instance.wait_for_sessions(1);
    });
}

fn a_flood_of_forgeries_does_not_fill_the_logs() {
    run(async {
        let (_server, mut instance, client) = listening().await;
        let forged = sealed(KEY, VERSION, "instances", ANNOUNCE, &announcement(1, now_us()), "");
        for _ in 0..1000 {
            client.publish(ANNOUNCE, forged.clone().into()).await.expect("the client is open");
        }
        wait_for_ignored(&mut instance, "forged: 1000");
        let told = instance.ask("audit").matches("message ignored").count();
        assert!(told < 500, "{told} of 1000 were told");
    });
}

fn stale_replayed_and_malformed_messages_change_nothing() {
    run(async {
        let (_server, mut instance, client) = listening().await;
        let say = |header: Value| publish(&client, ANNOUNCE, sealed(KEY, VERSION, "watchers", ANNOUNCE, &header, ""));
        say(announcement(1, now_us() - 31_000_000)).await;
        say(announcement(1, now_us() + 31_000_000)).await;
        wait_for_ignored(&mut instance, "stale: 2");
        say(json!({"kind": "open", "session": SESSION})).await;
        say(json!({"kind": "open", "session": "short", "turn": 1, "time": now_us(), "predicate": ""})).await;
        say(json!({"kind": "dance", "session": SESSION, "turn": 1, "time": now_us()})).await;
        publish(&client, ANNOUNCE, "hello".to_owned()).await;
        publish(&client, ANNOUNCE, "x".repeat(1 << 19)).await;
        wait_for_ignored(&mut instance, "malformed: 5");
        assert_eq!(instance.open_sessions(), 0);

        let sent = announcement(7, now_us());
        say(sent.clone()).await;
        instance.wait_for_sessions(1);
        say(sent.clone()).await;
        wait_for_ignored(&mut instance, "replayed: 1");
        say(json!({"kind": "close", "session": SESSION, "turn": 8, "time": now_us(), "reason": "closed"})).await;
        instance.wait_for_sessions(0);
        say(sent).await;
        wait_for_ignored(&mut instance, "replayed: 2");
        assert_eq!(instance.open_sessions(), 0, "what was closed is not opened by an old message");
    });
}

fn another_version_is_refused_with_an_answer() {
    run(async {
        let (_server, mut instance, client) = listening().await;
        let mut answers = client.subscribe(format!("tap.chat.events.{SESSION}")).await.expect("the client is open");
        let header = json!({"session": SESSION, "novelty": true});
        publish(&client, ANNOUNCE, sealed(KEY, VERSION + 1, "watchers", ANNOUNCE, &header, "")).await;
        let answer = soon("an answer", answers.next()).await.expect("the client is open");
        assert_eq!(kind(&answer), "refused");
        let text = String::from_utf8_lossy(&answer.payload);
        let versions = format!("the announcement has version {}; this instance reads version {VERSION}", VERSION + 1);
        assert!(text.contains(&versions), "{text}");
        wait_for_ignored(&mut instance, "other_version: 1");
    });
}

fn a_session_with_an_unknown_option_is_refused() {
    run(async {
        let (_server, mut instance, client) = listening().await;
        let mut answers = client.subscribe(format!("tap.chat.events.{SESSION}")).await.expect("the client is open");
        let mut header = announcement(1, now_us());
        header["look_back"] = "30s".into();
        publish(&client, ANNOUNCE, sealed(KEY, VERSION, "watchers", ANNOUNCE, &header, "")).await;
        let answer = soon("an answer", answers.next()).await.expect("the client is open");
        assert_eq!(kind(&answer), "refused");
        let text = String::from_utf8_lossy(&answer.payload);
        assert!(text.contains("\"reason\":\"invalid_session\"") && text.contains("`look_back` is not known"), "{text}");
        assert_eq!(instance.open_sessions(), 0);
    });
}

fn the_highest_turn_locks_no_session() {
    run(async {
        let (_server, mut instance, client) = listening().await;
        let say = |header: Value| publish(&client, ANNOUNCE, sealed(KEY, VERSION, "watchers", ANNOUNCE, &header, ""));
        let highest = announcement(u64::MAX, now_us());
        say(highest.clone()).await;
        instance.wait_for_sessions(1);
        say(json!({"kind": "close", "session": SESSION, "turn": 8, "time": now_us(), "reason": "closed"})).await;
        instance.wait_for_sessions(0);
        say(highest).await;
        wait_for_ignored(&mut instance, "replayed: 1");
        assert_eq!(instance.open_sessions(), 0, "the session stays closed");
    });
}

fn a_refused_session_near_the_highest_turn_is_tried_again() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::with_policy(&server.url(), "full", "no sessions");
        let client = client(&server.url()).await;
        let mut answers = client.subscribe(format!("tap.chat.events.{SESSION}")).await.expect("the client is open");
        for turn in u64::MAX - 6..=u64::MAX {
            let header = announcement(turn, now_us());
            publish(&client, ANNOUNCE, sealed(KEY, VERSION, "watchers", ANNOUNCE, &header, "")).await;
            if [u64::MAX - 6, u64::MAX - 1].contains(&turn) {
                let answer = soon("an answer", answers.next()).await.expect("the client is open");
                assert_eq!(kind(&answer), "refused", "turn {turn}");
            }
        }
        assert_eq!(instance.ask("ignored"), format!("{:?}", fleet::IgnoredMessages::default()));
    });
}

fn a_watcher_with_a_wrong_clock_is_refused_for_it() {
    run(async {
        let (_server, _instance, client) = listening().await;
        let mut answers = client.subscribe(format!("tap.chat.events.{SESSION}")).await.expect("the client is open");
        let header = announcement(1, now_us() - 60_000_000);
        publish(&client, ANNOUNCE, sealed(KEY, VERSION, "watchers", ANNOUNCE, &header, "")).await;
        let answer = soon("an answer", answers.next()).await.expect("the client is open");
        let text = String::from_utf8_lossy(&answer.payload);
        assert!(text.contains("\"reason\":\"clock\"") && text.contains("the announcement's time is more than 30 s off"), "{text}");
    });
}

fn a_repeated_message_gets_at_most_ten_answers_a_second() {
    run(async {
        const MESSAGES: usize = 300;
        let (_server, mut instance, client) = listening().await;
        let subject = format!("tap.chat.events.{SESSION}");
        let mut answers = client.subscribe(subject.clone()).await.expect("the client is open");
        let began = std::time::Instant::now();
        let message = sealed(KEY, VERSION + 1, "watchers", ANNOUNCE, &json!({"session": SESSION}), "");
        for _ in 0..MESSAGES {
            publish(&client, ANNOUNCE, message.clone()).await;
        }
        wait_for_ignored(&mut instance, &format!("other_version: {MESSAGES}"));
        let allowed = 11 + 10 * usize::try_from(began.elapsed().as_secs() + 1).expect("it is small");
        // Answers that are still on their way come late, and can only make it fewer.
        client.publish(subject, "the end".into()).await.expect("the client is open");
        let mut count = 0;
        while soon("an answer", answers.next()).await.is_some_and(|answer| &*answer.payload != b"the end") {
            count += 1;
        }
        assert!((1..=allowed).contains(&count), "{count} of {MESSAGES}, {allowed} at most");
    });
}

fn an_instance_of_another_version_is_reported_as_refusing() {
    run(async {
        let bridge = Bridge::new().await;
        let mut events = bridge.to_instances.subscribe(ANNOUNCE).await.expect("the client is open");
        let mut stream = watch(&bridge.to_watchers, user(42)).await;
        let announced = soon("the announcement", events.next()).await.expect("the client is open");
        let subject = format!("tap.chat.events.{}", session_of(&announced));
        let header = json!({"instance": "of-tomorrow"});
        publish(&bridge.to_watchers, &subject, sealed(KEY, VERSION + 1, "instances", &subject, &header, "")).await;
        let FleetItem::Refused { instance, reason, .. } = next(&mut stream).await else { panic!("it is refused") };
        assert_eq!((&*instance, &*reason), ("of-tomorrow", "version"));
    });
}

fn events_that_are_forged_or_replayed_are_not_delivered() {
    run(async {
        let bridge = Bridge::new().await;
        let mut instance = Instance::start(&bridge.instances.url(), "chat");
        let mut stream = watch(&bridge.to_watchers, user(42)).await;
        joined(&mut stream, 1).await;
        // Each batch comes forged, then as it is, then again.
        bridge.passes(|message| {
            let mut forged = message.clone();
            forged.payload = String::from_utf8_lossy(&message.payload).replace("works", "sleeps").into();
            let is_batch = kind(message) == "batch";
            if is_batch { vec![forged, message.clone(), message.clone()] } else { vec![message.clone()] }
        });
        instance.emit(10, 42);
        let items = read_events(&mut stream, 10).await;
        assert_eq!(numbers(&items)["chat"], (0..10).collect::<Vec<_>>());
        until("both to be counted", || {
            let ignored = stream.stats().ignored;
            ignored.forged >= 1 && ignored.forged == ignored.replayed
        })
        .await;
        stream.close();
        let rest = read_all(&mut stream).await;
        assert!(!rest.iter().any(is_event));
        assert_eq!((stream.stats().delivered, stream.stats().lost), (10, 0));
    });
}

fn a_late_account_counts_from_known_instances_only() {
    run(async {
        let server = Server::start();
        let client = client(&server.url()).await;
        let mut announcements = client.subscribe(ANNOUNCE).await.expect("the client is open");
        let mut stream = watch(&client, user(42)).await;
        let announced = soon("the announcement", announcements.next()).await.expect("the client is open");
        let subject = format!("tap.chat.events.{}", session_of(&announced));
        let say = |header: Value| publish(&client, &subject, sealed(KEY, VERSION, "instances", &subject, &header, ""));
        let late = now_us() - 40_000_000;
        say(json!({"kind": "joined", "member": SESSION[16..], "number": 0, "time": late, "instance": "stranger"})).await;
        say(json!({"kind": "joined", "member": MEMBER, "number": 0, "time": now_us(), "instance": "known"})).await;
        say(json!({"kind": "ended", "member": MEMBER, "number": 1, "time": late, "instance": "known",
            "reason": "unrenewed", "sent": tally(0), "matched": 7, "unsent": 7}))
        .await;
        let items = read_until(&mut stream, |item| matches!(item, FleetItem::Left { .. })).await;
        assert!(items.iter().all(|item| item.instance() == Some("known")), "{items:?}");
        until("the account", || stream.stats().lost_at_instances == 7 && stream.stats().ignored.stale == 1).await;
    });
}

fn lines_that_cannot_be_read_are_a_gap() {
    run(async {
        let bridge = Bridge::new().await;
        let mut announcements = bridge.to_instances.subscribe(ANNOUNCE).await.expect("the client is open");
        let mut stream = watch(&bridge.to_watchers, user(42)).await;
        let announced = soon("the announcement", announcements.next()).await.expect("the client is open");
        let subject = format!("tap.chat.events.{}", session_of(&announced));
        let header = json!({"kind": "batch", "member": MEMBER, "number": 0, "time": now_us(), "instance": "odd",
            "count": tally(2)});
        let lines = "{\"type\":\"event\"}\nnot even that\n";
        publish(&bridge.to_watchers, &subject, sealed(KEY, VERSION, "instances", &subject, &header, lines)).await;
        let items = read_until(&mut stream, |item| matches!(item, FleetItem::Gap(_))).await;
        let Some(FleetItem::Gap(gap)) = items.last() else { panic!("it is one") };
        assert_eq!((&*gap.instance, gap.count), ("odd", 2));
        assert_eq!(stream.stats().lost_here, 2);
    });
}

fn no_session_overrules_the_policy_of_an_instance() {
    run(async {
        let server = Server::start();
        let mut denies = Instance::with_policy(&server.url(), "denies", "denies");
        let mut redacts = Instance::with_policy(&server.url(), "redacts", "redacts");
        let _full = Instance::with_policy(&server.url(), "full", "no sessions");
        let client = client(&server.url()).await;
        let mut stream = watch(&client, user(42)).await;
        let mut refused = Vec::new();
        for _ in 0..3 {
            if let FleetItem::Refused { instance, reason, error, .. } = next(&mut stream).await {
                refused.push(format!("{instance}: {reason}: {error}"));
            }
        }
        let full = "full: max_sessions: the session was not opened: 0 are open, which is the limit `max_sessions`";
        assert_eq!(refused, [full]);
        denies.emit(5, 42);
        redacts.emit(1, 42);
        let FleetItem::Event(event) = next(&mut stream).await else { panic!("it is an event") };
        let secret = event.read().expect("it is one").field("secret").map(ToString::to_string);
        assert_eq!((event.instance(), secret.as_deref()), ("redacts", Some("<redacted>")));

        let mut stream = watch(&client, Predicate::eq("secret", "hunter2")).await;
        let is_refusal = |item: &FleetItem| {
            matches!(item, FleetItem::Refused { instance, reason, .. }
                if &**instance == "redacts" && reason == "redacted_field")
        };
        read_until(&mut stream, is_refusal).await;
    });
}

fn the_openers_scope_holds_at_every_instance() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let session = SessionOptions::new(Predicate::everything()).confined_to(Predicate::eq("user", 42));
        let mut stream = watch(&client(&server.url()).await, session).await;
        joined(&mut stream, 1).await;
        instance.emit(3, 43);
        instance.emit(2, 42);
        stream.close();
        let items = read_all(&mut stream).await;
        assert_eq!(numbers(&items)["chat"], [0, 1]);
        assert_eq!(stream.stats().matched, 2);
    });
}

fn a_session_on_everything_does_not_feed_on_what_carries_it() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        // The first event of a callsite may be missed that is reached while all are asked again.
        instance.emit(1, 42);
        let mut stream = watch(&client(&server.url()).await, Predicate::everything()).await;
        joined(&mut stream, 1).await;
        assert_eq!(instance.ask("scopes"), "@target != async_nats");
        for _ in 0..5 {
            instance.emit(10, 42);
            read_events(&mut stream, 10).await;
        }
        stream.close();
        read_all(&mut stream).await;
        assert_eq!(stream.stats().matched, 50);
    });
}

fn the_example_configuration_separates_the_accounts() {
    run(async {
        let server = Server::with_configuration("crates/tracing-tap-nats/examples/fleet/nats-server.conf");
        let mut instance = Instance::start(&server.url(), "chat");
        let watcher = user_of(&server, "watcher").await;
        let mut stream = watch(&watcher, user(42).max_rate(1000)).await;
        joined(&mut stream, 1).await;
        instance.emit(3, 42);
        read_events(&mut stream, 3).await;

        for (user, subject, may_publish, may_subscribe) in [
            ("instance", "tap.chat.announce", false, true),
            ("instance", "tap.chat.events.1", true, false),
            ("instance", "tap.chat.grant.1", false, true),
            ("instance", "tap.>", false, false),
            ("instance", "orders", false, false),
            ("watcher", "tap.chat.announce", true, false),
            ("watcher", "tap.chat.events.1", false, true),
            ("watcher", "tap.chat.grant.1", true, false),
            ("watcher", "orders", false, false),
        ] {
            assert_eq!(is_refused(&server, user, Act::Subscribe, subject).await, !may_subscribe, "{user} subscribes to {subject}");
            if !subject.contains('>') {
                assert_eq!(is_refused(&server, user, Act::Publish, subject).await, !may_publish, "{user} publishes to {subject}");
            }
        }
        wait_for_ignored(&mut instance, "malformed: 1,");
        // The service may use any subject in its own account, and receives nothing of the fleet there.
        let service = user_of(&server, "service").await;
        let mut all = service.subscribe(">").await.expect("the client is open");
        service.flush().await.expect("the server is there");
        instance.emit(3, 42);
        read_events(&mut stream, 3).await;
        service.publish("tap.chat.announce", "hello".into()).await.expect("the client is open");
        let received = soon("its own message", all.next()).await.expect("the client is open");
        assert_eq!(&*received.payload, b"hello");
        instance.emit(1, 42);
        read_events(&mut stream, 1).await;
        wait_for_ignored(&mut instance, "malformed: 1,");
    });
}

}

async fn user_of(server: &Server, user: &str) -> Client {
    client_with(ConnectOptions::with_user_and_password(user.to_owned(), user.to_owned()), &server.url()).await
}

#[derive(Clone, Copy)]
enum Act {
    Publish,
    Subscribe,
}

/// Whether the server says no.
async fn is_refused(server: &Server, user: &str, act: Act, subject: &str) -> bool {
    let (refuse, mut refusals) = tokio::sync::mpsc::unbounded_channel();
    let options = ConnectOptions::with_user_and_password(user.to_owned(), user.to_owned());
    let options = options.event_callback(move |event| {
        let refuse = refuse.clone();
        async move {
            if matches!(&event, Event::ServerError(_)) {
                let _ = refuse.send(event.to_string());
            }
        }
    });
    let client = client_with(options, &server.url()).await;
    match act {
        Act::Publish => client.publish(subject.to_owned(), "x".into()).await.expect("the client is open"),
        Act::Subscribe => drop(client.subscribe(subject.to_owned()).await.expect("the client is open")),
    }
    client.flush().await.expect("the server is there");
    // A subject that is never allowed: its refusal comes behind that of the one in question.
    client.publish("forbidden.to.all", "x".into()).await.expect("the client is open");
    let mut told = Vec::new();
    while !told.iter().any(|text: &String| text.contains("forbidden.to.all")) {
        told.push(soon("a refusal", refusals.recv()).await.expect("the client is open"));
    }
    told.len() > 1
}
