//! Reads and checks the streams of a fleet.

use crate::instance::{Instance, config, seldom};
use async_nats::Client;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use testing::runtime::{soon, until};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing_tap::{MissingReason, Predicate, SessionOptions};
use tracing_tap_nats::{self as fleet, FleetItem, FleetStats, FleetStream, GapPlace};

pub(crate) async fn watch(client: &Client, session: impl Into<SessionOptions>) -> FleetStream {
    fleet::watch(client.clone(), &config(), session).await.expect("the session is announced")
}

pub(crate) fn user(id: u64) -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", id))
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
        let (Some(instance), Some(number)) = (item.instance(), number(item)) else { continue };
        numbers.entry(instance.to_owned()).or_default().push(number);
    }
    numbers
}

/// An event's number; nothing where it is something else.
fn number(item: &FleetItem) -> Option<i64> {
    let FleetItem::Event(event) = item else { return None };
    let read = event.read().expect("it is an event");
    Some(read.field("number").and_then(|value| value.as_i64()).expect("the event is numbered"))
}

/// An event's place in its instance's sequence, and its number; nothing where it is something else. The line is read as
/// JSON alone, for there may be very many.
fn place_and_number(item: &FleetItem) -> Option<(u64, u64)> {
    let FleetItem::Event(event) = item else { return None };
    let line: Value = serde_json::from_str(event.line()).expect("it is JSON");
    let number = |value: &Value| value.as_u64().expect("it is a number");
    Some((number(&line["sequence"]), number(&line["fields"]["number"])))
}

/// The names of the instances of which something is said.
pub(crate) fn instances(items: &[FleetItem], is_it: impl Fn(&FleetItem) -> bool) -> Vec<String> {
    let mut names: Vec<_> = items.iter().filter(|item| is_it(item)).filter_map(|item| item.instance()).collect();
    names.sort_unstable();
    names.into_iter().map(str::to_owned).collect()
}

/// How many events an item says were lost, and where: of an instance's ring as `ring`.
pub(crate) fn loss(item: &FleetItem) -> Option<(u64, &'static str)> {
    match item {
        FleetItem::Missing { missing, .. } if missing.reason == MissingReason::Overflow => {
            Some((missing.count, "ring"))
        }
        FleetItem::Missing { missing, .. } => panic!("nobody asked for less: {missing:?}"),
        FleetItem::Gap(gap) => Some((gap.count, place(gap.place))),
        _ => None,
    }
}

fn place(place: GapPlace) -> &'static str {
    match place {
        GapPlace::Instance => "instance",
        GapPlace::Network => "network",
        GapPlace::Watcher => "watcher",
        GapPlace::Malformed => "malformed",
        other => panic!("no such place is known: {other:?}"),
    }
}

/// What came of each instance: how many events arrived and how many were lost, by place.
#[derive(Debug, Default)]
pub(crate) struct Sequences(BTreeMap<String, Sequence>);

#[derive(Debug, Default)]
struct Sequence {
    sums: BTreeMap<&'static str, u64>,
    last: Option<u64>,
}

impl Sequences {
    /// Checks that an instance's events are in its own sequence, from 0, where each loss takes as many places as it says,
    /// and in the order in which they were emitted.
    #[track_caller]
    pub(crate) fn note(&mut self, item: &FleetItem) {
        let Some(instance) = item.instance() else { return };
        let Sequence { sums, last } = self.0.entry(instance.to_owned()).or_default();
        if let Some((count, place)) = loss(item) {
            *sums.entry(place).or_default() += count;
        } else if let Some((place, number)) = place_and_number(item) {
            assert_eq!(place, sums.values().sum::<u64>(), "{instance}: {sums:?} before it");
            assert!(Some(number) > *last, "{instance}: {number} behind {last:?}");
            *last = Some(number);
            *sums.entry("arrived").or_default() += 1;
        }
    }

    /// Of all instances, how many events have come or are said to be lost.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().flat_map(|sequence| sequence.sums.values()).sum()
    }

    /// Of one instance, what arrived, or was lost at a place.
    pub(crate) fn count(&self, instance: &str, what: &str) -> u64 {
        self.0.get(instance).and_then(|sequence| sequence.sums.get(what)).copied().unwrap_or(0)
    }

    /// Of one instance, all that was lost.
    pub(crate) fn lost(&self, instance: &str) -> u64 {
        self.0[instance].sums.iter().filter(|(what, _)| **what != "arrived").map(|(_, count)| count).sum()
    }
}

/// `matched = delivered + lost` over the whole fleet, to the last event.
#[track_caller]
pub(crate) fn check_account(stats: &FleetStats, matched: u64) {
    assert_eq!(stats.matched, matched, "{stats:?}");
    assert_eq!(stats.matched, stats.delivered + stats.lost + stats.buffered, "{stats:?}");
}

/// Waits until all that matched has come or is said to be lost, while nothing needs to be read. What was lost last is
/// reported by what comes after it: each instance emits that until then. Returns how many events have matched in the end.
pub(crate) async fn settle(stream: &FleetStream, instances: &mut [&mut Instance], mut matched: u64) -> u64 {
    let accounted = || {
        let stats = stream.stats();
        stats.delivered + stats.buffered + stats.lost
    };
    for _ in 0..60 {
        let all = timeout(Duration::from_millis(500), until("all of it", || accounted() == matched)).await;
        if all.is_ok() {
            return matched;
        }
        for instance in &mut *instances {
            instance.flow(1, 0);
            assert_eq!(instance.answer(), "emitted");
            matched += 1;
        }
    }
    panic!("{} of {matched} are accounted for", accounted());
}

/// A session that is read by a task.
pub(crate) struct Reading {
    close: Arc<Notify>,
    accounted: Arc<AtomicU64>,
    task: JoinHandle<Value>,
}

impl Reading {
    /// Watches user 42, and returns once so many instances take part.
    pub(crate) async fn start(client: &Client, instances: usize) -> Self {
        let watched = fleet::watch(client.clone(), &seldom(), user(42)).await;
        let mut stream = watched.expect("the session is announced");
        joined(&mut stream, instances).await;
        let close = Arc::new(Notify::new());
        let accounted = Arc::<AtomicU64>::default();
        let (closed, counted) = (Arc::clone(&close), Arc::clone(&accounted));
        let task = tokio::spawn(async move {
            let mut losses = Vec::new();
            loop {
                let item = tokio::select! {
                    item = stream.recv() => item,
                    () = closed.notified() => {
                        stream.close();
                        continue;
                    }
                };
                let Some(item) = item else { return report(&losses, &stream.stats()) };
                counted.store(stream.stats().delivered + stream.stats().lost, Ordering::Relaxed);
                losses.extend(loss(&item).map(|(count, place)| json!([item.instance(), place, count])));
            }
        });
        Self { close, accounted, task }
    }

    /// How many events were read or are said to be lost.
    pub(crate) fn accounted(&self) -> u64 {
        self.accounted.load(Ordering::Relaxed)
    }

    /// Closes it, and says what came.
    pub(crate) async fn report(self) -> Value {
        self.close.notify_one();
        self.task.await.expect("it does not panic")
    }
}

fn report(losses: &[Value], stats: &FleetStats) -> Value {
    json!({"losses": losses, "matched": stats.matched, "delivered": stats.delivered, "lost": stats.lost})
}
