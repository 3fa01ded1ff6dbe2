//! Sessions that look back: each instance sends its own past.

use crate::instance::Instance;
use crate::watching::{is_event, next, user, watch};
use std::time::Duration;
use testing::nats_server::{Server, client};
use testing::runtime::run;
use tracing_tap::Predicate;
use tracing_tap_nats::FleetItem;

isolated! {
fn each_instance_sends_its_own_past_and_one_without_refuses() {
    run(async {
        let server = Server::start();
        let mut one = Instance::with_policy(&server.url(), "one", "looks back");
        let mut two = Instance::with_policy(&server.url(), "two", "looks back");
        let _without = Instance::start(&server.url(), "without");
        one.emit(3, 42);
        two.emit(2, 42);
        two.emit(9, 7);
        let client = client(&server.url()).await;
        let mut stream = watch(&client, user(42).look_back(Duration::from_secs(600))).await;
        let (mut horizons, mut past, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        while horizons.len() < 2 || past.len() < 5 || refused.is_empty() {
            match next(&mut stream).await {
                FleetItem::Horizon { instance, horizon, .. } => {
                    assert!(!past.contains(&instance.to_string()), "the horizon comes first");
                    assert_eq!((horizon.asked_ms, horizon.overwritten), (600_000, 0));
                    horizons.push(instance.to_string());
                }
                FleetItem::Event(event) => {
                    assert!(event.read().expect("it is one").is_past());
                    past.push(event.instance().to_owned());
                }
                FleetItem::Refused { instance, reason, .. } => refused.push(format!("{instance}: {reason}")),
                _ => {}
            }
        }
        horizons.sort();
        past.sort();
        assert_eq!(horizons, ["one", "two"]);
        assert_eq!(past, ["one", "one", "one", "two", "two"]);
        assert_eq!(refused, ["without: no_look_back"]);
        one.emit(1, 42);
        let event = loop {
            let item = next(&mut stream).await;
            if is_event(&item) {
                break item;
            }
        };
        let FleetItem::Event(event) = event else { panic!("it is an event") };
        assert!(!event.read().expect("it is one").is_past(), "the present follows");
    });
}

fn each_instance_decides_about_its_own_past() {
    run(async {
        let server = Server::start();
        let mut one = Instance::with_policy(&server.url(), "one", "looks back");
        let mut two = Instance::with_policy(&server.url(), "two", "looks back");
        one.emit(3, 42);
        two.emit(2, 42);
        two.emit(3, 42);
        let client = client(&server.url()).await;
        let whole = Predicate::eq("number", 2);
        let session = user(42).look_back(Duration::from_secs(600)).only_if(whole);
        let mut stream = watch(&client, session).await;
        let mut past = Vec::new();
        while past.len() < 6 {
            if let FleetItem::Event(event) = next(&mut stream).await {
                let read = event.read().expect("it is one");
                let number = read.find("number").and_then(|value| value.as_u64()).expect("it has a number");
                past.push((event.instance().to_owned(), number, read.is_past()));
            }
        }
        past.sort();
        let whole = |name: &str| (0..3).map(|number| (name.to_owned(), number, true)).collect::<Vec<_>>();
        assert_eq!(past, [whole("one"), whole("two")].concat(), "and nothing of the request of two events");
        one.emit(2, 42);
        two.emit(3, 42);
        let mut present = Vec::new();
        while present.len() < 3 {
            if let FleetItem::Event(event) = next(&mut stream).await {
                present.push((event.instance().to_owned(), event.read().expect("it is one").is_past()));
            }
        }
        assert!(present.iter().all(|event| *event == ("two".to_owned(), false)), "{present:?}");
    });
}
}
