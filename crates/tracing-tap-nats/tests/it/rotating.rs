//! Replacing the key of a running fleet.

use crate::instance::{Instance, KEY, KEYS, config_of};
use crate::watching::{joined, numbers, read_events, user};
use async_nats::Client;
use testing::nats_server::{Server, client};
use testing::runtime::run;
use tracing_tap_nats::{self as fleet, FleetStream, IgnoredMessages};

const NEW_KEY: &str = "another key of thirty-two bytes or more";

/// The keys of each round, the one that signs first.
const ROUNDS: [&[&str]; 4] = [&[KEY], &[KEY, NEW_KEY], &[NEW_KEY, KEY], &[NEW_KEY]];

const NAMES: [&str; 2] = ["chat-1", "chat-2"];

/// Two instances and two watchers.
struct Fleet {
    server: Server,
    client: Client,
    instances: Vec<Instance>,
    watchers: Vec<FleetStream>,
}

impl Fleet {
    async fn start() -> Self {
        let server = Server::start();
        let client = client(&server.url()).await;
        let mut fleet = Self { server, client, instances: Vec::new(), watchers: Vec::new() };
        for name in NAMES {
            let instance = fleet.instance(name, ROUNDS[0]);
            fleet.instances.push(instance);
        }
        for _ in NAMES {
            let watcher = fleet.watcher(ROUNDS[0]).await;
            fleet.watchers.push(watcher);
        }
        fleet
    }

    fn instance(&self, name: &str, keys: &[&str]) -> Instance {
        Instance::start_with(&self.server.url(), name, |command| {
            command.env(KEYS, keys.join(","));
        })
    }

    async fn watcher(&self, keys: &[&str]) -> FleetStream {
        let config = config_of(keys).renew_every(std::time::Duration::from_secs(1)).expect("it is allowed");
        let watched = fleet::watch(self.client.clone(), &config, user(42)).await;
        let mut stream = watched.expect("the session is announced");
        joined(&mut stream, NAMES.len()).await;
        stream
    }

    async fn restart_instance(&mut self, number: usize, keys: &[&str]) {
        assert_eq!(self.instances[number].ask("leave"), "left");
        self.instances[number] = self.instance(NAMES[number], keys);
        for watcher in &mut self.watchers {
            joined(watcher, 1).await;
        }
    }

    /// Every watcher receives every event of every instance, and nobody rejects a message.
    async fn check(&mut self, step: &str) {
        for instance in &mut self.instances {
            instance.emit(10, 42);
        }
        for watcher in &mut self.watchers {
            let numbers = numbers(&read_events(watcher, 20).await);
            for name in NAMES {
                assert_eq!(numbers[name], (0..10).collect::<Vec<_>>(), "{step}");
            }
            assert_eq!((watcher.stats().ignored, watcher.stats().lost), (IgnoredMessages::default(), 0), "{step}");
        }
        for instance in &mut self.instances {
            assert_eq!(instance.ask("ignored"), format!("{:?}", IgnoredMessages::default()), "{step}");
        }
    }
}

isolated! {

fn a_key_is_replaced_in_a_running_fleet_without_any_loss() {
    run(async {
        let mut fleet = Fleet::start().await;
        fleet.check("before").await;
        for (round, keys) in ROUNDS.iter().enumerate().skip(1) {
            for number in 0..NAMES.len() {
                fleet.restart_instance(number, keys).await;
                fleet.check(&format!("round {round}, instance {number}")).await;
                fleet.watchers[number] = fleet.watcher(keys).await;
                fleet.check(&format!("round {round}, watcher {number}")).await;
            }
        }
    });
}

}
