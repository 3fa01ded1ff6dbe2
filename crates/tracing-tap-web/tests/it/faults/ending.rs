//! The end of an endpoint that still has readers.

use crate::fixture::{Served, Service, TOKEN};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testing::client::{Curl, connect, wait_for_readers};
use testing::measure::{descriptors, final_account};
use testing::{bounded, wait_until};
use tracing_tap::MissingReason;

isolated! {
    fn a_stopped_endpoint_sends_the_rest_and_ends() {
        let service = Service::start();
        // From its first runtime on, tokio keeps two sockets for signals.
        drop(tokio::runtime::Runtime::new());
        let before = descriptors();
        let served = Served::start(service.endpoint());
        let address = served.address;
        let mut reading: Vec<_> = (0..5).map(|_| Curl::get(address, "/watch?q=user%3D42")).collect();
        let standing = Curl::get(address, "/watch?q=user%3D44&rate=1000000");
        // A session that is open but not yet read would end unread, and its client be answered that the endpoint shuts down.
        wait_for_readers(address, "", 6);
        standing.stop();
        // One has said nothing yet, one half of what it wants, one half of a body.
        let _silent = connect(address);
        let (mut half_a_head, mut half_a_body) = (connect(address), connect(address));
        half_a_head.write_all(b"GET /watch?q=* HTTP/1.1\r\nhost:").unwrap();
        let head = "content-type: application/json\r\ncontent-length: 20\r\n\r\n{";
        let head = format!("POST /sessions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n{head}");
        half_a_body.write_all(head.as_bytes()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let producer = std::thread::spawn(move || {
            let long = "x".repeat(4096);
            while !stopped.load(Ordering::SeqCst) {
                tracing::debug!(user = 44, long, "pressing");
            }
        });
        wait_until("the buffers to be full", || service.router.stats().events.missing[MissingReason::Overflow] > 100);
        (0..100).for_each(|n| tracing::info!(user = 42, n, "of the last"));
        bounded("the end of the endpoint", move || served.stop());
        for curl in &mut reading {
            for n in 0..100 {
                assert_eq!(curl.json()["fields"]["n"], n);
            }
            assert_eq!(curl.json(), serde_json::json!({"type": "ended", "reason": "shutdown"}));
            assert_eq!(curl.line(), None);
        }
        stop.store(true, Ordering::SeqCst);
        producer.join().unwrap();
        drop((standing, reading, _silent, half_a_head, half_a_body));
        let account = final_account(&service.router);
        assert!(account.delivered >= 500, "{account:?}");
        wait_until("the descriptors to be back", || descriptors() <= before);
    }
}
