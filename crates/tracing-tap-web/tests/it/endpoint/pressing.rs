//! Readers that are slow, stall, or come and go by the thousand.

use crate::fixture::{Served, Service, TOKEN};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use testing::client::{Curl, connect, post, request};
use testing::wait_until;
use tracing_tap::MissingReason;

/// Asks for a stream without `curl`, and reads the head of the answer.
fn stream(address: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut stream = connect(address);
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the endpoint takes it");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(reader.read_line(&mut line).expect("the head comes") > 0, "the endpoint answers");
    }
    reader
}

/// Emits long events until `enough`.
fn press_until(what: &str, mut enough: impl FnMut() -> bool) {
    let long = "x".repeat(4096);
    wait_until(what, || {
        (0..100).for_each(|_| tracing::debug!(user = 42, long, "pressing"));
        enough()
    });
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

isolated! {
    fn a_slow_reader_loses_by_its_policy_and_others_nothing() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let mut slow = Curl::get(served.address, "/watch?q=user%3D42&rate=1000000&capacity=100");
        service.wait_for_sessions(1);
        // It does not read, and is not gone.
        slow.stop();
        let mut other = Curl::get(served.address, "/watch?q=user%3D43");
        service.wait_for_sessions(2);
        // 80 MB: more than there are buffers between the endpoint and a reader.
        press_until("the buffers to be full", || service.router.stats().events.missing[MissingReason::Overflow] > 20_000);
        (0..10).for_each(|n| tracing::info!(user = 43, n, "at ease"));
        for n in 0..10 {
            assert_eq!((&other.json()["fields"]["n"], n), (&n.into(), n));
        }
        // It goes on, and gets the exact count of what it has lost, where it lost it.
        slow.go_on();
        let (mut sequence, mut lost) = (0, 0);
        while lost == 0 {
            let item: Value = slow.json();
            if item["type"] == "missing" {
                lost = item["count"].as_u64().expect("a count");
                sequence += lost;
            } else {
                assert_eq!(item["sequence"], sequence);
                sequence += 1;
            }
        }
        let next: Value = slow.json();
        assert!(next["type"] == "missing" || next["sequence"] == sequence, "{next}");
        service.router.shutdown();
        served.stop();
    }

    fn a_stalled_reader_is_closed_with_a_reason() {
        let service = Service::start();
        let short = Duration::from_millis(200);
        let served = Served::start(service.endpoint().stall_timeout(short).request_timeout(short));
        let mut standing = stream(served.address, "/watch?q=user%3D42&rate=1000000&capacity=100");
        press_until("the session to be closed", || service.router.sessions().is_empty());
        wait_until("the audit of it", || service.audit("reader closed").len() == 1);
        assert!(service.audit("reader closed")[0].contains("reason=\"stalled\""));
        // Its connection is closed as well: what is left in the buffers comes to an end.
        let mut rest = Vec::new();
        let _ = standing.read_to_end(&mut rest);
        wait_until("its memory to be given back", || service.router.stats().buffered_bytes == 0);
        served.stop();
    }

    fn a_kept_session_outlives_a_reader_that_takes_nothing() {
        let service = Service::start();
        let served = Served::start(service.endpoint().stall_timeout(Duration::from_millis(200)));
        let opened = post(served.address, "/sessions", r#"{"q":"user = 42","rate":1000000,"capacity":100}"#);
        let path = opened.header("location").expect("it says where it is").to_owned();
        let standing = stream(served.address, &format!("{path}/stream"));
        press_until("the audit of it", || service.audit("reader closed").len() == 1);
        let mut next = stream(served.address, &format!("{path}/stream"));
        let mut line = String::new();
        (0..2).for_each(|_| drop(next.read_line(&mut line)));
        assert!(line.contains("pressing") || line.contains("missing"), "{line}");
        drop(standing);
        assert_eq!(request(served.address, TOKEN, "DELETE", &path, None).status, 204);
        served.stop();
    }

    fn a_endpoint_may_have_any_number_of_connections() {
        let service = Service::start();
        let served = Served::start(service.endpoint().max_connections(usize::MAX));
        assert_eq!(request(served.address, TOKEN, "GET", "/stats", None).status, 200);
        served.stop();
    }

    fn a_thousand_connections_that_come_and_go_leave_nothing_behind() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        drop(stream(served.address, "/watch?q=user%3D42"));
        service.wait_for_sessions(0);
        let (before_descriptors, before_threads) = (descriptors(), threads());
        for _ in 0..20 {
            let streams: Vec<_> = (0..50).map(|_| stream(served.address, "/watch?q=user%3D42")).collect();
            tracing::info!(user = 42, "to all of them");
            drop(streams);
            service.wait_for_sessions(0);
        }
        let stats = service.router.stats();
        assert_eq!((stats.opened_sessions, stats.open_sessions), (1001, 0));
        // The control thread takes a session apart once no producer holds it any more.
        wait_until("what was buffered to be let go of", || service.router.stats().buffered_bytes == 0);
        wait_until("the descriptors to be back", || descriptors() <= before_descriptors);
        // The runtime keeps threads for blocking work for ten seconds; there are no more than openings at once.
        wait_until("the threads to be back", || threads() <= before_threads + 4);
        served.stop();
    }

    fn a_reader_of_fifty_thousand_events_loses_none() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let mut curl = Curl::get(served.address, "/watch?q=user%3D42&rate=1000000&capacity=65536&max=50000");
        service.wait_for_sessions(1);
        let connection = tracing::info_span!("conn", user = 42);
        // Read meanwhile: what waits in a pipe that nobody reads is held by the endpoint.
        let text = std::thread::scope(|scope| {
            scope.spawn(|| connection.in_scope(|| (0..50_000).for_each(|n| tracing::info!(n, "one of many"))));
            curl.rest()
        });
        assert!(text.lines().enumerate().take(50_000).all(|(n, line)| line.contains(&format!(r#""sequence":{n},"#))));
        assert_eq!(text.lines().count(), 50_001);
        assert!(text.ends_with("{\"type\":\"ended\",\"reason\":\"max_events\"}\n"));
        served.stop();
    }
}
