//! Clients without a token that open connections, keep them busy, and open others when those are closed.

use super::bystander::Bystander;
use crate::fixture::{Served, Service, TOKEN};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testing::client::{connect, get};
use testing::wait_until;

const REFUSED: &[u8] = b"GET /catalog HTTP/1.1\r\nhost: a\r\n\r\n";
const MAX_REQUESTS: usize = 64;
const ATTACKERS: usize = 32;

/// What an attacker sends at once, and again after a while.
fn attacks() -> [Vec<u8>; 4] {
    [Vec::new(), REFUSED.to_vec(), REFUSED.repeat(200), b"x".to_vec()]
}

/// Keeps one connection busy, or the next one if that is closed, until `stop`.
fn attack(address: SocketAddr, bytes: &[u8], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut answers = [0; 4096];
        while !stop.load(Ordering::Relaxed) && stream.write_all(bytes).is_ok() {
            // A timeout is not the end.
            if matches!(stream.read(&mut answers), Ok(0)) {
                break;
            }
        }
    }
}

/// Ends the attack, also if the test fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

isolated! {
    fn clients_without_a_token_keep_no_client_with_one_out() {
        let service = Service::start();
        let endpoint = service.endpoint().max_connections(8).max_pending_connections(8);
        let served = Served::start(endpoint.request_timeout(Duration::from_millis(500)));
        let mut bystander = Bystander::start(&service, &served);
        let (address, attacks, stop) = (served.address, attacks(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let _stops = Stops(&stop);
            for bytes in attacks.iter().cycle().take(ATTACKERS) {
                scope.spawn(|| attack(address, bytes, &stop));
            }
            for _ in 0..20 {
                // A connection that is displaced before its request is read may try again.
                wait_until("a request with a token to be answered", || asks_for_stats(address));
                bystander.is_unmoved();
            }
        });
        bystander.is_alone(&service, "an attacker");
        served.stop();
    }

    fn a_connection_that_stays_refused_is_closed_in_time() {
        let service = Service::start();
        let served = Served::start(service.endpoint().request_timeout(Duration::from_millis(500)));
        let mut stream = connect(served.address);
        let opened = Instant::now();
        let mut answers = [0; 4096];
        while stream.write_all(REFUSED).is_ok() && matches!(stream.read(&mut answers), Ok(1..)) {
            assert!(opened.elapsed() < Duration::from_secs(30), "it is still open");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(get(served.address, "/stats").status, 200);
        served.stop();
    }

    fn a_pipelining_client_without_a_token_gets_64_answers() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let mut stream = connect(served.address);
        stream.write_all(&REFUSED.repeat(MAX_REQUESTS)).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        let count = |text| answers.matches(text).count();
        assert_eq!((count("HTTP/1.1 401"), count("connection: close")), (MAX_REQUESTS, 1));
        served.stop();
    }

    fn an_authenticated_connection_outlives_the_limits() {
        let service = Service::start();
        let served = Served::start(service.endpoint().request_timeout(Duration::from_millis(500)));
        let mut stream = connect(served.address);
        let accepted = format!("GET /sessions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
        let (opened, mut requests) = (Instant::now(), 0);
        while requests <= MAX_REQUESTS || opened.elapsed() < Duration::from_millis(750) {
            stream.write_all(accepted.as_bytes()).unwrap();
            let read = stream.read(&mut [0; 4096]).unwrap();
            assert!(read > 0, "closed after {requests} requests");
            requests += 1;
        }
        served.stop();
    }
}

fn asks_for_stats(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request =
        format!("GET /stats HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_string(&mut answer);
    answer.starts_with("HTTP/1.1 200")
}
