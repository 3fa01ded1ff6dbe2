//! Coming, going, and what is delivered in between.

use crate::instance::Instance;
use crate::server::{Server, client};
use crate::support::runtime::run;
use crate::watching::{instances, is_event, joined, next, numbers, read_all, read_events, read_until, user, watch};
use tracing_tap::EndReason;
use tracing_tap::fleet::{FleetItem, LeaveReason};

isolated! {

fn one_session_gets_the_matching_events_of_every_instance_each_in_order() {
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

fn an_instance_that_starts_later_takes_part_in_sessions_that_are_open() {
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

}
