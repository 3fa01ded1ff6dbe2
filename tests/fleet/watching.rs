//! What tests ask of a fleet's stream.

use crate::instance::config;
use crate::support::runtime::soon;
use async_nats::Client;
use std::collections::HashMap;
use tracing_tap::fleet::{self, FleetItem, FleetStream};
use tracing_tap::{Predicate, Session};

pub(crate) async fn watch(client: &Client, session: impl Into<Session>) -> FleetStream {
    fleet::watch(client.clone(), &config(), session).await.expect("the session is announced")
}

pub(crate) fn user(id: u64) -> Session {
    Session::new(Predicate::eq("user", id))
}

/// The next item, for a bounded time.
pub(crate) async fn next(stream: &mut FleetStream) -> FleetItem {
    soon("an item", stream.recv()).await.expect("the stream goes on")
}

/// Reads until an item is what is looked for, and returns all that came.
pub(crate) async fn read_until(stream: &mut FleetStream, is_it: impl Fn(&FleetItem) -> bool) -> Vec<FleetItem> {
    let mut items = Vec::new();
    loop {
        items.push(next(stream).await);
        if is_it(&items[items.len() - 1]) {
            return items;
        }
    }
}

/// Reads until so many instances have joined.
pub(crate) async fn joined(stream: &mut FleetStream, count: usize) {
    for _ in 0..count {
        read_until(stream, |item| matches!(item, FleetItem::Joined { .. })).await;
    }
}

/// Reads so many events, with all between them.
pub(crate) async fn read_events(stream: &mut FleetStream, count: usize) -> Vec<FleetItem> {
    let mut items = Vec::new();
    let mut events = 0;
    while events < count {
        items.push(next(stream).await);
        events += usize::from(is_event(&items[items.len() - 1]));
    }
    items
}

/// Reads all there is, to the end.
pub(crate) async fn read_all(stream: &mut FleetStream) -> Vec<FleetItem> {
    let mut items = Vec::new();
    while let Some(item) = soon("the end", stream.recv()).await {
        items.push(item);
    }
    items
}

pub(crate) fn is_event(item: &FleetItem) -> bool {
    matches!(item, FleetItem::Event(_))
}

/// The numbers that each instance's events have, in the order they came.
pub(crate) fn numbers(items: &[FleetItem]) -> HashMap<String, Vec<i64>> {
    let mut numbers = HashMap::<_, Vec<_>>::new();
    for item in items {
        let FleetItem::Event(event) = item else { continue };
        let read = event.read().expect("it is an event");
        let number = read.field("number").and_then(|value| value.as_i64()).expect("the event is numbered");
        numbers.entry(event.instance().to_owned()).or_default().push(number);
    }
    numbers
}

/// The names of the instances of which something is said.
pub(crate) fn instances(items: &[FleetItem], is_it: impl Fn(&FleetItem) -> bool) -> Vec<String> {
    let mut names: Vec<_> = items.iter().filter(|item| is_it(item)).filter_map(|item| item.instance()).collect();
    names.sort_unstable();
    names.into_iter().map(str::to_owned).collect()
}
