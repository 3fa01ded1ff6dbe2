//! What a producer pays while fifty clients read nothing: beside fifty streams that nobody reads.

use crate::clients::send_request;
use crate::measure::nanoseconds;
use crate::producer::{four_fields, message_of};
use crate::service::{Service, router, wait_until};
use crate::table::{Path, path};
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};
use tracing_tap::{Predicate, SessionOptions, TapRouter};

const READERS: usize = 50;
const UNREAD: &str = "the same beside 50 streams that nobody reads";

/// As little as the system lets a client have, so that the buffers between are soon full.
const RECEIVE_BYTES: u32 = 4096;

/// A rate that nobody reaches: sessions of the endpoint have one.
const RATE: u64 = 1_000_000_000;

/// Few enough that all rings are full of places, not of the router's bytes: of those, the first reader gets more, and
/// rings that hold different stretches of the same events share no memory when they displace them.
const CAPACITY: usize = 1_000;

const EVENTS_BETWEEN_LOOKS: usize = 1_000;
const NOBODY: usize = 1_000_000;

pub(crate) const SLOW_READERS: &[Path] = &[
    path("50 slow readers: matching one", || slow(own, 0), || unread(own, 0), UNREAD),
    path("50 slow readers: matching all", || slow(shared, 0), || unread(shared, 0), UNREAD),
    path("50 slow readers: not matching", || slow(own, NOBODY), || unread(own, NOBODY), UNREAD),
];

/// Whose events a reader wants.
type Wanted = fn(usize) -> usize;

fn own(reader: usize) -> usize {
    reader
}

fn shared(_: usize) -> usize {
    0
}

/// Nanoseconds of an event of this user, while all rings overflow and no client reads.
fn slow(wanted: Wanted, user: usize) -> f64 {
    let service = Service::start();
    let clients = service.runtime.block_on(stand_still(service.address, wanted));
    service.wait_for_sessions(READERS);
    overflow(&service.router, wanted);
    let cost = event_of(user);
    drop(clients);
    cost
}

fn unread(wanted: Wanted, user: usize) -> f64 {
    let router = router();
    let session =
        |reader| SessionOptions::remote(Predicate::eq("user", wanted(reader))).max_rate(RATE).capacity(CAPACITY);
    let _streams: Vec<_> = (0..READERS).map(|reader| router.watch(session(reader))).collect();
    overflow(&router, wanted);
    event_of(user)
}

async fn stand_still(address: SocketAddr, wanted: Wanted) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for reader in 0..READERS {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.set_recv_buffer_size(RECEIVE_BYTES).expect("a socket can have a small buffer");
        let mut client = socket.connect(address).await.expect("the endpoint is open");
        let path = format!("/watch?q=user%3D{}&rate={RATE}&capacity={CAPACITY}", wanted(reader));
        send_request(&mut client, &address.to_string(), &path).await;
        clients.push(client);
    }
    clients
}

/// Emits until all sessions lose.
fn overflow(router: &TapRouter, wanted: Wanted) {
    let spans: Vec<_> = (0..READERS).map(|reader| message_of(wanted(reader))).collect();
    wait_until("all rings to overflow", || {
        spans.iter().for_each(|span| span.in_scope(|| (0..EVENTS_BETWEEN_LOOKS).for_each(|_| four_fields())));
        router.sessions().iter().all(|session| session.stats.lost > 0)
    });
}

fn event_of(user: usize) -> f64 {
    message_of(user).in_scope(|| nanoseconds(four_fields))
}
