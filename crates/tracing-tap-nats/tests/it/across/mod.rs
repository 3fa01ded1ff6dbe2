//! A request through three services, each a process of its own, with HTTP between them.

mod rpc;
mod service;

use crate::instance::KEY;
use crate::watching::{instances, is_event, joined, next, read_all, read_until};
use async_nats::Client;
use serde_json::Value;
use service::{Remote, fetch};
use std::collections::BTreeSet;
use std::time::Duration;
use testing::nats_server::{Server, client};
use testing::runtime::run;
use tracing_tap::{EndReason, Predicate, SessionOptions};
use tracing_tap_nats::{self as fleet, Config, FleetItem, FleetStream, Key, LeaveReason};

/// The services, in the order of a request.
struct Chain {
    server: Server,
    edge: Remote,
    orders: Remote,
    billing: Remote,
}

impl Chain {
    fn start() -> Self {
        let server = Server::start();
        let billing = Remote::start(&server.url(), "billing", KEY, "");
        let orders = Remote::start(&server.url(), "orders", KEY, &billing.address());
        let edge = Remote::start(&server.url(), "edge", KEY, &orders.address());
        Self { server, edge, orders, billing }
    }

    /// Sends a request of this user, with this baggage. Returns the baggage that arrived at billing, or `gone`.
    async fn request(&self, user: u64, baggage: &str) -> String {
        fetch(&self.edge.address(), user, baggage).await
    }

    async fn client(&self) -> Client {
        client(&self.server.url()).await
    }
}

/// User 42, and not what the HTTP client logs meanwhile.
const USER: &str = "user = 42 and @target = it";

/// Renewed so often that a test need not wait long until an instance is silent.
fn config() -> Config {
    let key = Key::new(KEY).expect("it is long enough");
    let edge = Config::new("edge", key).and_then(|edge| edge.also_on("orders")?.also_on("billing"));
    edge.and_then(|edge| edge.renew_every(Duration::from_millis(500))).expect("it is valid")
}

async fn watch(client: &Client, predicate: &str) -> FleetStream {
    let predicate: Predicate = predicate.parse().expect("it is one");
    let stream = fleet::watch(client.clone(), &config(), SessionOptions::new(predicate)).await;
    let mut stream = stream.expect("the session is announced");
    joined(&mut stream, 3).await;
    stream
}

/// The instance and the message, if the item is an event.
fn event_of(item: &FleetItem) -> Option<(String, String)> {
    let FleetItem::Event(event) = item else { return None };
    let read = event.read().expect("it is one");
    Some((event.instance().to_owned(), read.message().to_owned()))
}

/// So many events, by their times: on a busy machine a message may be later than the window in which they are ordered.
async fn events(stream: &mut FleetStream, count: usize) -> Vec<(String, String)> {
    let mut events = Vec::new();
    while events.len() < count {
        let item = next(stream).await;
        if let FleetItem::Event(event) = &item {
            let time = event.read().expect("it is one").time();
            events.extend(event_of(&item).map(|event| (time, event)));
        }
    }
    events.sort_by_key(|(time, _)| *time);
    events.into_iter().map(|(_, event)| event).collect()
}

fn expected(words: &[(&str, &str)]) -> Vec<(String, String)> {
    words.iter().map(|(instance, word)| ((*instance).to_owned(), (*word).to_owned())).collect()
}

const ONE_REQUEST: [(&str, &str); 4] =
    [("edge/edge", "accepts"), ("orders/orders", "packs"), ("billing/billing", "charges"), ("edge/edge", "answers")];

