//! Connections that are opened and not used, left half open, or reset.

use super::bystander::Bystander;
use crate::fixture::{Served, Service, TOKEN};
use socket2::SockRef;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;
use testing::client::{connect, get, read_answer};
use testing::wait_until;

const SOCKETS: u64 = 10_000;

/// For what the test needs itself, the endpoint's ends of those that are in among it.
const OTHER_DESCRIPTORS: u64 = 1_000;

/// How far a request has come before its peer is lost.
fn stages(address: SocketAddr) -> Vec<String> {
    let authorized = format!("host: {address}\r\nauthorization: Bearer {TOKEN}\r\n");
    vec![
        String::new(),
        "GET /wa".to_owned(),
        format!("GET /watch?q=user%3D42 HTTP/1.1\r\n{authorized}"),
        format!(
            "POST /sessions HTTP/1.1\r\n{authorized}content-type: application/json\r\ncontent-length: 50\r\n\r\n{{\"q\":"
        ),
        format!("GET /watch?q=user%3D42 HTTP/1.1\r\n{authorized}\r\n"),
        format!(
            "GET /watch?q=user%3D42 HTTP/1.1\r\n{authorized}\r\nGET /watch?q=user%3D42 HTTP/1.1\r\n{authorized}\r\n"
        ),
    ]
}

fn lose(stream: TcpStream, how: &str) -> Option<TcpStream> {
    match how {
        // It may write no more, and would still read.
        "half closed" => stream.shutdown(Shutdown::Write).unwrap(),
        "reset" => {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            return None;
        }
        _ => return None,
    }
    Some(stream)
}

isolated! {
    fn connections_lost_at_any_point_hold_no_place_or_session() {
        let service = Service::start();
        let short = Duration::from_millis(300);
        let served = Served::start(service.endpoint().max_connections(8).request_timeout(short));
        let mut bystander = Bystander::start(&service, &served);
        for how in ["half closed", "reset", "closed"] {
            for stage in stages(served.address) {
                let mut stream = connect(served.address);
                stream.write_all(stage.as_bytes()).unwrap();
                // A client that asks for two streams at once and then writes no more may still read the first: that is no loss.
                let still_reads = stage.matches("GET ").count() == 2;
                let left_open = lose(stream, how).filter(|_| !still_reads);
                bystander.is_unmoved();
                // A reader who is gone is seen to be gone at the first events at the latest.
                wait_until("the places to be free", || {
                    tracing::info!(user = 42, "for a client that is gone");
                    service.router.sessions().len() == 1 && get(served.address, "/stats").status == 200
                });
                drop(left_open);
            }
        }
        bystander.is_unmoved();
        served.stop();
    }

    fn ten_thousand_idle_sockets_take_only_the_places_there_are() {
        let allowed = rlimit::increase_nofile_limit(SOCKETS + OTHER_DESCRIPTORS).unwrap();
        let sockets = SOCKETS.min(allowed.saturating_sub(OTHER_DESCRIPTORS));
        assert!(sockets >= 1_000, "the system allows {allowed} descriptors, which shows nothing");
        let service = Service::start();
        let served = Served::start(service.endpoint().request_timeout(Duration::from_secs(2)));
        let mut bystander = Bystander::start(&service, &served);
        let idle: Vec<_> = (0..sockets)
            .map(|number| {
                if number.is_multiple_of(500) {
                    bystander.is_unmoved();
                }
                TcpStream::connect(served.address).unwrap()
            })
            .collect();
        assert_eq!(idle.len() as u64, sockets);
        bystander.is_alone(&service, "being there");
        // Those that were too many were answered so, the others are given up: a client with a request is let in again.
        wait_until("a place to be free", || read_answer(asking_for_stats(served.address)).status == 200);
        bystander.is_unmoved();
        drop(idle);
        served.stop();
    }
}

fn asking_for_stats(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    let head =
        format!("GET /stats HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n");
    // One that is turned away may be gone before it has asked.
    let _ = stream.write_all(head.as_bytes());
    stream
}
