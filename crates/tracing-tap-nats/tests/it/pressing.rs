//! Overload: where events are lost, and that every loss is reported.

use crate::instance::{Instance, seldom};
use crate::proxy::Proxy;
use crate::watching::{Sequences, check_account, joined, next, read_all, settle, user};
use async_nats::ConnectOptions;
use serde_json::Value;
use std::time::{Duration, Instant};
use testing::nats_server::{Server, client, client_with};
use testing::runtime::{run, until};
use testing::wait_until;
use tracing_tap_nats::{self as fleet, FleetItem, FleetStream};

async fn watch(client: &async_nats::Client, session: tracing_tap::SessionOptions) -> FleetStream {
    fleet::watch(client.clone(), &seldom(), session).await.expect("the session is announced")
}

isolated! {

fn twenty_busy_instances_have_an_exact_account() {
    const INSTANCES: u64 = 20;
    const PACED: u64 = 5_000;
    const BURST: u64 = 10_000;
    run(async {
        let server = Server::start();
        let start = |number| Instance::start(&server.url(), &format!("chat-{number:02}"));
        let mut fleet: Vec<_> = (0..INSTANCES).map(start).collect();
        let mut stream = watch(&client(&server.url()).await, user(42).capacity(256)).await;
        joined(&mut stream, fleet.len()).await;
        let started = Instant::now();
        fleet.iter_mut().for_each(|instance| instance.flow(PACED, 2_500));
        // One has more at once than its ring has room for: few machines lose nothing of it.
        fleet[0].flow(BURST, 0);
        let mut sequences = Sequences::default();
        while sequences.total() < INSTANCES * PACED + BURST {
            sequences.note(&next(&mut stream).await);
        }
        let stats = stream.stats();
        println!("{} delivered and {} lost in {:?}", stats.delivered, stats.lost, started.elapsed());
        stream.close();
        let rest = read_all(&mut stream).await;
        rest.iter().for_each(|item| sequences.note(item));
        check_account(&stream.stats(), INSTANCES * PACED + BURST);
        for number in 0..INSTANCES {
            let name = format!("chat-{number:02}");
            let accounts: Vec<_> = rest.iter().filter(|item| item.instance() == Some(&name)).filter_map(account).collect();
            let matched = if number == 0 { PACED + BURST } else { PACED };
            assert_eq!(accounts, [(matched, sequences.count(&name, "arrived"), sequences.lost(&name))], "{name}");
        }
    });
}

fn an_unread_stream_reports_its_losses_in_place() {
    run(async {
        let server = Server::start();
        let mut fleet = ["loud", "quiet"].map(|name| Instance::start(&server.url(), name));
        let mut stream = watch(&client(&server.url()).await, user(42)).await;
        joined(&mut stream, 2).await;
        fleet[1].flow(10, 0);
        // 64 MiB wait at most.
        let mut matched = 10;
        while stream.stats().lost_here == 0 {
            assert_eq!(fleet[0].ask("large 500"), "emitted");
            matched += 500;
        }
        until("the account to be told", || stream.stats().buffered + stream.stats().lost == matched).await;
        let (delivered, waiting) = (stream.stats().delivered, stream.stats().buffered);
        assert_eq!(delivered, 0);
        let mut sequences = Sequences::default();
        while sequences.count("loud", "arrived") + sequences.count("quiet", "arrived") < waiting {
            sequences.note(&next(&mut stream).await);
        }
        // There is room again, and what was dropped is reported before what comes then.
        fleet.iter_mut().for_each(|instance| instance.flow(10, 0));
        matched += 20;
        while sequences.total() < matched {
            sequences.note(&next(&mut stream).await);
        }
        stream.close();
        read_all(&mut stream).await.iter().for_each(|item| sequences.note(item));
        let stats = stream.stats();
        check_account(&stats, matched);
        assert_eq!((sequences.count("loud", "watcher"), sequences.lost("loud")), (stats.lost_here, stats.lost));
        assert_eq!((sequences.count("quiet", "arrived"), sequences.lost("quiet")), (20, 0));
    });
}

fn a_slow_consumer_learns_its_exact_loss() {
    let server = Server::with_settings("max_pending: 1MB, write_deadline: \"2s\"", &[]);
    let mut instance = Instance::start(&server.url(), "chat");
    let mut watcher = Instance::start(&server.url(), "watcher");
    // Both: an instance lists a session before its callsites are enabled, and joins afterwards.
    assert_eq!(watcher.ask("read 2"), "joined");
    let mut matched = 0;
    let mut say = |instance: &mut Instance, what: &str, count: u64| {
        assert_eq!(instance.ask(&format!("{what} {count} 0")), "emitted");
        matched += count;
        matched
    };
    say(&mut instance, "flow", 100);
    watcher.signal("STOP");
    wait_until("the server to have enough of it", || {
        say(&mut instance, "large", 250);
        server.log().contains("Slow Consumer Detected")
    });
    watcher.signal("CONT");
    // What was lost last is reported by what comes after it, once the watcher is back.
    wait_until("all to be accounted for", || {
        let all = say(&mut instance, "flow", 1).to_string();
        (0..200).any(|_| {
            std::thread::park_timeout(Duration::from_millis(5));
            watcher.ask("accounted") == all
        })
    });
    let report: Value = serde_json::from_str(&watcher.ask("report")).expect("it is JSON");
    let count = |name: &str| report[name].as_u64().expect("it is counted");
    assert_eq!((count("matched"), count("delivered") + count("lost")), (matched, matched), "{report}");
    let losses = report["losses"].as_array().expect("they are reported");
    let on_the_way = losses.iter().filter(|loss| (&loss[0], &loss[1]) == (&"chat".into(), &"network".into()));
    assert!(on_the_way.count() > 0, "{report}");
    let told: u64 = losses.iter().filter(|loss| loss[0] == "chat").filter_map(|loss| loss[2].as_u64()).sum();
    assert_eq!(told, count("lost"), "{report}");
}

fn an_overflow_of_the_watchers_client_is_a_gap() {
    run(async {
        let server = Server::start();
        let mut instance = Instance::start(&server.url(), "chat");
        let proxy = Proxy::to(server.port());
        let tight = client_with(ConnectOptions::new().subscription_capacity(1), &proxy.url()).await;
        let mut stream = watch(&tight, user(42)).await;
        joined(&mut stream, 1).await;
        let mut sequences = Sequences::default();
        let mut matched = 0;
        while stream.stats().lost_on_the_way == 0 {
            // Many small messages, which the client then reads at once.
            proxy.cut();
            for _ in 0..20 {
                let before = instance.sent();
                instance.flow(5, 0);
                assert_eq!(instance.answer(), "emitted");
                instance.wait_until_sent(before, 1);
            }
            proxy.mend();
            matched = settle(&stream, &mut [&mut instance], matched + 100).await;
        }
        stream.close();
        read_all(&mut stream).await.iter().for_each(|item| sequences.note(item));
        check_account(&stream.stats(), matched);
        assert_eq!(sequences.count("chat", "network"), stream.stats().lost);
        assert!(sequences.count("chat", "arrived") > 0);
    });
}

}

/// What matched, arrived and was lost, where an instance leaves.
fn account(item: &FleetItem) -> Option<(u64, u64, u64)> {
    let FleetItem::Left { account, .. } = item else { return None };
    Some((account.matched, account.arrived, account.lost))
}