isolated! {

fn one_request_is_shown_through_three_services() {
    run(async {
        let chain = Chain::start();
        let mut stream = watch(&chain.client().await, USER).await;
        for user in [7, 42, 8] {
            let foreign = "tenant=7;p=q , x=%20";
            assert_eq!(chain.request(user, foreign).await, foreign, "foreign baggage arrives as it was sent");
        }
        assert_eq!(events(&mut stream, 4).await, expected(&ONE_REQUEST));
        stream.close();
        let rest = read_all(&mut stream).await;
        assert!(!rest.iter().any(is_event), "no other request: {rest:?}");
        let stats = stream.stats();
        assert_eq!((stats.matched, stats.delivered, stats.lost), (4, 4, 0), "{stats:?}");
        for service in [&chain.orders, &chain.billing] {
            assert_eq!(service.count("followed").await, 1);
        }
        assert_eq!(chain.edge.count("injected").await, 1);
        assert_eq!(chain.edge.count("unlisted_host").await, 0);
    });
}

fn a_killed_service_is_reported_and_the_others_go_on() {
    run(async {
        let Chain { server, edge, orders, billing } = Chain::start();
        let mut stream = watch(&client(&server.url()).await, USER).await;
        fetch(&edge.address(), 42, "").await;
        assert_eq!(events(&mut stream, 4).await, expected(&ONE_REQUEST));
        orders.kill();
        assert_eq!(fetch(&edge.address(), 42, "").await, "gone");
        let fails = [("edge/edge", "accepts"), ("edge/edge", "fails")];
        assert_eq!(events(&mut stream, 2).await, expected(&fails));
        let items = read_until(&mut stream, |item| matches!(item, FleetItem::Silent { .. })).await;
        assert_eq!(items.last().and_then(FleetItem::instance), Some("orders/orders"));
        // Billing is there still, and edge finds its way to it without orders.
        assert_eq!(fetch(&billing.address(), 42, "").await, "");
        let orders = Remote::start(&server.url(), "orders", KEY, &billing.address());
        let edge_again = Remote::start(&server.url(), "edge", KEY, &orders.address());
        joined(&mut stream, 2).await;
        fetch(&edge_again.address(), 42, "").await;
        assert_eq!(events(&mut stream, 4).await, expected(&ONE_REQUEST));
        stream.close();
        let rest = read_all(&mut stream).await;
        let is_lost = |item: &FleetItem| matches!(item, FleetItem::Left { reason: LeaveReason::Lost, .. });
        assert_eq!(instances(&rest, is_lost), ["orders/orders"]);
        drop(edge);
    });
}

fn a_limit_of_events_is_that_of_all_services_together() {
    run(async {
        let chain = Chain::start();
        let options = SessionOptions::new(USER.parse().expect("it is one")).max_events(11);
        let mut stream = fleet::watch(chain.client().await, &config(), options).await.expect("the session is announced");
        joined(&mut stream, 3).await;
        for _ in 0..3 {
            chain.request(42, "").await;
        }
        let items = read_all(&mut stream).await;
        let seen: BTreeSet<_> = items.iter().filter_map(event_of).map(|(instance, _)| instance).collect();
        assert_eq!(seen.len(), 3, "each service is granted some: {seen:?}");
        assert_eq!(items.iter().filter(|item| is_event(item)).count(), 11);
        assert!(matches!(items.last(), Some(FleetItem::Ended(EndReason::MaxEvents))));
    });
}

fn a_service_with_another_key_follows_nothing() {
    run(async {
        let server = Server::start();
        let orders = Remote::start(&server.url(), "orders", "another key, of thirty-two bytes or more", "");
        let edge = Remote::start(&server.url(), "edge", KEY, &orders.address());
        let client = client(&server.url()).await;
        let stream = fleet::watch(client, &config(), SessionOptions::new(USER.parse::<Predicate>().expect("it is one"))).await;
        let mut stream = stream.expect("the session is announced");
        joined(&mut stream, 1).await;
        fetch(&edge.address(), 42, "").await;
        let seen = events(&mut stream, 2).await;
        assert_eq!(seen, expected(&[ONE_REQUEST[0], ONE_REQUEST[3]]));
        assert_eq!((orders.count("forged").await, orders.count("followed").await), (1, 0));
    });
}

fn a_session_follows_a_request_from_its_match_onwards() {
    run(async {
        let chain = Chain::start();
        let client = chain.client().await;
        // The error comes before the request goes out, and then all of the request belongs to the session.
        let session = SessionOptions::new("@level = warn and @target = it".parse().expect("it is one")).follow(tracing_tap::Follow::Root);
        let mut stream = fleet::watch(client, &config(), session).await.expect("the session is announced");
        joined(&mut stream, 3).await;
        chain.request(13, "").await;
        let seen = events(&mut stream, 4).await;
        assert_eq!(seen, expected(&[("edge/edge", "is unlucky"), ONE_REQUEST[1], ONE_REQUEST[2], ONE_REQUEST[3]]));
    });
}

}

/// The value of a line of JSON.
fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}
